"""Storage objects that come from elsewhere: all of a batch or none, and never over others unless told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from strands_sqlite_session_manager import AlreadyExistsError
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._objects import read_object
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.transfer._storing_objects import is_object_key, store_objects

FOLDER = "session/s/scopes/agent/a/snapshots"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    database = open_database(tmp_path / "sessions.db")
    yield database
    database.close()


def test_a_batch_is_written_whole_or_not_at_all(database: Database) -> None:
    """A conflict names its key, and leaves what is there; skipped, replaced and unchanged objects are counted."""
    assert store_objects(database, [("a", b"1"), ("b", b"2")], "fail") == {"imported": 2}
    with pytest.raises(AlreadyExistsError, match="Object b already exists with other content") as caught:
        store_objects(database, [("new", b"x"), ("a", b"1"), ("b", b"3")], "fail")
    assert caught.value.hint
    assert database.read(read_object("new")) is None
    assert store_objects(database, [("a", b"1"), ("b", b"3"), ("c", b"")], "skip") == {
        "unchanged": 1,
        "skipped": 1,
        "imported": 1,
    }
    assert database.read(read_object("b")) == b"2"
    assert store_objects(database, [("b", b"3"), ("b", b"3")], "replace") == {"imported": 1, "unchanged": 1}
    assert database.read(read_object("b")) == b"3"


def test_snapshots_share_what_they_have_in_common(database: Database) -> None:
    """In one batch too: each costs what it has that the one before it has not."""
    said = [b'{"role": "user", "content": [{"text": "' + b"%04d " % number * 60 + b'"}]}' for number in range(40)]
    snapshots = [
        (f"{FOLDER}/immutable_history/snapshot_{number:02}.json", b'{"messages": [' + b", ".join(said[:number]) + b"]}")
        for number in range(1, 41)
    ]
    store_objects(database, snapshots, "fail")
    for key, data in snapshots:
        assert database.read(read_object(key)) == data
    stored = database.read(lambda connection: connection.row("SELECT sum(length(content)) FROM parts")[0])
    assert stored < 2 * len(snapshots[-1][1])


def test_keys_that_no_storage_can_have() -> None:
    """They are left where they are: a storage would look for them under another key, or refuse them."""
    assert all(map(is_object_key, ["a", "a/b", "ü/ b", "session/s/x.json", "." * 3]))
    assert not any(map(is_object_key, ["", "/a", "a/", "a//b", "a/../b", "a\\b", "a\0", "x" * 1025]))
