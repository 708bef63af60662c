"""What the tests store: bytes of every kind, and conversations as the SDK's snapshots write them."""

from __future__ import annotations

import gzip
import json
import random
from functools import cache
from itertools import pairwise
from typing import Any

from strands import Agent

from pytest_strands_sqlite import ScriptedModel

MEGABYTE = 1024 * 1024


def chance(size: int, seed: int = 1) -> bytes:
    """Return bytes without any order, the same ones on every run."""
    return random.Random(seed).randbytes(size)


VALUES: dict[str, bytes] = {
    "empty": b"",
    "one byte": b"x",
    "a zero": b"\0",
    "zeros": bytes(10_000),
    "every byte": bytes(range(256)),
    "text": "Grüße, 茶, \U0001f375\n".encode(),
    "line ends": b"\r\n\r\n\n\r\x1a",
    "no UTF-8": b"\xff\xfe\xc0\x80\xed\xa0\x80",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "tea".encode("utf-16"),
    "compressed": gzip.compress(b"tea " * 1000, mtime=0),
    "a quote": b"'; DROP TABLE objects; --",
} | {
    f"{size} bytes": chance(size, size)
    for size in (1, 255, 256, 2047, 2048, 2049, 4096, 65_535, 65_536, 65_537, 131_072, 131_073, 5 * MEGABYTE)
}
"""Sizes around those at which a storage may change how it stores, and contents that a careless one would change."""

MESSAGES = b'{"scope":"agent","data":{"messages":'

NESTED = b'[{"role":"user","content":[{"messages":[{"role":"a"},{"role":"b"}]}]}]'

LOOK_ALIKES: dict[str, bytes] = {
    "cut short": MESSAGES + b'[{"role":"user","content":[{"text":"' + b"x" * 5000,
    "only a beginning": MESSAGES + b'[{"role":',
    "no messages": MESSAGES + b"[]" + b" " * 5000 + b"}}",
    "messages within a message": MESSAGES
    + b'[{"role":"user","content":[{"messages":[{"role":"a"},{"role":"b"}]}]}]' * 90,
    "separators in a text": MESSAGES + b'[{"role":"user","content":"' + b',{"role":' * 900 + b'"}],"state":{}}}',
    "states in a text": MESSAGES
    + b'[{"role":"user","content":"'
    + b'],"state":{},"stash":' * 300
    + b'"}],"state":{}}}',
    "separators alone": b',{"role":' * 900,
    "equal messages": MESSAGES + b"[" + b",".join([b'{"role":"user","content":[]}'] * 500) + b'],"state":{}}}',
    "another first field": MESSAGES + b"[" + b",".join([b'{"content":[],"role":"user"}'] * 500) + b'],"state":{}}}',
    "spaces": b'{"data": {"messages": [' + b", ".join([b'{"role": "user", "content": []}'] * 500) + b'], "state": {}}}',
    "zeros between messages": MESSAGES + b'[{"role":"' + b'\0"},{"role":"\xff'.join([b"x" * 99] * 60) + b'"}]}}',
    "no JSON at all": chance(3000) + b'"messages":[{"role":' + chance(3000, 2) + b',{"role":' + chance(90_000, 3),
}
"""Bytes that resemble a snapshot, in part."""


def said(number: int, text: str = "") -> Any:
    """Return one message of a conversation."""
    words = text or f"Message {number} says: {chance(200, number).hex()}, and »茶«."
    return {"role": "user" if number % 2 == 0 else "assistant", "content": [{"text": words}]}


def snapshot(messages: list[Any]) -> bytes:
    """Return what the SDK stores of an agent with these messages, the time of the snapshot included."""
    agent = Agent(agent_id="a", model=ScriptedModel(), messages=list(messages), callback_handler=None)
    agent.state.set("mood", "calm")
    taken = agent.take_snapshot(preset="session")
    return json.dumps(taken.to_dict(), ensure_ascii=False).encode()


@cache
def conversation(length: int) -> list[bytes]:
    """Return the snapshots of a conversation, from its first message to one of `length` messages."""
    messages = [said(number) for number in range(length)]
    return [snapshot(messages[:end]) for end in range(1, length + 1)]


def turns_of_fate() -> list[bytes]:
    """Return snapshots of one agent whose conversation grows, is trimmed, is changed, is lost, and comes back."""
    messages = [said(number) for number in range(40)]
    changed = [*messages[:20], said(20, "[redacted]"), *messages[21:]]
    doubled = [message for pair in pairwise(messages) for message in pair]
    summed = [said(0, "A summary."), *messages[30:]]
    shapes = [messages, messages[10:], changed, changed[:5], doubled, summed, [], messages, messages[::-1], messages]
    return [snapshot(shape) for shape in shapes]
