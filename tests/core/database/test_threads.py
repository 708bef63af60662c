"""Threads, group commit, and one database for each file and process."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

import apsw
import pytest
from strands import Agent
from strands.types.session import SessionAgent, SessionMessage

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import ConflictError, DatabaseBusyError, SQLiteSessionManager, _connection, _files
from strands_sqlite_session_manager._readers import MOST_READERS
from strands_sqlite_session_manager._turns import Turn

from . import waiting
from .faults import FaultyVFS
from .waiting import PATIENCE


def message(number: int, text: str = "hello") -> SessionMessage:
    return SessionMessage({"role": "user", "content": [{"text": text}]}, number)


def texts(manager: SQLiteSessionManager, session: str, agent: str = "a") -> list[str]:
    return [record.message["content"][0]["text"] for record in manager.list_messages(session, agent)]


def at_once(*tasks: Callable[[], Any]) -> list[Any]:
    """Run the tasks on a thread each, all begun before the first goes on; return their results or errors."""
    barrier = threading.Barrier(len(tasks))

    def run(task: Callable[[], Any]) -> Any:
        barrier.wait(PATIENCE)
        try:
            return task()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))


class Gate:
    """Holds the first sync up until `open` is set, so that other writers queue behind it."""

    def __init__(self, vfs: FaultyVFS) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        vfs.fault = self

    def __call__(self, method: str, _file: str) -> None:
        if method == "sync" and not self.reached.is_set():
            self.reached.set()
            assert self.open.wait(PATIENCE)


def queued(manager: SQLiteSessionManager, number: int) -> None:
    """Return once that many writers wait for their turn."""
    waiting.queued(manager._database._file.writer, number)


@pytest.mark.parametrize("place", ["file", ":memory:"])
@pytest.mark.parametrize("durability", ["full", "normal"])
def test_threads_that_share_a_manager_lose_nothing(tmp_path: Path, place: str, durability: Any) -> None:
    """Eight threads on eight sessions: every acknowledged message is there, in order, and reads see whole ones."""
    db = place if place == ":memory:" else tmp_path / "sessions.db"
    with SQLiteSessionManager("s0", db, durability=durability) as manager:

        def work(name: str) -> None:
            if name != "s0":
                manager.create_session(type(manager.session)(name, manager.session.session_type))
            manager.create_agent(name, SessionAgent("a", {}, {}))
            for number in range(100):
                manager.create_message(name, "a", message(number, f"{name}:{number}"))
                assert texts(manager, name)[-1] == f"{name}:{number}"

        assert at_once(*(lambda name=f"s{number}": work(name) for number in range(8))) == [None] * 8  # type: ignore[misc]
        for number in range(8):
            assert texts(manager, f"s{number}") == [f"s{number}:{place}" for place in range(100)]


def test_writers_that_wait_share_one_commit_and_each_gets_its_own_result(tmp_path: Path, vfs: FaultyVFS) -> None:
    """Those who queue behind a slow commit are committed together; one that fails takes no other with it."""
    with SQLiteSessionManager("s", vfs.uri(tmp_path / "sessions.db")) as manager:
        for agent in "abcdef":
            manager.create_agent("s", SessionAgent(agent, {}, {}))
        manager.create_message("s", "d", message(0, "taken"))
        gate = Gate(vfs)
        with ThreadPoolExecutor(6) as pool:
            slow = pool.submit(manager.create_message, "s", "a", message(0))
            assert gate.reached.wait(PATIENCE)
            others = [pool.submit(manager.create_message, "s", agent, message(0, agent)) for agent in "bcdef"]
            queued(manager, 5)
            before = vfs.calls["sync"]
            gate.open.set()
            assert slow.result(PATIENCE) is None
            errors = [future.exception(PATIENCE) for future in others]
        assert [type(error) for error in errors] == [type(None), type(None), ConflictError, type(None), type(None)]
        assert [texts(manager, "s", agent) for agent in "bcdef"] == [["b"], ["c"], ["taken"], ["e"], ["f"]]
        assert vfs.calls["sync"] - before <= 5, "a group with a failure is run one by one"


def test_a_group_without_failures_waits_for_the_disk_once(tmp_path: Path, vfs: FaultyVFS) -> None:
    """Group commit: five waiting writers cost one sync."""
    with SQLiteSessionManager("s", vfs.uri(tmp_path / "sessions.db")) as manager:
        for agent in "abcdef":
            manager.create_agent("s", SessionAgent(agent, {}, {}))
        gate = Gate(vfs)
        with ThreadPoolExecutor(6) as pool:
            futures = [pool.submit(manager.create_message, "s", "a", message(0))]
            assert gate.reached.wait(PATIENCE)
            futures += [pool.submit(manager.create_message, "s", agent, message(0)) for agent in "bcdef"]
            queued(manager, 5)
            before = vfs.calls["sync"]
            gate.open.set()
            assert [future.result(PATIENCE) for future in futures] == [None] * 6
        assert vfs.calls["sync"] - before == 1


def test_a_writer_that_is_interrupted_leaves_the_others_their_turn(tmp_path: Path, vfs: FaultyVFS) -> None:
    """A keyboard interrupt in the thread that leads a group is its own affair: the others are written."""
    with SQLiteSessionManager("s", vfs.uri(tmp_path / "sessions.db")) as manager:
        for agent in "abc":
            manager.create_agent("s", SessionAgent(agent, {}, {}))
        database, gate = manager._database, Gate(vfs)

        def interrupt(_connection: Any) -> None:
            raise KeyboardInterrupt

        with ThreadPoolExecutor(3) as pool:
            slow = pool.submit(manager.create_message, "s", "a", message(0))
            assert gate.reached.wait(PATIENCE)
            leader = pool.submit(database.write, interrupt)
            queued(manager, 1)
            follower = pool.submit(manager.create_message, "s", "b", message(0))
            queued(manager, 2)
            gate.open.set()
            slow.result(PATIENCE)
            assert isinstance(leader.exception(PATIENCE), KeyboardInterrupt)
            follower.result(PATIENCE)
        assert texts(manager, "s", "b") == ["hello"]


def test_an_interrupt_right_after_begin_leaves_no_transaction_in_which_later_writes_would_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever comes between a BEGIN and what follows it, the next write is stored for all to see."""
    path = tmp_path / "sessions.db"
    with SQLiteSessionManager("s", path) as manager:
        manager.create_agent("s", SessionAgent("a", {}, {}))
        run = _connection.Connection.run

        def interrupted(connection: Any, sql: str, bindings: Any = ()) -> None:
            run(connection, sql, bindings)
            if sql == "BEGIN IMMEDIATE":
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(_connection.Connection, "run", interrupted)
            with pytest.raises(KeyboardInterrupt):
                manager.delete_session("s")
        manager.create_message("s", "a", message(0))
        other = apsw.Connection(str(path))
        assert other.execute("SELECT count(*) FROM messages").get == 1
        other.close()


