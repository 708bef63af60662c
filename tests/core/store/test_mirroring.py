"""What a copy in the SDK's layout holds: the SDK's bytes, and after any change what is there, no more and no less."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strands.types.session import SessionAgent

from strands_sqlite_session_manager import SQLiteStorage, TransferError
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database, Options
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.catalog import set_title
from strands_sqlite_session_manager.history import fork_session, rewind_session
from strands_sqlite_session_manager.repository import agents, multi_agents, sessions
from strands_sqlite_session_manager.retention import erase, erase_redacted
from strands_sqlite_session_manager.transfer import (
    Positions,
    changed_objects,
    deleted_keys,
    export_files,
    import_files,
    positions,
    read_mirror_tokens,
    session_paths,
    sidecar_path,
    touched_sessions,
    write_mirror_tokens,
)

from .transferring import GONE, LATE, ODD_ID, add_session, exported, fill, say, tree


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    database = open_database(tmp_path / "sessions.db")
    yield database
    database.close()


class Copy:
    """A copy that follows a database by what it says of its changes, and never sees anything else."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.since = Positions()

    def follow(self, connection: Connection) -> int:
        """Catch up; return how many objects were given."""
        changed = {each.path: each.body for each in changed_objects(connection, self.since)}
        for session_id in touched_sessions(connection, self.since):
            left = set(session_paths(connection, session_id))
            for path in [path for path in self.objects if _is_of(path, session_id) and path not in left]:
                del self.objects[path]
        for key in deleted_keys(connection, self.since):
            self.objects.pop(key, None)
        self.objects |= changed
        self.since = positions(connection)
        return len(changed)


def _is_of(path: str, session_id: str) -> bool:
    return path.startswith(f"session_{session_id}/") or path == sidecar_path(session_id)


def everything(database: Database) -> dict[str, bytes]:
    return database.read(lambda connection: {each.path: each.body for each in changed_objects(connection, Positions())})


def store_objects(database: Database, **objects: bytes | None) -> None:
    async def put() -> None:
        with SQLiteStorage(database.path) as storage:
            for key, data in objects.items():
                await (storage.delete(key) if data is None else storage.write(key, data))

    asyncio.run(put())


def test_a_copy_holds_the_files_of_the_sdk(database: Database, tmp_path: Path) -> None:
    """Every object of a session has the bytes of the file that `export_files` writes, which are the SDK's."""
    fill(database)
    export_files(database, tmp_path / "files")
    files = {path: data for path, data in tree(tmp_path / "files").items() if path.endswith(".json")}
    files = {path: data for path, data in files.items() if not path.endswith("strands_sqlite.json")}
    copied = everything(database)
    assert {path: body for path, body in copied.items() if not path.startswith("strands_sqlite/")} == files


def test_a_copy_brings_back_what_was_there(database: Database, tmp_path: Path) -> None:
    """The objects as files, each session's own beside its `session.json`, are imported to the same export."""
    fill(database)
    for path, body in everything(database).items():
        name = path
        if path.startswith("strands_sqlite/"):
            name = f"{path.removeprefix('strands_sqlite/').removesuffix('.json')}/strands_sqlite.json"
        file = tmp_path / "files" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
    other = open_database(tmp_path / "other.db")
    try:
        import_files(other, tmp_path / "files")
        assert exported(other) == exported(database)
    finally:
        other.close()


def test_objects_of_storages_come_as_their_bytes(database: Database) -> None:
    """Small objects and those in parts come whole; one that was deleted is told, one that was written again is not."""
    large = json.dumps([{"text": str(number) * 200} for number in range(100)]).encode()
    store_objects(database, small=b"\x00\xff", large=large)
    assert everything(database) == {"small": b"\x00\xff", "large": large}
    store_objects(database, small=None, large=None, other=None)
    store_objects(database, large=b"again")
    assert database.read(lambda connection: deleted_keys(connection, Positions())) == ["small"]
    assert everything(database) == {"large": b"again"}


