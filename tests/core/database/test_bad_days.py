"""Bad input and bad days: a typed error says what is wrong and what to do, and what was there stays."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from strands.types.exceptions import SessionException
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import (
    CannotOpenError,
    ConflictError,
    DatabaseClosedError,
    DatabaseCorruptError,
    DatabaseFullError,
    DatabaseIOError,
    DatabaseMovedError,
    NotADatabaseError,
    SchemaTooNewError,
    SQLiteSessionError,
    SQLiteSessionManager,
    UnsafeSQLiteError,
    _connection,
    errors,
)

from .faults import FaultyVFS

ALL_ERRORS = sorted(set(errors.__all__) - {"translated"})


def message(number: int, text: str = "hello") -> SessionMessage:
    return SessionMessage({"role": "user", "content": [{"text": text}]}, number)


def filled(db: str | Path, messages: int = 3, size: int = 5) -> SQLiteSessionManager:
    """Return a manager on a session with an agent and some messages."""
    manager = SQLiteSessionManager("s", db)
    manager.create_agent("s", SessionAgent("a", {"mood": "calm"}, {}))
    for number in range(messages):
        manager.create_message("s", "a", message(number, f"{number}" * size))
    return manager


def texts(manager: SQLiteSessionManager) -> list[str]:
    return [record.message["content"][0]["text"] for record in manager.list_messages("s", "a")]


def raising(error: type[apsw.Error], method: str, suffix: str = "") -> Callable[[str, str], None]:
    """Return a fault that raises `error` in `method` on files whose names end in `suffix`."""

    def fault(called: str, file: str) -> None:
        if called == method and file.endswith(suffix):
            raise error

    return fault


@pytest.mark.parametrize("name", ALL_ERRORS)
def test_every_error_is_a_session_exception_with_a_docstring(name: str) -> None:
    """Code that catches the SDK's exception catches each of ours, and each says when it is raised."""
    kind = getattr(errors, name)
    assert issubclass(kind, SQLiteSessionError)
    assert issubclass(kind, SessionException)
    assert kind.__doc__
    assert kind("what happened").hint or kind in (SQLiteSessionError, errors.NotFoundError)


def test_a_folder_as_db_path_is_refused(tmp_path: Path) -> None:
    """A folder is named as such, and stays empty."""
    with pytest.raises(CannotOpenError, match="is a folder") as caught:
        SQLiteSessionManager("s", tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "choose a db_path that names a file" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    """A part of the path that is a file cannot hold a database."""
    (tmp_path / "file").write_text("text")
    with pytest.raises(CannotOpenError, match=r"cannot be created|lies in a folder that is a file"):
        SQLiteSessionManager("s", tmp_path / "file" / "sessions.db")
    assert (tmp_path / "file").read_text() == "text"


@pytest.mark.parametrize("content", [b"Dear diary,\n" * 1000, b"short", bytes(8192)])
def test_a_file_that_is_no_database_is_refused_and_unchanged(tmp_path: Path, content: bytes) -> None:
    """A text file, or zeros, is not written over."""
    path = tmp_path / "sessions.db"
    path.write_bytes(content)
    with pytest.raises(NotADatabaseError, match="is not an SQLite database"):
        SQLiteSessionManager("s", path)
    assert path.read_bytes() == content
    assert [found.name for found in tmp_path.iterdir()] == ["sessions.db"]


def test_a_database_of_another_program_is_refused_and_unchanged(tmp_path: Path) -> None:
    """A database with other tables is not ours to write to, whatever they are called."""
    path = tmp_path / "sessions.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE messages (body); INSERT INTO messages VALUES ('dear')")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(NotADatabaseError, match="of another program") as caught:
        SQLiteSessionManager("s", path)
    assert "choose another db_path" in caught.value.hint
    assert path.read_bytes() == before


def test_a_damaged_file_is_named_as_damaged(tmp_path: Path) -> None:
    """Pages overwritten with noise are found when they are read, and reported as damage."""
    path = tmp_path / "sessions.db"
    filled(path, 200, 500).close()
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(DatabaseCorruptError, match="is damaged") as caught:
        filled(path)
    assert str(path) in str(caught.value)
    assert "restore a backup" in caught.value.hint


def test_a_newer_schema_is_refused_and_unchanged(tmp_path: Path) -> None:
    """A file that a newer version wrote is left as it is, with the advice to upgrade."""
    path = tmp_path / "sessions.db"
    filled(path).close()
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(SchemaTooNewError, match="schema version 99") as caught:
        SQLiteSessionManager("s", path)
    assert "upgrade" in caught.value.hint
    assert path.read_bytes() == before


