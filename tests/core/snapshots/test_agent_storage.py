"""`Agent(storage=...)`: the session and the offloader of long results take it where they have none of their own."""

import asyncio
from collections.abc import Callable
from typing import Any

from strands import Agent, tool
from strands.session import SnapshotSessionManager
from strands.storage import Storage
from strands.vended_plugins.context_offloader import ContextOffloader

from pytest_strands_sqlite import ToolCall
from tests.core.talking import results

OpenStorage = Callable[..., Storage]
NewAgent = Callable[..., Agent]
Shut = Callable[[], None]
Stored = Callable[..., Any]

LONG = "\n".join(f"line {number}: {number * number}" for number in range(2_000))
ROWS = [{"line": number, "square": number * number} for number in range(1_000)]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
PICTURE: Any = {"image": {"format": "png", "source": {"bytes": PNG}}}


@tool
def read_log() -> dict[str, Any]:
    """Read a long log, with a table and a picture in it."""
    return {"status": "success", "content": [{"text": LONG}, {"json": ROWS}, PICTURE]}


def test_the_session_goes_to_the_storage_of_the_agent(
    open_storage: OpenStorage, shut: Shut, new_agent: NewAgent, stored: Stored
) -> None:
    """A session manager without a storage saves to that of its agent, and the next agent is restored from there."""
    agent = new_agent(SnapshotSessionManager("session"), "Hello.", storage=open_storage())
    agent("Hi.")
    assert stored()["data"]["messages"] == agent.messages

    shut()
    storage = open_storage()
    restored = new_agent(SnapshotSessionManager("session"), storage=storage)
    assert restored.storage is storage
    assert restored.messages == agent.messages


def test_the_storage_of_a_session_manager_comes_first(
    open_storage: OpenStorage, open_passing: OpenStorage, new_agent: NewAgent, stored: Stored
) -> None:
    """A session manager with a storage of its own does not take that of its agent."""
    passing = open_passing()
    new_agent(SnapshotSessionManager("session", storage=open_storage()), "Hello.", storage=passing)("Hi.")

    assert stored() is not None
    assert asyncio.run(passing.list("")) == []


def test_long_results_are_offloaded_and_read_after_a_restart(
    open_storage: OpenStorage, shut: Shut, new_agent: NewAgent
) -> None:
    """Text, JSON and pictures go to the storage of the agent, and a tool of a later agent reads them from there."""

    def reader(*steps: Any) -> Agent:
        plugins, storage = [ContextOffloader(max_result_tokens=500, preview_tokens=100)], open_storage()
        return new_agent(SnapshotSessionManager("session"), *steps, plugins=plugins, storage=storage, tools=[read_log])

    agent = reader(ToolCall("read_log", {}, "call-log"), "Read.")
    agent("Read the log.")
    assert LONG not in repr(agent.messages)
    assert asyncio.run(open_storage().list("offloader/")) == [f"offloader/call-log_{index}" for index in range(3)]

    shut()
    calls = [ToolCall("retrieve_offloaded_content", {"reference": f"call-log_{index}"}) for index in range(3)]
    narrow = ToolCall("retrieve_offloaded_content", {"reference": "call-log_0", "pattern": "line 1234:"})
    restored = reader([*calls, narrow], "Now I know.")
    assert restored.messages == agent.messages
    restored("What was in it?")

    text, table, picture, match = results(restored)[1:]
    assert text == [{"text": LONG}]
    assert table == [{"json": ROWS}]
    assert picture == [PICTURE]
    assert "line 1234: 1522756" in match[0]["text"]


def test_what_was_offloaded_is_evicted_from_the_storage(open_storage: OpenStorage, new_agent: NewAgent) -> None:
    """After some turns without use the offloader deletes its entries, and nothing else goes with them."""
    storage = open_storage()
    plugins = [ContextOffloader(max_result_tokens=500, preview_tokens=100, evict_after_cycles=1)]
    steps = [ToolCall("read_log", {}, "call-log"), "Read.", "1", "2", "3"]
    agent = new_agent(SnapshotSessionManager("session"), *steps, plugins=plugins, storage=storage, tools=[read_log])
    agent("Read the log.")
    assert len(asyncio.run(storage.list("offloader/"))) == 3
    for turn in range(3):
        agent(f"q{turn}")

    assert asyncio.run(storage.list("")) == ["session/session/scopes/agent/default/snapshots/snapshot_latest.json"]
