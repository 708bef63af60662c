"""Agents on snapshots: tools, state, pictures and documents come back, to each agent of each session its own."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from strands import Agent, ToolContext, tool
from strands.session import SnapshotSessionManager
from strands.storage import Storage
from strands.types.content import Messages

from pytest_strands_sqlite import ScriptedModel, ToolCall
from strands_sqlite_session_manager import SQLiteSessionManager
from tests.core.talking import said

OpenSession = Callable[..., SnapshotSessionManager]
OpenStorage = Callable[..., Storage]
NewAgent = Callable[..., Agent]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
BIG = os.urandom(1_000_000)
AGENTS = 12


@tool(context=True)
def remember(fact: str, tool_context: ToolContext) -> dict[str, Any]:
    """Remember a fact in the state of the agent."""
    facts = [*(tool_context.agent.state.get("facts") or []), fact]
    tool_context.agent.state.set("facts", facts)
    return {"status": "success", "content": [{"text": f"{len(facts)} facts"}, {"json": {"facts": facts}}]}


@tool
def fail() -> str:
    """Fail."""
    msg = "no connection"
    raise RuntimeError(msg)


@tool
def screenshot() -> dict[str, Any]:
    """Take two pictures and write a report."""
    return {"status": "success", "content": [image(PNG), {"text": "and"}, image(BIG), document(PNG)]}


@tool
async def look_up(key: str) -> str:
    """Look something up.

    Args:
        key: What.
    """
    await asyncio.sleep(0)
    return f"value of {key}"


def image(content: bytes) -> Any:
    """An image block."""
    return {"image": {"format": "png", "source": {"bytes": content}}}


def document(content: bytes) -> Any:
    """A document block."""
    return {"document": {"format": "pdf", "name": "report", "source": {"bytes": content}}}


def steps(name: str) -> list[str | ToolCall]:
    """A script of two turns with a tool call each."""
    return [step for turn in range(2) for step in (ToolCall("look_up", {"key": name}), f"{name} {turn}")]


async def talk(agent: Agent) -> None:
    """Hold both turns of a script."""
    for turn in range(2):
        await agent.invoke_async(f"turn {turn}")


def test_tools_results_and_state_come_back(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Calls, results of every kind, errors and the state that a tool set are there after each of many restarts."""
    open_session()
    expected: Messages = []
    for turn in range(4):
        calls = [ToolCall("remember", {"fact": f"f{turn} ☕"}), ToolCall("fail")]
        model = ScriptedModel(["Let me see.", *calls], f"a{turn}")
        agent = new_agent(restart(), model=model, tools=[remember, fail])
        assert agent.messages == expected
        agent(f"q{turn}")
        expected = agent.messages
        assert [message["content"] for message in model.calls[0].messages[:-1]] == [
            message["content"] for message in expected[: 4 * turn]
        ]

    restored = new_agent(restart(), tools=[remember, fail])
    assert restored.messages == expected
    assert restored.state.get() == {"facts": [f"f{turn} ☕" for turn in range(4)]}
    results = [block["toolResult"] for block in restored.messages[-2]["content"]]
    assert [result["status"] for result in results] == ["success", "error"]
    assert results[0]["content"][1] == {"json": {"facts": restored.state.get("facts")}}


