"""Turns of one agent: what was said is what a restarted agent remembers."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel
from strands import Agent, tool
from strands.session.repository_session_manager import RepositorySessionManager
from strands.types.content import Messages

from pytest_strands_sqlite import ScriptedModel, ToolCall
from tests.core.talking import said

OpenSession = Callable[..., RepositorySessionManager]
NewAgent = Callable[..., Agent]


class City(BaseModel):
    """A city with its country."""

    name: str
    country: str


@tool
def weather(city: str) -> dict[str, Any]:
    """Tell the weather.

    Args:
        city: Where.
    """
    return {"status": "success", "content": [{"text": f"rain in {city}"}, {"json": {"mm": 3.5, "wind": None}}]}


@tool
def broken() -> str:
    """Fail."""
    msg = "no such sensor"
    raise RuntimeError(msg)


def stored(manager: RepositorySessionManager, agent: Agent) -> Messages:
    """The messages of an agent as they are in storage, checked for gaps in their ids."""
    records = manager.session_repository.list_messages(manager.session_id, agent.agent_id)
    assert [record.message_id for record in records] == list(range(len(records)))
    return [record.to_message() for record in records]


def test_a_plain_conversation_survives_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Every message of every turn comes back as it was, usage and tracking ids included."""
    agent = new_agent(open_session(), "Hello, Ada.", "Ada, as you said.", "Goodbye.")
    for prompt in ("I am Ada.", "Who am I?", "Bye. ü 漢 🎉 \x00 ' \" \\ \u2028"):
        agent(prompt)

    restored = new_agent(restart())

    assert len(restored.messages) == 6
    assert restored.messages == agent.messages


