"""Restarts in a real new process: one process is killed in mid-work, and this one goes on with what it left."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from strands import Agent, ToolContext, tool
from strands.agent.conversation_manager import SummarizingConversationManager
from strands.multiagent import GraphBuilder, Swarm
from strands.session.repository_session_manager import RepositorySessionManager
from strands.types.content import Messages
from strands.types.session import decode_bytes_values

from pytest_strands_sqlite import ScriptedModel
from tests.core.talking import said

NewAgent = Callable[..., Agent]
Opener = Callable[[str, Path], RepositorySessionManager]

KILLED = 86
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 100
SECRET = "4111 1111 1111 1111"


@dataclass
class FirstProcess:
    """What a process left that was killed."""

    open_session: Callable[[str], RepositorySessionManager]
    messages: dict[str, Messages]
    interrupt_ids: list[str]


@pytest.fixture(scope="module", params=["sqlite", "file"])
def first_process(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, openers: dict[str, Opener]
) -> FirstProcess:
    """Run the first process to its end."""
    folder = tmp_path_factory.mktemp("first_process")
    program = Path(__file__).with_name("first_process.py")
    ended = subprocess.run(
        [sys.executable, program, request.param, folder], capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == KILLED, ended.stderr
    report = decode_bytes_values(json.loads(ended.stdout))
    return FirstProcess(lambda session_id: openers[request.param](session_id, folder), **report)


@pytest.fixture
def open_session(first_process: FirstProcess) -> Any:
    """Open a session of the first process, and close it after the test."""
    with ExitStack() as opened:

        def open_(session_id: str) -> RepositorySessionManager:
            manager = first_process.open_session(session_id)
            opened.callback(getattr(manager, "close", lambda: None))
            return manager

        yield open_


OpenSession = Callable[[str], RepositorySessionManager]


@tool(context=True)
def delete(path: str, tool_context: ToolContext) -> str:
    """Delete a file when a person agrees."""
    return f"{path}: {tool_context.interrupt('approval', reason=path)}"


@tool
def work(name: str) -> str:
    """Work, and come to an end.

    Args:
        name: Whose work it is.
    """
    return f"done for {name}"


def test_the_whole_conversation_is_there(
    first_process: FirstProcess, open_session: OpenSession, new_agent: NewAgent
) -> None:
    """Text, tools, a picture, a redaction and state come back as the first process had them in memory."""
    manager = open_session("talk")
    agent = new_agent(manager, "Yes.")

    assert agent.messages == first_process.messages["talk"]
    assert agent.messages[4]["content"][1] == {"image": {"format": "png", "source": {"bytes": PNG}}}
    assert agent.state.get() == {"seen": {"pictures": 1}}
    records = manager.session_repository.list_messages("talk", agent.agent_id)
    assert SECRET not in repr(records)

    agent("Are you still there?")
    assert said(new_agent(open_session("talk")).messages)[-2:] == ["Are you still there?", "Yes."]


def test_the_summary_is_there(first_process: FirstProcess, open_session: OpenSession, new_agent: NewAgent) -> None:
    """The summary stands before the messages that it left, and goes to the model."""
    manager = SummarizingConversationManager(summary_ratio=0.5, preserve_recent_messages=2)
    model = ScriptedModel("a3")
    agent = new_agent(open_session("summary"), model=model, conversation_manager=manager)
    assert agent.messages == first_process.messages["summary"]

    agent("q3")
    assert said(model.calls[0].messages) == ["all of the past", "q1", "a1", "q2", "a2", "q3"]


def test_the_open_question_is_answered(
    first_process: FirstProcess, open_session: OpenSession, new_agent: NewAgent
) -> None:
    """The person's answer reaches the tool call that waits since the first process."""
    agent = new_agent(open_session("asking"), "Done.", tools=[delete])
    assert agent.messages == first_process.messages["asking"]

    ids = first_process.interrupt_ids
    answers: Any = [{"interruptResponse": {"interruptId": each, "response": "yes"}} for each in ids]
    agent(answers)

    assert agent.messages[2]["content"][0]["toolResult"]["content"] == [{"text": "a.txt: yes"}]


def test_the_turn_that_was_killed_goes_on(open_session: OpenSession, new_agent: NewAgent) -> None:
    """The agent killed between tool use and result runs the tool now, and its conversation is valid."""
    agent = new_agent(open_session("killed"), "Well done.", name="agent", tools=[work])
    assert [message["role"] for message in agent.messages] == ["user", "assistant"]

    agent(None)

    result = agent.messages[2]["content"][0]["toolResult"]
    assert (result["toolUseId"], result["content"]) == ("call-agent", [{"text": "done for agent"}])
    assert new_agent(open_session("killed"), tools=[work]).messages == agent.messages


def test_the_graph_that_was_killed_goes_on(open_session: OpenSession, new_agent: NewAgent) -> None:
    """The node that was at work when the process was killed runs again, with the results of those before it."""
    agents = [new_agent(None, name="draft"), new_agent(None, "edited", name="edit")]
    builder = GraphBuilder().set_session_manager(open_session("graph")).set_max_node_executions(20)
    nodes = [builder.add_node(agent, agent.name) for agent in agents]
    builder.add_edge(nodes[0], nodes[1])

    result = builder.set_entry_point("draft").build()("Write.")

    assert {name: str(node.result) for name, node in result.results.items()} == {
        "draft": "a draft\n",
        "edit": "edited\n",
    }
    assert any("a draft" in text for text in said(agents[1].messages))


def test_the_swarm_that_was_killed_goes_on(open_session: OpenSession, new_agent: NewAgent) -> None:
    """The agent whose turn it was when the process was killed starts this turn again, after the handoff."""
    agents = [new_agent(None, name="planner"), new_agent(None, "It is built.", name="coder")]

    result = Swarm(agents, session_manager=open_session("swarm"))("Build it.")

    assert [node.node_id for node in result.node_history] == ["planner", "coder"]
    assert "Code." in said(agents[1].messages)[0]
