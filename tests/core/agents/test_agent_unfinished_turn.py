"""Unfinished turns: a conversation that ends between a tool use and its result goes on."""

import asyncio
from collections.abc import Callable

import pytest
from strands import Agent, tool
from strands.session.repository_session_manager import RepositorySessionManager
from strands.types.content import Messages

from pytest_strands_sqlite import ScriptedModel, ToolCall
from tests.core.talking import said

OpenSession = Callable[..., RepositorySessionManager]
NewAgent = Callable[..., Agent]

ran: list[str] = []


def agent_that_is_cancelled_in_its_tool(manager: RepositorySessionManager, new_agent: NewAgent) -> Agent:
    """Hold a conversation whose last turn is cancelled while its two tools run."""
    started = asyncio.Event()

    @tool
    async def measure(place: str) -> str:
        """Measure, and never come to an end.

        Args:
            place: Where.
        """
        started.set()
        await asyncio.Event().wait()
        return place

    both = [ToolCall("measure", {"place": "here"}, "call-1"), ToolCall("measure", {"place": "there"}, "call-2")]
    agent = new_agent(manager, "Hello.", both, tools=[measure])

    async def cancel() -> None:
        await agent.invoke_async("Hi.")
        turn = asyncio.create_task(agent.invoke_async("Measure."))
        await started.wait()
        turn.cancel()
        await asyncio.wait([turn])

    asyncio.run(cancel())
    return agent


@tool
def measure(place: str) -> str:
    """Measure.

    Args:
        place: Where.
    """
    ran.append(place)
    return f"7 {place}"


def pairs(messages: Messages) -> tuple[list[str], list[tuple[str, str]]]:
    """The ids of all tool uses, and id and status of all tool results."""
    blocks = [block for message in messages for block in message["content"]]
    uses = [block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block]
    results = [block["toolResult"] for block in blocks if "toolResult" in block]
    return uses, [(result["toolUseId"], result["status"]) for result in results]


def test_the_unfinished_turn_is_restored_up_to_the_tool_use(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """What was said before the end is there, and nothing else."""
    agent = agent_that_is_cancelled_in_its_tool(open_session(), new_agent)

    restored = new_agent(restart(), tools=[measure])

    assert [message["role"] for message in restored.messages] == ["user", "assistant", "user", "assistant"]
    assert restored.messages == agent.messages[:4]
    assert pairs(restored.messages) == (["call-1", "call-2"], [])


def test_a_new_prompt_goes_on_after_an_unfinished_turn(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A new prompt gives the tool uses an error as result, so that the model gets a valid conversation."""
    agent_that_is_cancelled_in_its_tool(open_session(), new_agent)

    model = ScriptedModel("As you like.")
    agent = new_agent(restart(), model=model, tools=[measure])
    agent("Never mind.")

    ids = ["call-1", "call-2"]
    assert pairs(model.calls[0].messages) == (ids, [(each, "error") for each in ids])
    assert new_agent(restart(), tools=[measure]).messages == agent.messages


def test_an_unfinished_turn_can_be_finished_without_a_prompt(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Called without a prompt, the restored agent runs the tools that did not come to an end."""
    agent_that_is_cancelled_in_its_tool(open_session(), new_agent)
    ran.clear()

    agent = new_agent(restart(), "Seven.", tools=[measure])
    agent(None)

    assert sorted(ran) == ["here", "there"]
    ids = ["call-1", "call-2"]
    assert pairs(agent.messages) == (ids, [(each, "success") for each in ids])
    assert new_agent(restart(), tools=[measure]).messages == agent.messages


def test_a_hole_in_an_old_conversation_is_mended_on_every_restore(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A tool use without result in the middle of stored history gets an error as result each time it is restored."""
    history: Messages = [
        {"role": "user", "content": [{"text": "Measure."}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "call-1", "name": "measure", "input": {}}}]},
        {"role": "user", "content": [{"text": "Well?"}]},
        {"role": "assistant", "content": [{"text": "I do not know."}]},
    ]
    new_agent(open_session(), messages=history)

    for turn in range(2):
        model = ScriptedModel(f"answer {turn}")
        agent = new_agent(restart(), model=model, tools=[measure])
        agent(f"question {turn}")
        assert pairs(model.calls[0].messages) == (["call-1"], [("call-1", "error")])
        assert [message["role"] for message in agent.messages[:4]] == ["user", "assistant", "user", "user"]


@pytest.mark.parametrize("patience", range(0, 240, 15))
def test_a_turn_cancelled_at_any_moment_leaves_memory_and_storage_alike(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, patience: int
) -> None:
    """Wherever a cancellation hits, in the middle of a write too, the same agent goes on and nothing is lost."""
    model = ScriptedModel(*[lambda call: f"answer {len(call.messages)}"] * 4)
    manager = open_session()
    agent = Agent(model=model, session_manager=manager, callback_handler=None)

    async def cancel_and_go_on() -> None:
        turn = asyncio.create_task(agent.invoke_async("first"))
        for _ in range(patience):
            await asyncio.sleep(0)
        turn.cancel()
        await asyncio.wait([turn])
        await agent.invoke_async("second")

    asyncio.run(cancel_and_go_on())
    assert said(agent.messages)[-2] == "second"
    assert new_agent(restart()).messages == agent.messages
