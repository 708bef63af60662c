"""Interrupts: an agent that waits for a person waits through a restart, and goes on from there."""

from collections.abc import Callable
from typing import Any

import pytest
from strands import Agent
from strands.interrupt import Interrupt
from strands.session.repository_session_manager import RepositorySessionManager

from pytest_strands_sqlite import ScriptedModel, ToolCall
from tests.core.talking import results

from .questions import PIXELS, AskFirst, delete, deleted, photograph, photographed, rename

OpenSession = Callable[..., RepositorySessionManager]
NewAgent = Callable[..., Agent]


@pytest.fixture(autouse=True)
def _no_effects() -> None:
    deleted.clear()
    photographed.clear()


def answers(interrupts: Any, response: Any) -> Any:
    """The prompt that answers all interrupts alike."""
    found: list[Interrupt] = list(interrupts)
    return [{"interruptResponse": {"interruptId": interrupt.id, "response": response}} for interrupt in found]


@pytest.mark.parametrize(("answer", "outcome"), [("yes", ("deleted", ["a.txt"])), ("no", ("kept", []))])
def test_a_tool_that_asks_is_answered_after_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, answer: str, outcome: tuple[str, list[str]]
) -> None:
    """The tool call that waited runs with the answer, without another call of the model for it."""
    agent = new_agent(open_session(), ToolCall("delete", {"path": "a.txt"}), tools=[delete])
    waiting = agent("Delete a.txt.")
    assert waiting.stop_reason == "interrupt"
    assert [interrupt.reason for interrupt in waiting.interrupts or []] == [
        {"path": "a.txt", "why": "it cannot be undone"}
    ]

    restored = new_agent(restart(), "Done.", tools=[delete])
    assert restored.messages == agent.messages
    assert restored(answers(waiting.interrupts, answer)).stop_reason == "end_turn"

    result, effect = outcome
    assert results(restored) == [[{"text": result}]]
    assert deleted == effect
    assert new_agent(restart(), tools=[delete]).messages == restored.messages


def test_a_hook_that_asks_is_answered_after_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A gate in front of all tools survives the restart like a tool's own question."""
    options: dict[str, Any] = {"tools": [photograph], "hooks": [AskFirst()]}
    waiting = new_agent(open_session(), ToolCall("photograph", {"path": "a"}), **options)("Take a picture.")
    assert waiting.stop_reason == "interrupt"
    assert photographed == []

    restored = new_agent(restart(), "Done.", **options)
    restored(answers(waiting.interrupts, "yes"))

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
    restored(answers(waiting.interrupts, "yes"))

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
    second = new_agent(restart(), tools=[rename])(answers(first.interrupts, {"new": "b"}))
    assert [interrupt.name for interrupt in second.interrupts or []] == ["sure"]

    last = new_agent(restart(), "Renamed.", tools=[rename])
    last(answers(second.interrupts, True))

    assert results(last) == [[{"text": "a is {'new': 'b'}: True"}]]


def test_a_waiting_agent_takes_nothing_but_answers_after_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A plain prompt to an agent that waits is refused as before the restart, and the question stays open."""
    waiting = new_agent(open_session(), ToolCall("delete", {"path": "a"}), tools=[delete])("Delete a.")

    with pytest.raises(TypeError, match="must resume from interrupt"):
        new_agent(restart(), tools=[delete])("Never mind.")

    restored = new_agent(restart(), "Done.", tools=[delete])
    restored(answers(waiting.interrupts, "yes"))
    assert deleted == ["a"]


def test_an_answered_interrupt_is_over_after_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """After the answer the agent takes plain prompts again, and a new tool call asks again."""
    waiting = new_agent(open_session(), ToolCall("delete", {"path": "a"}), tools=[delete])("Delete a.")
    new_agent(restart(), "Done.", tools=[delete])(answers(waiting.interrupts, "yes"))

    restored = new_agent(restart(), ToolCall("delete", {"path": "b"}), tools=[delete])
    again = restored("Delete b as well.")

    assert again.stop_reason == "interrupt"
    assert deleted == ["a"]
