"""A database that is open for reading only: what it refuses, and that it leaves the file and its folder alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import apsw
import pytest
from strands.types.session import Session, SessionType

from strands_sqlite_session_manager import (
    CannotOpenError,
    DatabaseClosedError,
    DatabaseReadOnlyError,
    NotADatabaseError,
    SchemaTooNewError,
    SchemaTooOldError,
    SQLiteSessionManager,
)
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._schema import VERSION, open_for_reading

DATA = Path(__file__).parent.parent / "data"


def session_ids(connection: Connection) -> list[str]:
    return [session_id for (session_id,) in connection.rows("SELECT session_id FROM sessions ORDER BY session_id")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a session, closed."""
    path = tmp_path / "folder" / "sessions.db"
    SQLiteSessionManager("s", path).close()
    return path


def test_reading_leaves_the_file_and_its_folder_as_they_are(path: Path) -> None:
    """After it is closed the same files are there, with the same bytes and times."""
    before = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.parent.iterdir()}
    database = open_for_reading(path)
    assert database.read(session_ids) == ["s"]
    database.close()
    assert {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.parent.iterdir()} == before


@pytest.mark.parametrize("query", ["", "?mode=ro", "?cache=private"])
def test_reading_by_a_uri_leaves_the_folder_as_it_is(path: Path, query: str) -> None:
    """Whatever the URI says, and however its name is written in it."""
    path = path.rename(path.with_name("50% ü.db"))
    before = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.parent.iterdir()}
    database = open_for_reading(f"file:{quote(str(path))}{query}")
    assert database.read(session_ids) == ["s"]
    database.close()
    assert {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.parent.iterdir()} == before


def test_nothing_can_be_written(path: Path) -> None:
    """Neither through the database nor by SQL on its connection."""
    database = open_for_reading(path)
    with pytest.raises(DatabaseReadOnlyError, match="was opened for reading only"):
        database.write(lambda connection: connection.run("DELETE FROM sessions"))
    with pytest.raises(DatabaseReadOnlyError, match="cannot be written"):
        database.read(lambda connection: connection.run("DELETE FROM sessions"))
    assert database.read(session_ids) == ["s"]
    database.close()


def test_what_others_commit_is_seen_by_the_next_read(path: Path) -> None:
    """A reader and a writer of one file do not stand in each other's way, in one process or in two."""
    database = open_for_reading(path)
    with SQLiteSessionManager("t", path) as manager:
        assert database.read(session_ids) == ["s", "t"]
        manager.create_session(Session("u", SessionType.AGENT))
        assert database.read(session_ids) == ["s", "t", "u"]
    assert database.read(session_ids) == ["s", "t", "u"]
    database.close()
    assert [file.name for file in path.parent.iterdir()] == ["sessions.db"]


def test_what_a_killed_writer_left_in_the_wal_is_read_and_stays_there(path: Path) -> None:
    """A WAL with commits is part of the database; reading does not move them into the file."""
    code = (
        "import apsw, os, sys; c = apsw.Connection(sys.argv[1]); c.wal_autocheckpoint(0); "
        "c.execute(\"INSERT INTO sessions (change_id, session_id, session_type) VALUES (9, 'late', 'AGENT')\"); "
        "os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    wal = path.with_name("sessions.db-wal")
    before = (path.read_bytes(), wal.read_bytes())
    database = open_for_reading(path)
    assert database.read(session_ids) == ["late", "s"]
    database.close()
    assert (path.read_bytes(), wal.read_bytes()) == before


def test_a_file_that_is_not_there_is_not_created(tmp_path: Path) -> None:
    """Reading what does not exist is an error that says so, and leaves nothing behind."""
    with pytest.raises(CannotOpenError, match="does not exist"):
        open_for_reading(tmp_path / "sessions.db")
    with pytest.raises(CannotOpenError, match="does not exist"):
        open_for_reading(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_empty_database_in_memory_is_refused() -> None:
    """There would be nothing to read in it."""
    with pytest.raises(ValueError, match="nothing to read"):
        open_for_reading(":memory:")


def test_a_user_of_a_database_is_no_file() -> None:
    """Who shares what another has open could write."""
    with SQLiteSessionManager("s", ":memory:") as manager, pytest.raises(ValueError, match="path of a file"):
        open_for_reading(manager)


@pytest.mark.parametrize("name", ["legacy_0_1_0.db", "schema_1.db", "schema_2.db"])
def test_an_older_file_is_refused_and_not_changed(tmp_path: Path, name: str) -> None:
    """It says what brings the file up to date."""
    path = tmp_path / name
    path.write_bytes((DATA / name).read_bytes())
    with pytest.raises(SchemaTooOldError, match=f"this package reads {VERSION}.*open it once for writing"):
        open_for_reading(path)
    assert path.read_bytes() == (DATA / name).read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_newer_file_and_a_foreign_one_are_refused(path: Path, tmp_path: Path) -> None:
    """As for those who write."""
    connection = apsw.Connection(str(path))
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(SchemaTooNewError):
        open_for_reading(path)
    foreign = tmp_path / "foreign.db"
    foreign.write_bytes(b"no database" * 100)
    with pytest.raises(NotADatabaseError):
        open_for_reading(foreign)


def test_closing_again_is_fine_and_reading_afterwards_is_not(path: Path) -> None:
    """As for those who write."""
    database = open_for_reading(path)
    database.close()
    database.close()
    with pytest.raises(DatabaseClosedError):
        database.read(session_ids)
    with pytest.raises(DatabaseClosedError):
        database.require_open()


def test_what_reads_may_use_temporary_tables(path: Path) -> None:
    """They are in memory and gone with the connection."""

    def count(connection: Connection) -> int:
        connection.run("CREATE TEMP TABLE sessions_seen AS SELECT * FROM sessions")
        return int(connection.row("SELECT count(*) FROM sessions_seen")[0])

    database = open_for_reading(path)
    assert database.read(count) == 1
    database.close()


READ_AS_ANOTHER_USER = """
import os, sys
from strands_sqlite_session_manager._standalone import stand_alone
stand_alone()
from strands_sqlite_session_manager._schema import open_for_reading
if os.getuid() == 0:
    os.setuid(65534)
database = open_for_reading(sys.argv[1])
print(database.read(lambda connection: connection.rows("SELECT session_id FROM sessions")))
database.close()
"""


def test_a_folder_without_write_permission_is_read() -> None:
    """SQLite needs no files of its own where nobody writes. Root may write anywhere, so another user reads here."""
    with tempfile.TemporaryDirectory() as name:  # the folders of pytest are closed to others
        folder = Path(name)
        path = folder / "sessions.db"
        SQLiteSessionManager("s", path).close()
        path.chmod(0o444)
        folder.chmod(0o555)
        try:
            command = [sys.executable, "-c", READ_AS_ANOTHER_USER, str(path)]
            env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
            done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
            assert (done.stdout, done.stderr) == ("[('s',)]\n", "")
            assert [file.name for file in folder.iterdir()] == ["sessions.db"]
        finally:
            folder.chmod(0o755)
