"""Conversations as the SDK snapshots them: they grow, slide, are edited, and are told twice."""

from __future__ import annotations

import json
import random
from typing import Any

FOLDER = "session/s/scopes/agent/a/snapshots/"
LATEST = f"{FOLDER}snapshot_latest.json"

_WORDS = (
    "the",
    "order",
    "was",
    "sent",
    "on",
    "its",
    "way",
    "and",
    "will",
    "be",
    "here",
    "by",
    "noon",
    "unless",
    "rain",
)


def checkpoint(number: int) -> str:
    """Return the key of an immutable snapshot; keys sort as numbers do."""
    return f"{FOLDER}immutable_history/snapshot_{number:08d}.json"


def text(chance: random.Random, size: int) -> str:
    """Return that many characters that no other text repeats."""
    words: list[str] = []
    length = 0
    while length < size:
        words.append(f"{chance.choice(_WORDS)}{chance.randrange(10**6)}")
        length += len(words[-1]) + 1
    return " ".join(words)[:size]


def said(role: str, words: str) -> dict[str, Any]:
    return {"role": role, "content": [{"text": words}]}


def serialized(value: object) -> bytes:
    """Return the bytes that `SnapshotSessionManager` makes of a value without bytes in it."""
    return json.dumps(value, ensure_ascii=False).encode()


class Conversation:
    """Turns of one size, every fifth of them with a tool call: 2.4 messages a turn on average.

    Attributes:
        messages: What an agent would hold now.
        own_bytes: The size of all messages that were ever said.
    """

    def __init__(self, seed: str, turn_bytes: int = 2048) -> None:
        self.messages: list[dict[str, Any]] = []
        self.own_bytes = 0
        self._chance = random.Random(seed)
        self._turn_bytes = turn_bytes
        self._turns = 0

    def turn(self) -> None:
        """Say one thing and answer it."""
        self._turns += 1
        uses_tool = self._turns % 5 == 0
        messages = self._with_tool() if uses_tool else self._plain()
        self.own_bytes += sum(len(serialized(message)) for message in messages)
        self.messages += messages

    def reach(self, length: int) -> None:
        """Go on until there are at least that many messages."""
        while len(self.messages) < length:
            self.turn()

    def slide(self, length: int) -> None:
        """Forget what came before the last `length` messages, as a sliding window does."""
        self.messages = self.messages[-length:]

    def snapshot(self) -> bytes:
        """Return the conversation as `SnapshotSessionManager` writes it, at a time of its own."""
        time = f"2026-01-01T{self._turns // 3600 % 24:02d}:{self._turns // 60 % 60:02d}:{self._turns % 60:02d}"
        return snapshot(self.messages, time, {"turn": self._turns})

    def _plain(self) -> list[dict[str, Any]]:
        question = self._turn_bytes // 4
        return [said("user", self._text(question)), said("assistant", self._text(self._turn_bytes - question))]

    def _with_tool(self) -> list[dict[str, Any]]:
        used, part = f"tool-{self._turns}", self._turn_bytes // 4
        request = {"toolUseId": used, "name": "look_up", "input": {"role": "user", "query": self._text(part // 2)}}
        result = {"toolUseId": used, "status": "success", "content": [{"text": self._text(part)}]}
        return [
            said("user", self._text(part)),
            {"role": "assistant", "content": [{"toolUse": request}]},
            {"role": "user", "content": [{"toolResult": result}]},
            said("assistant", self._text(part)),
        ]

    def _text(self, size: int) -> str:
        return text(self._chance, size)


def snapshot(messages: list[dict[str, Any]], created_at: str, state: dict[str, Any]) -> bytes:
    """Return an agent's snapshot as `SnapshotSessionManager` writes it."""
    data = {
        "messages": messages,
        "state": state,
        "conversation_manager_state": {"__name__": "NullConversationManager", "removed_message_count": 0},
        "interrupt_state": {"interrupts": {}, "context": {}, "activated": False},
        "model_state": {},
        "system_prompt": None,
    }
    return serialized(
        {"scope": "agent", "schema_version": "1.0", "created_at": f"{created_at}+00:00", "data": data, "app_data": {}}
    )
