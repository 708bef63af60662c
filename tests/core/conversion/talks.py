"""Conversations of real agents, one for each thing that a session can hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from strands import Agent, ToolContext, tool
from strands.agent.conversation_manager import (
    ConversationManager,
    NullConversationManager,
    SlidingWindowConversationManager,
    SummarizingConversationManager,
)
from strands.types.exceptions import ContextWindowOverflowException

from pytest_strands_sqlite import Redaction, ScriptedModel, ToolCall
from pytest_strands_sqlite.scripted_model import Step

TURNS = 4
"""How often an agent is spoken to after its session was converted: enough to move a window past all it had."""

SMALL, LARGE = b"\x00\xff", bytes(range(256)) * 40
OVERFLOW = ContextWindowOverflowException("too long")


@tool
def double(number: int) -> str:
    """Double a number.

    Args:
        number: What to double.
    """
    return f"{2 * number}"


@tool
def photograph() -> dict[str, Any]:
    """Take two pictures."""
    return {"status": "success", "content": [image(SMALL), {"text": "and"}, image(LARGE)]}


@tool(context=True)
def delete(path: str, tool_context: ToolContext) -> str:
    """Delete a file when a person agrees."""
    return f"{path}: {tool_context.interrupt('approval', reason={'path': path, 'bytes': 7})}"


TOOLS = [double, photograph, delete]


def image(pixels: bytes) -> Any:
    """An image block."""
    return {"image": {"format": "png", "source": {"bytes": pixels}}}


class CountingModel(ScriptedModel):
    """Keeps in the agent's model state how often it was called."""

    async def stream(self, *arguments: Any, model_state: Any = None, **options: Any) -> Any:
        """Count, and answer."""
        model_state["calls"] = model_state.get("calls", 0) + 1
        async for chunk in super().stream(*arguments, **options):
            yield chunk


class ServerModel(CountingModel):
    """Says that its server keeps the conversation."""

    @property
    def stateful(self) -> bool:
        """Always."""
        return True


def window(size: int = 4) -> ConversationManager:
    """Keep some messages."""
    return SlidingWindowConversationManager(window_size=size)


def summaries() -> ConversationManager:
    """Sum up the older half of the conversation when it is too long."""
    return SummarizingConversationManager(summary_ratio=0.5, preserve_recent_messages=2)


@dataclass(frozen=True)
class Talk:
    """A conversation.

    Attributes:
        replies: What the model says.
        prompts: What is said to the agent; None where the agent is not spoken to at all.
        conversation: Makes the conversation manager.
        later: What the model says in the turns that follow; a tuple where it is called more than once in a turn.
        options: What else the agent is made with.
        model: The kind of model.
    """

    replies: tuple[Step, ...] = ()
    prompts: tuple[Any, ...] = ()
    conversation: Callable[[], ConversationManager | None] = NullConversationManager
    later: tuple[Step | tuple[Step, ...], ...] = tuple(f"later {turn}" for turn in range(TURNS))
    options: dict[str, Any] = field(default_factory=dict)
    model: type[ScriptedModel] = ScriptedModel

    def agent(self, manager: Any, *replies: Step, **options: Any) -> Agent:
        """Make the agent, or make it again, on a session manager."""
        return Agent(
            model=self.model(*replies),
            session_manager=manager,
            conversation_manager=self.conversation(),
            tools=TOOLS,
            callback_handler=None,
            **options,
        )

    def hold(self, manager: Any) -> Agent:
        """Hold the conversation with a new agent."""
        agent = self.agent(manager, *self.replies, **self.options)
        for prompt in self.prompts:
            agent(prompt)
        _assert_all_was_said(agent)
        return agent

    def resume(self, manager: Any, turns: range = range(0)) -> Agent:
        """Make the agent again, and speak to it for some of the turns that follow."""
        calls = [call for reply in self.later for call in ([reply] if isinstance(reply, tuple) else [(reply,)])]
        agent = self.agent(manager, *(step for turn in turns for step in calls[turn]))
        for turn in turns:
            say(agent, turn)
        _assert_all_was_said(agent)
        return agent


