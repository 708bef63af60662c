"""A disk that fails under a real session manager, and what is left of the conversation."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from strands import Agent
from strands.session import SnapshotSessionManager

from pytest_strands_sqlite import SessionFactory, SessionFaults, transcript
from strands_sqlite_session_manager import (
    DatabaseBusyError,
    DatabaseCorruptError,
    DatabaseFullError,
    DatabaseIOError,
    DatabaseReadOnlyError,
    SQLiteSessionError,
    SQLiteSessionManager,
)

Agents = Callable[..., Agent]
Fault = Callable[[SessionFaults], None]


@contextmanager
def broken(faults: SessionFaults, kind: str) -> Iterator[None]:
    """Let a fault be there for the block."""
    if kind == "locked":
        with faults.locked():
            yield
        return
    getattr(faults, kind)()
    yield
    faults.clear()


REFUSING = [
    ("full_disk", DatabaseFullError),
    ("read_only", DatabaseReadOnlyError),
    ("broken_disk", DatabaseIOError),
    ("locked", DatabaseBusyError),
    ("damaged_page", DatabaseCorruptError),
]


@pytest.mark.parametrize(("kind", "error"), REFUSING)
def test_an_agent_meets_the_fault_and_goes_on_after_it(
    kind: str,
    error: type[SQLiteSessionError],
    agent_factory: Agents,
    session_faults: SessionFaults,
    sqlite_session_factory: SessionFactory,
) -> None:
    """The turn fails with the typed error and stores nothing; once the fault is gone the agent goes on."""
    agent = agent_factory("Hello!", "Here I am.")
    agent("Hi")
    with broken(session_faults, kind), pytest.raises(error):
        agent("Are you there?")
    agent.messages[:] = agent.messages[:2]
    agent("Still there?")
    sqlite_session_factory.restart()
    shown = transcript(sqlite_session_factory())
    shown.assert_roles("user", "assistant", "user", "assistant")
    shown.assert_said("Here I am.")
    shown.assert_not_said("Are you there?")


@pytest.mark.parametrize(("kind", "error"), REFUSING)
def test_an_agent_on_a_shared_loop_meets_it_too(
    kind: str,
    error: type[SQLiteSessionError],
    agent_factory: Agents,
    session_faults: SessionFaults,
    sqlite_session_factory: SessionFactory,
) -> None:
    """Asynchronous agents, whose writes run on another thread, get the same error."""

    async def talk() -> None:
        first, second = agent_factory("A", "B", session_id="a"), agent_factory("A", session_id="b")
        await asyncio.gather(first.invoke_async("Hi"), second.invoke_async("Hi"))
        with broken(session_faults, kind), pytest.raises(error):
            await first.invoke_async("Are you there?")
        first.messages[:] = first.messages[:2]
        await first.invoke_async("Still there?")

    asyncio.run(talk())
    transcript(sqlite_session_factory("a")).assert_roles("user", "assistant", "user", "assistant")


@pytest.mark.parametrize(("kind", "error"), REFUSING)
def test_storages_and_snapshots_meet_it(  # noqa: PLR0913, PLR0917 - fixtures
    kind: str,
    error: type[SQLiteSessionError],
    session_faults: SessionFaults,
    sqlite_session_factory: SessionFactory,
    sqlite_snapshot_manager: SnapshotSessionManager,
    agent_factory: Agents,
) -> None:
    """A storage and the SDK's manager of snapshots on it fail and recover as a session manager does."""
    storage = sqlite_session_factory.storage()
    agent = agent_factory("A", "B", "C", session_manager=sqlite_snapshot_manager)
    agent("Hi")
    asyncio.run(storage.write("note", b"old"))
    with broken(session_faults, kind):
        with pytest.raises(error):
            asyncio.run(storage.write("note", b"new"))
        with pytest.raises(error):
            agent("Are you there?")
    assert asyncio.run(storage.read("note")) == b"old"
    agent("Still there?")
    sqlite_session_factory.restart()
    resumed = agent_factory(session_manager=sqlite_session_factory.snapshot_manager())
    assert [message["role"] for message in resumed.messages][-1] == "assistant"


@pytest.mark.parametrize("checkpointed", ["", "checkpointed"])
def test_what_was_not_committed_before_a_crash_is_gone(
    checkpointed: str, agent_factory: Agents, session_faults: SessionFaults, sqlite_session_factory: SessionFactory
) -> None:
    """A crash before the commit loses the message that was being written, and nothing else."""
    agent_factory("Hello!")("Hi")
    if checkpointed:
        sqlite_session_factory.restart()
    agent = agent_factory()
    session_faults.crash_before_commit()
    with pytest.raises(DatabaseIOError):
        agent("Are you there?")
    assert session_faults.crashed
    with pytest.raises(DatabaseIOError):
        agent("A process that is dead writes nothing.")
    sqlite_session_factory.restart()
    assert not session_faults.crashed
    transcript(sqlite_session_factory()).assert_roles("user", "assistant")
    resumed = agent_factory("There you are.")
    resumed("Hi again")
    transcript(resumed._session_manager).assert_roles("user", "assistant", "user", "assistant")


