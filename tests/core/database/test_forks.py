"""Forks: a child inherits no connection, for SQLite takes the locks of an inherited one for its own.

Where it does, the child writes without a lock: others take the WAL away under its feet, and
what it acknowledged is gone.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw
import pytest
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import (
    DatabaseClosedError,
    SessionStore,
    SQLiteSessionManager,
    _connection,
    _files,
    _owners,
    _read_only,
)
from strands_sqlite_session_manager._connection import Connection, connect
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._forks import Held
from strands_sqlite_session_manager._owners import close_all
from strands_sqlite_session_manager._schema import open_for_reading
from strands_sqlite_session_manager._turns import Turn, Turns
from strands_sqlite_session_manager.maintenance import _copying

from .forking import descriptors, fork
from .waiting import PATIENCE

T = TypeVar("T")

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
    monkeypatch.setattr(_copying, "STEP_PAGES", 5)
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


def test_a_fork_between_the_connection_of_a_backup_and_its_first_step_sends_it_back(
    manager: SQLiteSessionManager, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """APSW then raises a `ValueError`, which is not told of the target."""
    between_forks, forks = Database.between_forks, iter([True])

    def then_fork(database: Database, work: Callable[[], T]) -> T:
        found = between_forks(database, work)
        if next(forks, False):
            fork(path)
        return found

    monkeypatch.setattr(Database, "between_forks", then_fork)
    with SessionStore(manager) as store:
        assert store.back_up(tmp_path / "copy.db").messages == 1
    assert next(forks, None) is None


def test_no_fork_comes_while_a_backup_uses_its_connection(
    manager: SQLiteSessionManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite could not close it then, and the child would inherit it."""
    lending, waited = manager._database._file.lending, []

    def look(use: Callable[..., T], *arguments: object) -> T:
        fork_of_another = Turn(alone=True)
        waited.append(not lending.enter(fork_of_another))
        lending.leave(fork_of_another)
        return use(*arguments)

    for module, name in ((_copying, "_step"), (_files, "connect"), (_connection.Connection, "close")):
        monkeypatch.setattr(module, name, _seen(look, getattr(module, name)))
    with SessionStore(manager) as store:
        store.back_up(tmp_path / "copy.db")
    assert waited == [True, True, True]  # opened, stepped, closed


def _seen(look: Callable[..., T], use: Callable[..., T]) -> Callable[..., T]:
    def run(*arguments: object, **options: object) -> T:
        return look(partial(use, **options), *arguments)

    return run


def test_who_forks_while_all_is_given_back_holds_all_anew() -> None:
    """A handler may fork then: what was given back already has to be taken again."""
    held, seen = Held(), []

    class Watching(Turns):
        def leave(self, mine: Turn) -> None:
            seen.append(held.whole)
            super().leave(mine)

    held.take(Watching(1), Turn())
    held.whole = True
    held.give_back()
    assert seen == [False]


def test_what_a_dropped_store_had_open_is_closed_by_a_fork_before_the_garbage_collector_comes_to_it(
    manager: SQLiteSessionManager, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collection in another thread forgets the owner first, and may then be held up."""
    manager.close()
    with monkeypatch.context() as patch:
        patch.setattr(_owners, "_forget", lambda _known: None)
        store = SessionStore(path, read_only=True)
    store.list_sessions()
    del store
    gc.collect()
    assert descriptors(path)
    fork(path)
    assert descriptors(path) == []


def test_one_connection_that_cannot_be_closed_keeps_no_other_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first error comes out when all were tried; whoever failed stays known, and is tried again."""
    SQLiteSessionManager("s", path).close()
    known: set[Connection] = set()
    opened = [connect(str(path), seconds=1, create=False, known=known) for _ in range(4)]
    close, broken = Connection.close, opened[:2]

    def fail(connection: Connection) -> None:
        if connection in broken:
            raise apsw.IOError
        close(connection)

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "close", fail)
        with pytest.raises(apsw.IOError):
            close_all(known)
    assert known == set(broken)
    close_all(known)
    assert known == set()
    assert descriptors(path) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_child_that_inherits_a_connection_all_the_same_is_refused_the_file(
    manager: SQLiteSessionManager, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where both hooks failed; so is its own child. The parent goes on."""
    reader = open_for_reading(str(path))

    def fail(_connections: object) -> None:
        raise apsw.IOError

    def refused() -> None:
        for use in (partial(say, manager, 1), partial(count, manager), partial(reader.read, lambda _: None)):
            with pytest.raises(DatabaseClosedError):
                use()

    def refused_there_too() -> None:
        refused()
        fork(path, refused, inherits=True)
        refused()

    with monkeypatch.context() as patch:
        for module in (_files, _read_only):
            patch.setattr(module, "close_all", fail)
        fork(path, refused_there_too, inherits=True)
    say(manager, 1)
    assert reader.read(lambda connection: connection.row("SELECT count(*) FROM messages")) == (2,)
    reader.close()


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
