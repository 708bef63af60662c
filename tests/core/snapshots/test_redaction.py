"""Guardrails on snapshots: what one removed is read by no key, found by no search, and stands nowhere in the files."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from strands import Agent, tool
from strands.session import SnapshotSessionManager
from strands.storage import Storage

from pytest_strands_sqlite import ModelCall, Redaction, ScriptedModel, ToolCall
from tests.core.talking import said

OpenSession = Callable[..., SnapshotSessionManager]
OpenStorage = Callable[..., Storage]
NewAgent = Callable[..., Agent]
Everything = Callable[[], bytes]

SECRET = "4111-secret-1111"
KNOWN = "lighthouse"
REMOVED = "[removed]"
REFUSAL = "I cannot talk about that."
GUARD = Redaction(user_message=REMOVED, reply=REFUSAL)
STRATEGIES = ["message", "invocation", "trigger"]

SMALL, LARGE = f"Hello {KNOWN}.", " ".join([f"Hello {KNOWN}."] * 400)
"""A first reply that leaves a snapshot of one piece, and one that makes it long."""


@tool
def read_card() -> str:
    """Read the card."""
    return SECRET


def readable(storage: Storage) -> str:
    """Everything that can be read through a key, and the keys."""

    async def read() -> str:
        keys = await storage.list("")
        values = [await storage.read(key) for key in keys]
        return repr([(key, (value or b"").decode()) for key, value in zip(keys, values, strict=True)])

    with ThreadPoolExecutor(1) as worker:  # the caller may stand on a running loop
        return worker.submit(lambda: asyncio.run(read())).result()


def found(storage: Storage, query: str) -> list[str]:
    """The keys that a search finds."""
    with ThreadPoolExecutor(1) as worker:
        return [each.key for each in worker.submit(lambda: asyncio.run(storage.search(query))).result()]


@pytest.fixture
def everything(shut: Callable[[], None], folder: Path) -> Everything:
    """Close what the test opened, and return every byte of every file that it left."""

    def read() -> bytes:
        shut()
        return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())

    return read


@pytest.mark.parametrize("reply", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_redacted_prompt_is_stored_nowhere(
    open_storage: OpenStorage, everything: Everything, new_agent: NewAgent, strategy: Any, reply: str
) -> None:
    """Under each strategy the text can be read through no key at once, and nothing that is stored holds it."""
    storage = open_storage()
    manager = SnapshotSessionManager("session", storage=storage, save_latest_on=strategy)
    agent = new_agent(manager, reply, GUARD, "Of course.")
    agent("Hi.")
    agent(f"My card is {SECRET}.")
    assert SECRET not in readable(storage)
    agent("Then something else.")
    asyncio.run(manager.save_snapshot(agent, is_latest=True))
    assert SECRET not in readable(storage)

    left = everything()
    assert KNOWN.encode() in left  # text is stored as it was said, so that looking for it proves something
    assert SECRET.encode() not in left


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_redacted_prompt_is_restored_redacted(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, strategy: Any
) -> None:
    """The redaction is saved at once, also where nothing else is, and the model never sees the text again."""
    agent = new_agent(open_session(save_latest_on=strategy), "Hello.", GUARD)
    agent("Hi.")
    agent(f"My card is {SECRET}.")

    model = ScriptedModel("Of course.")
    restored = new_agent(restart(save_latest_on=strategy), model=model)
    redacted = ["Hi.", "Hello.", REMOVED]
    assert said(restored.messages) == (redacted if strategy == "trigger" else [*redacted, REFUSAL])
    restored("Then something else.")

    assert SECRET not in repr(model.calls)


def test_guardrails_of_many_agents_on_one_loop(
    open_storage: OpenStorage, shut: Callable[[], None], new_agent: NewAgent
) -> None:
    """A redaction holds up its loop until it is saved, and comes to its end whatever other agents write meanwhile."""
    storage = open_storage()
    names = [f"session-{number}" for number in range(12)]

    async def talk(name: str) -> None:
        manager = SnapshotSessionManager(name, storage=storage, save_latest_on="message")
        agent = new_agent(manager, LARGE, GUARD, "Of course.", GUARD)
        for prompt in ("Hi.", SECRET, "Something else.", SECRET):
            await agent.invoke_async(prompt)

    async def talk_at_once() -> None:
        await asyncio.gather(*map(talk, names))

    asyncio.run(talk_at_once())
    shut()
    storage = open_storage()
    assert SECRET not in readable(storage)
    for name in names:
        messages = new_agent(SnapshotSessionManager(name, storage=storage)).messages
        assert said(messages)[2:] == [REMOVED, REFUSAL, "Something else.", "Of course.", REMOVED, REFUSAL]


def test_a_prompt_that_a_search_saw_before_it_was_redacted(
    open_storage: OpenStorage, everything: Everything, new_agent: NewAgent
) -> None:
    """A search between the prompt and its redaction finds the text, and one after it does not."""
    storage = open_storage()
    hits: list[list[str]] = []

    def guard(_: ModelCall) -> Redaction:
        hits.append(found(storage, SECRET))
        return GUARD

    manager = SnapshotSessionManager("session", storage=storage, save_latest_on="message")
    new_agent(manager, guard)(f"My {KNOWN} card is {SECRET}.")

    assert [len(keys) for keys in hits] == [1]
    assert found(storage, "secret") == []
    assert SECRET.encode() not in everything()


def test_a_redacted_tool_result_keeps_its_pair(
    open_storage: OpenStorage, everything: Everything, new_agent: NewAgent
) -> None:
    """A redacted tool result still answers its tool use, and nothing that is stored holds what the tool said."""
    manager = SnapshotSessionManager("session", storage=open_storage(), save_latest_on="message")
    agent = new_agent(manager, ToolCall("read_card", tool_use_id="call-1"), GUARD, tools=[read_card])
    agent("What is on the card?")

    assert SECRET.encode() not in everything()
    manager = SnapshotSessionManager("session", storage=open_storage(), save_latest_on="message")
    restored = new_agent(manager, "Ask me something else.", tools=[read_card])
    assert restored.messages == agent.messages
    result = restored.messages[2]["content"][0]["toolResult"]
    assert (result["toolUseId"], result["content"]) == ("call-1", [{"text": REMOVED}])
    restored("Well?")


def test_a_deleted_session_is_stored_nowhere(
    open_storage: OpenStorage, everything: Everything, new_agent: NewAgent
) -> None:
    """Once a session is deleted, no search finds what was said in it, and nothing that is stored holds it."""
    storage = open_storage()
    options: dict[str, Any] = {"storage": storage, "snapshot_trigger": lambda **_: True}
    new_agent(SnapshotSessionManager("kept", **options), "Hello.")(LARGE)
    gone = SnapshotSessionManager("gone", **options)
    agent = new_agent(gone, "Hello.", "Hello.")
    agent(f"My card is {SECRET}.")
    agent(LARGE)
    assert found(storage, SECRET)
    asyncio.run(gone.delete_session())
    assert found(storage, SECRET) == []

    left = everything()
    assert KNOWN.encode() in left
    assert SECRET.encode() not in left


def test_a_redaction_of_one_agent_leaves_the_others_alone(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """In a session of several agents only the agent that was redacted changes."""
    manager = open_session(save_latest_on="message")
    guarded = new_agent(manager, GUARD, agent_id="guarded")
    open_ = new_agent(manager, "Fine.", agent_id="open")
    open_("Hello.")
    guarded(SECRET)

    manager = restart()
    assert said(new_agent(manager, agent_id="guarded").messages) == [REMOVED, REFUSAL]
    assert said(new_agent(manager, agent_id="open").messages) == ["Hello.", "Fine."]
