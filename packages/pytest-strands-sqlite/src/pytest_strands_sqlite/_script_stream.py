"""A reply as the chunks in which a provider streams it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from pydantic import BaseModel
from strands.tools import convert_pydantic_to_tool_spec
from strands.types.content import ContentBlockStartToolUse, Messages
from strands.types.event_loop import StopReason, Usage
from strands.types.streaming import ReasoningContentBlockDelta, StreamEvent

from ._script_steps import ModelCall, Part, Reasoning, Redaction, Reply, ToolCall

_WORDS = re.compile(r"\S+\s*|\s+")
_INPUT_PIECE = 24


def stream_reply(reply: Reply, call: ModelCall) -> Iterator[StreamEvent]:
    """Give the chunks of a reply in the order in which the SDK's Bedrock provider gives them.

    Where the reply breaks off with an exception, the chunks end with the last piece of content.
    """
    parts = [_plain(part) for part in reply.parts]
    cut = reply.then_raise is not None
    if parts or not cut:
        yield {"messageStart": {"role": "assistant"}}
    for position, part in enumerate(parts, start=1):
        yield from _block(part)
        if not cut or position < len(parts):
            yield {"contentBlockStop": {}}
    if not cut:
        yield from _ending(reply, parts, call.messages)


def called_tools(reply: Reply) -> Iterator[tuple[str, bool]]:
    """Name the tools that a reply calls, and whether as an object of structured output."""
    for part in reply.parts:
        if isinstance(part, ToolCall | BaseModel):
            yield _as_call(part).name, isinstance(part, BaseModel)


def _plain(part: Part) -> str | ToolCall | Reasoning:
    return _as_call(part) if isinstance(part, BaseModel) else part


def _as_call(part: ToolCall | BaseModel) -> ToolCall:
    """Turn an object into the tool call with which a model gives it."""
    if isinstance(part, ToolCall):
        return part
    return ToolCall(
        convert_pydantic_to_tool_spec(type(part))["name"],
        part.model_dump(mode="json", by_alias=True, round_trip=True),  # what the class takes, without computed fields
    )


def _ending(reply: Reply, parts: list[str | ToolCall | Reasoning], messages: Messages) -> Iterator[StreamEvent]:
    yield {"messageStop": {"stopReason": reply.stop_reason or _stop_reason(reply, parts)}}
    if isinstance(reply.content, Redaction):
        yield from _redactions(reply.content)
    usage = _usage(reply.usage or {}, _count_words(_texts(messages)), _count_words(map(_written, parts)))
    yield {"metadata": {"usage": usage, "metrics": {"latencyMs": reply.latency_ms}}}


def _stop_reason(reply: Reply, parts: list[str | ToolCall | Reasoning]) -> StopReason:
    if isinstance(reply.content, Redaction):
        return "guardrail_intervened"
    return "tool_use" if any(isinstance(part, ToolCall) for part in parts) else "end_turn"


def _redactions(redaction: Redaction) -> Iterator[StreamEvent]:
    if redaction.user_message is not None:
        yield {"redactContent": {"redactUserContentMessage": redaction.user_message}}
    if redaction.assistant_message is not None:
        yield {"redactContent": {"redactAssistantContentMessage": redaction.assistant_message}}


def _usage(given: Mapping[str, int], sent: int, said: int) -> Usage:
    counts = {"inputTokens": sent, "outputTokens": said, **given}
    counts.setdefault("totalTokens", counts["inputTokens"] + counts["outputTokens"])
    return cast("Usage", counts)


def _block(part: str | ToolCall | Reasoning) -> Iterator[StreamEvent]:
    """Give a block without its end."""
    if isinstance(part, ToolCall):
        yield from _tool_block(part)
    elif isinstance(part, Reasoning):
        yield from _reasoning_block(part)
    else:
        yield {"contentBlockStart": {"start": {}}}
        for words in _WORDS.findall(part):
            yield {"contentBlockDelta": {"delta": {"text": words}}}


def _tool_block(tool_call: ToolCall) -> Iterator[StreamEvent]:
    written = _written(tool_call)
    start: dict[str, Any] = {
        "name": tool_call.name,
        "toolUseId": tool_call.tool_use_id or f"tooluse_{uuid.uuid4().hex}",
    }
    if tool_call.reasoning_signature is not None:
        start["reasoningSignature"] = tool_call.reasoning_signature
    yield {"contentBlockStart": {"start": {"toolUse": cast("ContentBlockStartToolUse", start)}}}
    for begin in range(0, len(written), _INPUT_PIECE):
        yield {"contentBlockDelta": {"delta": {"toolUse": {"input": written[begin : begin + _INPUT_PIECE]}}}}


def _reasoning_block(reasoning: Reasoning) -> Iterator[StreamEvent]:
    yield {"contentBlockStart": {"start": {}}}
    for words in _WORDS.findall(reasoning.text or ""):
        yield _reasoning_delta({"text": words})
    if reasoning.signature is not None:
        yield _reasoning_delta({"signature": reasoning.signature})
    if reasoning.redacted is not None:
        yield _reasoning_delta({"redactedContent": reasoning.redacted})


def _reasoning_delta(delta: ReasoningContentBlockDelta) -> StreamEvent:
    return {"contentBlockDelta": {"delta": {"reasoningContent": delta}}}


def _written(part: str | ToolCall | Reasoning) -> str:
    if isinstance(part, ToolCall):
        return json.dumps(dict(part.input))
    return part.text or "" if isinstance(part, Reasoning) else part


def _texts(messages: Messages) -> Iterator[str]:
    return (block["text"] for message in messages for block in message["content"] if "text" in block)


def _count_words(texts: Iterable[str]) -> int:
    return sum(len(text.split()) for text in texts)
