"""Every method of `SessionStore`, while another process writes to the file, and on a file open for reading only."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from strands_sqlite_session_manager import DatabaseReadOnlyError, SessionStore
from strands_sqlite_session_manager._database import Options
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.catalog import SessionFilter
from strands_sqlite_session_manager.message_search import MessageFilter
from strands_sqlite_session_manager.retention import PrunePolicy

from .meanwhile import Writer, another_process_writes
from .retained import add_message_now, add_session, assert_sound, text

BUSY = "busy"
"""The session to which another process appends."""

TALK = [text("Where is my parcel?"), text("Look under the doormat.", "assistant"), text("Thanks!")]
CALL = {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "look", "input": {}}}]}
OLD = PrunePolicy(older_than=timedelta(days=30), tags=("old",))
NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)

Call = Callable[[SessionStore, Path], Any]


@dataclass(frozen=True)
class Use:
    """How a method is used.

    Attributes:
        name: Of the method.
        call: Calls it.
        seen: What it returned, or what can be seen of it afterwards.
        expected: What that has to be.
        writes: Whether it changes the file.
    """

    name: str
    call: Call
    seen: Callable[[SessionStore, Any], Any]
    expected: Any
    writes: bool = False


def info(store: SessionStore, session_id: str) -> Any:
    return store.summarize_session(session_id).info


def texts(store: SessionStore, session_id: str) -> list[str]:
    """What was said in a session; nothing, where there is none."""
    if session_id not in sessions(store):
        return []
    return [each.message["content"][0].get("text", "") for each in store.read_messages(session_id)]


def sessions(store: SessionStore) -> list[str]:
    return [each.session_id for each in store.list_sessions(limit=1000).sessions]


def close_another(store: SessionStore, _: Path) -> SessionStore:
    another = SessionStore(store.db_path)
    another.close()
    another.close()
    return another


def share(store: SessionStore, _: Path) -> str:
    database = store.share_database(Options())
    try:
        return database.path
    finally:
        database.close()


def export_lines(store: SessionStore, _: Path) -> tuple[int, int]:
    target = io.BytesIO()
    exported = store.export_jsonl(target, ["looked at"])
    return exported.messages, target.getvalue().count(b"doormat")


def written_elsewhere(folder: Path, session_id: str) -> SessionStore:
    """Another file with a session."""
    database = open_database(folder / "elsewhere.db", Options(durability="normal"))
    add_session(database, session_id, *TALK)
    database.close()
    return SessionStore(folder / "elsewhere.db", read_only=True)


def import_lines(store: SessionStore, folder: Path) -> Any:
    with written_elsewhere(folder, "imported lines") as elsewhere:
        elsewhere.export_jsonl(folder / "lines.jsonl")
    return store.import_jsonl(folder / "lines.jsonl")


def import_folders(store: SessionStore, folder: Path) -> Any:
    with written_elsewhere(folder, "imported files") as elsewhere:
        elsewhere.export_files(folder / "files")
    return store.import_files(folder / "files")


def back_up(store: SessionStore, folder: Path) -> Any:
    backup = store.back_up(folder / "backup.db")
    with SessionStore(folder / "backup.db", read_only=True) as copy:
        return texts(copy, "looked at"), len(copy.read_messages(BUSY)) >= 1, backup.sessions == len(sessions(copy))


SAID = [each["content"][0]["text"] for each in TALK]

USES = [
    Use(
        "list_sessions",
        lambda s, _: s.list_sessions(SessionFilter(tags=("looked at",))),
        lambda _, page: [each.session_id for each in page.sessions],
        ["looked at"],
    ),
    Use(
        "summarize_session",
        lambda s, _: s.summarize_session("looked at"),
        lambda _, found: (found.info.messages, found.info.preview),
        (3, SAID[0]),
    ),
    Use(
        "read_messages",
        lambda s, _: s.read_messages("looked at", offset=1),
        lambda _, found: [each.message for each in found],
        TALK[1:],
    ),
    Use(
        "set_title",
        lambda s, _: s.set_title("titled", "Parcel"),
        lambda s, _: info(s, "titled").title,
        "Parcel",
        writes=True,
    ),
    Use(
        "add_tags",
        lambda s, _: s.add_tags("tagged", "b", "a"),
        lambda s, _: info(s, "tagged").tags,
        ("a", "b"),
        writes=True,
    ),
    Use(
        "remove_tags",
        lambda s, _: s.remove_tags("untagged", "old"),
        lambda s, _: info(s, "untagged").tags,
        ("vip",),
        writes=True,
    ),
    Use(
        "set_metadata",
        lambda s, _: s.set_metadata("noted", {"customer": 42}),
        lambda s, _: info(s, "noted").metadata,
        {"customer": 42},
        writes=True,
    ),
    Use(
        "search_messages",
        lambda s, _: s.search_messages("doorm", MessageFilter(session_id="looked at")),
        lambda _, hits: [(hit.message_id, hit.role) for hit in hits],
        [(1, "assistant")],
    ),
    Use(
        "list_checkpoints",
        lambda s, _: s.list_checkpoints("looked at"),
        lambda _, found: [(each.message_id, each.complete) for each in found],
        [(0, True), (1, True), (2, True)],
    ),
    Use(
        "read_checkpoint",
        lambda s, _: s.read_checkpoint("looked at", 1),
        lambda _, moment: (moment.agent_id, moment.messages),
        ("a", 2),
    ),
    Use(
        "fork_session",
        lambda s, _: s.fork_session("looked at", "fork", at=1),
        lambda s, _: texts(s, "fork"),
        SAID[:2],
        writes=True,
    ),
    Use(
        "rewind_session",
        lambda s, _: s.rewind_session("rewound", at=0),
        lambda s, _: texts(s, "rewound"),
        SAID[:1],
        writes=True,
    ),
    Use(
        "plan_prune",
        lambda s, _: s.plan_prune(OLD, now=NOW),
        lambda _, plan: [each.session_id for each in plan.sessions],
        ["pruned"],
    ),
    Use("prune", lambda s, _: s.prune(s.plan_prune(OLD, now=NOW)), lambda s, _: texts(s, "pruned"), [], writes=True),
    Use("plan_erase", lambda s, _: s.plan_erase(["looked at"]), lambda _, plan: (plan.sessions, plan.messages), (1, 3)),
    Use(
        "erase",
        lambda s, _: s.erase(["erased"]),
        lambda s, done: (done.sessions, done.messages, texts(s, "erased")),
        (1, 3, []),
        writes=True,
    ),
    Use(
        "erase_redacted",
        lambda s, _: s.erase_redacted(["redacted"]),
        lambda s, done: (done, texts(s, "redacted")),
        (1, ["[removed]"]),
        writes=True,
    ),
    Use("compact", lambda s, _: s.compact(), lambda s, _: texts(s, "looked at"), SAID, writes=True),
    Use("export_jsonl", export_lines, lambda _, found: found, (3, 1)),
    Use(
        "import_jsonl",
        import_lines,
        lambda s, done: (done.sessions, texts(s, "imported lines")),
        (1, SAID),
        writes=True,
    ),
    Use(
        "export_files",
        lambda s, folder: s.export_files(folder / "export", ["looked at"]),
        lambda _, done: done.messages,
        3,
    ),
    Use(
        "import_files",
        import_folders,
        lambda s, done: (done.sessions, texts(s, "imported files")),
        (1, SAID),
        writes=True,
    ),
    Use("back_up", back_up, lambda _, found: found, (SAID, True, True)),
    Use(
        "verify",
        lambda s, _: s.verify(),
        lambda _, found: [each.kind for each in found if "interrupted" not in each.where],
        [],
    ),
    Use("repair", lambda s, _: s.repair("interrupted"), lambda s, done: (len(done), s.verify()), (1, []), writes=True),
    Use("stats", lambda s, _: s.stats(top=1), lambda _, found: (found.objects, len(found.largest)), (0, 1)),
    # who shares a database may write to it
    Use("share_database", share, lambda s, path: path == s.db_path, True, writes=True),
    Use(
        "close", close_another, lambda s, another: (another.db_path == s.db_path, len(texts(s, "looked at"))), (True, 3)
    ),
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a session for each method that changes one."""
    path = tmp_path_factory.mktemp("filled") / "sessions.db"
    database = open_database(path, Options(durability="normal"))
    for session_id in (BUSY, "looked at", "titled", "tagged", "noted", "rewound", "erased"):
        add_session(database, session_id, *TALK, tags=["looked at"] if session_id == "looked at" else [])
    add_session(database, "untagged", *TALK, tags=["old", "vip"], days_ago=1)
    add_session(database, "pruned", *TALK, tags=["old"])
    add_session(database, "interrupted", text("Look!"), CALL)
    add_session(database, "redacted")
    add_message_now(database, "redacted", text("My card is 4711."), text("[removed]"))
    database.close()
    return path