def test_nothing_is_given_twice(database: Database) -> None:
    """Who has followed is given only what was written since: here one message, then nothing."""
    fill(database)
    copy = Copy()
    assert database.read(copy.follow) > 30
    assert database.read(copy.follow) == 0
    say(database, "talk", 30, {"text": "one more"})
    assert database.read(copy.follow) == 1
    assert database.read(copy.follow) == 0


def test_tokens_are_kept_by_place(database: Database) -> None:
    """A database remembers the tokens of each copy of its own; a copy nobody knows has none."""
    database.write(lambda connection: write_mirror_tokens(connection, "bucket/live/", ("a",)))
    database.write(lambda connection: write_mirror_tokens(connection, "bucket/live/", ("a", "b")))
    assert database.read(lambda connection: read_mirror_tokens(connection, "bucket/live/")) == ("a", "b")
    assert database.read(lambda connection: read_mirror_tokens(connection, "bucket/releases/")) == ()


def test_a_row_that_cannot_be_read_is_named(database: Database) -> None:
    """A value that another program damaged ends the copy with the object's name, not with a JSON error."""
    fill(database)
    database.write(lambda connection: connection.run("UPDATE messages SET message = '{' WHERE session_id = 'talk'"))
    with pytest.raises(TransferError, match=r"object=<session_talk/agents/agent_a/messages/message_0.json> holds"):
        everything(database)


def _say(database: Database, session_id: str, at: int) -> None:
    say(database, session_id, _count(database, session_id), {"text": f"line {at}"}, redacted=GONE if at > 3 else None)


def _set_state(database: Database, session_id: str, at: int) -> None:
    agents.update_agent(database, session_id, SessionAgent("a", {"at": at}, {}, {}, LATE, LATE))


def _run_graph(database: Database, session_id: str, at: int) -> None:
    state: dict[str, Any] = {"at": at}
    multi_agents.create_multi_agent(database, session_id, "graph", state)


def _fork(database: Database, session_id: str, at: int) -> None:
    if at < _count(database, session_id) and sessions.read_session(database, f"fork-{session_id}") is None:
        fork_session(database, session_id, f"fork-{session_id}", at=at, agent_id="a")


def _rewind(database: Database, session_id: str, at: int) -> None:
    if at < _count(database, session_id):
        rewind_session(database, session_id, at=at, agent_id="a")


def _count(database: Database, session_id: str) -> int:
    count = "SELECT count(*) FROM messages WHERE session_id = ?"
    return int(database.read(lambda connection: connection.row(count, (session_id,))[0]))


ACTIONS: dict[str, Callable[[Database, str, int], Any]] = {
    "say": _say,
    "drop originals": lambda database, session_id, _: erase_redacted(database, [session_id]),
    "set state": _set_state,
    "run graph": _run_graph,
    "set title": lambda database, session_id, at: set_title(database, session_id, None if at < 0 else f"title {at}"),
    "fork": _fork,
    "rewind": _rewind,
    "delete": lambda database, session_id, _: sessions.delete_session(database, session_id),
    "erase": lambda database, session_id, _: erase(database, [session_id]),
    "write": lambda database, _, at: store_objects(database, **{f"object{at}": b"x" * 50 * (at + 2)}),
    "drop": lambda database, _, at: store_objects(database, **{f"object{at}": None}),
}
STEPS = st.lists(
    st.tuples(st.sampled_from(sorted(ACTIONS)), st.integers(0, 2), st.integers(-1, 6), st.booleans()), max_size=30
)


@given(steps=STEPS)
@settings(max_examples=40, deadline=None)
def test_a_copy_that_follows_is_the_copy_that_is_made_anew(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int, bool]]
) -> None:
    """Whatever is done between two looks, a copy that follows the changes holds what a new copy would."""
    database = open_database(tmp_path_factory.mktemp("mirroring") / "sessions.db", Options(durability="normal"))
    copy = Copy()
    try:
        for action, which, at, look in [*steps, ("say", 0, 0, True)]:
            session_id = f"s{which}"
            if sessions.read_session(database, session_id) is None:
                add_session(database, session_id, "a", ODD_ID)
            ACTIONS[action](database, session_id, at)
            if look:
                database.read(copy.follow)
                assert copy.objects == everything(database)
    finally:
        database.close()