@pytest.mark.parametrize(("version", "safe"), [("3.51.2", False), ("3.7.0", False), ("3.51.3", True), ("4.0.0", True)])
def test_an_apsw_with_the_wal_reset_bug_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, *, safe: bool
) -> None:
    """An SQLite that can corrupt a WAL database is not given one."""
    monkeypatch.setattr(_connection.apsw, "sqlite_lib_version", lambda: version)
    path = tmp_path / "sessions.db"
    if safe:
        SQLiteSessionManager("s", path).close()
        assert path.exists()
    else:
        with pytest.raises(UnsafeSQLiteError, match=f"<{version}>.*install apsw>=3.51.3.0"):
            SQLiteSessionManager("s", path)
        assert not path.exists()


@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_a_full_disk_in_mid_write_leaves_the_old_state(tmp_path: Path, vfs: FaultyVFS, suffix: str) -> None:
    """A write that finds no room is an error; what was there stays, and writing goes on once there is room."""
    manager = filled(vfs.uri(tmp_path / "sessions.db"))
    vfs.fault = raising(apsw.FullError, "write", suffix)
    with pytest.raises(DatabaseFullError, match="disk is full") as caught:
        manager.create_message("s", "a", message(3, "x" * 100_000))
    assert "free some space" in caught.value.hint
    assert texts(manager) == ["00000", "11111", "22222"]
    vfs.fault = None
    manager.create_message("s", "a", message(3, "room again"))
    assert texts(manager)[3:] == ["room again"]
    manager.close()


def test_a_database_at_its_size_limit_leaves_the_old_state(tmp_path: Path) -> None:
    """SQLite's own limit behaves as a full disk does."""
    with filled(tmp_path / "sessions.db") as manager:
        connection = manager._database._file.writer.connection
        assert connection is not None
        connection.pragma("max_page_count", connection.pragma("page_count"))
        with pytest.raises(DatabaseFullError):
            manager.create_message("s", "a", message(3, "x" * 1_000_000))
        assert texts(manager) == ["00000", "11111", "22222"]
        connection.pragma("max_page_count", 1_000_000)
        manager.create_message("s", "a", message(3, "x" * 1_000_000))
        assert len(texts(manager)) == 4


def test_an_fsync_that_fails_is_an_error_and_the_connection_is_given_up(tmp_path: Path, vfs: FaultyVFS) -> None:
    """After a failed sync nobody knows what is on the disk: the write is not acknowledged, all is read anew."""
    manager = filled(vfs.uri(tmp_path / "sessions.db"))
    writer = manager._database._file.writer
    before = writer.connection
    vfs.fault = raising(apsw.IOError, "sync")
    with pytest.raises(DatabaseIOError, match="could not be read or written"):
        manager.create_message("s", "a", message(3))
    vfs.fault = None
    assert writer.connection is not before
    manager.create_message("s", "a", message(4, "after"))
    assert texts(manager)[:3] == ["00000", "11111", "22222"]
    assert texts(manager)[-1] == "after"
    manager.close()


def test_a_second_writer_on_one_session_is_told_so_again_and_again(tmp_path: Path) -> None:
    """A manager that does not know of another's messages overwrites none of them, however often it tries."""
    with filled(tmp_path / "sessions.db") as first, SQLiteSessionManager("s", tmp_path / "sessions.db") as second:
        second.create_message("s", "a", message(3, "second was here"))
        for _ in range(3):
            with pytest.raises(ConflictError, match="exists with other content") as caught:
                first.create_message("s", "a", message(3, "first"))
        assert "build a new session manager" in caught.value.hint
        assert texts(first)[3:] == ["second was here"]


@pytest.mark.parametrize("replace", [False, True])
def test_a_file_deleted_or_replaced_while_open_is_noticed_before_anything_is_lost(
    tmp_path: Path, *, replace: bool
) -> None:
    """A write to a file that no longer has its name would be lost: it is refused; a new manager gets the new file."""
    path = tmp_path / "sessions.db"
    manager = filled(path)
    aside = tmp_path / "aside.db"
    path.rename(aside)
    if replace:
        (tmp_path / "other").mkdir()
        filled(tmp_path / "other" / "new.db").close()
        (tmp_path / "other" / "new.db").rename(path)
    with pytest.raises(DatabaseMovedError, match="deleted or replaced") as caught:
        manager.create_message("s", "a", message(3))
    with pytest.raises(DatabaseMovedError):
        manager.list_messages("s", "a")
    assert "build new ones" in caught.value.hint
    with SQLiteSessionManager("s", path) as fresh:
        assert len(fresh.list_messages("s", "a")) == (3 if replace else 0)
    manager.close()


