"""Graphs: one that stopped in the middle goes on after a restart, with what its nodes had done."""

from collections.abc import Callable
from typing import Any

import pytest
from strands import Agent
from strands.multiagent.base import Status
from strands.session.repository_session_manager import RepositorySessionManager

from pytest_strands_sqlite import ToolCall

from .gates import AskBefore
from .graphs import EDGES, answers, graph, image, outputs, sent_to, team

OpenSession = Callable[..., RepositorySessionManager]
NewAgent = Callable[..., Agent]


def test_a_failed_graph_goes_on_at_the_node_that_failed(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """After a restart finished nodes keep their results, and the failed one runs again with these as input."""
    agents = team(new_agent, draft=["a draft"], edit=[RuntimeError("no connection")], print=[])
    with pytest.raises(RuntimeError, match="no connection"):
        graph(open_session(), agents)("Write about rain.")

    later = team(new_agent, draft=[], edit=["edited"], print=["printed"])
    result = graph(restart(), later)("Write about rain.")

    assert outputs(result) == {"draft": "a draft", "edit": "edited", "print": "printed"}
    assert [node.node_id for node in result.execution_order] == ["draft", "edit", "print"]
    sent = sent_to(later["edit"])
    assert "Original Task: Write about rain." in sent
    assert any("a draft" in text for text in sent)


@pytest.mark.parametrize("shape", sorted(EDGES))
def test_a_graph_that_waits_before_a_node_is_answered_after_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, shape: str
) -> None:
    """A question of a hook survives the restart; nodes that were done, beside the one that waits too, stay done."""
    names = {name for edge in EDGES[shape] for name in edge}
    before = {name: [] if name in {"edit", "print"} else [f"{name} done"] for name in names}
    after = {name: [] if before[name] else [f"{name} done"] for name in names}
    options: dict[str, Any] = {"shape": shape, "hooks": [AskBefore("edit")]}

    waiting = graph(open_session(), team(new_agent, **before), **options)("Write.")
    assert waiting.status == Status.INTERRUPTED
    result = graph(restart(), team(new_agent, **after), **options)(answers(waiting, "yes"))

    assert result.status == Status.COMPLETED
    assert outputs(result) == {name: f"{name} done" for name in names}


def test_a_tool_that_asks_inside_a_node_is_answered_after_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """The conversation, state and waiting tool call of the agent in the node are restored with the graph."""
    agents = team(new_agent, draft=["a draft"], edit=[ToolCall("publish", {"text": "rain"})], print=[])
    agents["edit"].state.set("seen", 1)
    waiting = graph(open_session(), agents)("Write.")
    assert [each.reason for each in waiting.interrupts] == ["rain"]

    later = team(new_agent, draft=[], edit=["edited"], print=["printed"])
    result = graph(restart(), later)(answers(waiting, {"copies": 3}))

    assert outputs(result) == {"draft": "a draft", "edit": "edited", "print": "printed"}
    messages = later["edit"].messages
    assert messages[:2] == agents["edit"].messages
    assert messages[2]["content"][0]["toolResult"]["content"] == [{"text": "rain: {'copies': 3}"}]
    assert later["edit"].state.get() == {"seen": 1}


def test_bytes_in_the_task_of_a_graph_survive_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A picture in the task reaches the nodes that run after the restart as the same bytes."""
    agents = team(new_agent, draft=["a draft"], edit=[RuntimeError("no connection")], print=[])
    with pytest.raises(RuntimeError, match="no connection"):
        graph(open_session(), agents)([{"text": "Describe this."}, image()])

    later = team(new_agent, draft=[], edit=["edited"], print=["printed"])
    graph(restart(), later)("Go on.")

    assert image() in later["edit"].messages[0]["content"]


def test_a_completed_graph_starts_again_after_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A graph that came to its end takes a new task from its first node."""
    open_session()
    for task in ("first", "second"):
        agents = team(new_agent, draft=[f"{task} draft"], edit=[f"{task} edit"], print=[f"{task} print"])
        result = graph(restart(), agents)(task)
        assert result.status == Status.COMPLETED
        assert outputs(result) == {name: f"{task} {name}" for name in agents}
        assert sent_to(agents["draft"]) == [task]


def test_two_graphs_of_one_session_are_restored_apart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Each graph of a session goes on where it stopped, whatever the other one did."""
    failure = RuntimeError("no connection")
    manager = open_session()
    for graph_id, edit, print_ in (("north", [failure], []), ("south", ["edited"], [failure])):
        agents = team(new_agent, draft=[f"{graph_id} draft"], edit=edit, print=print_)
        with pytest.raises(RuntimeError, match="no connection"):
            graph(manager, agents, graph_id=graph_id)(graph_id)

    manager = restart()
    for graph_id, edit in (("north", ["edited"]), ("south", [])):
        agents = team(new_agent, draft=[], edit=edit, print=["printed"])
        result = graph(manager, agents, graph_id=graph_id)("Go on.")
        assert outputs(result) == {"draft": f"{graph_id} draft", "edit": "edited", "print": "printed"}


def test_a_graph_and_an_agent_share_a_session(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """An agent with a conversation of its own and a graph of other agents are both restored from one session."""
    manager = open_session()
    host = new_agent(manager, "Hello.", agent_id="host")
    host("Hi.")
    agents = team(new_agent, draft=["a draft"], edit=[RuntimeError("no connection")], print=[])
    with pytest.raises(RuntimeError, match="no connection"):
        graph(manager, agents)("Write.")

    manager = restart()
    assert new_agent(manager, agent_id="host").messages == host.messages
    result = graph(manager, team(new_agent, draft=[], edit=["edited"], print=["printed"]))("Go on.")
    assert outputs(result) == {"draft": "a draft", "edit": "edited", "print": "printed"}
