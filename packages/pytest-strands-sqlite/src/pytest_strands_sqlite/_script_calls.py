"""A call of a scripted model: who calls, what was said last, and what a step answers."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from strands.types.content import Messages

from . import _failures
from ._script_steps import ModelCall, Reply, Step, as_reply


async def resolve_step(step: Step, call: ModelCall) -> Reply:
    """Return what a step answers to a call, as a `Reply`."""
    reply = as_reply(step)
    if reply is not None:
        return reply
    answer: Any = step(call)  # type: ignore[operator]  # what is no answer is a function: the script was checked
    if inspect.isawaitable(answer):
        answer = await answer
    reply = as_reply(answer)
    if reply is None:
        raise TypeError(_failures.not_a_reply(answer))
    return reply


def caller_id(sent: Mapping[str, Any]) -> str | None:
    """Return the id of the agent in what the SDK sends with a call; None where no agent calls."""
    return getattr((sent.get("invocation_state") or {}).get("agent"), "agent_id", None)


def last_words(messages: Messages) -> str:
    """Say in one line what the last message says."""
    if not messages:
        return "it sent no message"
    last = messages[-1]
    words = []
    for block in last["content"]:
        if "text" in block:
            words.append(block["text"])
        elif "toolResult" in block:
            words.append(f"result of {block['toolResult']['toolUseId']}: {block['toolResult']['content']!r}")
        else:
            words.extend(block)
    return f"the last message, of the {last['role']}: {' '.join(' '.join(words).split())}"
