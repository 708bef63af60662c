"""What the contracts store: records that are short to write and have fixed times."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from strands.types.content import Message
from strands.types.session import Session, SessionAgent, SessionMessage, SessionType, encode_bytes_values

if TYPE_CHECKING:
    from strands.multiagent.base import MultiAgentBase

EARLY = "2024-01-02T03:04:05.000006+00:00"
LATE = "2025-06-07T08:09:10.000011+00:00"


def said(message_id: int, text: str = "hello", *, at: str = EARLY, **more: Any) -> SessionMessage:
    """Return a user message; `more` are further keys of the message itself."""
    content = cast("Message", {"role": "user", "content": [{"text": text}], **more})
    return SessionMessage(content, message_id, created_at=at, updated_at=at)


def agent(agent_id: str = "a", *, at: str = EARLY, **state: Any) -> SessionAgent:
    """Return an agent record with `state`."""
    return SessionAgent(agent_id, state, {"removed_message_count": 0}, {"model_state": {}}, at, at)


def session(session_id: str) -> Session:
    """Return a session record."""
    return Session(session_id, SessionType.AGENT, EARLY, EARLY)


class Crew:
    """The part of a Graph or Swarm that session managers use."""

    def __init__(self, crew_id: str = "m", state: dict[str, Any] | None = None) -> None:
        """Make one with a state, which stands for that of its nodes."""
        self.id = crew_id
        self.state = {} if state is None else state

    def serialize_state(self) -> dict[str, Any]:
        """Return the state as it is stored."""
        return self.state

    def deserialize_state(self, payload: dict[str, Any]) -> None:
        """Take the state that was stored."""
        self.state = payload


def crew(crew_id: str = "m", state: dict[str, Any] | None = None) -> MultiAgentBase:
    """Return a multi-agent that serializes to `state`."""
    return cast("MultiAgentBase", Crew(crew_id, state))


def texts(messages: list[SessionMessage]) -> list[str]:
    """Return what the first block of each message says."""
    return [text(message) for message in messages]


def text(message: SessionMessage | None) -> str:
    """Return what the first block of a message says; nothing for no message."""
    return "(nothing)" if message is None else message.message["content"][0].get("text", "(no text)")


def nested(depth: int, leaf: object = "leaf") -> object:
    """Return `leaf` below `depth` lists and dicts in turn."""
    value = leaf
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


def exact(value: object) -> str:
    """Return a text that differs wherever two values differ: in type, in the order of keys, in bytes."""
    return json.dumps(encode_bytes_values(value), ensure_ascii=False)
