"""What a message holds, piece by piece, for those who show it; pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ._values import size

_MEDIA = ("image", "document", "video", "audio")


@dataclass(frozen=True)
class Media:
    """An image, a document, a video or a sound.

    Attributes:
        kind: Which of them.
        format: Such as `png`; empty where nobody said it.
        name: Of a document.
        data: Its bytes; None where it is elsewhere.
        place: Where it is, if its bytes are not here.
    """

    kind: str
    format: str = ""
    name: str = ""
    data: bytes | None = None
    place: str = ""

    @property
    def label(self) -> str:
        """What it is, in a line."""
        where = size(len(self.data)) if self.data is not None else self.place or "no content"
        return " · ".join(part for part in (self.kind, self.name, self.format, where) if part)


@dataclass(frozen=True)
class Piece:
    """A part of a message.

    Attributes:
        kind: `text`, `reasoning`, `call`, `result`, `media`, or `other`.
        text: What it says; JSON where it is data.
        name: Of the tool, or of what it is.
        arguments: Of a call.
        failed: Whether a tool reported an error.
        media: What a `media` piece is.
        pieces: What a result is made of.
    """

    kind: str
    text: str = ""
    name: str = ""
    arguments: Any = None
    failed: bool = False
    media: Media | None = None
    pieces: tuple[Piece, ...] = ()


def as_json(value: object, *, indent: int | None = None) -> str:
    """Return `value` as JSON for people: bytes are told by their size."""
    return json.dumps(value, ensure_ascii=False, indent=indent, default=_told)


def _told(value: object) -> str:
    return f"<{size(len(value))}>" if isinstance(value, bytes | bytearray) else str(value)


def pieces_of(message: object, tools: dict[str, str]) -> list[Piece]:
    """Return what a message holds.

    Args:
        message: As the SDK has it; it, and what is in it, may be anything.
        tools: The names of tools by the id of their call; calls in this message are added.
    """
    if not isinstance(message, Mapping):
        return [Piece("other", as_json(message))]
    content = message.get("content")
    if isinstance(content, str):
        return [Piece("text", content)]
    blocks = content if isinstance(content, list) else []
    return [piece for block in blocks for piece in _pieces(block, tools)]


def answers_tools(message: object) -> bool:
    """Tell whether a message is nothing but results of tools."""
    content = _mapping(message).get("content")
    return bool(content) and isinstance(content, list) and all(_has(block, "toolResult") for block in content)


def _has(block: object, key: str) -> bool:
    return isinstance(block, Mapping) and key in block


def _pieces(block: object, tools: dict[str, str]) -> Iterator[Piece]:
    if not isinstance(block, Mapping):
        yield Piece("text", block) if isinstance(block, str) else Piece("other", as_json(block))
        return
    for key, value in block.items():
        yield _piece(key, value, tools)


def _piece(key: str, value: Any, tools: dict[str, str]) -> Piece:
    if key == "text" and isinstance(value, str):
        return Piece("text", value)
    if isinstance(value, Mapping):
        if key in _MEDIA:
            return Piece("media", media=_media(key, value))
        if key in _READERS:
            return _READERS[key](value, tools)
    return Piece("other", as_json(value), name=key)


def _call(value: Mapping[str, Any], tools: dict[str, str]) -> Piece:
    name = str(value.get("name") or "?")
    tools[str(value.get("toolUseId"))] = name
    arguments = value.get("input")
    return Piece("call", as_json(arguments, indent=2), name=name, arguments=arguments)


def _result(value: Mapping[str, Any], tools: dict[str, str]) -> Piece:
    name = tools.get(str(value.get("toolUseId"))) or "tool"
    content = value.get("content")
    inner = tuple(_result_piece(block) for block in (content if isinstance(content, list) else [content]))
    text = "\n".join(piece.text for piece in inner if piece.text)
    return Piece("result", text, name=name, failed=value.get("status") == "error", pieces=inner)


def _result_piece(block: Any) -> Piece:
    if isinstance(block, str):
        return Piece("text", block)
    if isinstance(block, Mapping):
        for key, value in block.items():
            if key == "text" and isinstance(value, str):
                return Piece("text", value)
            if key == "json":
                return Piece("other", as_json(value, indent=2))
            if key in _MEDIA and isinstance(value, Mapping):
                return Piece("media", media=_media(key, value))
    return Piece("other", as_json(block, indent=2))


def _reasoning(value: Mapping[str, Any], _: dict[str, str]) -> Piece:
    text = value.get("reasoningText")
    if isinstance(text, Mapping) and isinstance(text.get("text"), str):
        return Piece("reasoning", text["text"])
    hidden = value.get("redactedContent")
    if isinstance(hidden, bytes | bytearray):
        return Piece("reasoning", f"(encrypted by the provider, {size(len(hidden))})")
    return Piece("reasoning", as_json(value))


def _cited(value: Mapping[str, Any], _: dict[str, str]) -> Piece:
    content, citations = value.get("content"), value.get("citations")
    texts = [str(block.get("text") or "") for block in content or () if isinstance(block, Mapping)]
    titles = [str(each.get("title") or "?") for each in citations or () if isinstance(each, Mapping)]
    return Piece("text", "".join(texts) + (f"\n[cites {', '.join(titles)}]" if titles else ""))


_READERS = {"toolUse": _call, "toolResult": _result, "reasoningContent": _reasoning, "citationsContent": _cited}


def _media(kind: str, value: Mapping[str, Any]) -> Media:
    source = value.get("source")
    source = source if isinstance(source, Mapping) else {}
    data = source.get("bytes")
    if isinstance(source.get("text"), str):
        data = source["text"].encode(errors="replace")
    place = source.get("location") or source.get("s3Location") or source.get("url")
    if isinstance(place, Mapping):
        place = place.get("uri") or as_json(place)
    return Media(
        kind,
        str(value.get("format") or ""),
        str(value.get("name") or ""),
        bytes(data) if isinstance(data, bytes | bytearray) else None,
        str(place or ""),
    )


@dataclass(frozen=True)
class Cost:
    """What the model reported about an answer; None where it did not.

    Attributes:
        input_tokens: Of the question.
        output_tokens: Of the answer.
        latency_ms: From question to answer.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_ms: float | None = None


def cost_of(message: object) -> Cost:
    """Return what an answer took, as far as the message says it."""
    metadata = _mapping(_mapping(message).get("metadata"))
    usage, metrics = (_mapping(metadata.get(key)) for key in ("usage", "metrics"))
    tokens_in, tokens_out, latency = usage.get("inputTokens"), usage.get("outputTokens"), metrics.get("latencyMs")
    return Cost(
        tokens_in if isinstance(tokens_in, int) else None,
        tokens_out if isinstance(tokens_out, int) else None,
        latency if isinstance(latency, int | float) else None,
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