def say(agent: Agent, turn: int) -> None:
    """Answer what the agent asks, or say something and set some state."""
    waiting = agent._interrupt_state
    agent.state.set("turn", turn)
    if waiting.activated:
        ids = list(waiting.interrupts)
        answers: Any = [{"interruptResponse": {"interruptId": each, "response": {"sure": True}}} for each in ids]
        agent(answers)
    else:
        agent(f"say {turn}")


def _assert_all_was_said(agent: Agent) -> None:
    assert isinstance(agent.model, ScriptedModel)
    agent.model.assert_consumed()


def _chat(turns: int) -> dict[str, Any]:
    return {
        "replies": tuple(f"a{turn}" for turn in range(turns)),
        "prompts": tuple(f"q{turn} \u00fc \u6f22 \U0001f389" for turn in range(turns)),
    }


def _sums(turns: int) -> dict[str, Any]:
    calls = [(ToolCall("double", {"number": turn}, f"call-{turn}"), f"sum {turn}") for turn in range(turns)]
    return {
        "replies": tuple(step for call in calls for step in call),
        "prompts": tuple(f"double {turn}" for turn in range(turns)),
    }


_SUMMED_UP: dict[str, Any] = {"replies": ("a0", "a1", OVERFLOW, "all of the past", "a2"), "prompts": ("q0", "q1", "q2")}
_ASKING = (ToolCall("photograph", {}, "call-1"), ToolCall("delete", {"path": "a.txt"}, "call-2"))

TALKS: dict[str, Talk] = {
    "nothing was said": Talk(),
    "messages from the start": Talk(options={"messages": [{"role": "user", "content": [{"text": "I am Ada."}]}]}),
    "plain": Talk(**_chat(3)),
    "a window that is not full": Talk(**_chat(1), conversation=window),
    "a window that trimmed": Talk(**_chat(6), conversation=window),
    "a window that trimmed everything": Talk(**_chat(2), conversation=lambda: window(0)),
    "a window over tool calls": Talk(**_sums(4), conversation=window),
    "a summary": Talk(**_SUMMED_UP, conversation=summaries),
    "a summary of a summary": Talk(
        **_SUMMED_UP, conversation=summaries, later=("b0", (OVERFLOW, "all, again", "b1"), "b2", "b3")
    ),
    "tools": Talk(**_sums(2)),
    "tools later": Talk(
        **_chat(1),
        later=((ToolCall("double", {"number": 4}, "call-a"), "eight"), "b1", "b2", "b3"),
        conversation=window,
    ),
    "images": Talk(
        replies=("nice", ToolCall("photograph", {}, "call-1"), "done", "the same"),
        prompts=([{"text": "look"}, image(LARGE), image(SMALL)], "photograph", [image(LARGE)]),
    ),
    "an open question": Talk(replies=("a0", list(_ASKING)), prompts=("q0", "delete it")),
    "an open question in a window": Talk(
        replies=("a0", "a1", "a2", list(_ASKING)), prompts=("q0", "q1", "q2", "delete it"), conversation=window
    ),
    "a question later": Talk(
        **_chat(1), later=((ToolCall("delete", {"path": "b.txt"}, "call-b"),), "deleted", "b2", "b3")
    ),
    "a redaction": Talk(replies=("a0", Redaction("[removed]", "no")), prompts=("q0", "my card is 4111")),
    "a redaction later": Talk(**_chat(2), later=("b0", Redaction("[removed]", "no"), "b2", "b3")),
    "state": Talk(
        **_chat(1),
        options={
            "state": {"list": [1, 2.5, None, True, "\u00fc\x00"], "map": {"": {}, "big": 2**70, "small": -1e-300}}
        },
    ),
    "model state": Talk(**_chat(2), model=CountingModel),
    "a server that keeps the conversation": Talk(**_chat(2), conversation=lambda: None, model=ServerModel),
}
