"""Values that are hard on a store that cuts objects into parts: versions of versions, and what only looks like one."""

from __future__ import annotations

import json
import random
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from .conversations import said, text

MARKERS = (
    '{"role":',
    '{"role": "user", "content": [',
    '], "state":',
    '], "state": {}',
    '],"state":',
    '"messages": [{"role":',
    '"messages":[{"role":',
    ', {"role":',
    ',{"role":',
    ', "conversation_manager_state":',
    ', "app_data":',
    '"data": {"messages": [',
    "]}",
    "\\",
    '"',
    "\u2028",
    "é",
    "红茶",
)
"""What stands between the messages of a snapshot, and characters whose bytes are easily cut through."""

LENGTHS = st.sampled_from([0, 1, 7, 60, 300, 2000]) | st.integers(0, 3000) | st.sampled_from([9000, 70_000])
SIZES = st.sampled_from([0, 1, 2047, 2048, 2049, 4096, 65_535, 65_536, 65_537, 131_072]) | st.integers(0, 200_000)
SEEDS = st.integers(0, 5)


def _marked(chance: random.Random, length: int) -> str:
    return "".join(chance.choice(MARKERS) for _ in range(length // 12))


def _plain(role: str, seed: int, length: int) -> dict[str, Any]:
    return said(role, text(random.Random(seed), length))


def _odd(role: str, seed: int, length: int) -> dict[str, Any]:
    return said(role, _marked(random.Random(seed), length))


def _tool(role: str, seed: int, length: int) -> dict[str, Any]:
    """Return a message with messages in it: in JSON, their beginnings look like those of real ones."""
    inner = [said("user", "x" * (length // 8)), {"role": role}, {"role": "user", "state": []}] * (1 + seed)
    data = {"messages": inner, "state": {"role": 1}, "app_data": [{"role": "x"}]}
    return {"role": role, "content": [{"toolUse": {"toolUseId": f"t{seed}", "name": "n", "input": data}}]}


def _image(role: str, seed: int, length: int) -> dict[str, Any]:
    data = b64encode(random.Random(seed).randbytes(length)).decode()
    source = {"bytes": {"__bytes_encoded__": True, "data": data}}
    return {"role": role, "content": [{"image": {"format": "png", "source": source}}]}


def _turned(role: str, seed: int, length: int) -> dict[str, Any]:
    message = _plain(role, seed, length)
    return dict(reversed(message.items()))


def _bare(role: str, seed: int, _length: int) -> dict[str, Any]:
    return [{}, {"role": role, "content": []}, {"content": []}, {"role": ""}, {"x": role}, said(role, "")][seed]


MESSAGES = st.builds(
    lambda make, role, seed, length: make(role, seed, length),
    st.sampled_from([_plain, _odd, _tool, _image, _turned, _bare]),
    st.sampled_from(["user", "assistant"]),
    SEEDS,
    LENGTHS,
)


@dataclass(frozen=True)
class Style:
    """How a snapshot is written down; the SDK's own way is the default."""

    compact: bool = False
    escaped: bool = False
    indent: int | None = None
    reversed_keys: bool = False

    def bytes_of(self, value: dict[str, Any]) -> bytes:
        separators = (",", ":") if self.compact else None
        if self.reversed_keys:
            value = dict(reversed(value.items()))
        return json.dumps(value, separators=separators, ensure_ascii=self.escaped, indent=self.indent).encode()


STYLES = st.just(Style()) | st.builds(Style, st.booleans(), st.booleans(), st.sampled_from([None, 1]), st.booleans())


@dataclass(frozen=True)
class Story:
    """A conversation at one moment, with what else a snapshot says."""

    messages: tuple[Any, ...] = ()
    state: Any = None
    time: int = 0
    style: Style = Style()

    def bytes(self) -> bytes:
        """Return the snapshot."""
        data = {
            "messages": list(self.messages),
            "state": self.state,
            "conversation_manager_state": {"removed_message_count": 0},
            "model_state": {},
            "system_prompt": None,
        }
        if self.style.reversed_keys:
            data = dict(reversed(data.items()))
        time = f"2026-01-01T00:00:00.{self.time:06d}Z"
        whole = {"scope": "agent", "schema_version": "1.0", "created_at": time, "data": data, "app_data": {}}
        return self.style.bytes_of(whole)


@dataclass(frozen=True)
class Change:
    """What happens to a story from one version to the next, in this order; nothing of it by default.

    Attributes:
        forgotten: How many messages go at the front.
        edited: Which message is replaced, if there is any, and by what.
        times: How often the first ten messages are said, and nothing else; None: all stay as they are.
        appended: What is said now.
        state: What the state becomes; empty: it stays.
    """

    forgotten: int = 0
    edited: tuple[int, Any] | None = None
    times: int | None = None
    appended: tuple[Any, ...] = ()
    state: tuple[Any, ...] = ()

    def of(self, story: Story) -> Story:
        """Return the next version."""
        messages = list(story.messages[self.forgotten :])
        if self.edited is not None and messages:
            messages[self.edited[0] % len(messages)] = self.edited[1]
        if self.times is not None:
            messages = messages[:10] * self.times
        state = self.state[0] if self.state else story.state
        return Story((*messages, *self.appended), state, story.time + 1, story.style)


STATES = st.sampled_from([{}, None, {"n": 1}, {"state": [{"role": "user"}]}, "], "]) | st.builds(
    lambda seed, length: {"note": text(random.Random(seed), length)}, SEEDS, LENGTHS
)
STORIES = st.builds(Story, st.lists(MESSAGES, max_size=6).map(tuple), STATES, st.just(0), STYLES)
_TURNS = st.lists(MESSAGES, min_size=1, max_size=3).map(tuple)
CHANGES = st.one_of(
    st.builds(Change, appended=_TURNS),
    st.builds(Change, appended=_TURNS, forgotten=st.integers(1, 4)),
    st.builds(Change, edited=st.tuples(st.integers(0, 9), MESSAGES)),
    st.builds(Change, times=st.integers(2, 5)),
    st.builds(Change, appended=_TURNS, state=st.tuples(STATES)),
)


def _noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def _periodic(seed: int, size: int) -> bytes:
    """Return bytes that repeat themselves, so that parts of one object are the same."""
    block = _noise(seed, 1 + 997 * seed)
    return (block * (size // len(block) + 1))[:size]


def _littered(seed: int, size: int) -> bytes:
    """Return markers with noise between them, cut off anywhere."""
    chance = random.Random(seed)
    pieces = [chance.choice((chance.choice(MARKERS).encode(), chance.randbytes(40))) for _ in range(size // 25)]
    return b"".join(pieces)[:size]


RAW = st.binary(max_size=60) | st.builds(
    lambda make, seed, size: make(seed, size), st.sampled_from([_noise, _periodic, _littered]), SEEDS, SIZES
)
VALUES = RAW | STORIES.map(Story.bytes)


@dataclass(frozen=True)
class Relation:
    """How a value comes of another: as its beginning or its end, or with a second one at some place."""

    way: str
    place: int

    def of(self, first: bytes, second: bytes) -> bytes:
        """Return the relative of the first value."""
        first, second = first[:300_000], second[:100_000]
        at = self.place % (len(first) + 1)
        return {
            "beginning": first[:at],
            "end": first[at:],
            "inserted": first[:at] + second + first[at:],
            "both": first + second,
            "changed": first[:at] + second[:3] + first[at + 3 :],
        }[self.way]


RELATIONS = st.builds(
    Relation, st.sampled_from(["beginning", "end", "inserted", "both", "changed"]), st.integers(0, 300_000)
)