def test_an_interrupt_whose_outcome_is_unknown_does_not_use_the_place_of_the_message_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that may have been stored when the interrupt came is not overwritten, and the agent can go on."""
    with SQLiteSessionManager("s", tmp_path / "sessions.db") as manager:
        agent = Agent(model=ScriptedModel("one"), session_manager=manager, callback_handler=None)
        run = _connection.Connection.run

        def interrupted(connection: Any, sql: str, bindings: Any = ()) -> None:
            run(connection, sql, bindings)
            if "INSERT INTO messages" in sql:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(_connection.Connection, "run", interrupted)
            with pytest.raises(KeyboardInterrupt):
                manager.append_message({"role": "user", "content": [{"text": "stored or not?"}]}, agent)
        agent("go on")
        assert texts(manager, "s", "default")[-2:] == ["go on", "one"]


def test_a_foreign_lock_fails_a_waiting_group_once_and_not_each_in_turn(tmp_path: Path, vfs: FaultyVFS) -> None:
    """Callers that wait together behind another process's lock all learn of it at the first deadline."""
    path = tmp_path / "sessions.db"
    with SQLiteSessionManager("s", vfs.uri(path), busy_timeout=0.2) as manager:
        for agent in "abcdef":
            manager.create_agent("s", SessionAgent(agent, {}, {}))
        gate = Gate(vfs)
        begins: list[str] = []
        connection = manager._database._file.writer.connection
        assert connection is not None
        foreign = apsw.Connection(str(path))

        def lock_before_begin(_cursor: Any, sql: str, _bindings: Any) -> bool:
            if sql == "BEGIN IMMEDIATE":
                begins.append(sql)
                if len(begins) == 1:
                    foreign.execute(sql)
            return True

        with ThreadPoolExecutor(6) as pool:
            slow = pool.submit(manager.create_message, "s", "a", message(0))
            assert gate.reached.wait(PATIENCE)
            others = [pool.submit(manager.create_message, "s", agent, message(0)) for agent in "bcdef"]
            queued(manager, 5)
            connection.set_exec_trace(lock_before_begin)
            gate.open.set()
            slow.result(PATIENCE)
            errors = [future.exception(PATIENCE) for future in others]
        connection.set_exec_trace(None)
        foreign.close()
        assert [type(error) for error in errors] == [DatabaseBusyError] * 5
        assert len(begins) == 1


