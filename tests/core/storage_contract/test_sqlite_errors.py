"""Errors, **ours**: each has a type, a cause, a hint and the path, leaves the old value, and leaves no lock."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from strands.types.exceptions import SessionException, StorageError

from strands_sqlite_session_manager import (
    DatabaseBusyError,
    DatabaseClosedError,
    DatabaseFullError,
    DatabaseIOError,
    DatabaseMovedError,
    DatabaseReadOnlyError,
    NotADatabaseError,
    SQLiteSessionError,
    SQLiteStorage,
)
from tests.core.database.faults import FaultyVFS

from .backends import SQLiteBackend, Store
from .samples import chance, said, snapshot

SHORT = 0.05
"""Seconds that a storage waits for a lock in tests in which it is not given up."""

STORED = {
    "small": b"tea",
    "large": chance(150_000),
    "session/s/latest": snapshot([said(number) for number in range(12)]),
    "session/s/history/1": snapshot([said(number) for number in range(11)]),
}

NEXT_VERSION = snapshot([said(number, "more" * 9000) for number in range(13)])

CALLS: dict[str, Callable[[Store], object]] = {
    "write-new": lambda store: store.write("new", b"coffee"),
    "write-new-large": lambda store: store.write("new", chance(150_000, 2)),
    "write-over-small": lambda store: store.write("small", chance(150_000, 2)),
    "write-over-large": lambda store: store.write("large", chance(150_001, 2)),
    "write-next-version": lambda store: store.write("session/s/latest", NEXT_VERSION),
    "delete-small": lambda store: store.delete("small"),
    "delete-large": lambda store: store.delete("large"),
    "delete-version": lambda store: store.delete("session/s/history/1"),
    "delete-missing": lambda store: store.delete("missing"),
    "read-small": lambda store: store.read("small"),
    "read-large": lambda store: store.read("large"),
    "read-missing": lambda store: store.read("missing"),
    "list": lambda store: store.list("s"),
    "search": lambda store: store.search("tea"),
    "namespace-write": lambda store: store.namespace("session").write("s/latest", b"gone"),
    "namespace-list": lambda store: store.namespace("session").list(),
}

READING = tuple(name for name in CALLS if name.startswith(("read", "list", "namespace-list")))
CHANGING = ("write-new", "write-new-large", "write-over-small", "write-over-large", "write-next-version")
CHANGING = (*CHANGING, "delete-small", "delete-large", "delete-version", "namespace-write")


def filled(store: Store) -> Store:
    """Return the storage with something in it."""
    store.fill(STORED)
    return store


def require_typed(error: BaseException, path: Path) -> None:
    """Check what every error of a storage has: the types that callers catch, a hint, and the path."""
    for kind in (StorageError, SessionException, SQLiteSessionError):
        assert isinstance(error, kind)
    assert isinstance(error, SQLiteSessionError)
    assert error.hint
    assert error.hint in str(error)
    assert str(path) in str(error)


def require_unlocked(sqlite: SQLiteBackend) -> None:
    """Check that another connection can write at once, and reset the journal, which an open read would hinder."""
    foreign = sqlite.foreign()
    foreign.execute("BEGIN IMMEDIATE")
    foreign.execute("COMMIT")
    ((busy, _, _),) = foreign.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert busy == 0


def raising(error: type[apsw.Error], method: str, *, after: int = 0) -> Callable[[str, str], None]:
    """Return a fault that lets `method` succeed a few times, and raises `error` from then on."""
    calls = itertools.count(1)

    def fault(called: str, _file: str) -> None:
        if called == method and next(calls) > after:
            raise error

    return fault


@pytest.mark.parametrize("name", CALLS)
def test_sqlite_use_after_close_is_refused(sqlite: SQLiteBackend, name: str) -> None:
    """A closed storage says that it is closed, on every call and in its namespaces; another on the file goes on."""
    store, other = filled(sqlite.open()), sqlite.open()
    scoped = store.namespace("session")
    store.storage.close()
    store.storage.close()

    with pytest.raises(DatabaseClosedError) as raised:
        CALLS[name](store)
    require_typed(raised.value, sqlite.path)
    with pytest.raises(DatabaseClosedError):
        scoped.read("s/latest")
    with pytest.raises(DatabaseClosedError):
        store.search("")

    assert other.contents() == STORED
    CALLS[name](other)


@pytest.mark.parametrize("name", CHANGING)
def test_sqlite_write_meets_a_foreign_lock(sqlite: SQLiteBackend, name: str) -> None:
    """A lock held past the deadline is a `DatabaseBusyError`; nothing is written, and the call succeeds afterwards."""
    store = filled(sqlite.open(busy_timeout=SHORT))
    foreign = sqlite.foreign()
    foreign.execute("BEGIN IMMEDIATE")

    with pytest.raises(DatabaseBusyError) as raised:
        CALLS[name](store)

    require_typed(raised.value, sqlite.path)
    assert isinstance(raised.value.__cause__, apsw.BusyError)
    assert store.contents() == STORED
    foreign.execute("COMMIT")
    CALLS[name](store)
    assert store.contents() != STORED
    require_unlocked(sqlite)


@pytest.mark.parametrize("name", READING)
def test_sqlite_reads_under_a_foreign_lock(sqlite: SQLiteBackend, name: str) -> None:
    """A writer somewhere else does not keep anyone from reading or listing."""
    store = filled(sqlite.open(busy_timeout=SHORT))
    free = CALLS[name](store)
    sqlite.foreign().execute("BEGIN IMMEDIATE")

    assert CALLS[name](store) == free


def test_sqlite_searches_under_a_foreign_lock(sqlite: SQLiteBackend) -> None:
    """A search that has nothing to catch up with needs no lock; one that has waits for it, and is busy if need be."""
    store = filled(sqlite.open(busy_timeout=SHORT))
    assert store.found("tea") == {"small"}
    foreign = sqlite.foreign()
    foreign.execute("BEGIN IMMEDIATE")
    assert store.found("tea") == {"small"}
    foreign.execute("COMMIT")

    store.write("new", b"tea")
    foreign.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusyError) as raised:
        store.search("tea")
    require_typed(raised.value, sqlite.path)
    foreign.execute("COMMIT")

    assert store.found("tea") == {"small", "new"}
    require_unlocked(sqlite)


@pytest.mark.parametrize("after", [0, 3])
@pytest.mark.parametrize("name", CHANGING)
def test_sqlite_full_disk_leaves_the_old_value(tmp_path: Path, vfs: FaultyVFS, name: str, after: int) -> None:
    """A write that finds no room is a `DatabaseFullError`; what was there stays, and writing goes on with more room."""
    path = tmp_path / "storage.db"
    with SQLiteStorage(vfs.uri(path)) as storage:
        store = filled(Store(storage))
        vfs.fault = raising(apsw.FullError, "write", after=after)

        with pytest.raises(DatabaseFullError) as raised:
            CALLS[name](store)

        require_typed(raised.value, path)
        assert isinstance(raised.value.__cause__, apsw.FullError)
        assert store.contents() == STORED
        vfs.fault = None
        CALLS[name](store)
        assert store.contents() != STORED


def test_sqlite_full_disk_in_a_search_is_an_error_of_that_search(tmp_path: Path, vfs: FaultyVFS) -> None:
    """Where there is no room for the index, the search fails, no value does, and the next search finds everything."""
    with SQLiteStorage(vfs.uri(tmp_path / "storage.db")) as storage:
        store = filled(Store(storage))
        vfs.fault = raising(apsw.FullError, "write")

        with pytest.raises(DatabaseFullError) as raised:
            store.search("tea")

        require_typed(raised.value, tmp_path / "storage.db")
        assert store.contents() == STORED
        vfs.fault = None
        assert store.found("tea") == {"small"}


@pytest.mark.parametrize("name", CHANGING)
def test_sqlite_file_that_may_no_longer_be_written(tmp_path: Path, vfs: FaultyVFS, name: str) -> None:
    """A file system that became read-only gives a `DatabaseReadOnlyError`; what is there can be read."""
    with SQLiteStorage(vfs.uri(tmp_path / "storage.db")) as storage:
        store = filled(Store(storage))
        vfs.fault = raising(apsw.ReadOnlyError, "write")

        with pytest.raises(DatabaseReadOnlyError) as raised:
            CALLS[name](store)

        require_typed(raised.value, tmp_path / "storage.db")
        assert store.contents() == STORED
        vfs.fault = None
        CALLS[name](store)


def test_sqlite_read_only_file_is_refused_and_unchanged(sqlite: SQLiteBackend) -> None:
    """A storage on a file that it may not write is not built: it could not keep a thing."""
    with SQLiteStorage(sqlite.path) as storage:
        filled(Store(storage))
    before = sqlite.path.read_bytes()

    with pytest.raises(DatabaseReadOnlyError) as raised:
        SQLiteStorage(f"{sqlite.path.as_uri()}?mode=ro")

    require_typed(raised.value, sqlite.path)
    assert sqlite.path.read_bytes() == before


def test_sqlite_file_of_something_else_is_refused_and_unchanged(tmp_path: Path) -> None:
    """What is no database of ours is named as such, and not written to."""
    path = tmp_path / "diary.txt"
    path.write_text("Dear diary, " * 400)
    before = path.read_bytes()

    with pytest.raises(NotADatabaseError) as raised:
        SQLiteStorage(path)

    require_typed(raised.value, path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", CHANGING)
def test_sqlite_disk_that_fails_is_an_error(tmp_path: Path, vfs: FaultyVFS, name: str) -> None:
    """A write whose sync fails is not acknowledged; each key has its old value or the new one, and work goes on."""
    with SQLiteStorage(vfs.uri(tmp_path / "storage.db")) as storage:
        store = filled(Store(storage))
        vfs.fault = raising(apsw.IOError, "sync")
        with pytest.raises(DatabaseIOError) as raised:
            CALLS[name](store)
        require_typed(raised.value, tmp_path / "storage.db")
        vfs.fault = None

        after = store.contents()
        with SQLiteStorage(":memory:") as twin:
            changed = filled(Store(twin))
            CALLS[name](changed)
            assert after in (STORED, changed.contents())
        store.write("small", b"goes on")
        assert store.read("small") == b"goes on"


@pytest.mark.parametrize("name", [name for name in CALLS if name != "read-missing"])
def test_sqlite_lets_no_error_of_apsw_out(sqlite: SQLiteBackend, name: str) -> None:
    """Whatever SQLite itself complains of comes out with a type of ours, and its cause chained."""
    store = filled(sqlite.open())
    foreign = sqlite.foreign()
    foreign.execute("PRAGMA foreign_keys = OFF")
    for table in ("search_entries", "search_scopes", "object_parts", "parts", "objects"):
        foreign.execute(f"DROP TABLE {table}")

    with pytest.raises(SQLiteSessionError) as raised:
        CALLS[name](store)

    assert isinstance(raised.value, StorageError)
    assert isinstance(raised.value.__cause__, apsw.Error)
    assert str(sqlite.path) in str(raised.value)
    require_unlocked(sqlite)


def test_sqlite_file_deleted_while_open_is_noticed(sqlite: SQLiteBackend) -> None:
    """A write to a file that no longer has its name would be lost: it is refused, and so is a read."""
    store = filled(sqlite.open())
    sqlite.path.unlink()

    for call in (lambda: store.write("a", b"1"), lambda: store.read("small"), store.list):
        with pytest.raises(DatabaseMovedError) as raised:
            call()
        require_typed(raised.value, sqlite.path)


BROKEN: dict[str, Callable[[Store], object]] = {
    "key": lambda store: store.write("../a", b"1"),
    "empty-key": lambda store: store.delete("/"),
    "no-bytes": lambda store: store.write("a", "text"),
    "prefix": lambda store: store.list(".."),
    "namespace": lambda store: store.namespace("a\\b"),
}


@pytest.mark.parametrize("name", [*CALLS, *BROKEN])
def test_sqlite_call_leaves_no_transaction_open(sqlite: SQLiteBackend, name: str) -> None:
    """After any call, refused or not, another program can write at once, and the storage goes on."""
    store = filled(sqlite.open())

    if name in BROKEN:
        with pytest.raises((StorageError, TypeError)):
            BROKEN[name](store)
        assert store.contents() == STORED
    else:
        CALLS[name](store)

    require_unlocked(sqlite)
    store.write("small", b"goes on")
    assert store.read("small") == b"goes on"


def test_sqlite_one_failure_among_many_writes_is_its_own(sqlite: SQLiteBackend) -> None:
    """Of writes that run at once, each has its own outcome: what is wrong with one does not touch the others."""
    store = sqlite.open()

    async def write_all() -> list[object]:
        keys = [f"k{number}" if number % 4 else f"../k{number}" for number in range(40)]
        writes = (store.storage.write(key, b"1") for key in keys)
        return list(await asyncio.gather(*writes, return_exceptions=True))

    outcomes = asyncio.run(write_all())

    assert [isinstance(outcome, StorageError) for outcome in outcomes] == [not n % 4 for n in range(40)]
    assert store.list() == sorted(f"k{number}" for number in range(40) if number % 4)


@pytest.mark.parametrize(("option", "value"), [("durability", "off"), ("busy_timeout", -1), ("busy_timeout", None)])
def test_sqlite_option_without_meaning_is_refused(tmp_path: Path, option: str, value: object) -> None:
    """A durability or a timeout that does not exist is refused, and no file is made."""
    with pytest.raises((ValueError, TypeError)):
        SQLiteStorage(tmp_path / "storage.db", **{option: value})  # type: ignore[arg-type]

    assert list(tmp_path.iterdir()) == []
