"""What a conversion refuses, and what happens to what was there: nothing, unless it was asked to overwrite."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from strands.session.snapshot_session_manager import SnapshotSessionManager
from strands.types.exceptions import StorageError
from strands.types.session import SessionAgent

from strands_sqlite_session_manager import (
    AlreadyExistsError,
    Conversion,
    DatabaseFullError,
    NotFoundError,
    SessionStore,
    SQLiteSessionError,
    SQLiteSessionManager,
    convert_to_message_log,
    convert_to_snapshots,
)
from tests.core.database.faults import FaultyVFS

from .file import File, latest_key
from .sessions import Rows, everything, memory_of, rows_of
from .talks import TALKS

Convert = Callable[..., Conversion]
BOTH: list[Convert] = [convert_to_snapshots, convert_to_message_log]
both_ways = pytest.mark.parametrize("convert", BOTH, ids=["to snapshots", "to a log"])


def fill(file: File, session_id: str = "s") -> None:
    """Keep one session in both models, with different conversations."""
    TALKS["tools"].hold(file.log(session_id))
    TALKS["a window that trimmed"].hold(file.snapshots(session_id))
    file.close()


@both_ways
def test_a_target_that_exists_is_left_alone(file: File, convert: Convert) -> None:
    """Without `overwrite` an existing session of the other model, under the same id or another, is not touched."""
    fill(file, "s")
    fill(file, "t")
    before = everything(file.path)

    for new_session_id in (None, "t", "s"):
        with pytest.raises(AlreadyExistsError) as caught:
            convert("s", file.path, new_session_id=new_session_id)
        assert new_session_id or "s" in str(caught.value)
        assert "overwrite" in caught.value.hint

    assert everything(file.path) == before


def test_overwriting_a_log_leaves_nothing_of_the_old_one(file: File) -> None:
    """The rows of the target are those of the source alone, and other sessions stay."""
    fill(file, "s")
    TALKS["images"].agent(file.log("t"), "gone", agent_id="an agent of the past")("Hello.")
    fill(file, "t")
    others = rows_of(file.path, "s")

    convert_to_message_log("t", file.path, new_session_id="new")
    convert_to_message_log("t", file.path, overwrite=True)

    assert timeless(rows_of(file.path, "t")) == timeless(rows_of(file.path, "new"))
    assert rows_of(file.path, "s") == others


def noted(file: File, session_id: str = "s") -> tuple[str | None, tuple[str, ...], dict[str, Any]]:
    with SessionStore(file.path) as store:
        info = store.summarize_session(session_id).info
        return info.title, info.tags, dict(info.metadata)


def test_what_was_noted_since_the_conversion_outlives_the_way_back(file: File) -> None:
    """Title, tags and metadata are those of the log that is replaced, and what was taken away stays away."""
    TALKS["tools"].hold(file.log())
    file.close()
    with SessionStore(file.path) as store:
        store.set_title("s", "before")
        store.add_tags("s", "draft", "billing")
        store.set_metadata("s", {"customer": 1})
        convert_to_snapshots("s", file.path)
        store.set_title("s", "since")
        store.add_tags("s", "legal-hold")
        store.remove_tags("s", "draft")
        store.set_metadata("s", {"customer": 43})
    expected = ("since", ("billing", "legal-hold"), {"customer": 43})
    assert noted(file) == expected
    convert_to_message_log("s", file.path, overwrite=True)
    assert noted(file) == expected


def test_what_was_noted_about_another_session_is_kept_beside_what_the_snapshots_know(file: File) -> None:
    """The tags of neither are lost, which keep sessions from being pruned; for the rest, the one that is there wins."""
    fill(file, "s")
    fill(file, "t")
    with SessionStore(file.path) as store:
        store.add_tags("s", "vip")
        store.set_title("s", "of s")
        store.set_metadata("s", {"customer": 1, "plan": "free"})
        convert_to_snapshots("s", file.path, overwrite=True)
        store.add_tags("t", "legal-hold")
        store.set_metadata("t", {"customer": 2})
    convert_to_message_log("s", file.path, new_session_id="t", overwrite=True)
    assert noted(file, "t") == ("of s", ("legal-hold", "vip"), {"customer": 2, "plan": "free"})
    with SQLiteSessionManager("t", file.path) as manager:
        manager.delete_session("t")
    convert_to_message_log("s", file.path, new_session_id="t")
    assert noted(file, "t") == noted(file, "s")


def timeless(rows: Rows) -> Rows:
    """Leave out when the state of a session changed that has no history of its own: it begins when it is written."""
    return {**rows, "agent_state_history": [row[:-1] for row in rows["agent_state_history"]]}


def test_overwriting_snapshots_leaves_nothing_of_the_old_agents(file: File) -> None:
    """An agent that is not in the source is not restored from the target any more, and other sessions stay."""
    fill(file, "s")
    for session_id in ("s", "t", "s t"):
        TALKS["images"].agent(file.snapshots(session_id), "gone", agent_id="past")("Hello.")

    convert_to_snapshots("s", file.path, overwrite=True)

    assert TALKS["images"].agent(file.snapshots("s"), agent_id="past").messages == []
    for session_id in ("t", "s t"):
        assert len(TALKS["images"].agent(file.snapshots(session_id), agent_id="past").messages) == 2
    assert memory_of(TALKS["tools"].resume(file.snapshots("s"))) == memory_of(TALKS["tools"].resume(file.log("s")))


def test_overwriting_snapshots_leaves_what_is_none(file: File) -> None:
    """An object of the user's below the session, whatever its name ends in, stays, and is no snapshot."""
    fill(file, "t")
    key = "session/new/exports/old_message_log.json"
    file.write(key, {"mine": True})

    convert_to_snapshots("t", file.path, new_session_id="new")
    convert_to_snapshots("t", file.path, new_session_id="new", overwrite=True)

    assert file.read(key) == {"mine": True}


