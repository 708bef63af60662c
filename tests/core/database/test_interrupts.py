"""Interrupts: exceptions that the handler of a signal raises, as for Ctrl-C, wherever the main thread happens to be.

A handler runs where a Python function begins, and after calls. Here its exception is raised wherever a function begins
or ends, at one place after the other; `tests/campaign/interrupted.py` sends real signals at any time.
"""

from __future__ import annotations

import ast
import asyncio
import itertools
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import apsw
import pytest
from strands import Agent
from strands.types.session import SessionAgent, SessionMessage

import strands_sqlite_session_manager
from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import ConflictError, SessionStore, SQLiteSessionManager, _files, _writer
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._readers import MOST_READERS
from strands_sqlite_session_manager._schema import open_for_reading
from strands_sqlite_session_manager._turns import Turn
from strands_sqlite_session_manager._writer import Writer

from .forking import descriptors, fork
from .waiting import PATIENCE, queued

# What Python calls while it frees an object cannot be interrupted: it prints the exception and goes on.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

PACKAGE = str(Path(strands_sqlite_session_manager.__file__).parent)


class InterruptedByTest(BaseException):
    """What a handler raises that ends a program, as KeyboardInterrupt does."""


class LateByTestError(Exception):
    """What a handler raises that sets a time limit."""


class Interrupt:
    """Interrupts this thread where the n-th function begins or returns.

    Attributes:
        came: Whether there were that many.
        was_raised: Whether it came out of the work.
    """

    def __init__(self, place: int, kind: type[BaseException], within: str) -> None:
        """Raise a `kind` at `place`, counted from 0, in functions of files below the folder `within`."""
        self._left = place
        self._kind = kind
        self._within = within
        self.came = self.was_raised = False

    def run(self, work: Callable[[], object]) -> None:
        """Run `work`, which ends early where it is interrupted."""
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            work()
        except self._kind:
            assert self.came
            self.was_raised = True
        finally:
            sys.settrace(before)

    def _trace(self, frame: FrameType, event: str, _argument: object) -> Any:
        if not self.came and event in ("call", "return") and frame.f_code.co_filename.startswith(self._within):
            self._left -= 1
            if self._left < 0:
                self.came = True
                raise self._kind
        return self._trace


def everywhere(kind: type[BaseException] = InterruptedByTest, within: str = "") -> Iterator[Interrupt]:
    """Give one interrupt after the other, each a place later, until one does not come any more."""
    for place in itertools.count():
        interrupt = Interrupt(place, kind, within)
        yield interrupt
        if not interrupt.came:
            assert place > 10, "hardly anything was interrupted"
            return


def message(number: int) -> SessionMessage:
    return SessionMessage({"role": "user", "content": [{"text": f"{number}"}]}, number)


def len_of_messages(connection: Connection) -> int:
    return int(connection.row("SELECT count(*) FROM messages")[0])


def numbers(manager: SQLiteSessionManager, agent: str = "a") -> list[int]:
    return [record.message_id for record in manager.list_messages("s", agent)]


kinds = pytest.mark.parametrize("kind", [InterruptedByTest, LateByTestError])


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[SQLiteSessionManager]:
    with SQLiteSessionManager("s", tmp_path / "sessions.db", durability="normal") as manager:
        for agent in "ab":
            manager.create_agent("s", SessionAgent(agent, {}, {}))
        yield manager


@contextmanager
def held(writer: Writer) -> Iterator[Turn]:
    turn = Turn()
    writer.turns.take(turn)
    yield turn
    writer.turns.leave(turn)


@kinds
def test_a_write_that_is_interrupted_is_stored_whole_or_not_at_all_and_the_next_goes_on(
    manager: SQLiteSessionManager, kind: type[BaseException]
) -> None:
    """Wherever a write is interrupted, the writer is free for the next."""
    number = 0
    for interrupt in everywhere(kind):
        interrupt.run(partial(manager.create_message, "s", "a", message(number)))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(manager.update_agent, "s", SessionAgent("b", {"seen": number}, {})).result(PATIENCE)
        found = numbers(manager)
        assert found in (list(range(number)), list(range(number + 1)))
        number = len(found)
    assert number > 1
    assert numbers(manager)[-1] == number - 1


