"""Graphs on snapshots: one that stopped in the middle goes on after a restart, with what its nodes had done."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from strands import Agent
from strands.hooks import BeforeNodeCallEvent
from strands.multiagent.base import Status
from strands.session import SnapshotSessionManager

from tests.core.agents.graphs import EDGES, answers, graph, outputs, team
from tests.core.agents.test_agent_graph import (  # noqa: F401 - the same promises hold on snapshots
    test_a_completed_graph_starts_again_after_a_restart,
    test_a_failed_graph_goes_on_at_the_node_that_failed,
    test_a_tool_that_asks_inside_a_node_is_answered_after_a_restart,
    test_bytes_in_the_task_of_a_graph_survive_a_restart,
)

OpenSession = Callable[..., SnapshotSessionManager]
NewAgent = Callable[..., Agent]
Stored = Callable[..., Any]


def ask_before_edit(event: BeforeNodeCallEvent) -> None:
    """Ask a person before the edit node runs."""
    if event.node_id == "edit" and event.interrupt("gate", reason=event.node_id) != "yes":
        event.cancel_node = "a person said no"


@pytest.mark.parametrize("strategy", ["node", "invocation"])
def test_what_is_in_the_file_while_a_graph_runs(
    open_session: OpenSession, new_agent: NewAgent, stored: Stored, strategy: Any
) -> None:
    """After each node the file holds it as done, or nothing before the end, as the strategy says."""
    seen: list[Any] = []

    def look(reply: str) -> Callable[..., str]:
        def step(_: Any) -> str:
            snapshot = stored(agent_id="press", scope="multiAgent")
            seen.append(sorted(snapshot["data"]["state"]["completed_nodes"]) if snapshot else None)
            return reply

        return step

    agents = team(new_agent, draft=[look("a draft")], edit=[look("edited")], print=[look("printed")])
    graph(open_session(multi_agent_save_latest_on=strategy), agents)("Write.")

    assert seen == ([None, ["draft"], ["draft", "edit"]] if strategy == "node" else [None] * 3)
    snapshot = stored(agent_id="press", scope="multiAgent")
    assert snapshot["data"]["orchestrator_id"] == "press"
    assert sorted(snapshot["data"]["state"]["completed_nodes"]) == ["draft", "edit", "print"]


@pytest.mark.parametrize("shape", sorted(EDGES))
def test_a_graph_that_waits_before_a_node_is_answered_after_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, shape: str
) -> None:
    """A question of a hook survives the restart; nodes that were done, beside the one that waits too, stay done."""
    names = {name for edge in EDGES[shape] for name in edge}
    before = {name: [] if name in {"edit", "print"} else [f"{name} done"] for name in names}
    after = {name: [] if before[name] else [f"{name} done"] for name in names}

    first = graph(open_session(), team(new_agent, **before), shape)
    first.add_hook(ask_before_edit, BeforeNodeCallEvent)
    waiting = first("Write.")
    assert waiting.status == Status.INTERRUPTED
    second = graph(restart(), team(new_agent, **after), shape)
    second.add_hook(ask_before_edit, BeforeNodeCallEvent)
    result = second(answers(waiting, "yes"))

    assert result.status == Status.COMPLETED
    assert outputs(result) == {name: f"{name} done" for name in names}


def test_two_graphs_and_an_agent_share_a_session(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Each graph of a session goes on where it stopped, whatever the other one did, and an agent beside them too."""
    failure = RuntimeError("no connection")
    manager = open_session()
    host = new_agent(manager, "Hello.", agent_id="north")  # an agent may have the id of a graph
    host("Hi.")
    for name, edit, print_ in (("north", [failure], []), ("south", ["edited"], [failure])):
        agents = team(new_agent, draft=[f"{name} draft"], edit=edit, print=print_)
        with pytest.raises(RuntimeError, match="no connection"):
            graph(manager, agents, graph_id=name)(name)

    manager = restart()
    assert new_agent(manager, agent_id="north").messages == host.messages
    for name, edit in (("north", ["edited"]), ("south", [])):
        agents = team(new_agent, draft=[], edit=edit, print=["printed"])
        result = graph(manager, agents, graph_id=name)("Go on.")
        assert outputs(result) == {"draft": f"{name} draft", "edit": "edited", "print": "printed"}


def test_graphs_on_one_loop(open_session: OpenSession, restart: OpenSession, new_agent: NewAgent) -> None:
    """Graphs of several sessions, with two branches each, run at the same time on one loop and are all kept."""
    names = [f"graph-{number}" for number in range(6)]
    scripts = {node: [f"{node} done"] for node in ("draft", "edit", "check")}

    async def run_all() -> None:
        graphs = [
            graph(open_session(name), team(new_agent, **scripts, print=[RuntimeError("no connection")]), "diamond")
            for name in names
        ]
        ends = await asyncio.gather(*(each.invoke_async("Write.") for each in graphs), return_exceptions=True)
        assert [str(end) for end in ends] == ["no connection"] * len(names)

    asyncio.run(run_all())
    for name in names:
        agents = team(new_agent, draft=[], edit=[], check=[], print=[f"{name} printed"])
        result = graph(restart(name), agents, "diamond")("Go on.")
        assert outputs(result) == {**{node: f"{node} done" for node in scripts}, "print": f"{name} printed"}