@pytest.fixture(scope="module")
def writer(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Writer, SessionStore]]:
    """A store on a copy of the file, to which another process appends all the time; it loses nothing of it."""
    path = shutil.copy(filled, tmp_path_factory.mktemp("written") / "sessions.db")
    with SessionStore(path, durability="normal") as store:
        with another_process_writes(Path(path), BUSY) as other:
            yield other, store
        assert other.stored == list(range(len(TALK), len(TALK) + len(other.stored)))
        assert [each.message_id for each in store.read_messages(BUSY)] == [*range(len(TALK)), *other.stored]
        database = store.share_database(Options())
        assert_sound(database)
        database.close()


def test_every_method_is_used_here() -> None:
    """No method that users can call is left out below."""
    methods = {name for name in dir(SessionStore) if not name.startswith("_")} - {"db_path"}
    assert methods == {use.name for use in USES}
    assert len(USES) == len(methods)


@pytest.mark.parametrize("use", USES, ids=lambda use: use.name)
def test_a_method_while_another_process_writes(use: Use, writer: tuple[Writer, SessionStore], tmp_path: Path) -> None:
    """It does what it says, what was acknowledged to the other process is there, and nothing is damaged."""
    other, store = writer
    stored = len(other.stored)
    assert use.seen(store, use.call(store, tmp_path)) == use.expected
    assert {each.message_id for each in store.read_messages(BUSY)} >= set(other.stored[:stored])
    assert [each for each in store.verify() if "interrupted" not in each.where] == []
    other.write_on()


@pytest.mark.parametrize("use", USES, ids=lambda use: use.name)
def test_a_method_of_a_store_for_reading(use: Use, filled: Path, tmp_path: Path) -> None:
    """What reads does so; what would write is refused, and changes no byte of the file."""
    before = filled.read_bytes()
    with SessionStore(filled, read_only=True) as store:
        if use.writes:
            with pytest.raises(DatabaseReadOnlyError):
                use.call(store, tmp_path)
        else:
            assert use.seen(store, use.call(store, tmp_path)) == use.expected
    assert filled.read_bytes() == before