@kinds
def test_a_writer_that_is_interrupted_while_it_waits_holds_nobody_up(
    manager: SQLiteSessionManager, kind: type[BaseException]
) -> None:
    """Before it has queued up, in the queue, and when its turn comes: the next goes on."""
    writer = manager._database._file.writer
    number = 0
    for interrupt in everywhere(kind):
        with ThreadPoolExecutor(2) as pool:
            with held(writer) as turn:
                ended: list[bool] = []
                pool.submit(lambda: (queued(writer, 1, or_else=ended), writer.turns.leave(turn)))  # noqa: B023
                interrupt.run(partial(manager.create_message, "s", "a", message(number)))
                ended.append(True)
            pool.submit(manager.update_agent, "s", SessionAgent("b", {"seen": number}, {})).result(PATIENCE)
        found = numbers(manager)
        assert found in (list(range(number)), list(range(number + 1)))
        number = len(found)
    assert number > 1


@kinds
def test_a_thread_that_is_interrupted_while_it_commits_for_others_takes_nothing_from_them(
    manager: SQLiteSessionManager, kind: type[BaseException]
) -> None:
    """Who waits behind it is written once, whether the interrupt came before the commit that both shared or after.

    No signal interrupts such a thread, but a debugger or `PyThreadState_SetAsyncExc` may.
    """
    writer = manager._database._file.writer
    manager.create_message("s", "a", message(0))
    with SessionStore(manager) as store:
        number = 0
        for place, interrupt in enumerate(everywhere(kind)):
            with ThreadPoolExecutor(3) as pool:
                with held(writer) as turn:
                    ended: list[bool] = []

                    def follow() -> Any:
                        queued(writer, 1, or_else=ended)  # noqa: B023
                        follower = pool.submit(store.fork_session, "s", f"fork {place}", agent_id="a", at=0)  # noqa: B023
                        queued(writer, 2, or_else=ended)  # noqa: B023
                        writer.turns.leave(turn)
                        return follower.result(PATIENCE)

                    following = pool.submit(follow)
                    work = partial(manager.create_message, "s", "b", message(number))
                    pool.submit(interrupt.run, work).result(PATIENCE)
                    ended.append(True)
                assert following.result(PATIENCE).session_id == f"fork {place}"  # twice would be an error
            found = numbers(manager, "b")
            assert found in (list(range(number)), list(range(number + 1)))
            number = len(found)
        assert number > 1
        assert len(store.list_sessions(limit=1000).sessions) == place + 2


@kinds
def test_what_interrupts_the_main_thread_comes_out_of_its_own_call_and_of_no_other(
    manager: SQLiteSessionManager, kind: type[BaseException]
) -> None:
    """Also where another's operation waits behind its own and fails: each gets what is its own."""
    writer, options = manager._database._file.writer, manager._database.options

    def lead(_connection: Any) -> None:
        pass

    def fail(_connection: Any) -> None:
        raise KeyError

    for interrupt in everywhere(kind, within=PACKAGE):
        with ThreadPoolExecutor(2) as pool, held(writer) as turn:
            ended: list[bool] = []

            def follow() -> BaseException | None:
                queued(writer, 1, or_else=ended)  # noqa: B023
                follower = pool.submit(writer.run, fail, options)
                queued(writer, 2, or_else=ended)  # noqa: B023
                writer.turns.leave(turn)
                return follower.exception(PATIENCE)

            following = pool.submit(follow)
            interrupt.run(partial(writer.run, lead, options))
            ended.append(True)
            assert isinstance(following.result(PATIENCE), KeyError)
        assert interrupt.was_raised == interrupt.came


@kinds
def test_a_writer_that_is_interrupted_while_it_leaves_calls_the_next(
    manager: SQLiteSessionManager, kind: type[BaseException]
) -> None:
    """Who waits behind a write that is interrupted gets its turn, also where the interrupt comes as it is called."""
    writer, options = manager._database._file.writer, manager._database.options
    for number, interrupt in enumerate(everywhere(kind, within=PACKAGE)):
        with ThreadPoolExecutor(1) as pool:
            begun: list[Any] = []

            def work(_connection: Any) -> None:
                begun.append(pool.submit(manager.create_message, "s", "a", message(number)))  # noqa: B023
                queued(writer, 1)

            interrupt.run(partial(writer.run, work, options))
            if not begun:
                manager.create_message("s", "a", message(number))
            for each in begun:
                each.result(PATIENCE)
        assert numbers(manager) == list(range(number + 1))


