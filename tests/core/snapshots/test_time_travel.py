"""Time travel: 500 checkpoints that another process made are listed in pages, restored, and gone on from."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from strands import Agent
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.session import SnapshotSessionManager
from strands.types.content import Messages

from tests.core.talking import said

OpenSession = Callable[..., SnapshotSessionManager]
NewAgent = Callable[..., Agent]

CHECKPOINTS, WINDOW = 500, 20
UNKNOWN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def folder(left_behind: Callable[[str], Path]) -> Path:
    """The storage that the first process left."""
    return left_behind("travel")


@pytest.fixture
def ids(first_process: Any) -> list[str]:
    """The ids that the first process had, oldest first."""
    found: list[str] = first_process.reports["travel"]["ids"]
    return found


@pytest.fixture
def messages(first_process: Any) -> Messages:
    """The whole conversation of the first process."""
    found: Messages = first_process.reports["travel"]["messages"]
    return found


def traveller(new_agent: NewAgent, manager: SnapshotSessionManager, *steps: str) -> Agent:
    """Make an agent like that of the first process."""
    return new_agent(manager, *steps, conversation_manager=SlidingWindowConversationManager(window_size=WINDOW))


def window(messages: Messages, turn: int) -> Messages:
    """What the agent had in its context after a turn."""
    return messages[: 2 * turn + 2][-WINDOW:]


def test_the_latest_is_what_a_new_process_starts_from(
    open_session: OpenSession, new_agent: NewAgent, messages: Messages
) -> None:
    """The agent has the state and the window of the last turn."""
    agent = traveller(new_agent, open_session("travel"))

    assert len(messages) == 2 * CHECKPOINTS
    assert agent.messages == messages[-WINDOW:]
    assert agent.state.get() == {"turn": CHECKPOINTS - 1}


def test_checkpoints_are_listed_in_pages(open_session: OpenSession, new_agent: NewAgent, ids: list[str]) -> None:
    """Pages follow one another without a gap or an overlap, oldest first, down to the last and past it."""
    manager = open_session("travel")
    agent = traveller(new_agent, manager)
    assert len(ids) == len(set(ids)) == CHECKPOINTS

    async def check() -> None:
        assert await manager.list_snapshot_ids(agent) == ids
        assert await manager.list_snapshot_ids(agent, limit=3) == ids[:3]
        assert await manager.list_snapshot_ids(agent, limit=0) == []
        assert await manager.list_snapshot_ids(agent, limit=10 * CHECKPOINTS, start_after=ids[-3]) == ids[-2:]
        assert await manager.list_snapshot_ids(agent, start_after=ids[-1]) == []
        assert await manager.list_snapshot_ids(agent, limit=2, start_after=UNKNOWN) == ids[:2]
        walked: list[str] = []
        while page := await manager.list_snapshot_ids(agent, limit=70, start_after=walked[-1] if walked else None):
            walked += page
        assert walked == ids

    asyncio.run(check())


@pytest.mark.parametrize("turn", [0, 1, 249, 250, CHECKPOINTS - 2, CHECKPOINTS - 1])
def test_any_checkpoint_can_be_restored(
    open_session: OpenSession, new_agent: NewAgent, ids: list[str], messages: Messages, turn: int
) -> None:
    """The first, those in the middle and the last bring back exactly what the agent had then, its state included."""
    manager = open_session("travel")
    agent = traveller(new_agent, manager)

    assert asyncio.run(manager.restore_snapshot(agent, snapshot_id=ids[turn]))

    assert agent.messages == window(messages, turn)
    assert agent.state.get() == {"turn": turn}


def test_every_checkpoint_is_what_it_was(
    open_session: OpenSession, new_agent: NewAgent, ids: list[str], messages: Messages
) -> None:
    """Each of the 500 can be restored, one after the other and in any direction, from one event loop."""
    manager = open_session("travel")
    agent = traveller(new_agent, manager)

    async def travel() -> None:
        for turn in [*range(CHECKPOINTS), *range(CHECKPOINTS - 1, -1, -13)]:
            assert await manager.restore_snapshot(agent, snapshot_id=ids[turn])
            assert agent.messages == window(messages, turn)
        assert await manager.restore_snapshot(agent)
        assert agent.messages == messages[-WINDOW:]

    asyncio.run(travel())


def test_going_on_from_a_checkpoint(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, ids: list[str], messages: Messages
) -> None:
    """A turn after time travel makes the branch the latest, adds a checkpoint, and leaves the others as they were."""
    options: dict[str, Any] = {"snapshot_trigger": lambda **_: True}
    manager = open_session("travel", **options)
    agent = traveller(new_agent, manager, "another answer")
    asyncio.run(manager.restore_snapshot(agent, snapshot_id=ids[249]))
    agent("another question")

    manager = restart("travel", **options)
    agent = traveller(new_agent, manager, "and on")
    assert agent.messages[:-2] == window(messages, 249)[2:]
    assert said(agent.messages)[-2:] == ["another question", "another answer"]
    assert agent.state.get() == {"turn": 249}
    agent("on?")

    found = asyncio.run(manager.list_snapshot_ids(agent))
    assert found[:CHECKPOINTS] == ids
    assert len(found) == CHECKPOINTS + 2
    for snapshot_id, last in (
        (ids[250], "a250"),
        (found[-2], "another answer"),
        (found[-1], "and on"),
        (ids[-1], "a499"),
    ):
        assert asyncio.run(manager.restore_snapshot(agent, snapshot_id=snapshot_id))
        assert said(agent.messages)[-1] == last


def test_a_checkpoint_by_hand_stands_among_the_others(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, ids: list[str]
) -> None:
    """A checkpoint that was asked for is the youngest, and is not the latest state."""
    manager = open_session("travel", save_latest_on="trigger")
    agent = traveller(new_agent, manager, "kept?")
    agent("only as a checkpoint")
    made = asyncio.run(manager.save_snapshot(agent, is_latest=False))

    manager = restart("travel")
    agent = traveller(new_agent, manager)
    assert said(agent.messages)[-1] == "a499"
    assert asyncio.run(manager.list_snapshot_ids(agent, start_after=ids[-1])) == [made]
    assert asyncio.run(manager.restore_snapshot(agent, snapshot_id=made))
    assert said(agent.messages)[-2:] == ["only as a checkpoint", "kept?"]


def test_a_checkpoint_that_does_not_exist(open_session: OpenSession, new_agent: NewAgent, messages: Messages) -> None:
    """An unknown id restores nothing and changes nothing; what is no id at all is refused."""
    manager = open_session("travel")
    agent = traveller(new_agent, manager)

    assert not asyncio.run(manager.restore_snapshot(agent, snapshot_id=UNKNOWN))
    with pytest.raises(ValueError, match="not a valid snapshot id"):
        asyncio.run(manager.restore_snapshot(agent, snapshot_id="../snapshot_latest"))

    assert agent.messages == messages[-WINDOW:]


def test_the_checkpoints_of_one_agent_are_not_those_of_another(
    open_session: OpenSession, new_agent: NewAgent, ids: list[str]
) -> None:
    """A second agent of the session has no checkpoints, and cannot restore those of the first."""
    manager = open_session("travel")
    other = new_agent(manager, agent_id="other")

    assert asyncio.run(manager.list_snapshot_ids(other)) == []
    assert not asyncio.run(manager.restore_snapshot(other, snapshot_id=ids[0]))
    assert other.messages == []
