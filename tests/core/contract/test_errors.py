"""Errors and locks, **ours**: against SQLite only. An error has a type, a cause and a hint, and leaves no lock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import apsw
import pytest
from strands.types.exceptions import SessionException

from strands_sqlite_session_manager import (
    CannotOpenError,
    DatabaseBusyError,
    DatabaseClosedError,
    DatabaseCorruptError,
    NotADatabaseError,
    SchemaTooNewError,
    SQLiteSessionError,
    SQLiteSessionManager,
)

from .backends import METHODS, SQLiteBackend
from .samples import CALLS, agent, crew, said, session, stock, text_of

READING = ("read_session", "read_agent", "read_message", "list_messages", "read_multi_agent")
WRITING = tuple(name for name in METHODS if name not in READING)
SHORT = 0.05


def ids_of(name: str) -> tuple[str, str]:
    """Return the ids with which a call succeeds in a stocked session `s`."""
    return ("new" if name == "create_session" else "s", "m" if "multi_agent" in name else "a")


def is_unlocked(sqlite: SQLiteBackend) -> bool:
    """Tell whether another connection can write at once, and reset the journal, which an open read would hinder."""
    foreign = sqlite.foreign()
    foreign.execute("BEGIN IMMEDIATE")
    foreign.execute("COMMIT")
    ((busy, _, _),) = foreign.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return bool(busy == 0)


def make_folder(path: Path) -> None:
    path.mkdir()


def make_text(path: Path) -> None:
    path.write_text("Dear diary, " * 400)


def make_strangers_database(path: Path) -> None:
    with apsw.Connection(str(path)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()


def make_newer_schema(path: Path) -> None:
    SQLiteSessionManager("s", path).close()
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA user_version = 1000000")
    connection.close()


def make_damaged(path: Path) -> None:
    SQLiteSessionManager("s", path).close()
    content = bytearray(path.read_bytes())
    content[100:] = b"\xa5" * (len(content) - 100)
    path.write_bytes(content)


FILES_AT_FAULT: dict[str, tuple[Callable[[Path], None], type[SQLiteSessionError]]] = {
    "folder": (make_folder, CannotOpenError),
    "text": (make_text, NotADatabaseError),
    "another-programs": (make_strangers_database, NotADatabaseError),
    "newer-schema": (make_newer_schema, SchemaTooNewError),
    "damaged": (make_damaged, DatabaseCorruptError),
}


@pytest.mark.parametrize("name", FILES_AT_FAULT)
def test_sqlite_names_the_file_at_fault(tmp_path: Path, name: str) -> None:
    """A path that cannot be used gives a typed error with the path and a hint, and what is there stays as it is."""
    make, kind = FILES_AT_FAULT[name]
    path = tmp_path / "fault.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None

    with pytest.raises(kind) as raised:
        SQLiteSessionManager("s", path)

    assert isinstance(raised.value, SessionException)
    assert str(path) in str(raised.value)
    assert raised.value.hint
    assert raised.value.hint in str(raised.value)
    assert (path.read_bytes() if path.is_file() else None) == before


@pytest.mark.parametrize("name", METHODS)
def test_sqlite_lets_no_error_of_apsw_out(sqlite: SQLiteBackend, name: str) -> None:
    """Whatever SQLite itself complains of comes out as a `SessionException` with the path, and its cause chained."""
    manager = sqlite.open("s")
    stock(manager, "s")
    foreign = sqlite.foreign()
    for table in ("message_blobs", "agent_state_history", "messages", "agents", "multi_agents", "sessions"):
        foreign.execute(f"DROP TABLE {table}")

    with pytest.raises(SQLiteSessionError) as raised:
        CALLS[name](manager, *ids_of(name))

    assert isinstance(raised.value.__cause__, apsw.Error)
    assert str(sqlite.path) in str(raised.value)
    assert is_unlocked(sqlite)


@pytest.mark.parametrize("name", WRITING)
def test_sqlite_write_meets_a_foreign_lock(sqlite: SQLiteBackend, name: str) -> None:
    """A lock held past the deadline is a `DatabaseBusyError`; nothing is written, and the call succeeds afterwards."""
    manager = sqlite.open("s", busy_timeout=SHORT)
    stock(manager, "s")
    foreign = sqlite.foreign()
    foreign.execute("BEGIN IMMEDIATE")
    tables = ("sessions", "agents", "messages", "multi_agents")
    before = [sqlite.rows(f"SELECT * FROM {table}") for table in tables]

    with pytest.raises(DatabaseBusyError) as raised:
        CALLS[name](manager, *ids_of(name))

    assert isinstance(raised.value.__cause__, apsw.BusyError)
    assert str(sqlite.path) in str(raised.value)
    assert raised.value.hint
    assert [sqlite.rows(f"SELECT * FROM {table}") for table in tables] == before
    foreign.execute("COMMIT")
    CALLS[name](manager, *ids_of(name))
    assert is_unlocked(sqlite)


@pytest.mark.parametrize("name", READING)
def test_sqlite_reads_under_a_foreign_lock(sqlite: SQLiteBackend, name: str) -> None:
    """A writer somewhere else does not keep anyone from reading."""
    manager = sqlite.open("s", busy_timeout=SHORT)
    stock(manager, "s")
    sqlite.foreign().execute("BEGIN IMMEDIATE")

    assert CALLS[name](manager, *ids_of(name))


def test_sqlite_new_manager_on_a_known_session_needs_no_write(sqlite: SQLiteBackend) -> None:
    """A manager on a known session can be built, and read from, while another program writes."""
    stock(sqlite.open("s"), "s")
    sqlite.foreign().execute("BEGIN IMMEDIATE")

    later = sqlite.open("s", busy_timeout=SHORT)

    assert len(later.list_messages("s", "a")) == 2


def test_sqlite_waits_for_a_foreign_lock(sqlite: SQLiteBackend) -> None:
    """A write that meets a lock waits for it, and succeeds when it is given up within the deadline."""
    manager = sqlite.open("s")
    stock(manager, "s")
    foreign = sqlite.foreign()
    foreign.execute("BEGIN IMMEDIATE")

    with ThreadPoolExecutor(1) as pool:
        write = pool.submit(manager.create_message, "s", "a", said(2, "after the lock"))
        done, _ = wait([write], timeout=0.2)  # time to fail, if it did not wait; nothing depends on how long
        foreign.execute("COMMIT")
        write.result()

    assert done == set()
    assert text_of(manager.read_message("s", "a", 2)) == "after the lock"


FAILURES: dict[str, Callable[[SQLiteSessionManager], object]] = {
    "not-json": lambda m: m.create_message("s", "a", said(9, value={1})),
    "not-json-update": lambda m: m.update_message("s", "a", said(0, value={1})),
    "not-json-agent": lambda m: m.update_agent("s", agent("a", value={1})),
    "not-json-crew": lambda m: m.create_multi_agent("s", crew("m", {"value": {1}})),
    "surrogate": lambda m: m.create_message("s", "a", said(9, "\ud800")),
    "surrogate-in-time": lambda m: m.create_message("s", "a", said(9, at="\ud800")),
    "conflict": lambda m: m.create_message("s", "a", said(0, "other")),
    "conflict-with-bytes": lambda m: m.create_message("s", "a", said(0, data=b"x" * 5000)),
    "no-session": lambda m: m.create_agent("nowhere", agent("a")),
    "no-agent": lambda m: m.create_message("s", "nobody", said(0, data=b"x" * 5000)),
    "no-crew": lambda m: m.update_multi_agent("s", crew("nobody")),
    "session-exists": lambda m: m.create_session(session("s")),
    "nothing-to-delete": lambda m: m.delete_session("nowhere"),
    "nothing-to-update": lambda m: m.update_message("s", "a", said(99, data=b"x" * 5000)),
    "bad-id": lambda m: m.create_message("s", "a/b", said(9)),
    "bad-message-id": lambda m: m.create_message("s", "a", said(2**70)),
    "bad-cut": lambda m: m.list_messages("s", "a", limit=1.5, offset=0),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", FAILURES)
def test_sqlite_failed_call_leaves_no_transaction_open(sqlite: SQLiteBackend, name: str) -> None:
    """After a call that failed, another program can write at once, the manager goes on, and nothing was written."""
    manager = sqlite.open("s")
    stock(manager, "s")
    tables = ("sessions", "agents", "messages", "multi_agents", "blobs", "message_blobs", "agent_state_history")
    before = [sqlite.rows(f"SELECT * FROM {table}") for table in tables]

    with pytest.raises((SessionException, TypeError, ValueError)) as raised:
        FAILURES[name](manager)

    assert not isinstance(raised.value, apsw.Error)
    assert [sqlite.rows(f"SELECT * FROM {table}") for table in tables] == before
    assert is_unlocked(sqlite)
    manager.create_message("s", "a", said(10, "goes on"))
    assert text_of(manager.read_message("s", "a", 10)) == "goes on"


@pytest.mark.parametrize("name", METHODS)
def test_sqlite_successful_call_leaves_no_transaction_open(sqlite: SQLiteBackend, name: str) -> None:
    """After a call that succeeded, reading ones included, another program can write at once."""
    manager = sqlite.open("s")
    stock(manager, "s")

    CALLS[name](manager, *ids_of(name))

    assert is_unlocked(sqlite)


@pytest.mark.parametrize("name", METHODS)
def test_sqlite_use_after_close_is_refused(sqlite: SQLiteBackend, name: str) -> None:
    """A closed manager says that it is closed, on every call, though another one has the file open."""
    manager, other = sqlite.open("s"), sqlite.open("s")
    stock(manager, "s")
    manager.close()
    manager.close()

    with pytest.raises(DatabaseClosedError) as raised:
        CALLS[name](manager, *ids_of(name))

    assert str(sqlite.path) in str(raised.value)
    assert raised.value.hint
    assert len(other.list_messages("s", "a")) == 2


def test_sqlite_errors_of_the_contract_are_caught_as_the_sdks(sqlite: SQLiteBackend) -> None:
    """Code that catches `SessionException`, as it must with the SDK's managers, catches every error of this kind."""
    manager = sqlite.open("s")
    stock(manager, "s")
    caught = []

    for name in ("conflict", "no-session", "no-agent", "no-crew", "session-exists", "nothing-to-delete"):
        try:
            FAILURES[name](manager)
        except SessionException as error:
            caught.append((name, isinstance(error, SQLiteSessionError), bool(str(error))))

    assert len(caught) == 6
    assert all(ours and text for _, ours, text in caught)
