"""Tests of an agent: what it answers, what it still knows after a restart, and what a full disk does to it."""

import pytest
from strands import tool

from pytest_strands_sqlite import ToolCall, transcript
from strands_sqlite_session_manager import DatabaseFullError


@tool
def track_order(order: int) -> str:
    """Find an order."""
    return f"Order {order} is in Oslo."


def test_it_remembers_the_order(agent_factory, sqlite_session_factory):
    agent = agent_factory(ToolCall("track_order", {"order": 4711}), "It is in Oslo.", tools=[track_order])
    agent("Where is my order 4711?")

    sqlite_session_factory.restart()

    resumed = agent_factory("You asked for 4711.", tools=[track_order])
    resumed("Which order did I ask for?")
    told = transcript(sqlite_session_factory())
    told.assert_called("track_order", {"order": 4711})
    told.assert_said("You asked for 4711.", role="assistant")


def test_a_full_disk_loses_nothing(agent_factory, sqlite_session_factory, session_faults):
    agent = agent_factory("Gladly.")
    agent("Thank you.")

    session_faults.full_disk()
    with pytest.raises(DatabaseFullError):
        agent("One more thing.")

    sqlite_session_factory.restart()
    transcript(sqlite_session_factory()).assert_roles("user", "assistant")
