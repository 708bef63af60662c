"""The messages, turns and agent states that the measurements write."""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any, cast

from pydantic_core import to_json
from strands.session.session_repository import SessionRepository
from strands.types.content import Message
from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

AGENT = "agent"

_WORDS = ("river", "stone", "window", "lamp", "paper", "garden", "winter", "harbor", "letter", "copper", "meadow")

Prose = Callable[[int, int], str]
"""Returns text: of a turn with that number, of that many ASCII characters."""

TURN_SIZES = (2, 2, 2, 2, 4)
"""Messages in each turn of a cycle: every fifth turn calls a tool, which makes 2.4 messages a turn."""


def text_message(number: int, size: int = 600) -> Message:
    """Return a user's message whose JSON is exactly `size` bytes long; `number` makes its text differ from others."""
    message: Message = {"role": "user", "content": [{"text": f"{number} "}]}
    missing = size - len(to_json(message))
    message["content"][0]["text"] += _prose(number, missing)
    return message


def image_message(size: int) -> Message:
    """Return a message with an image of `size` random bytes."""
    return {"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": os.urandom(size)}}}]}


def turns(prose: Prose | None = None) -> Iterator[list[Message]]:
    """Yield the messages of one turn after the other, without end; their JSON is about 940 bytes on average.

    Args:
        prose: Writes the text of a turn, given its number and a length; without it the same few words come again.
    """
    write = prose or _prose
    for number, size in enumerate(itertools.cycle(TURN_SIZES)):
        ask = _message("user", {"text": write(number, 300)})
        answer = _message("assistant", {"text": write(number + 1, 1300)})
        yield [ask, *_tool_call(number, write), answer] if size > len((ask, answer)) else [ask, answer]


def conversation(length: int) -> list[Message]:
    """Return the first `length` messages of a conversation of such turns."""
    return list(itertools.islice(itertools.chain.from_iterable(turns()), length))


def state(turn: int) -> dict[str, Any]:
    """Return the state that an agent holds after a turn: a counter and some notes."""
    return {"turn": turn, "notes": [_prose(turn + number, 40) for number in range(8)]}


def create_agent(repository: SessionRepository, session_id: str) -> None:
    """Give the session an agent, and the session itself if it is missing."""
    if repository.read_session(session_id) is None:
        repository.create_session(Session(session_id, SessionType.AGENT))
    repository.create_agent(session_id, SessionAgent(AGENT, state(0), {}))


def fill(repository: SessionRepository, session_id: str, length: int) -> None:
    """Write a conversation of `length` messages into the session."""
    create_agent(repository, session_id)
    for number, message in enumerate(conversation(length)):
        repository.create_message(session_id, AGENT, SessionMessage.from_message(message, number))


def _message(role: str, *content: dict[str, Any]) -> Message:
    return cast("Message", {"role": role, "content": list(content), "tracking_id": str(uuid.uuid4())})


def _tool_call(number: int, write: Prose) -> list[Message]:
    tool_use_id = f"tooluse_{number:020}"
    call = {"name": "look_up", "toolUseId": tool_use_id, "input": {"query": write(number, 80), "limit": 10}}
    found = {"toolUseId": tool_use_id, "status": "success", "content": [{"text": write(number, 900)}]}
    return [
        _message("assistant", {"text": write(number, 120)}, {"toolUse": call}),
        _message("user", {"toolResult": found}),
    ]


def _prose(start: int, length: int) -> str:
    """Return `length` ASCII characters of words, none of which JSON must escape."""
    words = itertools.islice(itertools.cycle(_WORDS), start % len(_WORDS), start % len(_WORDS) + length // 4 + 1)
    return " ".join(words)[:length].ljust(length, ".")