def test_state_that_was_set_between_turns_is_saved_with_the_next(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A snapshot takes the state as it is when the turn ends; what is set after the last turn is not in it."""
    agent = new_agent(open_session(), "a0", "a1")
    agent("q0")
    agent.state.set("kept", {"nested": [1, None, "☕"]})
    agent("q1")
    agent.state.set("late", True)

    assert new_agent(restart()).state.get() == {"kept": {"nested": [1, None, "☕"]}}


@pytest.mark.parametrize("content", [b"", b"\x00", PNG, BIG], ids=["empty", "nul", "png", "megabyte"])
def test_bytes_in_a_prompt_survive_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, content: bytes
) -> None:
    """Images and documents of any size come back exactly, and go to the model again as bytes."""
    agent = new_agent(open_session(), "Nice.")
    agent([{"text": "Look:"}, image(content), document(content)])

    model = ScriptedModel("Still nice.")
    restored = new_agent(restart(), model=model)
    assert restored.messages == agent.messages
    restored("And now?")

    assert model.calls[0].messages[0]["content"] == [{"text": "Look:"}, image(content), document(content)]


def test_bytes_in_a_tool_result_survive_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """What a tool photographed is in its result after a restart, under the strategy that saves most often too."""
    agent = new_agent(open_session(save_latest_on="message"), ToolCall("screenshot"), "Done.", tools=[screenshot])
    agent("Take pictures.")

    restored = new_agent(restart(), tools=[screenshot])

    assert restored.messages == agent.messages
    content = restored.messages[2]["content"][0]["toolResult"]["content"]
    assert content == [image(PNG), {"text": "and"}, image(BIG), document(PNG)]


def test_agents_of_one_session_keep_their_own_conversations_and_states(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Interleaved turns of three agents on one manager come back to the agent that had them."""
    manager = open_session()
    agents = {name: new_agent(manager, f"{name} 0", f"{name} 1", agent_id=name) for name in ("writer", "editor", "é")}
    for turn in range(2):
        for name, agent in agents.items():
            agent.state.set("turn", f"{name} {turn}")
            agent(f"for {name}")

    manager = restart()
    for name, agent in agents.items():
        restored = new_agent(manager, agent_id=name)
        assert restored.messages == agent.messages
        assert said(restored.messages) == [f"for {name}", f"{name} 0", f"for {name}", f"{name} 1"]
        assert restored.state.get() == {"turn": f"{name} 1"}
    assert new_agent(manager, agent_id="newcomer").messages == []


def test_one_agent_id_in_many_sessions_is_many_conversations(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Sessions whose ids resemble one another share nothing."""
    ids = ["1", "10", "1 ", "a", "ä", "a%", "a_", "x' OR '1'='1"]
    for session_id in ids:
        new_agent(open_session(session_id), f"In {session_id}.")("Where?")

    for session_id in ids:
        assert said(new_agent(restart(session_id)).messages) == ["Where?", f"In {session_id}."]


def test_tenants_with_namespaces_of_their_own(
    open_storage: OpenStorage, shut: Callable[[], None], new_agent: NewAgent
) -> None:
    """Sessions of one id under two namespaces are two conversations, and the keys start with the namespace."""
    storage: Any = open_storage()
    for tenant in ("acme", "acme2"):
        manager = SnapshotSessionManager("session", storage=storage.namespace(f"tenants/{tenant}"))
        new_agent(manager, f"In {tenant}.")("Where?")

    shut()
    storage = open_storage()
    for tenant in ("acme", "acme2"):
        manager = SnapshotSessionManager("session", storage=storage.namespace(f"tenants/{tenant}"))
        assert said(new_agent(manager).messages) == ["Where?", f"In {tenant}."]
    key = "tenants/{}/session/scopes/agent/default/snapshots/snapshot_latest.json"
    assert asyncio.run(storage.list("")) == [key.format("acme"), key.format("acme2")]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_both_models_of_sessions_in_one_file(
    open_session: OpenSession, opened: ExitStack, folder: Path, new_agent: NewAgent
) -> None:
    """A message log and snapshots of one session id live in one file at once, and neither sees the other."""
    options = {"agent_id": "writer", "tools": [look_up]}
    for turn in range(2):
        log = opened.enter_context(SQLiteSessionManager("session", db_path=folder / "sessions.db"))
        writers = {
            name: new_agent(manager, ToolCall("look_up", {"key": name}), f"{name} {turn}", **options)
            for name, manager in (("log", log), ("snapshots", open_session()))
        }
        for name, agent in writers.items():
            assert len(agent.messages) == 4 * turn
            agent(f"turn {turn}")
            assert said(agent.messages)[-1] == f"{name} {turn}"
        opened.close()

    asyncio.run(open_session().delete_session())
    log = opened.enter_context(SQLiteSessionManager("session", db_path=folder / "sessions.db"))
    assert said(new_agent(log, **options).messages) == ["turn 0", "log 0", "turn 1", "log 1"]
    assert new_agent(open_session(), **options).messages == []


def test_many_agents_on_one_loop(open_session: OpenSession, restart: OpenSession, new_agent: NewAgent) -> None:
    """Agents of many sessions, two in each, talk at the same time on one loop; none loses or mixes anything."""
    managers = {name: open_session(name, save_latest_on="message") for name in map(str, range(AGENTS))}
    agents = {
        (name, agent_id): new_agent(manager, *steps(name + agent_id), tools=[look_up], agent_id=agent_id)
        for name, manager in managers.items()
        for agent_id in ("left", "right")
    }

    async def talk_at_once() -> None:
        await asyncio.gather(*(talk(agent) for agent in agents.values()))

    asyncio.run(talk_at_once())
    restart()
    for (name, agent_id), agent in agents.items():
        restored = new_agent(open_session(name), tools=[look_up], agent_id=agent_id)
        assert restored.messages == agent.messages
        assert said(restored.messages) == [t for n in range(2) for t in (f"turn {n}", f"{name}{agent_id} {n}")]


def test_agents_made_and_called_inside_a_running_loop(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Managers, agents and calls made without `await` inside a running loop work, mixed with awaited ones."""

    async def converse() -> Agent:
        agent = new_agent(open_session(), "a0", "a1", ToolCall("look_up", {"key": "k"}), "a2", tools=[look_up])
        agent("q0")
        await agent.invoke_async("q1")
        agent("q2")
        return agent

    agent = asyncio.run(converse())
    asyncio.run(agent._session_manager.save_snapshot(agent, is_latest=False))  # a third loop
    manager = restart()
    restored = new_agent(manager, tools=[look_up])
    assert restored.messages == agent.messages
    assert said(restored.messages) == ["q0", "a0", "q1", "a1", "q2", "a2"]
    assert len(asyncio.run(manager.list_snapshot_ids(restored))) == 1


def test_synchronous_agents_in_threads_on_one_storage(
    open_storage: OpenStorage, shut: Callable[[], None], new_agent: NewAgent
) -> None:
    """Agents that talk at the same time in different threads share one storage and lose nothing."""
    names = [f"agent-{number}" for number in range(AGENTS)]
    together, storage = threading.Barrier(len(names)), open_storage()

    def converse(name: str) -> Agent:
        together.wait(timeout=60)
        agent = new_agent(SnapshotSessionManager(name, storage=storage), *steps(name), tools=[look_up])
        for turn in range(2):
            agent(f"turn {turn}")
        return agent

    with ThreadPoolExecutor(len(names)) as pool:
        agents = dict(zip(names, pool.map(converse, names), strict=True))
    shut()
    storage = open_storage()
    for name, agent in agents.items():
        restored = new_agent(SnapshotSessionManager(name, storage=storage), tools=[look_up])
        assert restored.messages == agent.messages
        assert len(restored.messages) == 8


def test_a_server_that_opens_a_storage_for_each_request(
    open_storage: OpenStorage, shut: Callable[[], None], new_agent: NewAgent
) -> None:
    """Requests of many conversations at once, each with a storage of its own, find what the last request left."""
    names = [f"user-{number}" for number in range(AGENTS)]

    async def request(name: str, turn: int) -> None:
        storage = open_storage()
        manager = SnapshotSessionManager(name, storage=storage)
        agent = new_agent(manager, ToolCall("look_up", {"key": name}), f"{name} {turn}", tools=[look_up])
        assert len(agent.messages) == 4 * turn
        await agent.invoke_async(f"turn {turn}")
        if turn:  # a server may close its storages or leave that to the garbage collector
            getattr(storage, "close", lambda: None)()

    async def user(name: str) -> None:
        for turn in range(2):
            await request(name, turn)

    async def serve() -> None:
        await asyncio.gather(*map(user, names))

    asyncio.run(serve())
    shut()
    for name in names:
        restored = new_agent(SnapshotSessionManager(name, storage=open_storage()), tools=[look_up])
        assert said(restored.messages) == ["turn 0", f"{name} 0", "turn 1", f"{name} 1"]