@both_ways
def test_a_source_that_does_not_exist_is_named(file: File, convert: Convert) -> None:
    """A session that exists in the other model only, or nowhere, is not found, and nothing appears in the file."""
    fill(file, "s")
    with SQLiteSessionManager("only a log", file.path):
        pass
    file.write(latest_key("only snapshots"), file.read(latest_key("s")))
    file.close()
    before = everything(file.path)

    other = "only snapshots" if convert is convert_to_snapshots else "only a log"
    for session_id in ("nowhere", other, "S", "s ", "s%", "_"):
        with pytest.raises(NotFoundError) as caught:
            convert(session_id, file.path, new_session_id="new")
        assert session_id in str(caught.value)

    assert everything(file.path) == before


@both_ways
def test_overwriting_with_nothing_is_refused(file: File, convert: Convert) -> None:
    """A missing source does not empty the target that it was to overwrite."""
    fill(file, "s")
    before = everything(file.path)
    with pytest.raises(NotFoundError):
        convert("nowhere", file.path, new_session_id="s", overwrite=True)
    assert everything(file.path) == before


REFUSED = ["a/b", "../s", "/", "a\0b", "\ud800", "x" * 1025, "\u00fc" * 513, 7]
"""Ids that neither model takes."""

REFUSED_BY_SNAPSHOTS = ["", ".", "..", " ", "\t ", "a\\b"]
"""Ids that a log takes, and that `SnapshotSessionManager` or the keys of a storage refuse."""


@both_ways
@pytest.mark.parametrize("session_id", REFUSED, ids=lambda id_: ascii(id_)[:12])
def test_an_id_that_no_session_has_is_refused(file: File, convert: Convert, session_id: Any) -> None:
    """As source or as target it is a `ValueError`, or a `TypeError` where it is no text, and nothing is written."""
    fill(file)
    before = everything(file.path)
    for source, target in ((session_id, "new"), ("s", session_id)):
        with pytest.raises(TypeError if isinstance(session_id, int) else ValueError):
            convert(source, file.path, new_session_id=target, overwrite=True)
    assert everything(file.path) == before


@pytest.mark.parametrize("session_id", REFUSED_BY_SNAPSHOTS, ids=ascii)
def test_a_log_whose_id_snapshots_refuse_needs_another_id(file: File, session_id: str) -> None:
    """Nothing is written that the SDK could not open; with an id that it takes, the session is converted."""
    fill(file)
    TALKS["tools"].hold(file.log(session_id))
    file.close()
    before = everything(file.path)

    for source, target in ((session_id, None), ("s", session_id)):
        with pytest.raises(ValueError, match=r"id|key"):
            convert_to_snapshots(source, file.path, new_session_id=target, overwrite=True)
    assert everything(file.path) == before

    convert_to_snapshots(session_id, file.path, new_session_id="t")
    convert_to_message_log("t", file.path, new_session_id=session_id or None, overwrite=True)
    assert rows_of(file.path, session_id or "t") == rows_of(file.path, session_id)


@pytest.mark.parametrize(
    "session_id",
    ["a%", "a_", "x' OR '1'='1", '"', "\u6f22\U0001f389", "a b", "...", "$.a", "x" * 900],
    ids=lambda id_: ascii(id_)[:12],
)
def test_an_id_that_both_models_accept_is_converted(file: File, session_id: str) -> None:
    """Whatever stands in an id is plain text: there, resumed, and back."""
    talk = TALKS["tools"]
    agent = talk.hold(file.log(session_id))
    file.close()

    convert_to_snapshots(session_id, file.path)
    convert_to_message_log(session_id, file.path, new_session_id="back")

    assert talk.resume(SnapshotSessionManager(session_id, storage=file.storage())).messages == agent.messages
    assert rows_of(file.path, "back") == rows_of(file.path, session_id)


