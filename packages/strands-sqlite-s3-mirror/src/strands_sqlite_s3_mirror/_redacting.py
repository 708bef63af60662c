"""What is to be redacted, and what the objects hold afterwards; pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from ._inventory import Message, message_of, session_of

ARCHIVE = "/snapshots/message_log.json"
"""How the key ends of what a conversion to snapshots keeps of an agent for the way back."""

_ORIGINALS = "redacted"
"""Under this name it has the originals of redacted messages."""

_CONVERTED = re.compile(
    r"(?:^|/)([^/]+)/(?:scopes/(?:[^/]+/[^/]+/snapshots/message_log\.json$)?|message_log\.json$)", re.DOTALL
)
"""Finds the session that a conversion wrote; in what it keeps of an agent, `snapshots` is not one."""


@dataclass(frozen=True, kw_only=True)
class Redaction:
    """What has to go from releases.

    Attributes:
        sessions: Sessions, with everything that belongs to them.
        messages: What is said in these messages; `text` stands in its place.
        redacted: Whether messages are to hold what the database shows of them: those that a guardrail redacted, and
            those whose originals were erased. Those go too that are redacted in the release itself, whatever became
            of them in the database, and originals that conversions to snapshots kept.
        text: What stands in the place of what was said.
    """

    sessions: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    redacted: bool = False
    text: str = "[redacted]"

    def __post_init__(self) -> None:
        """Refuse a redaction of nothing.

        Raises:
            ValueError: Nothing is named.
            TypeError: The sessions are one text instead of several.
        """
        if any(isinstance(sessions, str) for sessions in (self.sessions,)):
            message = "sessions must be a tuple of texts, not one text"
            raise TypeError(message)
        if not (self.sessions or self.messages or self.redacted):
            message = "the redaction says nothing | set sessions, messages or redacted"
            raise ValueError(message)

    def removes(self, path: str) -> bool:
        """Tell whether the object at `path` goes."""
        if session_of(path) in self.sessions:
            return True
        return any(match in self.sessions for match in _CONVERTED.findall(path))

    def looks_at(self, path: str) -> bool:
        """Tell whether the object at `path` may change, whatever the database holds."""
        if self.redacted and path.endswith(ARCHIVE):
            return True
        return self.names(path)

    def names(self, path: str) -> bool:
        """Tell whether the object at `path` is one of the messages that are named."""
        return bool(self.messages) and message_of(path) in self.messages

    def folders(self) -> list[str]:
        """Return the paths below which everything goes."""
        return [
            folder.format(session_id)
            for session_id in self.sessions
            for folder in ("session_{}/", "strands_sqlite/session_{}.json", "session/{}/", "context/{}/")
        ]

    def redact(self, path: str, body: bytes, shown: bytes | None) -> bytes:
        """Return what the object is to hold.

        Args:
            path: Where it lies.
            body: What it holds.
            shown: The same object as the database has it, where that is to be followed; empty: it has none, or the
                same.
        """
        value = _object(body)
        if value is None:
            return body
        if path.endswith(ARCHIVE):
            return _without_originals(value) or body
        if self.names(path):
            return _with_message(value, _blank(value.get("message"), self.text))
        if shown is None:
            return body
        return _as_shown(value, _object(shown)) or body


def _without_originals(archive: dict[str, Any]) -> bytes | None:
    if not isinstance(archive.get(_ORIGINALS), dict) or not archive[_ORIGINALS] or "messages" not in archive:
        return None
    return json.dumps({**archive, _ORIGINALS: {}}, ensure_ascii=False).encode()


def _as_shown(record: dict[str, Any], current: dict[str, Any] | None) -> bytes | None:
    """Return the record of a message with what the database shows of it; None where that is no redaction.

    A message that was written after a rewind has another time, and is another message: then the record shows itself.
    """
    if current is None or record.get("created_at") != current.get("created_at"):
        current = record
    replacement = current.get("redact_message")
    message = current.get("message") if replacement is None else replacement
    if not isinstance(message, dict) or (replacement is None and message == record.get("message")):
        return None
    return _with_message(record, message)


def _with_message(record: dict[str, Any], message: Any) -> bytes:
    changed = {**record, "message": message, "redact_message": None}
    return json.dumps(changed, indent=2, ensure_ascii=False).encode()


def _blank(message: Any, text: str) -> dict[str, Any]:
    """Return the message with `text` for what was said; calls of tools and their results keep their ids."""
    known = message if isinstance(message, dict) else {}
    blocks = known.get("content")
    kept = [each for block in blocks if (each := _without_content(block, text))] if isinstance(blocks, list) else []
    return {"role": known.get("role", "user"), "content": kept or [{"text": text}]}


def _without_content(block: Any, text: str) -> dict[str, Any] | None:
    """Return what must stay of a block so that tools and their results still belong together."""
    if not isinstance(block, dict):
        return None
    if isinstance(use := block.get("toolUse"), dict):
        return {"toolUse": {**{name: use.get(name) for name in ("toolUseId", "name")}, "input": {}}}
    if isinstance(result := block.get("toolResult"), dict):
        kept = {name: result[name] for name in ("toolUseId", "status") if name in result}
        return {"toolResult": {**kept, "content": [{"text": text}]}}
    return None


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
