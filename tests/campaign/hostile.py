"""Hostile bytes: what careless programs, broken disks and people with bad intentions put in place of what is right."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from hypothesis import strategies as st

from strands_sqlite_session_manager import SQLiteSessionError

DEEP = 3000
"""So many levels are more than Python's parser reads."""

MARKUP = [
    "<script>alert(1)</script>",
    "</script>",
    "</title></head><body onload=alert(1)>",
    "</pre></details></article></main><iframe src=//evil.example></iframe>",
    "<!-- <![CDATA[ ]]> --> &lt;b&gt; &amp;",
    '"\' onload=alert(1) x="',
    "<img src=x onerror=alert(1)>",
    "<style>body{display:none}</style>",
    "javascript:alert(1)",
    "\u202egnp.exe\u202c \u2066x\u2069 \u200f",
    "\x1b[31m\x9b31m\x07",
]
ODD = [
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\udfff\ud800",
    "\ufeff",
    "\u2028",
    "\x85",
    "e\u0301",
    "\U0010ffff",
    "../x",
    "a/b",
    ".",
]
"""Text that something on the way may not take."""

TEXTS = st.sampled_from([*MARKUP, *ODD]) | st.text(max_size=12) | st.text(st.characters(), min_size=1, max_size=6)

TOKENS = [
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-0",
    b"9" * 30,
    b"9" * 5000,
    b"1" * 19,
    b'"\\ud800"',
    b'"\\u0000"',
    b'"\\udc00\\ud800"',
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"[" * DEEP,
    b"[" * DEEP + b"]" * DEEP,
    b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    b'{"__bytes_encoded__": true, "data": 1}',
    b'{"__bytes_encoded__":true,"data":"!"}',
    b'{"__bytes_encoded__":true,"sha256":"x","size":1}',
    b'{"a":1,"a":2}',
    b'"../../etc/passwd"',
    b"\xff",
    b"\xed\xa0\x80",
    b"\0",
    b"\n",
    b"\r",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
]
"""What may stand in place of a value of JSON, or of a part of it."""

Edit = Callable[[bytes], bytes]


def _cut(at: float) -> Edit:
    return lambda data: data[: int(len(data) * at)]


def _without(at: float, size: int) -> Edit:
    return lambda data: data[: int(len(data) * at)] + data[int(len(data) * at) + size :]


def _with(at: float, token: bytes) -> Edit:
    return lambda data: data[: int(len(data) * at)] + token + data[int(len(data) * at) :]


def _flipped(at: float, mask: int) -> Edit:
    def flip(data: bytes) -> bytes:
        place = int((len(data) - 1) * at)
        return data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :] if data else data

    return flip


def _in_place_of_value(at: float, token: bytes) -> Edit:
    """Replace the value behind a colon."""

    def replace(data: bytes) -> bytes:
        place = data.find(b":", int(len(data) * at))
        try:
            text = data[place + 1 :].decode()
            _, size = json.JSONDecoder().raw_decode(text.lstrip())
        except (ValueError, RecursionError):
            return data
        start = place + 1 + len(text) - len(text.lstrip())
        return data[:start] + token + data[start + len(text.lstrip()[:size].encode()) :]

    return replace


def _twice(at: float) -> Edit:
    """Have a line twice."""

    def double(data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        place = int((len(lines) - 1) * at)
        return b"".join([*lines[: place + 1], *lines[place:]])

    return double


def _swapped(at: float) -> Edit:
    """Swap two lines."""

    def swap(data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        place = int((len(lines) - 1) * at)
        lines[place : place + 2] = lines[place : place + 2][::-1]
        return b"".join(lines)

    return swap


PLACES = st.floats(0, 1)
EDITS: st.SearchStrategy[Edit] = st.one_of(
    st.builds(_cut, PLACES),
    st.builds(_without, PLACES, st.integers(1, 40)),
    st.builds(_with, PLACES, st.sampled_from(TOKENS)),
    st.builds(_flipped, PLACES, st.integers(1, 255)),
    st.builds(_in_place_of_value, PLACES, st.sampled_from(TOKENS)),
    st.builds(_in_place_of_value, PLACES, st.sampled_from(TOKENS)),
    st.builds(_twice, PLACES),
    st.builds(_swapped, PLACES),
)


def edited(data: bytes, edits: list[Edit]) -> bytes:
    for edit in edits:
        data = edit(data)
    return data


def signed(data: bytes) -> bytes:
    """Return an export with the hashes and counts that its lines have: of one who knows the format."""
    lines, digest, counts = [], sha256(), {}
    for line in data.splitlines(keepends=True):
        kind = _kind(line)
        if kind == "session":
            digest, counts = sha256(), {}
        counts[kind] = counts.get(kind, 0) + 1
        if kind == "session_end":
            line = _end(line, counts, digest.hexdigest())  # noqa: PLW2901 - the line that is right
        digest.update(line)
        lines.append(line)
    return b"".join(lines)


def _kind(line: bytes) -> str:
    head = line[:40].decode(errors="replace")
    return head.partition('"record":"')[2].partition('"')[0]


def _end(line: bytes, counts: dict[str, int], digest: str) -> bytes:
    try:
        fields: dict[str, Any] = json.loads(line)
    except ValueError:
        return line
    kinds = {"agents": "agent", "messages": "message", "state_changes": "state_change", "multi_agents": "multi_agent"}
    fields |= {name: counts.get(kind, 0) for name, kind in kinds.items()} | {"sha256": digest}
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def refusal(run: Callable[[], object]) -> SQLiteSessionError | None:
    """Run something; return how it was refused, or None: with a typed error that says what to do. No other passes."""
    found = None
    try:
        run()
    except SQLiteSessionError as error:
        found = error
    assert found is None or found.hint, f"{type(found).__name__} without a hint: {found}"
    return found
