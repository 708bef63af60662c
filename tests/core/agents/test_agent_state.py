"""Agent state: what a program or a tool sets is there after a restart."""

from collections.abc import Callable

import pytest
from strands import Agent, ToolContext, tool
from strands.session.repository_session_manager import RepositorySessionManager
from strands.types.exceptions import EventLoopException

from pytest_strands_sqlite import ToolCall

OpenSession = Callable[..., RepositorySessionManager]
NewAgent = Callable[..., Agent]

NESTED = {"list": [1, 2.5, None, True, "ü\x00 🎉"], "map": {"": {}, "big": 2**70, "small": -1e-300}, "text": ""}


@tool(context=True)
def count(tool_context: ToolContext) -> str:
    """Count one further."""
    counted = (tool_context.agent.state.get("count") or 0) + 1
    tool_context.agent.state.set("count", counted)
    return f"{counted}"


def test_initial_state_and_later_changes_survive_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """State given at the start, set and deleted between turns, is there after a restart with its exact values."""
    agent = new_agent(open_session(), "One.", "Two.", state={"kept": "first", "dropped": 1})
    agent("1")
    agent.state.set("nested", NESTED)
    agent.state.delete("dropped")
    agent("2")

    restored = new_agent(restart())

    assert restored.state.get() == {"kept": "first", "nested": NESTED}


def test_stored_state_wins_over_the_state_given_to_a_restored_agent(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A program that always passes the same first state does not reset an existing session."""
    agent = new_agent(open_session(), "One.", state={"visits": 0})
    agent.state.set("visits", 1)
    agent("1")

    assert new_agent(restart(), state={"visits": 0}).state.get("visits") == 1


def test_state_that_a_tool_sets_is_stored_within_the_turn(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A tool's changes are there after a restart even when the turn they belong to failed later."""
    failing = [ToolCall("count"), [ToolCall("count"), ToolCall("count")], RuntimeError("no connection")]
    agent = new_agent(open_session(), *failing, tools=[count])
    with pytest.raises(EventLoopException, match="no connection"):
        agent("Count.")

    restored = new_agent(restart(), ToolCall("count"), "Four.", tools=[count])
    assert restored.state.get("count") == 3
    restored("On.")

    assert new_agent(restart()).state.get("count") == 4


def test_changes_of_state_alone_are_stored_with_the_next_turn(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Many changes over many restarts never go back to an older value."""
    open_session()
    for turn in range(5):
        agent = new_agent(restart(), "Noted.")
        assert agent.state.get("turn") == (turn - 1 if turn else None)
        agent.state.set("turn", turn)
        agent("Next.")
    assert new_agent(restart()).state.get() == {"turn": 4}


def test_state_that_json_cannot_hold_never_reaches_storage(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A refused value leaves the state that was there, in memory and after a restart."""
    agent = new_agent(open_session(), "One.", state={"safe": 1})
    with pytest.raises(ValueError, match="not JSON serializable"):
        agent.state.set("bad", object())
    agent("1")

    assert new_agent(restart()).state.get() == {"safe": 1}
