"""What a message says, as plain text: its texts, reasoning, tool calls, tool results, documents and citations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

PREVIEW_CHARACTERS = 80
"""How long a preview is at most."""

Kind = Literal["text", "reasoning", "tool call", "tool result", "document", "citation"]

_MEDIA = ("image", "video", "audio", "document")

_LARGEST_NUMBER = 10**100
"""Python refuses to write very large integers out."""


class Piece(NamedTuple):
    """Something that a message says.

    Attributes:
        kind: What it is.
        text: Its words: of a tool call the tool's name, then what it is called with; of a document its name.
    """

    kind: Kind
    text: str


_Found = list[tuple[Kind, str]]


def pieces(message: object) -> list[Piece]:
    """Return what `message` says, in order; whatever has not the shape that the SDK gives it says nothing.

    Args:
        message: A message of the SDK as a dict; binary values may be bytes, or marked as in the stored JSON.
    """
    return [Piece(kind, _without_surrogates(text)) for kind, text in _found(message)]


def said(message: object) -> str:
    """Return everything that `message` says, one piece below the other."""
    return _without_surrogates("\n".join([text for _, text in _found(message)]))


def preview(message: object) -> str:
    """Return the beginning of `message` in one line: of its texts, else of whatever it says, else what it shows."""
    found = pieces(message)
    texts = [piece.text for piece in found if piece.kind == "text"] or [piece.text for piece in found]
    words = [word for text in texts for word in text.split(maxsplit=PREVIEW_CHARACTERS)[:PREVIEW_CHARACTERS]]
    line = " ".join(words[:PREVIEW_CHARACTERS] or _shown(message))
    return line if len(line) <= PREVIEW_CHARACTERS else f"{line[: PREVIEW_CHARACTERS - 1].rstrip()}…"


def _shown(message: object) -> list[str]:
    content = message.get("content") if isinstance(message, dict) else None
    return [f"[{kind}]" for block in _dicts(content) for kind in _MEDIA if kind in block]


def _without_surrogates(text: str) -> str:
    """Replace lone surrogates, which the JSON of another program may hold and UTF-8 cannot."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _found(message: object) -> _Found:
    found: _Found = []
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return _add("text", content, found)
    for block in _dicts(content):
        for kind, value in block.items():
            reader = _READERS.get(kind)
            if reader is not None:
                reader(value, found)
    return found


def _add(kind: Kind, value: object, found: _Found) -> _Found:
    if isinstance(value, str) and value:
        found.append((kind, value))
    return found


def _text(value: object, found: _Found) -> None:
    _add("text", value, found)


def _reasoning(value: object, found: _Found) -> None:
    _add("reasoning", _entry(_entry(value, "reasoningText"), "text"), found)


def _guarded(value: object, found: _Found) -> None:
    _add("text", _entry(_entry(value, "text"), "text"), found)


def _tool_call(value: object, found: _Found) -> None:
    _add("tool call", _lines(_entry(value, "name"), *_leaves(_entry(value, "input"))), found)


def _tool_result(value: object, found: _Found) -> None:
    content = _entry(value, "content")
    _add("tool result", content, found)
    for block in _dicts(content):
        _add("tool result", block.get("text"), found)
        if "json" in block:
            _add("tool result", _lines(*_leaves(block["json"])), found)
        _document(block.get("document"), found)


def _document(value: object, found: _Found) -> None:
    _add("document", _entry(value, "name"), found)


def _cited(value: object, found: _Found) -> None:
    for block in _dicts(_entry(value, "content")):
        _add("text", block.get("text"), found)
    for citation in _dicts(_entry(value, "citations")):
        sources = [block.get("text") for block in _dicts(citation.get("sourceContent"))]
        _add("citation", _lines(citation.get("title"), *sources), found)


_READERS: dict[str, Callable[[object, _Found], None]] = {
    "text": _text,
    "reasoningContent": _reasoning,
    "guardContent": _guarded,
    "toolUse": _tool_call,
    "toolResult": _tool_result,
    "document": _document,
    "citationsContent": _cited,
}


def _lines(*texts: object) -> str:
    return "\n".join([text for text in texts if isinstance(text, str) and text])


def _entry(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _leaves(value: object) -> Iterator[str]:
    """Yield the texts and numbers in a JSON value, at any depth, without those that stand for binary values."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, (int, float)) and not isinstance(item, bool):
            yield repr(item) if abs(item) < _LARGEST_NUMBER else ""
        elif isinstance(item, dict) and item.get("__bytes_encoded__") is not True:
            left.extend(reversed(item.values()))
        elif isinstance(item, list):
            left.extend(reversed(item))
