"""What SQLite does outside of a transaction only, while others write."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database, Options
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.errors import DatabaseBusyError, DatabaseClosedError, SQLiteSessionError

PATIENCE = 30.0
COUNT = "SELECT count(*) FROM sessions"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "sessions.db", Options(durability="normal", busy_timeout=0.05))
    yield database
    database.close()


def insert(connection: Connection, name: str) -> None:
    connection.run("INSERT INTO sessions (session_id, session_type) VALUES (?, 'AGENT')", (name,))


def count(database: Database) -> int:
    return int(database.read(lambda connection: connection.row(COUNT)[0]))


def test_no_transaction_is_open_and_those_who_write_meanwhile_wait(database: Database) -> None:
    """Writers queue behind it, and are committed when it is done, none of them lost."""
    begun, go_on = threading.Event(), threading.Event()

    def alone(connection: Connection) -> None:
        assert not connection.in_transaction
        begun.set()
        assert go_on.wait(PATIENCE)
        connection.run("VACUUM")
        assert connection.row(COUNT) == (0,)

    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(database.run_alone, alone)
        assert begun.wait(PATIENCE)
        others = [pool.submit(database.write, lambda c, name=str(n): insert(c, name)) for n in range(4)]
        second = pool.submit(database.run_alone, lambda connection: connection.run("VACUUM"))
        assert not any(each.done() for each in others)
        go_on.set()
        assert [each.result(PATIENCE) for each in [first, second, *others]] == [None] * 6
    assert count(database) == 4


def test_whatever_it_raises_the_next_writes_go_on(database: Database) -> None:
    """An error of SQLite is typed, another is the caller's own, and a transaction that was left open is rolled back."""

    def leave_open(connection: Connection) -> None:
        connection.run("BEGIN")
        insert(connection, "never")
        raise KeyboardInterrupt

    with pytest.raises(SQLiteSessionError, match="no such table"):
        database.run_alone(lambda connection: connection.run("SELECT 1 FROM nowhere"))
    with pytest.raises(KeyboardInterrupt):
        database.run_alone(leave_open)
    database.write(lambda connection: insert(connection, "s"))
    assert count(database) == 1


def test_another_connection_that_writes_is_waited_for_as_long_as_the_timeout_says(
    tmp_path: Path, database: Database
) -> None:
    """Then it is a typed error, and nothing happened."""
    stranger = apsw.Connection(str(tmp_path / "sessions.db"))
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusyError):
        database.run_alone(lambda connection: connection.run("VACUUM"))
    stranger.execute("ROLLBACK")
    database.run_alone(lambda connection: connection.run("VACUUM"))
    stranger.close()


def test_a_closed_database_refuses(tmp_path: Path) -> None:
    """As every other call does."""
    database = open_database(tmp_path / "sessions.db")
    database.close()
    with pytest.raises(DatabaseClosedError):
        database.run_alone(lambda connection: connection.run("VACUUM"))


def test_a_database_in_memory_keeps_what_it_has() -> None:
    """It is vacuumed like any other."""
    database = open_database(":memory:")
    database.write(lambda connection: insert(connection, "s"))
    database.run_alone(lambda connection: connection.run("VACUUM"))
    assert count(database) == 1
    database.close()
