"""Whether stored JSON is what the SDK can take: messages, states, and what they refer to; pure."""

from __future__ import annotations

from typing import Any

from strands_sqlite_session_manager._codec import decode_bytes_values, loads
from strands_sqlite_session_manager.errors import CodecError

MARK = b'"__bytes_encoded__":'
"""What JSON holds that has binary values in it, or refers to some."""

_ROLES = ("user", "assistant")


def read(stored: object) -> tuple[Any, str]:
    """Return the value that JSON in UTF-8 holds, and what is wrong with it; empty for nothing."""
    if not isinstance(stored, bytes):
        return None, "is not text"
    try:
        text = stored.decode()
        value = loads(text)
        if MARK in stored:
            decode_bytes_values(value)
    except CodecError as error:
        return None, f"cannot be read: {error}"
    except UnicodeDecodeError as error:
        return None, f"is not UTF-8: {error}"
    except (ValueError, TypeError, RecursionError) as error:
        return None, f"holds binary values that cannot be decoded: {error}"
    return value, ""


def message_problem(message: Any) -> str:
    """Say why the SDK could not take `message`; empty where it could."""
    if not isinstance(message, dict):
        return "is no object"
    if message.get("role") not in _ROLES:
        return f"has the role {message.get('role')!r}, which is neither user nor assistant"
    content = message.get("content")
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        return "has no list of content blocks"
    for block in content:
        for kind in ("toolUse", "toolResult"):
            if kind in block and not _has_id(block[kind]):
                return f"has a {kind} without toolUseId"
    return ""


def _has_id(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("toolUseId"), str)


def object_problem(value: Any) -> str:
    """Say so where `value` is no JSON object."""
    return "" if isinstance(value, dict) else "is no object"


def references(value: Any) -> dict[str, object]:
    """Return what `value` refers to of the values stored apart: their size by SHA-256."""
    found: dict[str, object] = {}
    _collect(value, found)
    return found


def _collect(value: Any, found: dict[str, object]) -> None:
    if isinstance(value, dict):
        digest = value.get("sha256")
        if value.get("__bytes_encoded__") is True and isinstance(digest, str) and "data" not in value:
            found[digest] = value.get("size")
            return
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _collect(item, found)