def test_a_task_that_outlives_the_batch_it_was_started_in_writes_for_itself(tmp_path: Path) -> None:
    """Tasks and threads that inherit the context of a hook do not write into its batch, which may be gone."""
    with SQLiteSessionManager("s", tmp_path / "sessions.db") as manager:
        manager.create_agent("s", SessionAgent("a", {}, {}))
        contexts = []

        def work() -> None:
            contexts.append(copy_context())
            with ThreadPoolExecutor(1) as pool:
                pool.submit(contexts[0].run, manager.create_message, "s", "a", message(0)).result(PATIENCE)
            assert texts(manager, "s") == ["hello"]

        batch = manager._database.collect(work)
        contexts[0].run(manager.create_message, "s", "a", message(1))
        assert texts(manager, "s") == ["hello"] * 2
        assert batch.operations == []


def test_a_read_in_memory_shows_no_write_that_was_rolled_back() -> None:
    """A read that shared a group with a write that failed is done again without it."""
    with SQLiteSessionManager("s", ":memory:") as manager:
        manager.create_agent("s", SessionAgent("a", {}, {}))
        writer = manager._database._file.writer
        turn = Turn()
        writer.turns.take(turn)

        def fail(connection: Any) -> None:
            connection.run("UPDATE agents SET state = '{\"never\":1}'")
            raise ZeroDivisionError

        with ThreadPoolExecutor(3) as pool:
            first = pool.submit(manager.create_message, "s", "a", message(0))
            queued(manager, 1)
            failing = pool.submit(manager._database.write, fail)
            queued(manager, 2)
            reading = pool.submit(manager.read_agent, "s", "a")
            queued(manager, 3)
            writer.turns.leave(turn)
            first.result(PATIENCE)
            assert isinstance(failing.exception(PATIENCE), ZeroDivisionError)
            found = reading.result(PATIENCE)
        assert found is not None
        assert found.state == {}


def test_a_caller_that_is_interrupted_while_it_waits_leaves_the_queue(tmp_path: Path, vfs: FaultyVFS) -> None:
    """A signal that raises in a waiting thread withdraws its write, and holds nobody else up."""

    class InterruptedByTestError(Exception):
        pass

    interrupted = threading.Event()

    def interrupt(_signal: int, _frame: Any) -> None:
        if not interrupted.is_set():
            interrupted.set()
            raise InterruptedByTestError

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with SQLiteSessionManager("s", vfs.uri(tmp_path / "sessions.db")) as manager, ThreadPoolExecutor(3) as pool:
            for agent in "abc":
                manager.create_agent("s", SessionAgent(agent, {}, {}))
            gate = Gate(vfs)
            slow = pool.submit(manager.create_message, "s", "a", message(0))
            assert gate.reached.wait(PATIENCE)

            def interrupt_the_main_thread() -> None:
                queued(manager, 1)
                while not interrupted.is_set():
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
                    interrupted.wait(0.1)  # a signal that comes just before a thread waits does not wake it

            interrupter = pool.submit(interrupt_the_main_thread)
            with pytest.raises(InterruptedByTestError):
                manager.create_message("s", "b", message(0))
            interrupter.result(PATIENCE)
            follower = pool.submit(manager.create_message, "s", "c", message(0))
            queued(manager, 1)
            gate.open.set()
            slow.result(PATIENCE)
            follower.result(PATIENCE)
            assert [texts(manager, "s", agent) for agent in "abc"] == [["hello"], [], ["hello"]]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_tasks_of_several_loops_write_through_one_database(tmp_path: Path) -> None:
    """Loops on different threads await writes of one database at the same time."""
    with SQLiteSessionManager("s", tmp_path / "sessions.db") as manager:
        manager.create_agent("s", SessionAgent("a", {}, {}))

        async def write(first: int) -> None:
            async def one(number: int) -> None:
                record = message(number, f"{number}")
                batch = manager._database.collect(lambda: manager.create_message("s", "a", record))
                await batch.commit_async()

            await asyncio.gather(*(one(number) for number in range(first, first + 50)))

        results = at_once(*(lambda first=first: asyncio.run(write(first)) for first in (0, 50, 100)))  # type: ignore[misc]
        assert results == [None] * 3
        assert texts(manager, "s") == [f"{number}" for number in range(150)]


def test_managers_on_one_file_share_one_database_whatever_the_path_is_called(tmp_path: Path) -> None:
    """The same file is one database in a process, through links and relative parts too."""
    (tmp_path / "link").symlink_to(tmp_path)
    paths = [tmp_path / "sessions.db", tmp_path / "link" / "sessions.db", tmp_path / "x" / ".." / "sessions.db"]
    (tmp_path / "x").mkdir()
    managers = [SQLiteSessionManager(f"s{number}", path) for number, path in enumerate(paths)]
    (tmp_path / "hard").hardlink_to(tmp_path / "sessions.db")
    managers.append(SQLiteSessionManager("s3", tmp_path / "hard"))
    assert len({id(manager._database._file) for manager in managers}) == 1
    for manager in managers:
        manager.close()
    assert not open_files(tmp_path)