def test_a_file_that_was_moved_while_open_opens_under_its_new_name(tmp_path: Path) -> None:
    """Moving an open file stops its managers; new ones on the new name work, whatever the old ones do."""
    old = filled(tmp_path / "sessions.db")
    (tmp_path / "sessions.db").rename(tmp_path / "moved.db")
    (tmp_path / "sessions.db-wal").rename(tmp_path / "moved.db-wal")
    with SQLiteSessionManager("s", tmp_path / "moved.db") as new:
        new.create_message("s", "a", message(3, "new name"))
        assert texts(new)[3:] == ["new name"]
        with pytest.raises(DatabaseMovedError):
            old.create_message("s", "a", message(4))
        old.close()
        assert texts(new)[3:] == ["new name"]


def test_a_link_to_nowhere_is_refused(tmp_path: Path) -> None:
    """A link whose target is missing is named, and nothing is made in its place."""
    (tmp_path / "sessions.db").symlink_to(tmp_path / "missing" / "file.db")
    with pytest.raises(CannotOpenError, match="No such file"):
        SQLiteSessionManager("s", tmp_path / "sessions.db")


def test_use_after_close_is_an_error_and_closing_again_is_none(tmp_path: Path) -> None:
    """A closed manager reads and writes nothing."""
    manager = filled(tmp_path / "sessions.db")
    manager.close()
    manager.close()
    with pytest.raises(DatabaseClosedError, match="was closed"):
        manager.create_message("s", "a", message(3))
    with pytest.raises(DatabaseClosedError, match="was closed"):
        manager.list_messages("s", "a")
    with filled(":memory:") as in_memory:
        pass
    with pytest.raises(DatabaseClosedError):
        in_memory.read_session("s")


def test_closing_one_manager_leaves_the_others_open(tmp_path: Path) -> None:
    """The database is closed with the last of its managers, and its WAL is folded in then."""
    path = tmp_path / "sessions.db"
    first, second = filled(path), SQLiteSessionManager("s", path)
    first.close()
    second.create_message("s", "a", message(3))
    assert (tmp_path / "sessions.db-wal").exists()
    second.close()
    assert sorted(found.name for found in tmp_path.iterdir()) == ["sessions.db"]


@pytest.mark.parametrize(("option", "value"), [("durability", "off"), ("busy_timeout", -1), ("busy_timeout", "nan")])
def test_an_option_without_meaning_is_refused(tmp_path: Path, option: str, value: Any) -> None:
    """A durability or a timeout that does not exist is a `ValueError`, and no file is made."""
    value = float(value) if option == "busy_timeout" else value
    with pytest.raises(ValueError, match=option):
        SQLiteSessionManager("s", tmp_path / "sessions.db", **{option: value})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_failed_write_leaves_no_transaction_open(tmp_path: Path, *, in_memory: bool) -> None:
    """After any failed write the next writer, here or in another connection, finds the database free."""
    path = ":memory:" if in_memory else str(tmp_path / "sessions.db")
    with filled(path) as manager:
        for bad in (lambda: manager.create_message("s", "a", message(0, "other")), lambda: manager.delete_session("x")):
            with pytest.raises(SQLiteSessionError):
                bad()
            connection = manager._database._file.writer.connection
            assert connection is not None
            assert not connection.in_transaction
        if not in_memory:
            other = apsw.Connection(path)
            other.execute("BEGIN IMMEDIATE; COMMIT")
            other.close()
        manager.create_message("s", "a", message(3))


def test_the_file_its_wal_and_its_folder_are_private(tmp_path: Path) -> None:
    """What an agent remembers is readable by its user only, in the WAL too."""
    path = tmp_path / "made" / "for" / "it" / "sessions.db"
    with filled(path):
        modes = {found.name: found.stat().st_mode & 0o777 for found in path.parent.iterdir()}
        assert modes == {"sessions.db": 0o600, "sessions.db-wal": 0o600, "sessions.db-shm": 0o600}
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_vfs_without_shared_memory_is_refused(tmp_path: Path) -> None:
    """Where WAL is impossible, as on many network file systems, opening fails with the way out."""
    with pytest.raises(CannotOpenError, match="cannot use WAL") as caught:
        SQLiteSessionManager("s", f"{(tmp_path / 'sessions.db').as_uri()}?vfs=unix-none")
    assert "S3SessionManager" in caught.value.hint
