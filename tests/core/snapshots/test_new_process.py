"""Agents and memory in a new process: one process is killed in mid-work, and this one goes on with what it left."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from strands import Agent, ToolContext, tool
from strands.memory import MemoryManager
from strands.session import SnapshotSessionManager
from strands.storage import Storage
from strands.types.content import Messages
from strands.vended_memory_stores.file_memory_store import FileMemoryStore

from pytest_strands_sqlite import ToolCall
from tests.core.talking import said

OpenSession = Callable[..., SnapshotSessionManager]
OpenStorage = Callable[..., Storage]
NewAgent = Callable[..., Agent]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 100
SECRET = "4111-secret-1111"

strategies = pytest.mark.parametrize("strategy", ["message", "invocation", "trigger"])


@pytest.fixture
def folder(left_behind: Callable[[str], Path]) -> Path:
    """The storage that the first process left."""
    return left_behind("others")


@pytest.fixture
def reports(first_process: Any) -> dict[str, Any]:
    """What the agents of the first process had in memory, by strategy."""
    found: dict[str, Any] = first_process.reports["agents"]
    return found


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


def results(messages: Messages) -> list[Any]:
    """The contents of all tool results in a conversation."""
    blocks = [block for message in messages for block in message["content"]]
    return [block["toolResult"]["content"] for block in blocks if "toolResult" in block]


@strategies
def test_the_whole_conversation_is_there(
    open_session: OpenSession, new_agent: NewAgent, reports: dict[str, Any], strategy: str
) -> None:
    """Text, tools, a picture, a redaction and state come back as the first process had them in memory."""
    name = f"talk-{strategy}"
    agent = new_agent(open_session(name, save_latest_on=strategy), "Yes.")

    assert agent.messages == reports[strategy]["messages"]
    assert agent.messages[4]["content"][1] == {"image": {"format": "png", "source": {"bytes": PNG}}}
    assert said(agent.messages)[-2:] == ["[removed]", "I cannot say."]
    assert agent.state.get() == {"seen": {"pictures": 1}}

    agent("Are you still there?")
    assert said(agent.messages)[-2:] == ["Are you still there?", "Yes."]
    kept = said(new_agent(open_session(name)).messages)[-2:]
    assert kept == (["[removed]", "I cannot say."] if strategy == "trigger" else ["Are you still there?", "Yes."])


@strategies
def test_no_checkpoint_holds_what_a_guardrail_removed(
    open_session: OpenSession, open_storage: OpenStorage, new_agent: NewAgent, strategy: str
) -> None:
    """Each of the three turns has its checkpoint, and no key gives out the removed text."""
    manager = open_session(f"talk-{strategy}")
    assert len(asyncio.run(manager.list_snapshot_ids(new_agent(manager)))) == 3

    async def read_all() -> str:
        storage = open_storage()
        return repr([await storage.read(key) for key in await storage.list("")])

    assert SECRET not in asyncio.run(read_all())


@strategies
def test_the_open_question_is_answered(
    open_session: OpenSession, new_agent: NewAgent, reports: dict[str, Any], strategy: str
) -> None:
    """The person's answer reaches the tool call that waits since the first process."""
    agent = new_agent(open_session(f"ask-{strategy}"), "Done.", tools=[delete])

    ids = reports[strategy]["interrupt_ids"]
    answers: Any = [{"interruptResponse": {"interruptId": each, "response": "yes"}} for each in ids]
    agent(answers)

    assert results(agent.messages) == [[{"text": "a.txt: yes"}]]


@strategies
def test_the_turn_that_was_killed(open_session: OpenSession, new_agent: NewAgent, strategy: str) -> None:
    """The file holds the killed turn, the one before it or nothing, as the strategy promises; the agent goes on."""
    manager = open_session(f"killed-{strategy}", save_latest_on=strategy)
    agent = new_agent(manager, "Well done.", tools=[work])
    kept = {"message": ["q0", "a0", "q1"], "invocation": ["q0", "a0"], "trigger": []}[strategy]
    assert said(agent.messages) == kept

    if strategy == "message":
        agent(None)
        assert results(agent.messages) == [[{"text": "done for message"}]]
    else:
        agent("q1")

    assert said(agent.messages)[-1] == "Well done."


def test_the_memory_is_there(open_storage: OpenStorage, shut: Callable[[], None], new_agent: NewAgent) -> None:
    """What an agent of the first process learned is found by the search of an agent in this one, and can grow."""

    def remembering(*steps: Any) -> Agent:
        store = FileMemoryStore(name="facts", storage=open_storage())
        manager = MemoryManager([store], add_tool_config=True, injection=False)
        return new_agent(None, *steps, memory_manager=manager)

    more = ToolCall("add_memory", {"entries": ["# Lighthouse\nIt was built in 1901."]})
    search = ToolCall("search_memory", {"query": "lighthouse keeper"})
    agent = remembering(search, more, "Ada.")
    agent("Who keeps it?")
    assert "called Ada" in repr(results(agent.messages)[0])

    shut()
    agent = remembering(search, "Ada, in 1901.")
    agent("Since when?")
    assert "called Ada.\\nIt was built in 1901." in results(agent.messages)[0][0]["text"].replace("\\\\n", "\\n")
