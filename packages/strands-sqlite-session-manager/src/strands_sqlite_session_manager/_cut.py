"""Where the bytes of an object are cut into parts, so that the next version of it shares most of them."""

from __future__ import annotations

import re
from bisect import bisect_right

LARGEST_PART = 64 * 1024
"""A longer stretch is cut at every so many bytes."""

_FIRST_KEY = re.compile(rb'"messages":( ?)\[\{"(\w{1,40})":')
_AFTER_MESSAGES = (
    b"conversation_manager_state",
    b"interrupt_state",
    b"model_state",
    b"system_prompt",
    b"stash",
    b"app_data",
)


class Cuts:
    """The places where one object is cut.

    A snapshot of the SDK is JSON: a head with the time, the messages, and the agent's state. It is cut before every
    message and before every piece of state. Anything else is cut at every `LARGEST_PART` bytes. A place that was
    chosen badly costs space, never correctness: the parts are joined again, whatever they hold.
    """

    def __init__(self, data: bytes) -> None:
        """Look for the messages in `data`."""
        self._data = data
        self._separator = b""
        self._first = self._end = self._tail_from = 0
        self._tail: list[int] = []
        found = data.find(b'"messages":')
        match = None if found < 0 else _FIRST_KEY.match(data, found)
        if match is not None:
            space, key = match.groups()
            self._separator = b"," + space + b'{"' + key + b'":'
            self._first = match.end() - len(key) - 4
            self._find_tail(space)

    @property
    def has_messages(self) -> bool:
        """Whether the object is a snapshot with messages."""
        return bool(self._separator)

    @property
    def first(self) -> int:
        """Where the first message begins; 0 where there is none."""
        return self._first

    @property
    def between(self) -> bytes:
        """What stands in front of every message but the first, and is cut together with it."""
        return self._separator[: self._separator.find(b"{")]

    def is_frame(self, start: int) -> bool:
        """Tell whether the part at `start` is around the messages of a snapshot, not one of them."""
        return self.has_messages and (start < self._first or start >= self._end)

    def next_after(self, start: int) -> int:
        """Return where the part that begins at `start` ends."""
        return min(self._natural_end(start), start + LARGEST_PART)

    def _natural_end(self, start: int) -> int:
        if not self._separator:
            return len(self._data)
        if start < self._first:
            return self._first
        if start < self._end:
            within = min(self._end, start + LARGEST_PART + len(self._separator))
            found = self._data.find(self._separator, start + 1, within)
            return self._end if found < 0 else found
        return self._tail[bisect_right(self._tail, start)]

    def _find_tail(self, space: bytes) -> None:
        """Note where the messages end, and where each piece of state behind them begins."""
        data = self._data
        self._end = data.rfind(b"]," + space + b'"state', self._first)
        if self._end < 0:
            self._end = len(data)
        places = {data.find(b"," + space + b'"' + name + b'":', self._end) for name in _AFTER_MESSAGES}
        self._tail = [*sorted(places - {-1}), len(data)]