def test_the_restored_conversation_goes_to_the_model_and_goes_on(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """The first turn after a restart sends the whole conversation and continues its numbering."""
    new_agent(open_session(), "Hello, Ada.")("I am Ada.")

    model = ScriptedModel("You are Ada.")
    manager = restart()
    agent = new_agent(manager, model=model)
    agent("Who am I?")

    assert said(model.calls[0].messages) == ["I am Ada.", "Hello, Ada.", "Who am I?"]
    assert stored(manager, agent) == agent.messages
    assert new_agent(restart()).messages == agent.messages


def test_a_restart_after_each_turn_loses_nothing(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A conversation of ten turns, each in a new manager and agent, is complete and in order."""
    open_session()
    expected: list[str] = []
    for turn in range(10):
        new_agent(restart(), f"answer {turn}")(f"question {turn}")
        expected += [f"question {turn}", f"answer {turn}"]
    assert said(new_agent(restart()).messages) == expected


def test_tool_turns_survive_a_restart(open_session: OpenSession, restart: OpenSession, new_agent: NewAgent) -> None:
    """Tool uses and results come back with ids, JSON and order, several in one message included."""
    steps = [
        ["Let me see.", ToolCall("weather", {"city": "Oslo"}), ToolCall("weather", {"city": "Rome"})],
        ToolCall("weather", {"city": "Lima"}),
        "Rain everywhere.",
    ]
    agent = new_agent(open_session(), *steps, tools=[weather])
    agent("Where does it rain?")

    model = ScriptedModel("Still.")
    restored = new_agent(restart(), model=model, tools=[weather])
    assert restored.messages == agent.messages

    restored("Still?")
    sent = model.calls[0].messages
    assert len(sent) == 7
    assert [len(message["content"]) for message in sent] == [1, 3, 2, 1, 1, 1, 1]


def test_a_failed_tool_is_remembered_as_failed(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """The error of a tool is part of the conversation and is there after a restart."""
    agent = new_agent(open_session(), ToolCall("broken"), "It is broken.", tools=[broken])
    agent("Read the sensor.")

    restored = new_agent(restart(), tools=[broken])

    assert restored.messages == agent.messages
    result = restored.messages[2]["content"][0]["toolResult"]
    assert result["status"] == "error"
    assert "no such sensor" in result["content"][0]["text"]


def test_a_streamed_turn_is_stored_as_it_was_streamed(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """`stream_async` stores the same conversation as a plain call, and streams it too."""
    agent = new_agent(open_session(), ToolCall("weather", {"city": "Oslo"}), "It rains in Oslo.", tools=[weather])

    async def stream() -> str:
        return "".join([event.get("data", "") async for event in agent.stream_async("How is Oslo?")])

    assert asyncio.run(stream()) == "It rains in Oslo."
    assert len(agent.messages) == 4
    assert new_agent(restart(), tools=[weather]).messages == agent.messages


def test_a_stream_that_the_caller_leaves_keeps_what_was_complete(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A caller that stops reading a stream loses the unfinished answer only; the next turn goes on."""
    agent = new_agent(open_session(), "An answer that nobody waits for.")

    async def leave() -> None:
        events = agent.stream_async("Hello?")
        async for event in events:
            if "data" in event:
                break
        await events.aclose()  # type: ignore[attr-defined]  # declared as AsyncIterator, and a generator

    asyncio.run(leave())
    restored = new_agent(restart(), "Here I am.")
    assert said(restored.messages) == ["Hello?"]
    restored("Anyone?")
    assert said(new_agent(restart()).messages) == ["Hello?", "Anyone?", "Here I am."]


def test_a_turn_whose_model_fails_keeps_the_prompt(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """An error of the model reaches the caller, and the session goes on from the prompt."""
    agent = new_agent(open_session(), RuntimeError("no connection"))
    with pytest.raises(RuntimeError, match="no connection"):
        agent("Hello?")

    restored = new_agent(restart(), "Here I am.")
    assert restored.messages == agent.messages
    restored(None)
    assert said(new_agent(restart()).messages) == ["Hello?", "Here I am."]


def test_structured_output_survives_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A turn with structured output, asked for or forced, comes back, and the next one works."""
    oslo = ToolCall("City", {"name": "Oslo", "country": "Norway"})
    agent = new_agent(open_session(), oslo, "Rome, I think.", ToolCall("City", {"name": "Rome", "country": "Italy"}))
    assert agent("Where?", structured_output_model=City).structured_output == City(name="Oslo", country="Norway")
    assert agent("And?", structured_output_model=City).structured_output == City(name="Rome", country="Italy")

    restored = new_agent(restart(), oslo)
    assert restored.messages == agent.messages
    again = restored("Again?", structured_output_model=City)
    assert again.structured_output == City(name="Oslo", country="Norway")
    assert new_agent(restart()).messages == restored.messages


def test_messages_given_to_a_new_agent_are_stored(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Messages that an agent starts with belong to a new session, and the next turn follows them."""
    start: Messages = [
        {"role": "user", "content": [{"text": "I am Ada."}]},
        {"role": "assistant", "content": [{"text": "Hello, Ada."}]},
    ]
    agent = new_agent(open_session(), "Ada.", messages=start)
    agent("Who am I?")

    manager = restart()
    restored = new_agent(manager)
    assert said(restored.messages) == ["I am Ada.", "Hello, Ada.", "Who am I?", "Ada."]
    assert said(stored(manager, restored)) == said(agent.messages)


def test_stored_messages_win_over_those_given_to_a_restored_agent(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A program that always passes the same first messages does not repeat them in an existing session."""
    start: Messages = [{"role": "user", "content": [{"text": "I am Ada."}]}]
    new_agent(open_session(), "Hello.", messages=list(start))("Hi.")

    restored = new_agent(restart(), messages=list(start))

    assert said(restored.messages) == ["I am Ada.", "Hi.", "Hello."]


def test_a_deleted_session_starts_again_from_nothing(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """After `delete_session` the same id is a new, empty conversation; other sessions stay."""
    new_agent(open_session("gone"), "Hello.")("Forget me.")
    kept = new_agent(open_session("kept"), "Hello.")
    kept("Remember me.")
    open_session("gone").delete_session("gone")  # type: ignore[attr-defined]  # both managers have it, not their base

    assert new_agent(restart("gone")).messages == []
    assert new_agent(open_session("kept")).messages == kept.messages
