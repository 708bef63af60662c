"""Forks: a child inherits no connection, for SQLite takes the locks of an inherited one for its own.

Where it does, the child writes without a lock: others take the WAL away under its feet, and
what it acknowledged is gone.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import DatabaseClosedError, SessionStore, SQLiteSessionManager
from strands_sqlite_session_manager.maintenance import _backup

from .forking import descriptors, fork
from .waiting import PATIENCE

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="descriptors are counted in /proc"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def manager(path: Path) -> Iterator[SQLiteSessionManager]:
    with SQLiteSessionManager("s", path) as manager:
        manager.create_agent("s", SessionAgent("a", {}, {}))
        say(manager, 0)
        yield manager


def say(manager: SQLiteSessionManager, number: int) -> None:
    manager.create_message("s", "a", SessionMessage({"role": "user", "content": [{"text": f"{number}"}]}, number))


def count(manager: SQLiteSessionManager) -> int:
    return len(manager.list_messages("s", "a"))


def test_a_store_that_was_dropped_leaves_nothing_open(manager: SQLiteSessionManager, path: Path) -> None:
    """Neither to this process nor to a child: whether it reads only or may write, and however it was named."""
    say(manager, 1)
    manager.close()
    for name in (path, path.as_uri()):
        for read_only in (True, False):
            SessionStore(name, read_only=read_only).list_sessions()
            gc.collect()
            fork(path)
    SQLiteSessionManager("s", path).close()  # where a file is opened, those that nobody uses are closed
    assert descriptors(path) == []


def test_what_is_in_memory_goes_with_who_used_it() -> None:
    """A private database that nobody closed is gone with its manager."""
    manager = SQLiteSessionManager("s", ":memory:")
    connections = manager._database._file.connections
    assert len(connections) == 1
    del manager
    gc.collect()
    assert connections == set()


def test_a_backup_ends_however_often_its_process_forks(
    manager: SQLiteSessionManager, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forks send it back to its beginning a few times; then they wait for it."""
    monkeypatch.setattr(_backup, "STEP_PAGES", 5)
    with SessionStore(manager) as writing, SessionStore(path, read_only=True) as reading:
        for number, store in enumerate((writing, reading)):
            seen: list[tuple[int, int]] = []

            def progress(done: int, pages: int) -> None:
                seen.append((done, pages))  # noqa: B023
                fork(path)

            assert store.back_up(tmp_path / f"copy-{number}.db", progress=progress).messages == 1
            assert 1 < len(seen) < 10
            assert all(0 < done <= pages for done, pages in seen)
        assert not writing._database._file.lent


def test_a_store_that_is_closed_lends_no_connection(manager: SQLiteSessionManager) -> None:
    """Forks no longer know of its file."""
    file = manager._database._file
    manager.close()
    with pytest.raises(DatabaseClosedError):
        file.lend(1)
    assert not file.lent


def test_a_fork_while_another_thread_backs_up(manager: SQLiteSessionManager, path: Path, tmp_path: Path) -> None:
    """The child inherits nothing of it; the copy begins again, and is whole; what the child acknowledges stays."""
    with SessionStore(manager) as writing, SessionStore(path, read_only=True) as reading:
        for number, store in enumerate((writing, reading), 1):
            inside, forked = threading.Event(), threading.Event()

            def progress(_done: int, _of: int) -> None:
                inside.set()  # noqa: B023
                assert forked.wait(PATIENCE)  # noqa: B023

            with ThreadPoolExecutor(1) as pool:
                copy = tmp_path / f"copy-{number}.db"
                copying = pool.submit(store.back_up, copy, progress=progress)
                assert inside.wait(PATIENCE)
                fork(path, partial(say, manager, number))
                forked.set()
                assert copying.result(PATIENCE).messages in (number, number + 1)
        assert count(manager) == 3