@pytest.mark.parametrize("checkpointed", ["", "checkpointed"])
def test_what_was_committed_before_a_crash_is_there(
    checkpointed: str, agent_factory: Agents, session_faults: SessionFaults, sqlite_session_factory: SessionFactory
) -> None:
    """A crash after the commit keeps the message, although the agent was told that it failed."""
    agent_factory("Hello!")("Hi")
    if checkpointed:
        sqlite_session_factory.restart()
    agent = agent_factory()
    session_faults.crash_after_commit()
    with pytest.raises(DatabaseIOError):
        agent("Are you there?")
    sqlite_session_factory.restart()
    shown = transcript(sqlite_session_factory())
    shown.assert_roles("user", "assistant", "user")
    shown.assert_said("Are you there?", role="user")
    agent_factory("Yes.")("Well?")


@pytest.mark.parametrize(("kind", "error"), REFUSING[:3])
def test_a_database_cannot_be_made_on_such_a_disk(
    kind: str, error: type[SQLiteSessionError], session_faults: SessionFaults, sqlite_session_factory: SessionFactory
) -> None:
    """Where the first session manager meets the fault, it cannot be made; later it can."""
    with broken(session_faults, kind), pytest.raises(error):
        sqlite_session_factory()
    assert sqlite_session_factory().read_session("session") is not None


def test_a_slow_disk_is_waited_for(agent_factory: Agents, session_faults: SessionFaults) -> None:
    """Every sync of a commit takes longer, and is counted."""
    agent = agent_factory("Hello!")
    session_faults.slow_fsync(0.02)
    began = time.monotonic()
    agent("Hi")
    waited = time.monotonic() - began
    assert session_faults.writes >= 2
    assert waited >= 0.02 * session_faults.writes


def test_a_slow_disk_does_not_hold_up_the_loop(agent_factory: Agents, session_faults: SessionFaults) -> None:
    """While an agent waits for a slow disk, another task of the loop runs."""
    ticks = []

    async def tick() -> None:
        while True:
            ticks.append(session_faults.writes)
            await asyncio.sleep(0.001)

    async def talk() -> None:
        ticking = asyncio.create_task(tick())
        await agent_factory("Hello!").invoke_async("Hi")
        ticking.cancel()

    session_faults.slow_fsync(0.05)
    asyncio.run(talk())
    assert max(ticks.count(number) for number in set(ticks)) > 5


def test_a_lock_of_another_process_has_its_own_error(
    agent_factory: Agents, session_faults: SessionFaults, sqlite_session_factory: SessionFactory
) -> None:
    """A session manager may wait as long as a test says, and what it could not store is stored when it tries again."""
    manager = sqlite_session_factory(busy_timeout=0.01)
    with session_faults.locked(), pytest.raises(DatabaseBusyError):
        agent_factory(session_manager=manager)
    agent_factory("Hello!", session_manager=manager)("Hi")


HOLDS_A_LOCK = """
import sys, apsw
connection = apsw.Connection(sys.argv[1])
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


def test_it_is_what_another_process_does(
    agent_factory: Agents, session_faults: SessionFaults, sqlite_session_factory: SessionFactory
) -> None:
    """The error of a lock held by `locked` is word for word that of a lock which another process holds."""
    agent = agent_factory()
    with session_faults.locked(), pytest.raises(DatabaseBusyError) as ours:
        agent("Hi")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_A_LOCK, str(sqlite_session_factory.file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(DatabaseBusyError) as theirs:
            agent("Hi")
        other.communicate("")
    assert str(theirs.value) == str(ours.value)


@pytest.mark.strands_session(messages=["Hi", "Hello!"], durability="normal")
def test_the_marker_still_counts(sqlite_session_factory: SessionFactory, session_faults: SessionFaults) -> None:
    """What the marker says holds beside faults; without it the durability is full."""
    assert sqlite_session_factory.options.durability == "normal"
    session_faults.full_disk()
    transcript(sqlite_session_factory()).assert_roles("user", "assistant")


def test_the_user_own_managers_can_fail_too(session_faults: SessionFaults, tmp_path: Path) -> None:
    """`uri` gives a `db_path` of which the faults know, for code that makes its session manager itself."""
    with SQLiteSessionManager("s", session_faults.uri(tmp_path / "mine.db")) as manager:
        session_faults.full_disk()
        with pytest.raises(DatabaseFullError):
            manager.delete_session("s")


def test_a_fault_that_nobody_would_meet_is_a_mistake(session_faults: SessionFaults, tmp_path: Path) -> None:
    """A fault without a database says what is missing."""
    for fault in ("full_disk", "read_only", "broken_disk", "crash_before_commit", "crash_after_commit", "damaged_page"):
        with pytest.raises(RuntimeError) as failure:
            getattr(session_faults, fault)()
        assert str(failure.value) == (
            "session_faults has no database that could fail: the test, or a fixture of it, must name a fixture of "
            "sessions beside session_faults, or open session_faults.uri(file)"
        )
    session_faults.uri(tmp_path / "later.db")
    with (
        pytest.raises(RuntimeError, match=r"^there is no database to lock: make a session manager first$"),
        session_faults.locked(),
    ):
        pass
    with pytest.raises(ValueError, match=r"^slow_fsync takes seconds, 0 or more, not -1$"):
        session_faults.slow_fsync(-1)


def test_what_is_still_open_afterwards_ends_no_process(tmp_path: Path) -> None:
    """A session manager that outlives the faults goes on, without them."""
    with SessionFaults() as faults:
        manager = SQLiteSessionManager("s", faults.uri(tmp_path / "mine.db"))
        faults.full_disk()
    manager.delete_session("s")
    manager.close()
