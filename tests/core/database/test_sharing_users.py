"""A database by whoever uses it already: one in memory serves managers, storages and stores alike."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from strands.types.session import SessionAgent

from strands_sqlite_session_manager import DatabaseClosedError, SQLiteSessionManager, SQLiteStorage
from strands_sqlite_session_manager._guards import GUARDS


def test_users_of_one_database_in_memory_see_each_others_writes() -> None:
    """It goes with the last of them, whoever made it."""
    first = SQLiteSessionManager("s", ":memory:")
    second = SQLiteSessionManager("s", first)
    storage = SQLiteStorage(second)
    first.create_agent("s", SessionAgent("a", {"mood": "calm"}, {}))
    first.close()
    found = second.read_agent("s", "a")
    assert found is not None
    assert found.state == {"mood": "calm"}
    second.close()
    asyncio.run(storage.write("key", b"value"))
    assert asyncio.run(storage.read("key")) == b"value"
    assert storage.db_path == ":memory:"
    storage.close()


def test_each_user_writes_with_its_own_options() -> None:
    """Whoever shares a database does not take over how the other one waits for the disk."""
    with SQLiteSessionManager("s", ":memory:", durability="normal", busy_timeout=3) as first:
        second = SQLiteStorage(first)
        assert (second._database.options.durability, second._database.options.busy_timeout) == ("full", 30.0)
        assert first._database.options.durability == "normal"
        second.close()


def test_a_user_that_has_left_shares_nothing() -> None:
    """As any call after `close`."""
    manager = SQLiteSessionManager("s", ":memory:")
    manager.close()
    with pytest.raises(DatabaseClosedError):
        SQLiteStorage(manager)


def test_a_guard_is_asked_before_a_file_appears(tmp_path: Path) -> None:
    """What it raises reaches the caller, and nothing was created."""
    asked = []

    def refuse(path: str, _user: object) -> None:
        asked.append(path)
        raise PermissionError(path)

    GUARDS.append(refuse)
    try:
        with pytest.raises(PermissionError):
            SQLiteStorage(f"{tmp_path}/sessions.db")
    finally:
        GUARDS.remove(refuse)
    assert asked == [f"{tmp_path}/sessions.db"]
    assert not list(tmp_path.iterdir())


def test_a_guard_is_asked_before_a_database_is_shared() -> None:
    """It is told who joins, and what it raises reaches the caller, who then is no user; a closed one asks nobody."""
    asked: list[tuple[str, object]] = []

    def note(path: str, user: object) -> None:
        asked.append((path, user))
        if len(asked) == 2:
            raise PermissionError(path)

    with SQLiteSessionManager("s", ":memory:") as manager:
        GUARDS.append(note)
        try:
            storage = SQLiteStorage(manager)
            with pytest.raises(PermissionError):
                SQLiteStorage(manager)
            manager.close()
            with pytest.raises(DatabaseClosedError):
                SQLiteStorage(manager)
        finally:
            GUARDS.remove(note)
        assert asked[0] == (":memory:", storage._database)
        assert len(asked) == 2
        storage.close()
        with pytest.raises(DatabaseClosedError):
            SQLiteStorage(storage)
