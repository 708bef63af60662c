"""Graphs and swarms in a new process: the first was killed in a tool of their second agent, and this one goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from strands import Agent
from strands.multiagent import GraphBuilder, Swarm
from strands.session import SnapshotSessionManager

from tests.core.agents.graphs import outputs

OpenSession = Callable[..., SnapshotSessionManager]
NewAgent = Callable[..., Agent]


@pytest.fixture
def folder(left_behind: Callable[[str], Path]) -> Path:
    """The storage that the first process left."""
    return left_behind("others")


def sent_to(agent: Any) -> list[str]:
    """The texts that an agent got as its input."""
    return [block["text"] for block in agent.messages[0]["content"] if "text" in block]


def test_the_graph_that_was_killed_goes_on(open_session: OpenSession, new_agent: NewAgent) -> None:
    """The node that was at work when the process was killed runs again, with the results of those before it."""
    agents = [new_agent(None, name="draft"), new_agent(None, "edited", name="edit")]
    builder = GraphBuilder().set_session_manager(open_session("graph")).set_max_node_executions(20)
    nodes = [builder.add_node(agent, agent.name) for agent in agents]
    builder.add_edge(nodes[0], nodes[1])

    result = builder.set_entry_point("draft").set_graph_id("press").build()("Write.")

    assert outputs(result) == {"draft": "a draft", "edit": "edited"}
    assert any("a draft" in text for text in sent_to(agents[1]))


def test_the_swarm_that_was_killed_goes_on(open_session: OpenSession, new_agent: NewAgent) -> None:
    """The agent whose turn it was when the process was killed starts this turn again, after the handoff."""
    agents = [new_agent(None, name="planner"), new_agent(None, "It is built.", name="coder")]

    result = Swarm(agents, session_manager=open_session("swarm"), id="team")("Build it.")

    assert [node.node_id for node in result.node_history] == ["planner", "coder"]
    assert "Code." in sent_to(agents[1])[0]
