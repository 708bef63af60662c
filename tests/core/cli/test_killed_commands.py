"""Commands whose process is killed in the middle, and commands that run while another process writes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest

from strands_sqlite_session_manager import SessionStore, _message_index
from strands_sqlite_session_manager._database import Options
from strands_sqlite_session_manager._schema import open_database
from tests.core.store.meanwhile import another_process_writes
from tests.core.store.retained import add_message_now, add_session, image, text

from . import mortal_process

BUSY = "busy"
"""The session to which another process appends."""

CALL = {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "look", "input": {}}}]}
DAYS_AGO = 2000
FAILED = 3
KILLED = -9
SESSIONS = 10
"""How many sessions there are to be pruned, to be erased and to be imported."""

Sessions = dict[str, list[Any]]

_OF_SESSIONS = (
    "SELECT session_id, session_type, title, metadata FROM sessions ORDER BY 1",
    "SELECT session_id, tag FROM session_tags ORDER BY 1, 2",
    "SELECT session_id, agent_id, state, conversation_manager_state, internal_state FROM agents ORDER BY 1, 2",
    "SELECT session_id, agent_id, message_id, message, redact_message FROM messages ORDER BY 1, 2, 3",
    "SELECT session_id, agent_id, message_id, content FROM message_blobs NATURAL JOIN blobs ORDER BY 1, 2, 3, blob_id",
)

_RANDOM = re.compile(r'"tracking_id":"[^"]*"')


@dataclass(frozen=True)
class Change:
    """A command that changes something.

    Attributes:
        arguments: Of the command; `{folder}` has what it reads, `{room}` is where it writes files.
        changed: What it changed; None where it changes no session.
        done: Tells whether it did what is not seen in the sessions.
    """

    arguments: str
    changed: frozenset[str] | None = None
    done: Callable[[Path], bool] = lambda _: True


def is_indexed(db: Path) -> bool:
    with SessionStore(db) as store:
        return store.stats().unindexed_messages == 0


def is_compact(db: Path) -> bool:
    with SessionStore(db, read_only=True) as store:
        return store.stats().free_pages == 0


def is_backed_up(db: Path) -> bool:
    return rows(db.parent / "backup.db") == rows(db)


def named(prefix: str) -> frozenset[str]:
    return frozenset(f"{prefix}-{number}" for number in range(SESSIONS))


CHANGES = {
    "fork": Change("fork large fork --at 300", frozenset(["fork"])),
    "rewind": Change("rewind large --at 100 --yes", frozenset(["large"])),
    "title": Change("title large Parcels", frozenset(["large"])),
    "tag": Change("tag large a b c --set customer=42 --set vip=true", frozenset(["large"])),
    "prune": Change("prune --tag old --older-than 30d --yes", named("old")),
    "erase": Change(f"erase {' '.join(sorted(named('erased')))} --yes", named("erased")),
    "erase redacted": Change("erase --redacted --yes", frozenset(["redacted"])),
    "compact": Change("compact --yes", None, is_compact),
    "import lines": Change("import {folder}/import.jsonl", named("imported")),
    "import folder": Change("import {folder}/import", named("imported")),
    "import replacing": Change("import {folder}/replace.jsonl --on-conflict replace --yes", named("erased")),
    "repair": Change("repair", frozenset(["interrupted"])),
    "backup": Change("backup {room}/backup.db --overwrite", None, is_backed_up),
    "index": Change("search parcel --index", None, is_indexed),
}


def rows(path: Path) -> Sessions:
    """What the file holds of each session, but for what is another at each run."""
    found: Sessions = {}
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
        for sql in _OF_SESSIONS:
            for session_id, *row in connection.execute(sql):
                found.setdefault(session_id, []).append([_RANDOM.sub("", x) if isinstance(x, str) else x for x in row])
    return found


def is_sound(path: Path) -> bool:
    """Tell whether nothing is damaged; a turn that was interrupted is no damage."""
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with SessionStore(path, read_only=True) as store:
        return {each.kind for each in store.verify()} <= {"tool pair"}


def fill(database: Any, prefix: str, what: str, **options: Any) -> None:
    """Write sessions with a picture each."""
    for number in range(SESSIONS):
        messages = [text(f"{what} {number} " * 30)] * 20
        add_session(database, f"{prefix}-{number}", *messages, image(bytes([number]) * 20_000), **options)


def redact(database: Any) -> None:
    add_session(database, "redacted")
    for number in range(100):
        add_message_now(database, "redacted", text(f"secret {number} " * 20), text("[removed]"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the file, and with what can be imported: sessions that it has not, and others of those it has."""
    folder = tmp_path_factory.mktemp("killed")
    with closing(open_database(folder / "other.db", Options(durability="normal"))) as database:
        fill(database, "imported", "imported parcel")
    with SessionStore(folder / "other.db") as store:
        store.export_jsonl(folder / "import.jsonl")
        store.export_files(folder / "import")
    with closing(open_database(folder / "replace.db", Options(durability="normal"))) as database:
        fill(database, "erased", "another parcel")
    with SessionStore(folder / "replace.db") as store:
        store.export_jsonl(folder / "replace.jsonl")
    with closing(open_database(folder / "sessions.db", Options(durability="normal"))) as database:
        fill(database, "gone", "free space")
        fill(database, "old", "old parcel", days_ago=DAYS_AGO, tags=["old"])
        fill(database, "erased", "secret parcel")
        add_session(database, "large", *[text("where is my parcel " * 20), image(b"p" * 10_000)] * 200)
        add_session(database, "interrupted", text("Look!"), CALL)
        add_session(database, BUSY, text("hello"))
        redact(database)
        _message_index.catch_up(database)
        add_session(database, "not indexed", *[text("parcel number " * 20)] * 400)
        database.write(lambda connection: connection.run("DELETE FROM sessions WHERE session_id GLOB 'gone-*'"))
    return folder


