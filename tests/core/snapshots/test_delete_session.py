"""Deleting a snapshot session: all of it goes, and nothing else does."""

import asyncio
from collections.abc import Callable
from typing import Any

from strands import Agent
from strands.memory import MemoryManager
from strands.session import SnapshotSessionManager
from strands.storage import Storage
from strands.vended_memory_stores.file_memory_store import FileMemoryStore

from tests.core.talking import said

OpenStorage = Callable[..., Storage]
OpenSession = Callable[..., SnapshotSessionManager]
NewAgent = Callable[..., Agent]
Shut = Callable[[], None]

CHECKPOINTS: dict[str, Any] = {"snapshot_trigger": lambda **_: True}


def converse(new_agent: NewAgent, manager: SnapshotSessionManager, *agent_ids: str) -> None:
    """Hold two turns with each agent of a session."""
    for agent_id in agent_ids:
        agent = new_agent(manager, "a0", "a1", agent_id=agent_id)
        agent("q0" * 500)
        agent("q1")


def test_all_of_the_session_goes_and_nothing_else(open_storage: OpenStorage, shut: Shut, new_agent: NewAgent) -> None:
    """Snapshots and checkpoints of all its agents go; sessions of similar names, memory and other objects stay."""
    storage = open_storage()
    sessions = ["gone", "gone2", "gon", "a-gone", "go%", "g_ne"]
    for session_id in sessions:
        converse(new_agent, SnapshotSessionManager(session_id, storage=storage, **CHECKPOINTS), "left", "right")
    asyncio.run(MemoryManager([FileMemoryStore(name="gone", storage=storage)]).add("# Gone\nNot forgotten."))
    asyncio.run(storage.write("gone/of the application", b"\x00"))
    before = asyncio.run(storage.list(""))

    asyncio.run(SnapshotSessionManager("gone", storage=storage).delete_session())

    shut()
    storage = open_storage()
    left = asyncio.run(storage.list(""))
    assert left == [key for key in before if not key.startswith("session/gone/")]
    assert len(before) - len(left) == 2 * 3
    for session_id in sessions[1:]:
        manager = SnapshotSessionManager(session_id, storage=storage)
        agent = new_agent(manager, agent_id="left")
        assert said(agent.messages) == ["q0" * 500, "a0", "q1", "a1"]
        assert len(asyncio.run(manager.list_snapshot_ids(agent))) == 2


def test_a_deleted_session_can_start_again(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """An agent of a deleted session starts empty, without state or checkpoints, and is kept from then on."""
    manager = open_session(**CHECKPOINTS)
    agent = new_agent(manager, "a0")
    agent.state.set("old", True)
    agent("q0")
    asyncio.run(manager.delete_session())

    manager = restart(**CHECKPOINTS)
    agent = new_agent(manager, "b0")
    assert (agent.messages, agent.state.get()) == ([], {})
    assert asyncio.run(manager.list_snapshot_ids(agent)) == []
    agent("p0")
    manager = restart(**CHECKPOINTS)
    restored = new_agent(manager)
    assert said(restored.messages) == ["p0", "b0"]
    assert len(asyncio.run(manager.list_snapshot_ids(restored))) == 1


def test_an_agent_outlives_its_deleted_session(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """The next turn of an agent whose session was deleted saves the whole agent again."""
    manager = open_session()
    agent = new_agent(manager, "a0", "a1")
    agent("q0")
    asyncio.run(manager.delete_session())
    agent("q1")

    assert said(new_agent(restart()).messages) == ["q0", "a0", "q1", "a1"]


def test_many_checkpoints_are_deleted_at_once(open_storage: OpenStorage, shut: Shut, new_agent: NewAgent) -> None:
    """The SDK deletes up to a hundred keys at a time; a session of some hundred is gone as a whole."""
    storage = open_storage()
    manager = SnapshotSessionManager("session", storage=storage)
    agent = new_agent(manager, "a0")
    agent("q0" * 2_000)

    async def save_and_delete() -> None:
        await asyncio.gather(*(manager.save_snapshot(agent, is_latest=False) for _ in range(250)))
        assert len(await manager.list_snapshot_ids(agent)) == 250
        await manager.delete_session()
        assert await manager.list_snapshot_ids(agent) == []

    asyncio.run(save_and_delete())
    shut()
    assert asyncio.run(open_storage().list("")) == []


def test_deleting_nothing(open_session: OpenSession, new_agent: NewAgent) -> None:
    """A session that never was, or was deleted before, is deleted without an error."""
    converse(new_agent, open_session("kept"), "left")
    for _ in range(2):
        asyncio.run(open_session("never").delete_session())

    assert said(new_agent(open_session("kept"), agent_id="left").messages)[-1] == "a1"
