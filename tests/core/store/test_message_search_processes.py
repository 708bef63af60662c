"""Searches while other processes write and search, and those whose process is killed in the middle."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from strands_sqlite_session_manager import _message_index as index
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.message_search import search_messages

from . import search_process
from .searching import SESSION, found, ids, say


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """The file; nothing in it is damaged after the test."""
    file = tmp_path / "sessions.db"
    yield file
    connection = apsw.Connection(str(file))
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    """The open database, with a message in the session "session"."""
    opened = open_database(path)
    say(opened, "constant beginning")
    yield opened
    opened.close()


def process(path: Path, *arguments: object) -> subprocess.Popen[str]:
    """Start a process that does as the arguments say."""
    command = [sys.executable, search_process.__file__, str(path), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line(child: subprocess.Popen[str]) -> str:
    """Return what the process says next."""
    assert child.stdout is not None
    return child.stdout.readline().strip()


def test_a_search_sees_what_another_process_has_stored(path: Path, database: Database) -> None:
    """Whatever the other process reported as stored before the search began is found, each message once."""
    with process(path, "append", SESSION) as child:
        for _ in range(10):
            stored = int(line(child))
            assert ids(database, "drop") >= set(range(1, stored + 2))
        child.communicate("")
    assert child.returncode == 0


def test_a_message_that_is_written_anew_is_never_missing(path: Path, database: Database) -> None:
    """A message that another process overwrites all the time is found by every search, once."""
    with process(path, "overwrite", SESSION) as child:
        line(child)
        for _ in range(30):
            assert found(database, "constant") == {(SESSION, "agent", 0)}
        child.communicate("")
    assert child.returncode == 0


def test_processes_that_index_at_once(path: Path, database: Database) -> None:
    """Where several processes index the same messages, each answers with all, and none is indexed twice."""
    say(database, *[f"common {number}" for number in range(3000)])
    children = [process(path, "search") for _ in range(2)]

    assert len(search_messages(database, "common", limit=10_000)) == 3000

    assert [child.communicate()[0].strip() for child in children] == ["3000", "3000"]
    assert [child.returncode for child in children] == [0, 0]
    assert len(found(database, "common")) == 3000


def test_a_process_that_is_killed_while_it_indexes(path: Path, database: Database) -> None:
    """After `kill -9` in the middle of a batch the next search finds everything, each message once."""
    say(database, *[f"common {number}" for number in range(600)])
    steps, killed = 1, 0
    while True:
        database.write(index.empty)
        with process(path, "kill", steps) as child:
            answer, _ = child.communicate("")
        assert len(found(database, "common")) == 600
        if answer:
            break
        killed += 1
        steps *= 8

    assert killed >= 2