@pytest.mark.parametrize("agent_id", ["..", "a\\b", "x" * 1024])
def test_an_agent_that_snapshots_cannot_name_is_refused(file: File, agent_id: str) -> None:
    """A log with an agent whose id is no part of a key stays a log, whole, and the error names what is wrong."""
    manager = file.log("s")
    for name in ("a", agent_id, "z"):
        manager.create_agent("s", SessionAgent(name, {}, {}))
    file.close()
    before = everything(file.path)

    with pytest.raises(StorageError) as caught:
        convert_to_snapshots("s", file.path)

    assert isinstance(caught.value, SQLiteSessionError)
    assert isinstance(caught.value, ValueError)
    assert everything(file.path) == before


def test_a_session_without_agents(file: File) -> None:
    """An empty session is a session: it is found again after the way there and back."""
    file.log("s")
    file.close()

    assert convert_to_snapshots("s", file.path) == Conversion("s", agents=0, messages=0, multi_agents=0)
    assert convert_to_message_log("s", file.path, new_session_id="t") == Conversion("t", 0, 0, 0)

    assert rows_of(file.path, "t") == rows_of(file.path, "s")


WRONG: dict[str, Any] = {
    "no object": [],
    "nothing": {},
    "no data": {"data": 7},
    "of a later SDK": {"schema_version": "9.0"},
    "of something else": {"scope": "multiAgent"},
    "messages": {"data": {"messages": 7}},
    "a message": {"data": {"messages": [7]}},
    "state": {"data": {"messages": [], "state": 7}},
    "the conversation manager": {"data": {"messages": [], "conversation_manager_state": 7}},
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("archived", [False, True])
def test_a_snapshot_that_is_none_is_refused_whole(file: File, name: str, *, archived: bool) -> None:
    """Where one agent's snapshot cannot be read, no agent of the session becomes a log, and the key is named."""
    fill(file)
    if archived:
        convert_to_snapshots("s", file.path, overwrite=True)
        TALKS["plain"].agent(file.log("new"), "hello", agent_id="broken")("hi")
        convert_to_snapshots("new", file.path)
    good, wrong = file.read(latest_key("s")), WRONG[name]
    file.write(latest_key("new", "broken"), {**good, **wrong} if wrong else wrong)
    file.close()
    before = everything(file.path)

    with pytest.raises(SQLiteSessionError) as caught:
        convert_to_message_log("new", file.path, new_session_id="t")

    assert "broken" in str(caught.value)
    assert everything(file.path) == before


def test_bytes_that_are_no_json_are_refused(file: File) -> None:
    """Half a snapshot, or another program's file under its key, is named, and nothing is written."""
    fill(file)
    half = asyncio.run(file.storage().read(latest_key("s")))
    assert half is not None
    for content in (b"", half[: len(half) // 2], b"\xff\xfe"):
        asyncio.run(file.storage().write(latest_key("s"), content))
        file.close()
        before = everything(file.path)
        with pytest.raises(SQLiteSessionError, match="snapshot_latest"):
            convert_to_message_log("s", file.path, new_session_id="t")
        assert everything(file.path) == before


@both_ways
def test_a_full_disk_leaves_everything_as_it_was(file: File, vfs: FaultyVFS, convert: Convert, tmp_path: Path) -> None:
    """Wherever the disk fills up, the error says so, nothing of the target is there, and the next try succeeds."""
    for session_id in ("s", "t"):
        TALKS["images"].hold(file.log(session_id))
        TALKS["images"].hold(file.snapshots(session_id))
    file.close()
    failures, allowed = 0, 0
    while True:
        copy = Path(shutil.copy(file.path, tmp_path / f"copy-{allowed}.db"))
        before = everything(copy)
        vfs.fault = _full_after(allowed)
        try:
            convert("s", vfs.uri(copy), new_session_id="t", overwrite=True)
            break
        except DatabaseFullError:
            vfs.fault = None
        assert everything(copy) == before
        assert convert("s", vfs.uri(copy), new_session_id="t", overwrite=True).messages > 0
        failures, allowed = failures + 1, allowed + (1 if allowed < 8 else 13)
    assert failures > 8
    assert everything(copy) != before


def _full_after(writes: int) -> Callable[[str, str], None]:
    left = writes

    def fault(method: str, _file: str) -> None:
        nonlocal left
        left -= method == "write"
        if left < 0:
            raise apsw.FullError

    return fault
