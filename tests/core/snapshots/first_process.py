"""A process of its own: it holds the conversations that the tests resume, then ends in the middle of others.

Usage: `python first_process.py {sqlite,file} FOLDER SCENE...`. The travel has a folder of its own, the others share
one. The process prints as JSON what its agents had in memory and exits with `KILLED`: nothing is closed, no `finally`
or exit handler runs.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from strands import Agent, ToolContext, tool
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.memory import MemoryManager
from strands.multiagent import GraphBuilder, Swarm
from strands.session import SnapshotSessionManager
from strands.storage import InMemoryStorage, LocalFileStorage, Storage
from strands.types.content import Messages
from strands.types.session import encode_bytes_values
from strands.vended_memory_stores.file_memory_store import FileMemoryStore

from pytest_strands_sqlite import Redaction, ScriptedModel, ToolCall
from strands_sqlite_session_manager import SQLiteStorage

KILLED = 86
CHECKPOINTS, WINDOW = 500, 20
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 100
SECRET = "4111-secret-1111"
LONG = "\n".join(f"line {number}: {number * number}" for number in range(2_000))

Report = dict[str, Any]
OpenStorage = Callable[..., Storage]
Run = Callable[[], Awaitable[Any]]

stuck: list[Run] = []
"""What the process is in the middle of when it ends."""

at_work: list[str] = []


@tool
async def work(name: str) -> None:
    """Work until the process ends, as a kill ends it.

    Args:
        name: Whose work it is.
    """
    at_work.append(name)
    if len(at_work) == len(stuck):
        os._exit(KILLED)
    await asyncio.Event().wait()


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


@tool
def read_log() -> str:
    """Read a long log."""
    return LONG


def always(**_: Any) -> bool:
    """A trigger that makes a checkpoint of every turn."""
    return True


def new_agent(manager: SnapshotSessionManager | None, *steps: Any, **options: Any) -> Agent:
    """Make an agent from its script."""
    model = ScriptedModel(*steps)
    model.update_config(context_window_limit=200_000)
    return Agent(model=model, session_manager=manager, callback_handler=None, **options)


def travel(open_storage: OpenStorage) -> Report:
    """Make a checkpoint after each of many turns."""
    storage = open_storage(durability="normal")
    manager = SnapshotSessionManager("travel", storage=storage, snapshot_trigger=always)
    steps = [f"a{turn}" for turn in range(CHECKPOINTS)]
    agent = new_agent(manager, *steps, conversation_manager=SlidingWindowConversationManager(window_size=WINDOW))
    messages: Messages = []

    async def converse() -> list[str]:
        for turn in range(CHECKPOINTS):
            agent.state.set("turn", turn)
            await agent.invoke_async(f"q{turn}")
            messages.extend(agent.messages[-2:])
        return await manager.list_snapshot_ids(agent)

    return {"ids": asyncio.run(converse()), "messages": messages}


def converse(manager: SnapshotSessionManager) -> Agent:
    """Talk, use tools, show a picture, say something that a guardrail removes, set state."""
    cities = ["Looking.", ToolCall("weather", {"city": "Oslo"}), ToolCall("weather", {"city": "Rome"})]
    guard = Redaction(user_message="[removed]", reply="I cannot say.")
    talker = new_agent(manager, cities, "It rains.", "A nice picture.", guard, tools=[weather])
    talker("Where does it rain?")
    talker.state.set("seen", {"pictures": 1})
    picture: Any = [{"text": "Look:"}, {"image": {"format": "png", "source": {"bytes": PNG}}}]
    talker(picture)
    talker(f"My card is {SECRET}.")
    return talker


def agents(open_storage: OpenStorage) -> Report:
    """Under each strategy: hold a conversation, ask a person, and stop in the middle of a tool."""
    report: Report = {}
    for strategy in ("message", "invocation", "trigger"):

        def session(name: str, strategy: Any = strategy, trigger: Any = always) -> SnapshotSessionManager:
            storage = open_storage()
            options: dict[str, Any] = {"save_latest_on": strategy, "snapshot_trigger": trigger}
            return SnapshotSessionManager(f"{name}-{strategy}", storage=storage, **options)

        talker = converse(session("talk"))
        asking = new_agent(session("ask"), ToolCall("delete", {"path": "a.txt"}), tools=[delete])
        interrupts = asking("Delete a.txt.").interrupts or []
        call = ToolCall("work", {"name": strategy}, "call-1")
        killed = new_agent(session("killed", trigger=None), "a0", call, tools=[work])
        killed("q0")
        stuck.append(lambda killed=killed: killed.invoke_async("q1"))
        report[strategy] = {"messages": talker.messages, "interrupt_ids": [each.id for each in interrupts]}
    return report


def memory(open_storage: OpenStorage) -> Report:
    """Let an agent learn two facts."""
    store = FileMemoryStore(name="facts", storage=open_storage())
    facts = ["# Lighthouse\nThe keeper is called Ada.", "# Harbour\nThe ferry leaves at noon."]
    manager = MemoryManager([store], add_tool_config=True, injection=False)
    new_agent(None, ToolCall("add_memory", {"entries": facts}), "Noted.", memory_manager=manager)("Remember this.")
    return {}


def stash(open_storage: OpenStorage) -> Report:
    """Read more than fits into the context: once with a stash that lasts, once with one that does not."""
    report: Report = {}
    passing = SQLiteStorage(":memory:") if isinstance(open_storage(), SQLiteStorage) else InMemoryStorage()
    managers: dict[str, Any] = {"lasting": "auto", "passing": {"stash": {"storage": passing}}}
    for name, context_manager in managers.items():
        storage = open_storage()
        manager = SnapshotSessionManager(name, storage=storage)
        steps = [ToolCall("read_log", {}, "call-log"), "Read."]
        reader = new_agent(manager, *steps, storage=storage, tools=[read_log], context_manager=context_manager)
        reader("Read the log.")
        report[name] = reader.messages
    return report


def crews(open_storage: OpenStorage) -> Report:
    """Start a graph and a swarm, each stopped in the middle of the tool call of its second agent."""

    def session(name: str) -> SnapshotSessionManager:
        return SnapshotSessionManager(name, storage=open_storage())

    def worker(name: str) -> Agent:
        return new_agent(None, ToolCall("work", {"name": name}), name=name, tools=[work])

    builder = GraphBuilder().set_session_manager(session("graph")).set_max_node_executions(20)
    nodes = [builder.add_node(each, each.name) for each in (new_agent(None, "a draft", name="draft"), worker("edit"))]
    builder.add_edge(nodes[0], nodes[1])
    graph = builder.set_entry_point("draft").set_graph_id("press").build()

    hand_over = ToolCall("handoff_to_agent", {"agent_name": "coder", "message": "Code."})
    planner = new_agent(None, hand_over, "The coder does it.", name="planner")
    swarm = Swarm([planner, worker("coder")], session_manager=session("swarm"), id="team")
    stuck.extend([lambda: graph.invoke_async("Write."), lambda: swarm.invoke_async("Build it.")])
    return {}


SCENES: dict[str, Callable[[OpenStorage], Report]] = {
    "agents": agents,
    "crews": crews,
    "memory": memory,
    "stash": stash,
    "travel": travel,
}

FOLDERS = {"travel": "travel"}


def opener(backend: str, folder: Path) -> OpenStorage:
    """How a scene opens its storage."""
    folder.mkdir(exist_ok=True)
    if backend == "sqlite":
        return lambda **options: SQLiteStorage(folder / "sessions.db", **options)
    return lambda **_: LocalFileStorage(str(folder / "files"))


async def die() -> None:
    """Go on with everything at once, up to the middle of it."""
    await asyncio.gather(*(run() for run in stuck))


def main(backend: str, folder: Path, scenes: list[str]) -> None:
    """Play the scenes, report them, then end."""
    reports = {scene: SCENES[scene](opener(backend, folder / FOLDERS.get(scene, "others"))) for scene in scenes}
    print(json.dumps(encode_bytes_values(reports)), flush=True)  # noqa: T201  # the report
    asyncio.run(die())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