def test_a_writer_that_is_interrupted_while_another_commits_for_it_ends_with_that_commit(
    manager: SQLiteSessionManager,
) -> None:
    """The call does not end while nobody knows whether it is stored; the interrupt comes out of it afterwards."""
    writer, options = manager._database._file.writer, manager._database.options
    interrupted, ended = threading.Event(), threading.Event()

    def interrupt(_signal: int, _frame: Any) -> None:
        if not interrupted.is_set():
            interrupted.set()
            raise InterruptedByTest

    def lead(_connection: Any) -> None:
        while not interrupted.is_set():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            interrupted.wait(0.1)  # a signal that comes just before a thread waits does not wake it
        assert not ended.wait(0.2)

    def begin(turn: Turn) -> None:
        queued(writer, 2)
        writer.turns.leave(turn)

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with ThreadPoolExecutor(2) as pool, held(writer) as turn:
            leading = pool.submit(writer.run, lead, options)
            queued(writer, 1)
            beginning = pool.submit(begin, turn)
            with pytest.raises(InterruptedByTest):
                manager.create_message("s", "a", message(0))
            ended.set()
            beginning.result(PATIENCE)
            leading.result(PATIENCE)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert numbers(manager) == [0]


def test_an_error_of_an_attempt_that_was_interrupted_is_not_told_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group met another process's lock, and its leader an interrupt: who is committed later hears of no error."""
    path = tmp_path / "sessions.db"
    with SQLiteSessionManager("s", path, busy_timeout=0) as manager, closing(apsw.Connection(str(path))) as other:
        manager.create_agent("s", SessionAgent("a", {}, {}))
        writer, options = manager._database._file.writer, manager._database.options
        begin, begun = Writer._begin, []

        def interrupted(writer: Writer, connection: Any) -> None:
            begun.append(threading.get_ident())
            if len(begun) == 1:
                other.execute("BEGIN IMMEDIATE")
            begin(writer, connection)

        def mark(group: Any) -> None:
            if len(begun) == 1 and group and group[0].error is not None:
                other.execute("ROLLBACK")
                raise InterruptedByTest
            mark_done(group)

        mark_done = _writer._mark_done
        with ThreadPoolExecutor(2) as pool, held(writer) as turn, monkeypatch.context() as patch:
            patch.setattr(Writer, "_begin", interrupted)
            patch.setattr(_writer, "_mark_done", mark)
            leading = pool.submit(writer.run, lambda _connection: None, options)
            queued(writer, 1)
            following = pool.submit(manager.create_message, "s", "a", message(0))
            queued(writer, 2)
            writer.turns.leave(turn)
            assert isinstance(leading.exception(PATIENCE), InterruptedByTest)
            assert following.result(PATIENCE) is None
        assert numbers(manager) == [0]


def test_full_writes_wait_for_the_disk_also_after_an_interrupted_one_that_did_not(
    manager: SQLiteSessionManager,
) -> None:
    """Wherever a write at `"normal"` is interrupted, the next one at `"full"` syncs its commit."""
    connection = manager._database._file.writer.connection
    assert connection is not None
    with SQLiteSessionManager("s", manager, durability="full") as full:
        for number, interrupt in enumerate(everywhere(within=PACKAGE)):
            full.create_message("s", "a", message(number))
            assert connection.pragma("synchronous") == 2
            interrupt.run(partial(manager.update_agent, "s", SessionAgent("b", {"seen": number}, {})))


def test_a_database_in_memory_outlives_an_interrupt_while_a_failed_write_is_rolled_back() -> None:
    """It is gone with its connection, which is given up where SQLite cannot roll back, and nowhere else."""
    with SQLiteSessionManager("s", ":memory:") as manager:
        manager.create_agent("s", SessionAgent("a", {}, {}))
        manager.create_message("s", "a", message(0))

        def conflict() -> None:
            with pytest.raises(ConflictError):
                manager.create_message("s", "a", SessionMessage({"role": "user", "content": []}, 0))

        for interrupt in everywhere(within=PACKAGE):
            interrupt.run(conflict)
            assert numbers(manager) == [0]


