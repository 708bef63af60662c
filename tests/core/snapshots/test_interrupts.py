"""Interrupts on snapshots: an agent that waits for a person waits through a restart, and goes on from there."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from strands import Agent
from strands.session import SnapshotSessionManager

from pytest_strands_sqlite import ScriptedModel, ToolCall
from tests.core.agents.questions import PIXELS, AskFirst, delete, deleted, photograph, photographed, rename
from tests.core.agents.swarms import answers
from tests.core.talking import results

OpenSession = Callable[..., SnapshotSessionManager]
NewAgent = Callable[..., Agent]


@pytest.fixture(autouse=True)
def _no_effects() -> None:
    deleted.clear()
    photographed.clear()


async def go_back(manager: SnapshotSessionManager, agent: Agent) -> None:
    """Restore the first checkpoint."""
    first = (await manager.list_snapshot_ids(agent))[0]
    assert await manager.restore_snapshot(agent, snapshot_id=first)


@pytest.mark.parametrize("strategy", ["message", "invocation"])
@pytest.mark.parametrize("answer", ["yes", "no"])
def test_a_tool_that_asks_is_answered_after_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, strategy: Any, answer: str
) -> None:
    """The tool call that waited runs with the answer, without another call of the model for it."""
    manager = open_session(save_latest_on=strategy)
    agent = new_agent(manager, ToolCall("delete", {"path": "a.txt"}), tools=[delete])
    waiting = agent("Delete a.txt.")
    assert waiting.stop_reason == "interrupt"

    restored = new_agent(restart(save_latest_on=strategy), "Done.", tools=[delete])
    assert restored.messages == agent.messages
    assert restored(answers(waiting, answer)).stop_reason == "end_turn"

    assert results(restored) == [[{"text": "deleted" if answer == "yes" else "kept"}]]
    assert deleted == (["a.txt"] if answer == "yes" else [])
    assert new_agent(restart(), tools=[delete]).messages == restored.messages


def test_a_hook_that_asks_is_answered_after_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A gate in front of all tools survives the restart like a tool's own question."""
    options: dict[str, Any] = {"tools": [photograph], "hooks": [AskFirst()]}
    waiting = new_agent(open_session(), ToolCall("photograph", {"path": "a"}), **options)("Take a picture.")
    assert (waiting.stop_reason, photographed) == ("interrupt", [])

    restored = new_agent(restart(), "Done.", **options)
    restored(answers(waiting, "yes"))

    assert photographed == ["a"]
    assert restored.messages[2]["content"][0]["toolResult"]["status"] == "success"


def test_a_tool_that_was_done_before_the_interrupt_is_not_done_again(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """The result of a finished tool, bytes included, waits with the interrupt and joins the answer."""
    both = [ToolCall("photograph", {"path": "a"}), ToolCall("delete", {"path": "a"})]
    waiting = new_agent(open_session(), both, tools=[photograph, delete])("Take a picture, then delete it.")
    assert waiting.stop_reason == "interrupt"

    model = ScriptedModel("Done.")
    restored = new_agent(restart(), model=model, tools=[photograph, delete])
    restored(answers(waiting, "yes"))

    assert (photographed, deleted) == (["a"], ["a"])
    image = {"image": {"format": "png", "source": {"bytes": PIXELS}}}
    assert results(restored) == [[image], [{"text": "deleted"}]]
    assert len(model.calls) == 1
    assert results(new_agent(restart(), tools=[photograph, delete])) == [[image], [{"text": "deleted"}]]


def test_two_questions_of_one_tool_with_a_restart_between_them(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """The answer to the first question is kept while the second waits."""
    first = new_agent(open_session(), ToolCall("rename", {"path": "a"}), tools=[rename])("Rename a.")
    second = new_agent(restart(), tools=[rename])(answers(first, {"new": "b"}))
    assert [interrupt.name for interrupt in second.interrupts or []] == ["sure"]

    last = new_agent(restart(), "Renamed.", tools=[rename])
    last(answers(second, True))

    assert results(last) == [[{"text": "a is {'new': 'b'}: True"}]]


def test_a_checkpoint_that_waits_can_be_answered_twice(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Going back to the checkpoint before an answer asks again, and another answer takes another way."""
    options: dict[str, Any] = {"snapshot_trigger": lambda **_: True}
    agent = new_agent(open_session(**options), ToolCall("delete", {"path": "a"}), "Done.", tools=[delete])
    waiting = agent("Delete a.")
    agent(answers(waiting, "no"))
    assert results(agent) == [[{"text": "kept"}]]

    manager = restart(**options)
    restored = new_agent(manager, "Really done.", tools=[delete])
    asyncio.run(go_back(manager, restored))
    restored(answers(waiting, "yes"))

    assert results(restored) == [[{"text": "deleted"}]]
    assert deleted == ["a"]


def test_a_waiting_agent_takes_nothing_but_answers_after_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A plain prompt to an agent that waits is refused as before the restart, and the question stays open."""
    waiting = new_agent(open_session(), ToolCall("delete", {"path": "a"}), tools=[delete])("Delete a.")

    with pytest.raises(TypeError, match="must resume from interrupt"):
        new_agent(restart(), tools=[delete])("Never mind.")

    restored = new_agent(restart(), ToolCall("delete", {"path": "b"}), tools=[delete])
    again = restored(answers(waiting, "yes"))

    assert deleted == ["a"]
    assert again.stop_reason == "interrupt"
