"""A process of its own: it holds the conversations that the tests resume, then ends in the middle of three others.

Usage: `python first_process.py {sqlite,file} FOLDER`. It prints what its agents had in memory, and exits with `KILLED`.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from strands import Agent, ToolContext, tool
from strands.agent.conversation_manager import SummarizingConversationManager
from strands.multiagent import GraphBuilder, Swarm
from strands.session.file_session_manager import FileSessionManager
from strands.session.repository_session_manager import RepositorySessionManager
from strands.types.exceptions import ContextWindowOverflowException
from strands.types.session import encode_bytes_values

from pytest_strands_sqlite import Redaction, ScriptedModel, ToolCall
from strands_sqlite_session_manager import SQLiteSessionManager

KILLED = 86
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 100
SECRET = "4111 1111 1111 1111"


@tool
def weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: Where.
    """
    return f"rain in {city}"


@tool(context=True)
def delete(path: str, tool_context: ToolContext) -> str:
    """Delete a file when a person agrees."""
    return f"{path}: {tool_context.interrupt('approval', reason=path)}"


def open_session(backend: str, folder: Path, session_id: str) -> RepositorySessionManager:
    """Open a session of the backend under test."""
    if backend == "sqlite":
        return SQLiteSessionManager(session_id, db_path=folder / "sessions.db")
    return FileSessionManager(session_id, storage_dir=str(folder))


def agent(manager: RepositorySessionManager | None, *steps: Any, **options: Any) -> Agent:
    """Make an agent from its script."""
    return Agent(model=ScriptedModel(*steps), session_manager=manager, callback_handler=None, **options)


def converse(manager: RepositorySessionManager) -> Agent:
    """Talk, use tools, send a picture, say something that a guardrail removes, set state."""
    cities = ["Looking.", ToolCall("weather", {"city": "Oslo"}), ToolCall("weather", {"city": "Rome"})]
    guard = Redaction(user_message="[removed]", reply="I cannot say.")
    talker = agent(manager, cities, "It rains.", "A nice picture.", guard, tools=[weather])
    talker("Where does it rain?")
    talker.state.set("seen", {"pictures": 1})
    picture: Any = [{"text": "Look:"}, {"image": {"format": "png", "source": {"bytes": PNG}}}]
    talker(picture)
    talker(f"My card is {SECRET}.")
    return talker


def summarize(manager: RepositorySessionManager) -> Agent:
    """Talk until the context is too long, and sum it up."""
    overflow = ContextWindowOverflowException("too long")
    summarizing = SummarizingConversationManager(summary_ratio=0.5, preserve_recent_messages=2)
    talker = agent(manager, "a0", "a1", overflow, "all of the past", "a2", conversation_manager=summarizing)
    for turn in range(3):
        talker(f"q{turn}")
    return talker


def wait_for_an_answer(manager: RepositorySessionManager) -> tuple[Agent, list[str]]:
    """Ask a person."""
    asking = agent(manager, ToolCall("delete", {"path": "a.txt"}), tools=[delete])
    return asking, [interrupt.id for interrupt in asking("Delete a.txt.").interrupts or []]


async def die(session: Callable[[str], RepositorySessionManager]) -> None:
    """Start an agent, a graph and a swarm, and end this process when each of them is in the middle of a tool call."""
    at_work: list[str] = []

    @tool
    async def work(name: str) -> None:
        """Work until the process ends, as a kill ends it: nothing is closed, no `finally` or exit handler runs.

        Args:
            name: Whose work it is.
        """
        at_work.append(name)
        if len(at_work) == 3:  # the agent, the graph and the swarm
            os._exit(KILLED)
        await asyncio.Event().wait()

    def worker(name: str, manager: RepositorySessionManager | None = None) -> Agent:
        return agent(manager, ToolCall("work", {"name": name}, f"call-{name}"), name=name, tools=[work])

    hand_over = ToolCall("handoff_to_agent", {"agent_name": "coder", "message": "Code."})
    builder = GraphBuilder().set_session_manager(session("graph")).set_max_node_executions(20)
    nodes = [builder.add_node(each, each.name) for each in (agent(None, "a draft", name="draft"), worker("edit"))]
    builder.add_edge(nodes[0], nodes[1])
    planner = agent(None, hand_over, "The coder does it.", name="planner")
    await asyncio.gather(
        worker("agent", session("killed")).invoke_async("Work."),
        builder.set_entry_point("draft").build().invoke_async("Write."),
        Swarm([planner, worker("coder")], session_manager=session("swarm")).invoke_async("Build it."),
    )


def main(backend: str, folder: Path) -> None:
    """Hold the conversations that come to an end, report them, then start those that do not."""

    def session(session_id: str) -> RepositorySessionManager:
        return open_session(backend, folder, session_id)

    asking, interrupt_ids = wait_for_an_answer(session("asking"))
    held = {"talk": converse(session("talk")), "summary": summarize(session("summary")), "asking": asking}
    messages = {name: encode_bytes_values(each.messages) for name, each in held.items()}
    print(json.dumps({"messages": messages, "interrupt_ids": interrupt_ids}), flush=True)  # noqa: T201  # the report
    asyncio.run(die(session))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
