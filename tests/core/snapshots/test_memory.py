"""Memory: what agents note in a `FileMemoryStore` is merged, found by later agents, and put into their context."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from strands import Agent
from strands.memory import MemoryManager
from strands.session import SnapshotSessionManager
from strands.storage import Storage
from strands.vended_memory_stores.file_memory_store import FileMemoryStore

from pytest_strands_sqlite import ScriptedModel, ToolCall

OpenStorage = Callable[..., Storage]
NewAgent = Callable[..., Agent]
Shut = Callable[[], None]

LIGHTHOUSE = "# Lighthouse\nThe keeper is called Ada."
HARBOUR = "# Harbour\nThe ferry leaves at noon."


def memory(storage: Storage, *names: str, **options: Any) -> MemoryManager:
    """A memory of one store for each name."""
    stores: Any = [FileMemoryStore(name=name, storage=storage, description=name) for name in names or ("facts",)]
    return MemoryManager(stores, **({"add_tool_config": True, "injection": False} | options))


def results(agent: Agent) -> list[Any]:
    """The results of all tool calls in a conversation."""
    blocks = [block for message in agent.messages for block in message["content"]]
    return [block["toolResult"] for block in blocks if "toolResult" in block]


def note(*entries: str, **options: Any) -> ToolCall:
    """A call that adds to the memory."""
    return ToolCall("add_memory", {"entries": list(entries), **options})


def ask(query: str, **options: Any) -> ToolCall:
    """A call that searches the memory."""
    return ToolCall("search_memory", {"query": query, **options})


def test_what_one_agent_notes_another_finds_after_a_restart(
    open_storage: OpenStorage, shut: Shut, new_agent: NewAgent
) -> None:
    """The facts lie under the name of the store, and the search of a later agent finds the one that it asks for."""
    storage = open_storage()
    new_agent(None, note(LIGHTHOUSE, HARBOUR), "Noted.", memory_manager=memory(storage))("Remember this.")
    assert asyncio.run(storage.list("")) == ["memory/facts/harbour.md", "memory/facts/lighthouse.md"]

    shut()
    agent = new_agent(None, ask("ferry leaves"), "At noon.", memory_manager=memory(open_storage()))
    agent("When?")

    found = results(agent)[0]
    assert found["status"] == "success"
    assert "The ferry leaves at noon." in repr(found["content"])
    assert "Ada" not in repr(found["content"])


def test_facts_on_one_topic_are_merged(open_storage: OpenStorage, shut: Shut, new_agent: NewAgent) -> None:
    """Facts under a heading that exists are added to it, over a restart, and are found by old and new words."""
    new_agent(None, note(LIGHTHOUSE), "Noted.", memory_manager=memory(open_storage()))("Remember this.")
    shut()
    more = note("# Lighthouse\nIt was built in 1901.", "# lighthouse!\nIts light turns twice a minute.")
    new_agent(None, more, "Noted.", memory_manager=memory(open_storage()))("Remember this too.")
    shut()

    manager = memory(open_storage())
    for query in ("keeper", "built 1901", "light turns twice"):
        entries = asyncio.run(manager.search(query))
        assert [entry.content for entry in entries] == [
            f"{LIGHTHOUSE}\nIt was built in 1901.\nIts light turns twice a minute."
        ]
        assert entries[0].metadata is not None
        assert entries[0].metadata["path"] == "lighthouse.md"
        assert entries[0].metadata["score"] > 0


@pytest.mark.parametrize("query", ['"', "lighthouse AND (", "NEAR/ *", "lighthouse'; DROP TABLE objects; --", "%_"])
def test_a_query_is_plain_text(open_storage: OpenStorage, new_agent: NewAgent, query: str) -> None:
    """Whatever the model asks for is searched as words, and never fails."""
    storage = open_storage()
    steps = [note(LIGHTHOUSE, HARBOUR), ask(query), "Well."]
    agent = new_agent(None, *steps, memory_manager=memory(storage))
    agent("Search.")

    found = results(agent)[1]
    assert found["status"] == "success"
    assert ("Ada" in repr(found["content"])) == ("lighthouse" in query)
    assert len(asyncio.run(storage.list(""))) == 2


def test_stores_of_one_storage_are_apart(open_storage: OpenStorage, shut: Shut, new_agent: NewAgent) -> None:
    """Each store finds its own facts only, also where one name begins with the other."""
    storage = open_storage()
    steps = [note(LIGHTHOUSE, stores=["work"]), note(HARBOUR, stores=["work2"]), "Noted."]
    new_agent(None, *steps, memory_manager=memory(storage, "work", "work2"))("Remember this.")

    shut()
    manager = memory(open_storage(), "work", "work2")
    for name, expected in (("work", [LIGHTHOUSE]), ("work2", [HARBOUR])):
        entries = asyncio.run(manager.search("keeper ferry", {"stores": [name]}))
        assert [entry.content for entry in entries] == expected
    both = asyncio.run(manager.search("keeper ferry"))
    assert sorted(entry.store_name or "" for entry in both) == ["work", "work2"]


def test_the_best_entries_come_first_and_no_more_than_asked_for(open_storage: OpenStorage) -> None:
    """Of many entries that match, those with more of the words come first, and the number asked for is kept."""
    manager = memory(open_storage())

    async def fill() -> None:
        for number in range(30):
            await manager.add(f"# Note {number}\nThe weather on day {number} was grey.")
        await manager.add("# Storm\nThe weather on the day of the storm broke the mast of the ferry.")

    asyncio.run(fill())
    found = asyncio.run(manager.search("storm mast ferry weather", {"max_search_results": 4}))
    assert len(found) == 4
    assert "Storm" in found[0].content


def test_memories_are_put_into_the_context_and_not_into_the_session(
    open_storage: OpenStorage, shut: Shut, new_agent: NewAgent
) -> None:
    """The model gets what the memory knows about the prompt; the snapshot holds what was said only."""
    asyncio.run(memory(open_storage()).add(LIGHTHOUSE))
    shut()
    storage, model = open_storage(), ScriptedModel("Ada.")
    options: dict[str, Any] = {"model": model, "memory_manager": memory(storage, injection=True), "storage": storage}
    agent = new_agent(SnapshotSessionManager("session"), **options)
    agent("Who is the keeper of the lighthouse?")

    assert "The keeper is called Ada." in repr(model.calls[0].messages)
    assert "The keeper is called Ada." not in repr(agent.messages)
    shut()
    assert new_agent(SnapshotSessionManager("session", storage=open_storage())).messages == agent.messages


def test_agents_on_one_loop_note_and_search_at_the_same_time(
    open_storage: OpenStorage, shut: Shut, new_agent: NewAgent
) -> None:
    """Each agent finds what it has just noted, and after a restart everything is there."""
    names = [f"keeper{number}" for number in range(8)]

    async def learn(name: str) -> None:
        steps = [note(f"# {name}\nShe lives in house {name}home."), ask(f"{name}home"), "Good."]
        agent = new_agent(None, *steps, memory_manager=memory(open_storage()))
        await agent.invoke_async("Learn.")
        assert f"{name}home" in repr(results(agent)[1]["content"])

    async def learn_all() -> None:
        await asyncio.gather(*map(learn, names))

    asyncio.run(learn_all())
    shut()
    manager = memory(open_storage())
    for name in names:
        assert [entry.content for entry in asyncio.run(manager.search(f"{name}home"))] == [
            f"# {name}\nShe lives in house {name}home."
        ]
