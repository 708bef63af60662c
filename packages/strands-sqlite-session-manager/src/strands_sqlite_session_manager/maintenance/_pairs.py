"""Tool calls and their results in a conversation, paired as the SDK pairs them when it restores one; pure."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any, NamedTuple

Content = list[dict[str, Any]]

ERROR_TEXT = "Tool was interrupted."
"""What the SDK gives as the result of a call that has none."""


class Broken(Enum):
    """How calls and results can fail to match; the value says it."""

    WAITING = "tool calls wait for their results at the end of the conversation: {calls}"
    UNANSWERED = "tool calls are not answered by the next message: {calls}"
    MISMATCHED = "the tool results are not those of the calls before: {calls}"
    ORPHANED = "tool results answer no call of the message before: {calls}"
    ORPHANED_ONLY = "the message holds nothing but tool results that answer no call: {calls}"


class Look(NamedTuple):
    """What matters in a message.

    Attributes:
        role: Who said it.
        calls: The ids of its tool calls.
        results: The ids of its tool results.
        others: Whether there is something else in it.
    """

    role: str
    calls: list[str]
    results: list[str]
    others: bool


def look_at(message: dict[str, Any]) -> Look:
    """Return what matters in a message, which must be well formed."""
    content: Content = message["content"]
    results = [block["toolResult"]["toolUseId"] for block in content if "toolResult" in block]
    return Look(message["role"], _calls(content), results, len(results) < len(content))


def judge(before: Look | None, look: Look) -> Broken | None:
    """Say what is broken between a message and the one before it; None for nothing."""
    if before is None or not before.calls:
        if look.role != "user" or not look.results:
            return None
        return Broken.ORPHANED if look.others else Broken.ORPHANED_ONLY
    if set(look.results) == set(before.calls):
        return None
    return Broken.UNANSWERED if look.others and not look.results else Broken.MISMATCHED


def judge_end(last: Look | None) -> Broken | None:
    """Say what is broken at the end of a conversation."""
    return Broken.WAITING if last is not None and last.calls else None


def can_be_mended(broken: Broken, look: Look) -> bool:
    """Tell whether a message can be mended where it is, so that no message is added before others or taken out."""
    if broken is Broken.ORPHANED_ONLY:
        return False
    return broken is not Broken.UNANSWERED or look.role == "user"


def mended(before: Look | None, content: Content) -> Content:
    """Return `content` with one result for each call of the message before, in their order, and no other results."""
    stored = {block["toolResult"]["toolUseId"]: block for block in content if "toolResult" in block}
    others = [block for block in content if "toolResult" not in block]
    return [stored.get(call) or error_result(call) for call in (before.calls if before else [])] + others


def error_result(call: str) -> dict[str, Any]:
    """Return what the SDK puts in the place of a result that is missing."""
    return {"toolResult": {"toolUseId": call, "status": "error", "content": [{"text": ERROR_TEXT}]}}


def _calls(content: Content) -> list[str]:
    return [block["toolUse"]["toolUseId"] for block in content if "toolUse" in block]


def removed_count(conversation_manager_state: str) -> int:
    """Return how many of the first messages an agent is no longer given: its conversation manager removed them."""
    count = _value(conversation_manager_state, "removed_message_count")
    return count if isinstance(count, int) and count > 0 else 0


def counts_removed(conversation_manager_state: str) -> bool:
    """Tell whether the agent has a conversation manager that counts what it removed."""
    return isinstance(_value(conversation_manager_state, "removed_message_count"), int)


def waits_for_answer(internal_state: str) -> bool:
    """Tell whether an interrupt of the agent waits for a person: its tool calls are run when that has answered."""
    interrupts = _value(internal_state, "interrupt_state")
    return isinstance(interrupts, dict) and interrupts.get("activated") is True


def _value(text: str, key: str) -> object:
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
    return found.get(key) if isinstance(found, dict) else None
