"""Transcripts, assertions and reports read sessions that the SDK keeps as snapshots, too."""

import asyncio
from collections.abc import Callable

import pytest
from strands import Agent, tool
from strands.session import SnapshotSessionManager
from strands.storage import InMemoryStorage

from pytest_strands_sqlite import SessionFactory, ToolCall, transcript
from strands_sqlite_session_manager import NotFoundError, SessionStore, SQLiteStorage

Agents = Callable[..., Agent]
Suite = Callable[..., pytest.RunResult]

CONVERSATION = """\
session session, agent default, snapshot
    0 user      Hi
    1 assistant Hello!
    2 user      And now?
    3 assistant Goodbye."""


@tool
def find(order: int) -> str:
    """Find an order.

    Args:
        order: Its number.
    """
    return f"order {order} is in Oslo"


def talk(agent_factory: Agents, manager: SnapshotSessionManager) -> None:
    """Hold a conversation of two turns."""
    agent = agent_factory("Hello!", "Goodbye.", session_manager=manager, state={"vip": True})
    agent("Hi")
    agent("And now?")


def test_a_manager_of_snapshots_has_a_transcript(
    agent_factory: Agents, sqlite_snapshot_manager: SnapshotSessionManager
) -> None:
    """It is the newest snapshot of each agent: its messages and its state, with every assertion."""
    talk(agent_factory, sqlite_snapshot_manager)
    agent_factory("Salut!", agent_id="french", session_manager=sqlite_snapshot_manager)("Moin")

    shown = transcript(sqlite_snapshot_manager)

    assert str(shown) == (
        f"{CONVERSATION}\nsession session, agent french, snapshot\n    0 user      Moin\n    1 assistant Salut!"
    )
    assert shown.is_snapshot
    shown.assert_said("Goodbye.", role="assistant", agent_id="default")
    shown.assert_not_said("Bonjour")
    shown.assert_roles("user", "assistant", agent_id="french")
    shown.assert_state({"vip": True}, agent_id="default")
    with pytest.raises(AssertionError) as failure:
        shown.assert_said("Bonjour")
    assert str(failure.value) == f"nobody said 'Bonjour'\n\n{shown}"


def test_calls_of_tools_are_read_from_snapshots(
    agent_factory: Agents, sqlite_snapshot_manager: SnapshotSessionManager
) -> None:
    """Tool calls and results are those of the snapshot."""
    agent = agent_factory(
        ToolCall("find", {"order": 7}), "Oslo.", tools=[find], session_manager=sqlite_snapshot_manager
    )
    agent("Where is order 7?")

    shown = transcript(sqlite_snapshot_manager)

    shown.assert_called("find", {"order": 7})
    assert str(shown.lines[2]) == "    2 user      <- find: order 7 is in Oslo"


def test_any_user_of_the_database_reads_snapshots(
    agent_factory: Agents, sqlite_session_factory: SessionFactory, session_store: SessionStore
) -> None:
    """A store, a storage and one of its namespaces show a session that is named; the SDK's own storages as well."""
    talk(agent_factory, sqlite_session_factory.snapshot_manager())
    storage = sqlite_session_factory.storage()
    for source in (session_store, storage):
        assert str(transcript(source, "session")) == CONVERSATION
    scoped = storage.namespace("mine")
    talk(agent_factory, SnapshotSessionManager("scoped", storage=scoped))
    assert transcript(scoped, "scoped").states == {"default": {"vip": True}}
    with pytest.raises(NotFoundError):
        transcript(storage, "scoped")
    in_memory = SnapshotSessionManager("session", storage=InMemoryStorage())
    talk(agent_factory, in_memory)
    assert str(transcript(in_memory)) == CONVERSATION


def test_the_newest_snapshot_counts(agent_factory: Agents, sqlite_session_factory: SessionFactory) -> None:
    """The latest snapshot goes over its history; where there is only a history, its last entry is the newest."""
    manager = sqlite_session_factory.snapshot_manager(snapshot_trigger=lambda **_event: True)
    talk(agent_factory, manager)
    storage = sqlite_session_factory.storage()
    keys = asyncio.run(storage.list("session/session/scopes/agent/default/snapshots/"))
    assert len(keys) == 3
    assert str(transcript(manager)) == CONVERSATION
    asyncio.run(storage.delete("session/session/scopes/agent/default/snapshots/snapshot_latest.json"))
    assert str(transcript(manager)) == CONVERSATION


def test_messages_go_over_snapshots(agent_factory: Agents, sqlite_session_factory: SessionFactory) -> None:
    """Of a session that is kept in both ways a store shows the messages, and the manager of snapshots its own."""
    manager = sqlite_session_factory.snapshot_manager()
    talk(agent_factory, manager)
    agent_factory("Salut!")("Moin")

    transcript(sqlite_session_factory.store(), "session").assert_said("Salut!")
    transcript(manager).assert_said("Goodbye.")


def test_a_transcript_is_read_inside_of_a_loop(
    agent_factory: Agents, sqlite_snapshot_manager: SnapshotSessionManager
) -> None:
    """An asynchronous test reads a transcript as any other does."""

    async def test() -> str:
        agent = agent_factory("Hello!", session_manager=sqlite_snapshot_manager)
        await agent.invoke_async("Hi")
        return str(transcript(sqlite_snapshot_manager))

    assert asyncio.run(test()).endswith("    1 assistant Hello!")


def test_no_snapshot_is_no_session(
    sqlite_snapshot_manager: SnapshotSessionManager, sqlite_storage: SQLiteStorage
) -> None:
    """A session of which there is nothing yet is not found."""
    for source in (sqlite_snapshot_manager, sqlite_storage):
        with pytest.raises(NotFoundError, match=r"^Session nowhere does not exist"):
            transcript(source, "nowhere")
    with pytest.raises(NotFoundError, match=r"^Session session does not exist"):
        transcript(sqlite_snapshot_manager)


def test_a_failed_test_shows_its_snapshots(suite: Suite) -> None:
    """Sessions that are messages come first, then those that are snapshots, in namespaces too; five of each."""
    result = suite(
        """
        from strands.session import SnapshotSessionManager

        def test_it(agent_factory, sqlite_session_factory, sqlite_storage):
            agent_factory("One.")("Hi")
            agent_factory("Two.", session_manager=sqlite_session_factory.snapshot_manager())("Hi")
            scoped = SnapshotSessionManager("scoped", storage=sqlite_storage.namespace("a/b"))
            agent_factory("Three.", session_manager=scoped)("Hi")
            raise ValueError

        def test_many(agent_factory, sqlite_session_factory):
            for number in range(7):
                agent_factory("Yes.", session_manager=sqlite_session_factory.snapshot_manager(f"s{number}"))("Hi")
            raise ValueError
        """
    )
    result.assert_outcomes(failed=2)
    start = result.outlines.index("------------------------------- strands sessions -------------------------------")
    assert result.outlines[start + 1 : start + 12] == [
        "session session, agent default",
        "    0 user      Hi",
        "    1 assistant One.",
        "",
        "session scoped, agent default, snapshot",
        "    0 user      Hi",
        "    1 assistant Three.",
        "",
        "session session, agent default, snapshot",
        "    0 user      Hi",
        "    1 assistant Two.",
    ]
    assert result.outlines.count("(the snapshots of 5 sessions; there are more)") == 1
    shown = [line for line in result.outlines if line.startswith("session s") and "scoped" not in line]
    assert shown[2:] == [f"session s{number}, agent default, snapshot" for number in range(2, 7)]
