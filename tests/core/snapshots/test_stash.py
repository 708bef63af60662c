"""The context stash: what did not fit into the context is kept, with the session or in it, and read again later."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from strands import Agent, tool
from strands.session import SnapshotSessionManager
from strands.storage import Storage

from pytest_strands_sqlite import ToolCall
from tests.core.talking import results

OpenStorage = Callable[..., Storage]
NewAgent = Callable[..., Agent]
Shut = Callable[[], None]
Stored = Callable[..., Any]

LONG = "\n".join(f"line {number}: {number * number}" for number in range(2_000))
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
PICTURE: Any = {"image": {"format": "png", "source": {"bytes": PNG}}}

REFERENCE = "call-log_0"
READ = [ToolCall("read_log", {}, "call-log"), "Read."]
RETRIEVE = [ToolCall("retrieve_context", {"reference": REFERENCE}), "Now I know."]


@tool
def read_log() -> str:
    """Read a long log."""
    return LONG


def reader(new_agent: NewAgent, storage: Storage, *steps: Any, session_id: str = "session", **options: Any) -> Agent:
    """Make an agent whose session and stash are in one storage."""
    manager = SnapshotSessionManager(session_id, storage=storage)
    options = {"context_manager": "auto", "storage": storage, "tools": [read_log]} | options
    return new_agent(manager, *steps, **options)


def keys(storage: Storage, prefix: str) -> list[str]:
    """The keys of a storage below a prefix, without it."""
    return [key.removeprefix(prefix) for key in asyncio.run(storage.list(prefix))]


def test_a_lasting_stash_is_read_after_a_restart(
    open_storage: OpenStorage, shut: Shut, new_agent: NewAgent, stored: Stored
) -> None:
    """The long result stays in the stash under its session, the snapshot only refers to it, and a tool reads it."""
    storage = open_storage()
    agent = reader(new_agent, storage, *READ)
    agent("Read the log.")
    assert len(results(agent)[0][0]["text"]) < len(LONG) / 2
    assert REFERENCE in results(agent)[0][0]["text"]
    assert stored()["data"]["stash"] == {"location": "external", "storage_type": type(storage).__name__}
    assert REFERENCE in keys(storage, "context/session/scopes/agent/default/")

    shut()
    restored = reader(new_agent, open_storage(), *RETRIEVE)
    assert restored.messages == agent.messages
    restored("What was in it?")

    assert json.loads(results(restored)[1][0]["text"]) == {"text": LONG}


@pytest.mark.parametrize("scoped", [False, True], ids=["whole", "namespace"])
def test_a_passing_stash_travels_in_the_snapshot(
    open_storage: OpenStorage, open_passing: OpenStorage, shut: Shut, new_agent: NewAgent, *, scoped: bool
) -> None:
    """A stash that ends with the process is saved in the snapshot, and a new one is filled from there."""

    def options() -> dict[str, Any]:
        stash: Any = open_passing()
        return {"context_manager": {"stash": {"storage": stash.namespace("team") if scoped else stash}}}

    storage = open_storage()
    agent = reader(new_agent, storage, *READ, **options())
    agent("Read the log.")
    assert keys(storage, "context/") == []

    shut()
    restored = reader(new_agent, open_storage(), *RETRIEVE, **options())
    restored("What was in it?")

    assert json.loads(results(restored)[1][0]["text"]) == {"text": LONG}


def test_what_a_passing_stash_looks_like_in_the_snapshot(
    open_storage: OpenStorage, open_passing: OpenStorage, new_agent: NewAgent, stored: Stored
) -> None:
    """The entries stand in the snapshot as they are in the stash."""
    context_manager = {"stash": {"storage": open_passing()}}
    reader(new_agent, open_storage(), *READ, context_manager=context_manager)("Read the log.")

    stash = stored()["data"]["stash"]
    assert stash["location"] == "inline"
    assert stash["entries"][REFERENCE] == {"text": LONG}


def test_a_session_and_its_stash_in_memory(open_passing: OpenStorage, new_agent: NewAgent) -> None:
    """With everything in one storage in memory a second agent goes on while the storage is open."""
    storage = open_passing()
    reader(new_agent, storage, *READ)("Read the log.")

    again = reader(new_agent, storage, *RETRIEVE)
    again("What was in it?")

    assert json.loads(results(again)[1][0]["text"]) == {"text": LONG}


def test_pictures_come_out_of_the_stash_as_they_went_in(
    open_storage: OpenStorage, shut: Shut, new_agent: NewAgent
) -> None:
    """A picture of a prompt is read from the stash after a restart as the same bytes."""
    storage = open_storage()
    reader(new_agent, storage, "Nice.")([{"text": "Look:"}, PICTURE])
    reference = next(key for key in keys(storage, "context/session/scopes/agent/default/") if key.endswith("_1"))

    shut()
    restored = reader(new_agent, open_storage(), ToolCall("retrieve_context", {"reference": reference}), "Seen.")
    restored("Look again.")

    assert results(restored)[0] == [PICTURE]


def test_the_stashes_of_two_agents_are_apart(open_storage: OpenStorage, shut: Shut, new_agent: NewAgent) -> None:
    """An agent does not read what another agent, or the same one of another session, has stashed."""
    reader(new_agent, open_storage(), *READ, agent_id="left")("Read the log.")

    shut()
    for session_id, agent_id in (("session", "right"), ("session2", "left")):
        other = reader(new_agent, open_storage(), *RETRIEVE, session_id=session_id, agent_id=agent_id)
        other("What was in it?")
        assert "not found" in results(other)[0][0]["text"]


@pytest.mark.parametrize("initialized", [True, False], ids=["agent", "manager"])
def test_deleting_a_session_deletes_its_stash(
    open_storage: OpenStorage, shut: Shut, new_agent: NewAgent, *, initialized: bool
) -> None:
    """Snapshots and stash of the session go, with or without an agent at hand; those of a similar name stay."""
    for session_id in ("gone", "gone2", "gon"):
        reader(new_agent, open_storage(), *READ, session_id=session_id)("Read the log.")
    shut()
    storage = open_storage()
    before = asyncio.run(storage.list(""))
    manager = SnapshotSessionManager("gone", storage=storage)
    if initialized:
        new_agent(manager, context_manager="auto", storage=storage, tools=[read_log])

    asyncio.run(manager.delete_session())

    shut()
    left = asyncio.run(open_storage().list(""))
    assert left == [key for key in before if not key.startswith(("session/gone/", "context/gone/"))]
    assert len(left) < len(before)
    again = reader(new_agent, open_storage(), *RETRIEVE, session_id="gone2")
    again("What was in it?")
    assert json.loads(results(again)[1][0]["text"]) == {"text": LONG}


def test_many_agents_stash_on_one_loop(open_storage: OpenStorage, shut: Shut, new_agent: NewAgent) -> None:
    """Agents of several sessions that stash at the same time on one loop each find their own."""
    names = [f"session-{number}" for number in range(6)]

    async def read_all() -> None:
        agents = {name: reader(new_agent, open_storage(), *READ, session_id=name) for name in names}
        await asyncio.gather(*(agent.invoke_async(f"Read the log for {name}.") for name, agent in agents.items()))

    asyncio.run(read_all())
    shut()
    storage = open_storage()
    for name in names:
        stash = f"context/{name}/scopes/agent/default/"
        contents = [asyncio.run(storage.read(stash + key)) for key in keys(storage, stash)]
        assert json.dumps({"text": LONG}).encode() in contents
        assert json.dumps({"text": f"Read the log for {name}."}).encode() in contents