def open_files(folder: Path) -> list[Any]:
    return [file for file in _files._SHARED.values() if file.path.startswith(str(folder))]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_server_that_makes_a_manager_for_each_request_keeps_a_bounded_number_of_files_open(tmp_path: Path) -> None:
    """Managers that are dropped without `close`, from threads that come and go, leave no descriptors behind."""
    db = tmp_path / "sessions.db"

    def request(number: int) -> None:
        manager = SQLiteSessionManager(f"s{number % 10}", db)
        manager.list_messages(f"s{number % 10}", "a")

    def serve(numbers: range) -> int:
        for number in numbers:
            thread = threading.Thread(target=request, args=(number,))
            thread.start()
            thread.join()
        gc.collect()
        return descriptors()

    assert serve(range(20)) == serve(range(20, 120))
    (left,) = open_files(tmp_path)
    left.close()


def test_files_whose_managers_were_all_dropped_are_closed_when_another_is_opened(tmp_path: Path) -> None:
    """A process that opens a file for each of its users does not run out of descriptors."""
    counts = []
    for number in range(8):
        SQLiteSessionManager("s", tmp_path / f"{number}.db")
        gc.collect()
        counts.append(descriptors())
    assert len(open_files(tmp_path)) == 1
    assert counts == counts[:1] * 8
    _files.close_abandoned()


def test_the_number_of_readers_is_bounded(tmp_path: Path) -> None:
    """However many threads read at once, no more than a fixed number of connections are opened."""
    with SQLiteSessionManager("s", tmp_path / "sessions.db") as manager:
        manager.create_agent("s", SessionAgent("a", {}, {}))
        manager.create_message("s", "a", message(0))
        results = at_once(*[lambda: [texts(manager, "s") for _ in range(20)]] * 32)
        assert results == [[["hello"]] * 20] * 32
        assert 1 <= len(manager._database._file.readers.idle) <= MOST_READERS


def test_in_memory_databases_are_private(tmp_path: Path) -> None:
    """Two managers on `:memory:` know nothing of each other."""
    with SQLiteSessionManager("s", ":memory:") as first, SQLiteSessionManager("t", ":memory:") as second:
        assert first.read_session("t") is None
        assert second.read_session("s") is None
    assert list(tmp_path.iterdir()) == []


def test_the_wal_stays_bounded(tmp_path: Path) -> None:
    """A long run of writes reuses the WAL instead of letting it grow."""
    with SQLiteSessionManager("s", tmp_path / "sessions.db", durability="normal") as manager:
        manager.create_agent("s", SessionAgent("a", {}, {}))
        for number in range(3000):
            manager.create_message("s", "a", message(number, "x" * 1000))
        assert (tmp_path / "sessions.db-wal").stat().st_size < 2 * 1024 * 1024
        assert (tmp_path / "sessions.db").stat().st_size > 3 * 1024 * 1024


@pytest.mark.parametrize(("durability", "synced"), [("full", True), ("normal", False)])
def test_full_waits_for_the_disk_and_normal_does_not(
    tmp_path: Path, vfs: FaultyVFS, durability: Any, *, synced: bool
) -> None:
    """With `"full"` each acknowledged write was synced; with `"normal"` SQLite syncs at checkpoints only."""
    with SQLiteSessionManager("s", vfs.uri(tmp_path / "sessions.db"), durability=durability) as manager:
        manager.create_agent("s", SessionAgent("a", {}, {}))
        before = vfs.calls.get("sync", 0)
        for number in range(10):
            manager.create_message("s", "a", message(number))
        assert vfs.calls.get("sync", 0) - before == (10 if synced else 0)


def test_two_durabilities_on_one_file_keep_their_own_promises(tmp_path: Path) -> None:
    """Managers that share a database each write with the durability they asked for."""
    db = tmp_path / "sessions.db"
    with SQLiteSessionManager("s", db) as full, SQLiteSessionManager("s", db, durability="normal") as normal:
        connection = full._database._file.writer.connection
        assert connection is not None
        full.create_agent("s", SessionAgent("a", {}, {}))
        assert connection.pragma("synchronous") == 2
        normal.create_message("s", "a", message(0))
        assert connection.pragma("synchronous") == 1
        full.create_message("s", "a", message(1))
        assert connection.pragma("synchronous") == 2
