"""Databases that are named by a `file:` URI: as safe as those that are named by a path."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from strands.types.session import Session, SessionType

from strands_sqlite_session_manager import (
    CannotOpenError,
    DatabaseMovedError,
    SessionStore,
    SQLiteSessionManager,
    TransferError,
)
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._forks import Held
from strands_sqlite_session_manager._schema import open_database, open_for_reading


def session_ids(connection: Connection) -> list[str]:
    return [session_id for (session_id,) in connection.rows("SELECT session_id FROM sessions ORDER BY session_id")]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder whose name means something in a URI."""
    folder = tmp_path / "50% of #1?"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_relative_uri_stays_on_its_file_when_the_working_folder_changes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections that are opened later read and write the same file, and not one of the same name elsewhere."""
    other = folder / "other"
    SQLiteSessionManager("somebody else", other / "sessions.db").close()
    database = open_database("file:sessions.db")
    with SQLiteSessionManager("mine", database.path):
        monkeypatch.chdir(other)
        inside, go = threading.Event(), threading.Event()

        def hold(connection: Connection) -> list[str]:
            inside.set()
            go.wait(30)
            return session_ids(connection)

        with ThreadPoolExecutor(1) as one:
            held = one.submit(database.read, hold)
            inside.wait(30)
            assert database.read(session_ids) == ["mine"]
            go.set()
            assert held.result() == ["mine"]
        reader = open_for_reading(database.path)
        assert reader.read(session_ids) == ["mine"]
        reader.close()
    database.close()


def test_a_relative_uri_stays_on_its_file_after_a_fork(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork closes every connection; what is opened anew leads where the first one did."""
    SQLiteSessionManager("somebody else", folder / "other" / "sessions.db").close()
    with SQLiteSessionManager("mine", "file:sessions.db") as manager:
        monkeypatch.chdir(folder / "other")
        held = Held()
        manager._database._file.before_fork(held)  # what a fork does; here it would take the test's own process along
        held.give_back()
        manager.create_session(Session("after", SessionType.AGENT))
        assert manager._database.read(session_ids) == ["after", "mine"]
    with SessionStore(folder / "other" / "sessions.db") as store:
        assert [session.session_id for session in store.list_sessions().sessions] == ["somebody else"]


@pytest.mark.parametrize(
    "uri",
    [
        "file:here.db",
        "file:./x/../here.db",
        "file:h%65re.db?cache=private#part",
        "file:here.db?psow=1&mode=rwc&cache=private",
        "file:{folder}/here.db",
        "file://{folder}/here.db",
        "file://localhost{folder}/here.db?mode=rwc",
        "file:link.db",
    ],
)
def test_a_new_file_is_for_its_owner_alone(folder: Path, uri: str) -> None:
    """However it is written, and as SQLite reads it: no other file appears."""
    (folder / "x").mkdir()
    (folder / "link.db").symlink_to("here.db")
    before = os.umask(0o022)
    quoted = str(folder).replace("%", "%25").replace("#", "%23").replace("?", "%3F")
    try:
        with SQLiteSessionManager("s", uri.format(folder=quoted)):
            assert {path.name: path.stat().st_mode & 0o777 for path in folder.glob("here*")} == {
                "here.db": 0o600,
                "here.db-wal": 0o600,
                "here.db-shm": 0o600,
            }
    finally:
        os.umask(before)
    assert {path.name for path in folder.iterdir()} == {"here.db", "link.db", "x"}


@pytest.mark.parametrize("uri", ["file::memory:", "file:name?mode=memory", "file:/name?vfs=memdb"])
def test_a_uri_without_a_file_makes_none(folder: Path, uri: str) -> None:
    """In memory, with a name or without."""
    database = open_database(uri)
    assert database.path == uri
    assert database.read(session_ids) == []
    database.close()
    assert list(folder.iterdir()) == []


def test_a_uri_in_the_root_folder_is_a_path_and_no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two slashes at its beginning, SQLite would take what follows for the name of a machine."""
    monkeypatch.chdir("/")
    with pytest.raises(CannotOpenError, match=r"<file:/no/such/folder/x\.db"):
        open_database("file:no/such/folder/x.db")


def test_a_file_is_not_created_where_sqlite_would_not(folder: Path) -> None:
    """Of another machine, in a folder that is missing, or where the mode says so."""
    for uri in ("file:new.db?mode=rw", "file:new.db?mode=ro", "file:missing/new.db", f"file://machine{folder}/new.db"):
        with pytest.raises(Exception, match="database=<file:"):
            open_database(uri)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_was_deleted_or_replaced_is_noticed(folder: Path, replaced: bool) -> None:  # noqa: FBT001 - a case
    """What is written afterwards would be lost; it is refused."""
    with SQLiteSessionManager("s", "file:sessions.db") as manager:
        (folder / "sessions.db").rename(folder / "gone.db")
        if replaced:
            SQLiteSessionManager("other", folder / "sessions.db").close()
        with pytest.raises(DatabaseMovedError, match="was deleted or replaced while it was open"):
            manager.create_session(Session("lost", SessionType.AGENT))
        with pytest.raises(DatabaseMovedError):
            manager.read_session("s")


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("name", ["sessions.db", "sessions.db-wal", "sessions.db-shm", "link.db"])
def test_an_export_onto_the_database_is_refused(folder: Path, name: str, read_only: bool) -> None:  # noqa: FBT001
    """By whatever name, onto what SQLite keeps beside it too; nor is the database read as if it were an export."""
    (folder / "link.db").symlink_to("sessions.db")
    with SQLiteSessionManager("s", "file:sessions.db"), SessionStore("file:sessions.db", read_only=read_only) as store:
        with pytest.raises(TransferError, match="is the database itself"):
            store.export_jsonl(folder / name)
        if not read_only:
            with pytest.raises(TransferError, match="is the database itself"):
                store.import_jsonl(folder / name)
        assert [session.session_id for session in store.list_sessions().sessions] == ["s"]
