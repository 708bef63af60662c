"""Conversation managers on snapshots: what they took out of the context is out of the snapshot, and stays out."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from strands import Agent
from strands.agent.conversation_manager import (
    NullConversationManager,
)
from strands.session import SnapshotSessionManager
from strands.types.exceptions import ContextWindowOverflowException

from pytest_strands_sqlite import ScriptedModel, ToolCall
from tests.core.agents.test_conversation_managers import (  # noqa: F401 - the same promises hold on snapshots
    double,
    summaries,
    talk,
    test_another_conversation_manager_after_the_restart_is_refused,
    window,
)
from tests.core.talking import said

OpenSession = Callable[..., SnapshotSessionManager]
NewAgent = Callable[..., Agent]
Stored = Callable[..., Any]

OVERFLOW = ContextWindowOverflowException("too long")


@pytest.mark.parametrize("strategy", ["message", "invocation"])
def test_the_window_is_what_is_stored_and_restored(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, stored: Stored, strategy: Any
) -> None:
    """The snapshot holds the window, not what left it; the restored agent and its model see the same window."""
    agent = new_agent(open_session(save_latest_on=strategy), *(f"a{turn}" for turn in range(6)), **window())
    talk(agent, range(6))
    assert said(agent.messages) == ["q4", "a4", "q5", "a5"]
    assert said(stored()["data"]["messages"]) == ["q4", "a4", "q5", "a5"]

    model = ScriptedModel("a6")
    restored = new_agent(restart(save_latest_on=strategy), model=model, **window())
    assert restored.messages == agent.messages
    assert restored.conversation_manager.get_state() == agent.conversation_manager.get_state()
    talk(restored, range(6, 7))

    assert said(model.calls[0].messages) == ["q4", "a4", "q5", "a5", "q6"]


def test_the_window_moves_on_over_many_restarts(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """After each restart the window holds the last messages, neither older ones nor fewer, in valid tool pairs."""
    open_session()
    for turn in range(6):
        agent = new_agent(restart(), ToolCall("double", {"number": turn}), f"a{turn}", tools=[double], **window())
        talk(agent, range(turn, turn + 1))
        restored = new_agent(restart(), tools=[double], **window())
        assert restored.messages == agent.messages
        uses = [b["toolUse"]["toolUseId"] for m in restored.messages for b in m["content"] if "toolUse" in b]
        results = [b["toolResult"]["toolUseId"] for m in restored.messages for b in m["content"] if "toolResult" in b]
        assert uses == results
        assert said(restored.messages)[-1] == f"a{turn}"


def test_a_checkpoint_brings_back_what_the_window_dropped(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Going back before the window moved brings back the messages and the state of the conversation manager."""
    options: dict[str, Any] = {"snapshot_trigger": lambda **_: True}
    talk(new_agent(open_session(**options), *(f"a{turn}" for turn in range(6)), **window()), range(6))

    manager = restart(**options)
    agent = new_agent(manager, "b2", **window())

    async def go_back() -> None:
        ids = await manager.list_snapshot_ids(agent)
        assert await manager.restore_snapshot(agent, snapshot_id=ids[1])

    asyncio.run(go_back())
    assert said(agent.messages) == ["q0", "a0", "q1", "a1"]
    assert agent.conversation_manager.removed_message_count == 0
    talk(agent, range(2, 3))
    restored = new_agent(restart(**options), **window())
    assert said(restored.messages) == ["q1", "a1", "q2", "b2"]
    assert restored.conversation_manager.removed_message_count == 2


@pytest.mark.parametrize("strategy", ["message", "invocation"])
def test_a_summary_is_restored_in_the_place_of_what_it_sums_up(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, strategy: Any
) -> None:
    """After a restart the conversation starts with the summary and goes on with what it left."""
    manager = open_session(save_latest_on=strategy)
    agent = new_agent(manager, "a0", "a1", OVERFLOW, "all of the past", "a2", **summaries())
    talk(agent, range(3))
    assert said(agent.messages) == ["all of the past", "q1", "a1", "q2", "a2"]

    model = ScriptedModel("a3")
    restored = new_agent(restart(save_latest_on=strategy), model=model, **summaries())
    assert restored.messages == agent.messages
    talk(restored, range(3, 4))

    assert said(model.calls[0].messages) == ["all of the past", "q1", "a1", "q2", "a2", "q3"]


def test_a_summary_of_a_summary_is_restored(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A second summary after a restart replaces the first, and no message is lost or doubled between them."""
    talk(new_agent(open_session(), "a0", "a1", OVERFLOW, "first summary", "a2", **summaries()), range(3))

    agent = new_agent(restart(), OVERFLOW, "second summary", "a3", **summaries())
    talk(agent, range(3, 4))
    assert said(agent.messages) == ["second summary", "q2", "a2", "q3", "a3"]

    restored = new_agent(restart(), **summaries())
    assert restored.messages == agent.messages
    assert restored.conversation_manager.get_state() == agent.conversation_manager.get_state()


def test_an_agent_that_keeps_everything_restores_everything(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Without trimming, a conversation longer than the SDK's default window comes back whole."""
    keep_all: dict[str, Any] = {"conversation_manager": NullConversationManager()}
    agent = new_agent(open_session(), *(f"a{turn}" for turn in range(22)), **keep_all)
    talk(agent, range(22))

    restored = new_agent(restart(), **keep_all)

    assert len(restored.messages) == 44
    assert restored.messages == agent.messages
