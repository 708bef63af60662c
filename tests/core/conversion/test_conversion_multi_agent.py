"""Graphs and swarms: one that stopped in one model goes on in the other."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import pytest
from strands import Agent
from strands.multiagent import GraphBuilder, Swarm
from strands.multiagent.base import MultiAgentBase, MultiAgentResult, Status

from pytest_strands_sqlite import ScriptedModel, ToolCall
from strands_sqlite_session_manager import Conversion, convert_to_message_log, convert_to_snapshots
from tests.core.agents.gates import AskBefore

from .file import File, latest_key
from .sessions import query, rows_of
from .talks import TALKS, image

SDK = tuple(int(part) for part in version("strands-agents").split(".")[:2])
IN_SNAPSHOTS = SDK >= (1, 57)
"""Whether the SDK keeps graphs and swarms in snapshots itself."""

PIXELS = bytes(range(256)) * 4
HAND_OVER = [
    ToolCall("handoff_to_agent", {"agent_name": "coder", "message": "Code.", "context": {"in": "SQL"}}, "call-1"),
    "The coder does it.",
]


def node(name: str, *replies: Any) -> Agent:
    """Make the agent of a node."""
    return Agent(model=ScriptedModel(*replies), name=name, callback_handler=None)


def graph(manager: Any, *, asked: bool) -> MultiAgentBase:
    """Make a graph whose second node waits for a person."""
    builder = GraphBuilder().set_session_manager(manager).set_graph_id("press").set_max_node_executions(9)
    agents = [node("draft", *([] if asked else ["a draft"])), node("edit", *(["edited"] if asked else []))]
    nodes = [builder.add_node(agent, agent.name) for agent in agents]
    builder.add_edge(nodes[0], nodes[1])
    return builder.set_hook_providers([AskBefore("edit")]).set_entry_point("draft").build()


def swarm(manager: Any, *, asked: bool) -> MultiAgentBase:
    """Make a swarm whose second agent waits for a person."""
    agents = [node("planner", *([] if asked else HAND_OVER)), node("coder", *(["It is built."] if asked else []))]
    return Swarm(agents, session_manager=manager, id="team", hooks=[AskBefore("coder")])


CREWS = {"press": (graph, {"draft": "a draft", "edit": "edited"}), "team": (swarm, {"coder": "It is built."})}
TASK: Any = [{"text": "Do it."}, image(PIXELS)]


def answer(crew: MultiAgentBase, waiting: Any) -> MultiAgentResult:
    """Say yes to all questions."""
    answers: Any = [{"interruptResponse": {"interruptId": each.id, "response": "yes"}} for each in waiting.interrupts]
    return crew(answers)


def state_in_log(file: File, session_id: str, crew_id: str) -> Any:
    """Return the stored state of a graph or swarm, as text would be compared."""
    sql = "SELECT state FROM multi_agents WHERE session_id = ? AND multi_agent_id = ?"
    ((state,),) = query(file.path, sql, session_id, crew_id)
    return json.loads(state)


def outputs(result: MultiAgentResult) -> dict[str, str]:
    """Return what each node said last."""
    return {name: str(each.result).strip() for name, each in result.results.items()}


@pytest.mark.parametrize("crew_id", sorted(CREWS))
def test_a_waiting_crew_is_the_same_there_and_back(file: File, crew_id: str) -> None:
    """The snapshot has the form that the SDK reads, the rows that come back are equal, and the crew goes on there."""
    make, expected = CREWS[crew_id]
    waiting = make(file.log("s"), asked=False)(TASK)
    assert waiting.status == Status.INTERRUPTED
    file.close()

    assert convert_to_snapshots("s", file.path) == Conversion("s", agents=0, messages=0, multi_agents=1)
    assert convert_to_message_log("s", file.path, new_session_id="t").multi_agents == 1

    snapshot = file.read(latest_key("s", crew_id, scope="multiAgent"))
    assert (snapshot["scope"], snapshot["schema_version"]) == ("multiAgent", "1.0")
    assert snapshot["data"] == {"orchestrator_id": crew_id, "state": state_in_log(file, "s", crew_id)}
    assert rows_of(file.path, "t") == rows_of(file.path, "s")
    result = answer(make(file.log("t"), asked=True), waiting)
    assert expected.items() <= outputs(result).items()


def in_snapshots(file: File, make: Any, crew_id: str) -> Any:
    """Let a crew wait in snapshots; where the SDK keeps none itself, in a snapshot of the same form."""
    if IN_SNAPSHOTS:
        return make(file.snapshots("s"), asked=False)(TASK)
    waiting = make(file.log("in between"), asked=False)(TASK)
    data = {"orchestrator_id": crew_id, "state": state_in_log(file, "in between", crew_id)}
    snapshot = {"scope": "multiAgent", "schema_version": "1.0", "created_at": "2026-01-01T00:00:00Z", "data": data}
    file.write(latest_key("s", crew_id, scope="multiAgent"), {**snapshot, "app_data": {}})
    return waiting


@pytest.mark.parametrize("crew_id", sorted(CREWS))
def test_a_crew_that_waits_in_snapshots_is_answered_in_a_log(file: File, crew_id: str) -> None:
    """A log made of the snapshot of a graph or swarm is resumed by the SDK, and becomes an equal snapshot again."""
    make, expected = CREWS[crew_id]
    waiting = in_snapshots(file, make, crew_id)
    file.close()

    assert convert_to_message_log("s", file.path) == Conversion("s", agents=0, messages=0, multi_agents=1)
    convert_to_snapshots("s", file.path, new_session_id="t")

    key = latest_key("s", crew_id, scope="multiAgent")
    assert file.read(key.replace("session/s/", "session/t/")) == file.read(key)
    result = answer(make(file.log("s"), asked=True), waiting)
    assert result.status == Status.COMPLETED
    assert expected.items() <= outputs(result).items()


def go_on_in_snapshots(file: File, make: Any, crew_id: str, waiting: Any) -> MultiAgentResult:
    """Answer a crew whose snapshot waits; where the SDK restores none itself, from the state in the snapshot."""
    if IN_SNAPSHOTS:
        return answer(make(file.snapshots("s"), asked=True), waiting)
    key, crew = latest_key("s", crew_id, scope="multiAgent"), make(None, asked=True)
    snapshot = file.read(key)
    crew.deserialize_state(snapshot["data"]["state"])
    result = answer(crew, waiting)
    snapshot["data"]["state"] = crew.serialize_state()
    file.write(key, snapshot)
    return result


@pytest.mark.parametrize("crew_id", sorted(CREWS))
def test_a_crew_that_waits_in_a_log_is_answered_in_snapshots(file: File, crew_id: str) -> None:
    """The snapshot restores the crew, which goes on at the node that waited, and its end comes back to the log."""
    make, expected = CREWS[crew_id]
    waiting = make(file.log("s"), asked=False)(TASK)
    file.close()
    convert_to_snapshots("s", file.path)

    result = go_on_in_snapshots(file, make, crew_id, waiting)

    assert result.status == Status.COMPLETED
    assert expected.items() <= outputs(result).items()
    file.close()
    convert_to_message_log("s", file.path, overwrite=True)
    assert state_in_log(file, "s", crew_id)["status"] == "completed"


def test_a_crew_and_an_agent_of_one_session_are_converted_together(file: File) -> None:
    """A graph, a swarm and an agent that share a session are counted, kept apart and all there."""
    TALKS["tools"].hold(file.log("s"))
    file.close()
    for make, _ in CREWS.values():
        make(file.log("s"), asked=False)(TASK)
        file.close()

    conversion = convert_to_snapshots("s", file.path)

    assert (conversion.agents, conversion.multi_agents) == (1, 2)
    assert len([key for key in file.stored_keys("session/s/") if key.endswith("/snapshot_latest.json")]) == 3
    assert convert_to_message_log("s", file.path, new_session_id="t").multi_agents == 2
    assert rows_of(file.path, "t") == rows_of(file.path, "s")


@pytest.mark.parametrize("same_id", ["press", "default"])
def test_a_crew_may_have_the_id_of_an_agent(file: File, same_id: str) -> None:
    """A graph and an agent with one id are two things in both models."""
    TALKS["plain"].agent(file.log("s"), "hello", agent_id=same_id)("Hi.")
    file.log("s").create_multi_agent("s", _Crew(same_id))  # type: ignore[arg-type]  # only id and state are used
    convert_to_snapshots("s", file.path)
    convert_to_message_log("s", file.path, new_session_id="t")

    assert file.read(latest_key("s", same_id))["scope"] == "agent"
    assert file.read(latest_key("s", same_id, scope="multiAgent"))["data"]["state"] == {"at": 7}
    assert rows_of(file.path, "t") == rows_of(file.path, "s")


class _Crew:
    """The part of a graph that a session manager uses."""

    def __init__(self, id_: str) -> None:
        self.id = id_

    def serialize_state(self) -> dict[str, int]:
        """Any state."""
        return {"at": 7}
