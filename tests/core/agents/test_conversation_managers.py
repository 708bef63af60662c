"""Conversation managers: what they took out of an agent's context stays out after a restart."""

from collections.abc import Callable
from typing import Any

import pytest
from strands import Agent, tool
from strands.agent.conversation_manager import (
    NullConversationManager,
    SlidingWindowConversationManager,
    SummarizingConversationManager,
)
from strands.session.repository_session_manager import RepositorySessionManager
from strands.types.exceptions import ContextWindowOverflowException

from pytest_strands_sqlite import ScriptedModel, ToolCall
from tests.core.talking import said

OpenSession = Callable[..., RepositorySessionManager]
NewAgent = Callable[..., Agent]


@tool
def double(number: int) -> str:
    """Double a number.

    Args:
        number: What to double.
    """
    return f"{2 * number}"


def stored(manager: RepositorySessionManager, agent: Agent) -> list[str]:
    """The texts that storage holds, whatever the conversation manager took out of the context."""
    records = manager.session_repository.list_messages(manager.session_id, agent.agent_id)
    return said([record.to_message() for record in records])


def window() -> dict[str, Any]:
    """Options of an agent that keeps four messages."""
    return {"conversation_manager": SlidingWindowConversationManager(window_size=4)}


def forgetful() -> dict[str, Any]:
    """Options of an agent that keeps nothing."""
    return {"conversation_manager": SlidingWindowConversationManager(window_size=0)}


def summaries() -> dict[str, Any]:
    """Options of an agent that summarizes half of its conversation."""
    return {"conversation_manager": SummarizingConversationManager(summary_ratio=0.5, preserve_recent_messages=2)}


def talk(agent: Agent, turns: range) -> None:
    """Hold one turn for each number."""
    for turn in turns:
        agent(f"q{turn}")


def test_what_the_window_trimmed_stays_trimmed(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """The restored agent has the messages in its window, the model sees only those, and storage keeps all."""
    agent = new_agent(open_session(), *(f"a{turn}" for turn in range(6)), **window())
    talk(agent, range(6))
    assert said(agent.messages) == ["q4", "a4", "q5", "a5"]

    model = ScriptedModel("a6")
    manager = restart()
    restored = new_agent(manager, model=model, **window())
    assert restored.messages == agent.messages
    talk(restored, range(6, 7))

    assert said(model.calls[0].messages) == ["q4", "a4", "q5", "a5", "q6"]
    assert stored(manager, restored) == [f"{who}{turn}" for turn in range(7) for who in "qa"]


def test_the_window_moves_on_over_many_restarts(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """After each restart the window holds the last messages, neither older ones nor fewer."""
    agent = new_agent(open_session(), "a0", **window())
    talk(agent, range(1))
    for turn in range(1, 8):
        agent = new_agent(restart(), f"a{turn}", **window())
        talk(agent, range(turn, turn + 1))
        assert said(agent.messages) == [f"{who}{kept}" for kept in (turn - 1, turn) for who in "qa"]
    assert new_agent(restart(), **window()).messages == agent.messages


def test_a_window_never_restores_half_of_a_tool_pair(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """In a conversation of tool turns, what is restored is what was in the window, in valid pairs."""
    open_session()
    for turn in range(5):
        manager = restart()
        agent = new_agent(manager, ToolCall("double", {"number": turn}), f"a{turn}", tools=[double], **window())
        talk(agent, range(turn, turn + 1))
        restored = new_agent(restart(), tools=[double], **window())
        assert restored.messages == agent.messages
        uses = [b["toolUse"]["toolUseId"] for m in restored.messages for b in m["content"] if "toolUse" in b]
        results = [b["toolResult"]["toolUseId"] for m in restored.messages for b in m["content"] if "toolResult" in b]
        assert uses == results


def test_a_window_of_nothing_restores_nothing(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """An agent that forgets every turn still forgets after a restart, and goes on."""
    talk(new_agent(open_session(), "a0", "a1", **forgetful()), range(2))

    model = ScriptedModel("a2")
    restored = new_agent(restart(), model=model, **forgetful())
    assert restored.messages == []
    talk(restored, range(2, 3))

    assert said(model.calls[0].messages) == ["q2"]
    assert new_agent(restart(), **forgetful()).messages == []


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_what_an_agent_forgot_is_still_stored(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Turns after a restart with an empty context follow the stored ones; the SDK's managers overwrite these."""
    talk(new_agent(open_session(), "a0", "a1", **forgetful()), range(2))

    manager = restart()
    restored = new_agent(manager, "a2", **forgetful())
    talk(restored, range(2, 3))

    assert stored(manager, restored) == [f"{who}{turn}" for turn in range(3) for who in "qa"]


def test_a_summary_is_restored_in_the_place_of_what_it_sums_up(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """After a restart the conversation starts with the summary and goes on with what it left."""
    steps = ["a0", "a1", ContextWindowOverflowException("too long"), "all of the past", "a2"]
    agent = new_agent(open_session(), *steps, **summaries())
    talk(agent, range(3))
    assert said(agent.messages) == ["all of the past", "q1", "a1", "q2", "a2"]

    model = ScriptedModel("a3")
    manager = restart()
    restored = new_agent(manager, model=model, **summaries())
    assert restored.messages == agent.messages
    talk(restored, range(3, 4))

    assert said(model.calls[0].messages) == ["all of the past", "q1", "a1", "q2", "a2", "q3"]
    assert stored(manager, restored) == [f"{who}{turn}" for turn in range(4) for who in "qa"]


def test_a_summary_of_a_summary_is_restored(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A second summary after a restart replaces the first, and no message is lost or doubled between them."""
    overflow = ContextWindowOverflowException("too long")
    talk(new_agent(open_session(), "a0", "a1", overflow, "first summary", "a2", **summaries()), range(3))

    agent = new_agent(restart(), overflow, "second summary", "a3", **summaries())
    talk(agent, range(3, 4))
    assert said(agent.messages) == ["second summary", "q2", "a2", "q3", "a3"]

    manager = restart()
    restored = new_agent(manager, **summaries())
    assert restored.messages == agent.messages
    assert stored(manager, restored) == [f"{who}{turn}" for turn in range(4) for who in "qa"]


def test_an_agent_that_keeps_everything_restores_everything(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Without trimming, a conversation longer than the SDK's default window comes back whole."""
    agent = new_agent(
        open_session(), *(f"a{turn}" for turn in range(22)), conversation_manager=NullConversationManager()
    )
    talk(agent, range(22))

    restored = new_agent(restart(), conversation_manager=NullConversationManager())

    assert len(restored.messages) == 44
    assert restored.messages == agent.messages


def test_the_default_window_is_restored_in_the_middle_of_a_long_conversation(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """An agent without options keeps forty messages, and these come back out of the many that are stored."""
    agent = new_agent(open_session(), *(f"a{turn}" for turn in range(24)))
    talk(agent, range(24))

    manager = restart()
    restored = new_agent(manager)

    assert len(restored.messages) == 40
    assert restored.messages == agent.messages
    assert len(stored(manager, restored)) == 48


def test_another_conversation_manager_after_the_restart_is_refused(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """The SDK refuses state of another manager; the session stays as it was for the right one."""
    agent = new_agent(open_session(), "a0", "a1", "a2", **window())
    talk(agent, range(3))

    with pytest.raises(ValueError, match="Invalid conversation manager state"):
        new_agent(restart(), **summaries())

    assert new_agent(restart(), **window()).messages == agent.messages
