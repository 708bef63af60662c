"""What the tests store: messages, agents and multi-agents that are short to write and have fixed times."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from strands.types.content import Message
from strands.types.session import Session, SessionAgent, SessionMessage, SessionType, encode_bytes_values

from .backends import Manager

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
    """The part of a Graph or Swarm that a session manager uses."""

    def __init__(self, multi_agent_id: str = "m", state: object = None) -> None:
        self.id = multi_agent_id
        self.state = {} if state is None else state

    def serialize_state(self) -> object:
        return self.state


def crew(multi_agent_id: str = "m", state: object = None) -> MultiAgentBase:
    """Return a multi-agent that serializes to `state`."""
    return cast("MultiAgentBase", Crew(multi_agent_id, state))


def text_of(message: SessionMessage | None) -> str:
    """Return what the first block of a stored message says."""
    assert message is not None
    return message.message["content"][0]["text"]


def exact(value: object) -> str:
    """Return a text that differs wherever two values differ: in type, in the order of keys, in NaN, in bytes."""
    return json.dumps(encode_bytes_values(value))


def nested(depth: int, leaf: object = "leaf") -> object:
    """Return `leaf` below `depth` lists and dicts in turn."""
    value = leaf
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


def stock(manager: Manager, session_id: str, agent_id: str = "a") -> None:
    """Store one agent, two messages and one multi-agent in a session; make the session where there is none."""
    if manager.read_session(session_id) is None:
        manager.create_session(session(session_id))
    manager.create_agent(session_id, agent(agent_id, owner=session_id))
    manager.create_message(session_id, agent_id, said(0, f"first of {session_id}"))
    manager.create_message(session_id, agent_id, said(1, f"second of {session_id}"))
    manager.create_multi_agent(session_id, crew("m", {"owner": session_id}))


Call = Callable[..., object]

CALLS: dict[str, Call] = {
    "create_session": lambda m, sid, _aid, **more: m.create_session(session(sid), **more),
    "read_session": lambda m, sid, _aid, **more: m.read_session(sid, **more),
    "delete_session": lambda m, sid, _aid, **more: m.delete_session(sid, **more),
    "create_agent": lambda m, sid, aid, **more: m.create_agent(sid, agent(aid), **more),
    "read_agent": lambda m, sid, aid, **more: m.read_agent(sid, aid, **more),
    "update_agent": lambda m, sid, aid, **more: m.update_agent(sid, agent(aid), **more),
    "create_message": lambda m, sid, aid, **more: m.create_message(sid, aid, said(7), **more),
    "read_message": lambda m, sid, aid, **more: m.read_message(sid, aid, 0, **more),
    "update_message": lambda m, sid, aid, **more: m.update_message(sid, aid, said(0), **more),
    "list_messages": lambda m, sid, aid, **more: m.list_messages(sid, aid, **more),
    "create_multi_agent": lambda m, sid, aid, **more: m.create_multi_agent(sid, crew(aid), **more),
    "read_multi_agent": lambda m, sid, aid, **more: m.read_multi_agent(sid, aid, **more),
    "update_multi_agent": lambda m, sid, aid, **more: m.update_multi_agent(sid, crew(aid), **more),
}
"""Each method of the repository, called with a session id and, where it takes one, an agent or multi-agent id."""


def outcome(call: Call, *arguments: object) -> str:
    """Make a call that should be refused, and say how it was: the type that a caller would catch, and the text."""
    try:
        call(*arguments)
    except (TypeError, ValueError, RecursionError) as error:
        caught = next(kind for kind in (TypeError, ValueError, RecursionError) if isinstance(error, kind))
        return f"{caught.__name__}: {error}"
    return "accepted"
