"""A stash that several agents share, and the stashes of several agents in one session."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from strands import Agent, tool
from strands.session import SnapshotSessionManager
from strands.storage import Storage

from pytest_strands_sqlite import ToolCall

OpenStorage = Callable[..., Storage]
NewAgent = Callable[..., Agent]
Shut = Callable[[], None]

LONG = "\n".join(f"line {number}: {number * number}" for number in range(2_000))


@tool
def read_log() -> str:
    """Read a long log."""
    return LONG


def answer(agent: Agent) -> Any:
    """What the last tool call of an agent gave."""
    return agent.messages[-2]["content"][0]["toolResult"]["content"][0]["text"]


def test_agents_with_one_namespace_share_a_stash(open_storage: OpenStorage, shut: Shut, new_agent: NewAgent) -> None:
    """A namespaced storage is the stash itself: another agent reads it after a restart, and no session deletes it."""

    def teammate(name: str, *steps: Any) -> Agent:
        storage: Any = open_storage()
        manager = SnapshotSessionManager(name, storage=storage)
        context_manager = {"stash": {"storage": storage.namespace("team")}}
        return new_agent(manager, *steps, context_manager=context_manager, tools=[read_log])

    first = teammate("first", ToolCall("read_log", {}, "call-log"), "Read.")
    first("Read the log.")
    assert "team/call-log_0" in asyncio.run(open_storage().list("team/"))
    asyncio.run(first._session_manager.delete_session())

    shut()
    assert asyncio.run(open_storage().list("session/")) == []
    second = teammate("second", ToolCall("retrieve_context", {"reference": "call-log_0"}), "Now I know.")
    second("What was in it?")
    assert json.loads(answer(second)) == {"text": LONG}


def test_deleting_a_session_deletes_the_stash_of_each_agent(
    open_storage: OpenStorage, shut: Shut, new_agent: NewAgent
) -> None:
    """All agents of the session lose their stash, those of another session do not."""
    for session_id in ("gone", "kept"):
        storage = open_storage()
        manager = SnapshotSessionManager(session_id, storage=storage)
        for agent_id in ("left", "right"):
            steps = [ToolCall("read_log", {}, "call-log"), "Read."]
            options: dict[str, Any] = {"context_manager": "auto", "storage": storage, "tools": [read_log]}
            new_agent(manager, *steps, agent_id=agent_id, **options)("Read the log.")
        if session_id == "gone":
            asyncio.run(manager.delete_session())

    shut()
    keys = asyncio.run(open_storage().list("context/"))
    for agent_id in ("left", "right"):
        assert f"context/kept/scopes/agent/{agent_id}/call-log_0" in keys
    assert [key for key in keys if key.startswith("context/gone/")] == []