def test_a_time_limit_is_not_taken_for_a_file_that_is_gone(
    manager: SQLiteSessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The `TimeoutError` of a handler is an `OSError`, but not the operating system's."""

    def late(_path: object) -> None:
        raise TimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(_files.os, "stat", late)
        with pytest.raises(TimeoutError):
            manager.create_message("s", "a", message(0))
    manager.create_message("s", "a", message(0))


def test_a_write_of_a_loop_that_is_interrupted_while_it_is_handed_over_holds_nobody_up(
    manager: SQLiteSessionManager,
) -> None:
    """Whether the writer's thread has the write already or not: the next write goes on."""
    writer, options = manager._database._file.writer, manager._database.options
    loop = asyncio.new_event_loop()

    def nothing(_connection: Any) -> None:
        pass

    for number, interrupt in enumerate(everywhere()):
        interrupt.run(partial(writer.submit, nothing, options, loop))
        manager.create_message("s", "a", message(number))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_read_that_is_interrupted_gives_its_place_back(manager: SQLiteSessionManager) -> None:
    """However many reads are interrupted, as many as ever may read, and `close` waits for none of them.

    Connections that were taken and not given back are no child's, and closed with the others.
    """
    manager.create_message("s", "a", message(0))
    places = sum(1 for interrupt in everywhere() if interrupt.run(lambda: numbers(manager)) is None)
    assert places > MOST_READERS
    assert len(manager._database._file.connections) > 1 + MOST_READERS
    if sys.platform == "linux":
        fork(Path(manager._database.path))
    with ThreadPoolExecutor(MOST_READERS) as pool:
        assert list(pool.map(lambda _: numbers(manager), range(100), timeout=PATIENCE)) == [[0]] * 100
        pool.submit(manager.close).result(PATIENCE)
    if sys.platform == "linux":
        assert descriptors(Path(manager._database.path)) == []


def test_a_close_that_is_interrupted_leaves_the_file_to_others(tmp_path: Path) -> None:
    """Whoever opens it again finds everything, and may write."""
    for number, interrupt in enumerate(everywhere(within=PACKAGE)):
        manager = SQLiteSessionManager("s", tmp_path / "sessions.db")
        if number == 0:
            manager.create_agent("s", SessionAgent("a", {}, {}))
        assert numbers(manager) == list(range(number))
        manager.create_message("s", "a", message(number))
        interrupt.run(manager.close)
        manager.close()


def test_writes_after_an_interrupted_hook_are_not_left_to_its_batch(tmp_path: Path) -> None:
    """What is written after an agent could not be made is stored when the call returns."""
    with SQLiteSessionManager("s", tmp_path / "sessions.db", durability="normal") as manager:
        manager.create_agent("s", SessionAgent("a", {}, {}))
        for number, interrupt in enumerate(everywhere(within=PACKAGE)):
            agent_id = f"agent {number}"
            interrupt.run(partial(Agent, ScriptedModel(), agent_id=agent_id, session_manager=manager))
            manager.create_message("s", "a", message(number))
            assert numbers(manager) == list(range(number + 1))


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_whose_hooks_are_interrupted_leaves_nothing_held(manager: SQLiteSessionManager) -> None:
    """Python goes on with the fork; parent and child write on, and read, also what is open for reading only."""
    reader = open_for_reading(manager._database.path)
    writer = manager._database._file.writer

    def use() -> None:
        manager.create_message("s", "a", message(len(numbers(manager))))
        assert reader.read(len_of_messages) == len(numbers(manager))

    for number, interrupt in enumerate(everywhere(within=PACKAGE)):
        interrupt.run(partial(fork, Path(manager._database.path), use))
        assert not interrupt.was_raised
        with ThreadPoolExecutor(1) as pool:
            pool.submit(manager.update_agent, "s", SessionAgent("b", {"seen": number}, {})).result(PATIENCE)
            assert pool.submit(reader.read, len_of_messages).result(PATIENCE) == number + 1
            pool.submit(SQLiteSessionManager("s", manager).close).result(PATIENCE)
        assert not writer.turns.waiting
    with ThreadPoolExecutor(1) as pool:
        pool.submit(reader.close).result(PATIENCE)


def test_no_loop_stands_within_a_lock() -> None:
    """Python 3.12 and 3.13 leave the end of a loop out of the `with` around it: an interrupt there keeps the lock."""
    loops = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp)
    found = []
    for path in Path(PACKAGE).rglob("*.py"):
        for block in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(block, ast.With) and any(
                re.search(r"(?i)lock$|mutex$|opening$|forking$", ast.unparse(item.context_expr)) for item in block.items
            ):
                found += [f"{path.name}:{each.lineno}" for each in ast.walk(block) if isinstance(each, loops)]
    assert found == []