Run = Callable[..., tuple[int, int]]


@pytest.fixture(scope="module")
def run(folder: Path) -> Iterator[Run]:
    """Runs a command on a file, in a process that is killed at its n-th write; returns exit code and writes."""
    command = [sys.executable, mortal_process.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def run(db: Path, change: Change, last: int | None = None) -> tuple[int, int]:
            assert process.stdin is not None
            assert process.stdout is not None
            arguments = [each.format(folder=folder, room=db.parent) for each in change.arguments.split()]
            process.stdin.write(json.dumps([["--db", str(db), *arguments], last]) + "\n")
            process.stdin.flush()
            code, writes = json.loads(process.stdout.readline())
            return code, writes

        yield run
        process.communicate()


def copied(folder: Path, room: Path) -> Path:
    """Return a copy of the file in a folder of its own."""
    room.mkdir()
    return Path(shutil.copy(folder / "sessions.db", room))


def differing(one: Sessions, other: Sessions) -> frozenset[str]:
    return frozenset(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


@pytest.mark.parametrize("name", CHANGES)
def test_a_command_that_is_killed(name: str, folder: Path, run: Run, tmp_path: Path) -> None:
    """Wherever it is killed, each session is whole, as it was or as it is to be; run again, it completes its work."""
    change = CHANGES[name]
    before = rows(folder / "sessions.db")
    whole = copied(folder, tmp_path / "whole")
    code, writes = run(whole, change)
    after = rows(whole)
    assert code == 0
    assert differing(before, after) == (change.changed or frozenset())
    assert change.done(whole)
    killed = []
    for last in sorted({writes // 4, writes * 2 // 3, writes - 1}):
        db = copied(folder, tmp_path / f"killed at {last}")
        killed.append(run(db, change, last) == (KILLED, last))
        found = rows(db)
        assert all(found.get(key) in (before.get(key), after.get(key)) for key in before | after | found)
        assert is_sound(db)
        code, _ = run(db, change)
        assert code == (FAILED if name == "fork" and "fork" in found else 0), "a fork that is there is not made again"
        assert rows(db) == after
        assert change.done(db)
        assert is_sound(db)
    # prune is one transaction or several, as there is time: the number of its writes is another at each run
    assert killed.count(True) >= (1 if name == "prune" else 2)


def test_commands_while_another_process_writes(folder: Path, run: Run, tmp_path: Path) -> None:
    """Another process appends while one command after the other runs: it loses nothing, and they do their work."""
    db = copied(folder, tmp_path / "meanwhile")
    before = rows(db)
    with another_process_writes(db, BUSY) as other:
        for name, change in CHANGES.items():
            if name != "import replacing":  # what it replaces was erased
                assert run(db, change)[0] == 0, name
                other.write_on()
        stored = other.end()
    after = rows(db)
    assert stored == list(range(1, 1 + len(stored)))
    with SessionStore(db, read_only=True) as store:
        assert [each.message_id for each in store.read_messages(BUSY)] == [0, *stored]
    changed = frozenset[str]().union(*(change.changed or () for change in CHANGES.values()))
    assert differing(before, after) == changed | {BUSY}
    assert is_sound(db)
