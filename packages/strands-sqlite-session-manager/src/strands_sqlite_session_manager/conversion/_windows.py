"""Which messages of a log an agent holds, and the log that is behind what an agent held at several times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from strands_sqlite_session_manager._codec import dumps
from strands_sqlite_session_manager.repository.logs import LogMessage

UNNUMBERED = -(2**63)
"""In place of the id of a message that no log has known."""

_MOST_REPEATS = 8
"""Where messages repeat themselves so often on average, they cannot be told apart."""


@dataclass(frozen=True)
class Window:
    """The messages that an agent held at one time.

    Attributes:
        messages: The messages, without a summary in front.
        time: When it was saved.
        count: How many messages its conversation manager had trimmed by then, as it counts.
    """

    messages: list[Any]
    time: str
    count: int

    def records(self) -> list[LogMessage]:
        """Return the messages as new ones of a log."""
        return [LogMessage(UNNUMBERED, message, None, self.time, self.time) for message in self.messages]


def trimmed(conversation_manager_state: Any) -> int:
    """Return how many messages of the log a conversation manager has trimmed, as it counts."""
    state = conversation_manager_state if isinstance(conversation_manager_state, dict) else {}
    count = state.get("removed_message_count")
    return count if isinstance(count, int) else 0


def in_front(conversation_manager_state: Any) -> list[Any]:
    """Return the messages that a conversation manager puts in front of those from the log: its summary."""
    state = conversation_manager_state if isinstance(conversation_manager_state, dict) else {}
    return [state["summary_message"]] if state.get("summary_message") else []


def held(log: list[LogMessage], conversation_manager_state: Any) -> list[Any]:
    """Return the messages that an agent holds after it was restored from `log`."""
    shown = [record.shown for record in log]
    return in_front(conversation_manager_state) + shown[trimmed(conversation_manager_state) :]


def log_behind(known: list[LogMessage], latest: Window, earlier: Iterable[Window]) -> tuple[list[LogMessage], int]:
    """Return a log that ends with what an agent holds, and how many messages in it come before that.

    Args:
        known: The log as it once was; empty where nobody knows.
        latest: What the agent holds.
        earlier: What it held at other times, the newest first; looked at as long as messages are missing.
    """
    history, tail = _split(known, latest)
    if len(history) < latest.count:
        places = dict(enumerate(history)) | dict(enumerate(tail, latest.count))
        elsewhere = [window for window in _missing_from(places, latest.count, earlier) if not _put(places, window)]
        history = [places[place] for place in sorted(places) if place < latest.count]
        _insert_all(history, tail, latest.count, elsewhere)
    return _numbered(history + tail), len(history)


def _missing_from(places: dict[int, LogMessage], count: int, windows: Iterable[Window]) -> Iterator[Window]:
    """Yield windows as long as there is a place before `count` without a message."""
    lowest = count
    for window in windows:
        while lowest - 1 in places:
            lowest -= 1
        if lowest == 0:
            return
        yield window


def _put(places: dict[int, LogMessage], window: Window) -> bool:
    """Put the messages of a window in their places, if it agrees with what is in some of them already."""
    own = dict(enumerate(window.records(), window.count))
    common = own.keys() & places.keys()
    if window.count < 0 or not common or any(places[place].shown != own[place].shown for place in common):
        return False
    places |= own | {place: places[place] for place in common}
    return True


def _insert_all(history: list[LogMessage], tail: list[LogMessage], count: int, windows: list[Window]) -> None:
    """Put into the history what windows have whose count does not tell its place, as long as messages are missing."""
    keys = [dumps(record.shown) for record in (*history, *tail)]
    for window in windows:
        if len(history) >= count:
            return
        _insert(history, keys, window)


def _split(known: list[LogMessage], latest: Window) -> tuple[list[LogMessage], list[LogMessage]]:
    """Return what of the known log is not held any more, and what is held; known messages keep their records."""
    count = latest.count
    if not 0 <= count < len(known):
        return known[:], latest.records()
    still = _as_now(known[count:], latest)
    if still is not None:
        return known[:count], still + latest.records()[len(still) :]
    shown = [dumps(record.shown) for record in known]
    now = [dumps(message) for message in latest.messages]
    common = _common(shown, now)
    end = max((place + 1 for place in range(len(known)) if place not in common), default=0)
    tail = latest.records()
    for place, position in common.items():
        if place >= end:  # what is pinned, and so held again, is a message of its own
            tail[position] = known[place]
    numbered = _numbered(known[:end] + tail)[end:]
    if any(record.message_id not in (UNNUMBERED, new.message_id) for record, new in zip(tail, numbered, strict=True)):
        return known[:], latest.records()  # there is no room between the ids
    return known[:end], tail


def _common(one: list[str], other: list[str]) -> dict[int, int]:
    """Return what two lists of messages have in common in order, by its place in both."""
    if len({*one, *other}) * _MOST_REPEATS < len(one) + len(other):
        return {}  # too many are alike to tell which is which
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return {here + offset: there + offset for here, there, size in blocks for offset in range(size)}


def _as_now(known: list[LogMessage], latest: Window) -> list[LogMessage] | None:
    """Return the known messages as an agent holds them that has only added some; None where it holds others.

    A message that has the SDK's tracking id is known by it: with other content, it was redacted or cut short.
    """
    if len(latest.messages) < len(known):
        return None
    records = []
    for record, message in zip(known, latest.messages, strict=False):
        if record.shown == message:
            records.append(record)
        elif record.shown == _without_tracking(message):
            records.append(_tracked(record, message))
        elif "tracking_id" in message and record.shown.get("tracking_id") == message["tracking_id"]:
            records.append(record._replace(message=message, redact_message=None, updated_at=latest.time))
        else:
            return None
    return records


def _without_tracking(message: Any) -> Any:
    """Return a message as it was before the SDK gave it a tracking id, as it does when an agent is built with it."""
    return {name: value for name, value in message.items() if name != "tracking_id"}


def _tracked(record: LogMessage, message: Any) -> LogMessage:
    if record.redact_message is None:
        return record._replace(message=message)
    return record._replace(redact_message=message)


def _insert(history: list[LogMessage], keys: list[str], window: Window) -> None:
    """Put into the history what an earlier window has and the log has not; what it has in common tells where.

    Args:
        history: What comes before the messages that are held.
        keys: The JSON of every message of the log, history and rest.
        window: What an agent held at an earlier time.
    """
    then = [dumps(message) for message in window.messages]
    records = window.records()
    moved = position = 0
    for place, start in _common(list(keys), then).items():
        at = min(place + moved, len(history))
        history[at:at] = records[position:start]
        keys[at:at] = then[position:start]
        moved += start - position
        position = start + 1


def _numbered(records: list[LogMessage]) -> list[LogMessage]:
    """Return the records with ids in order: those that have one keep it, if it is above the one before."""
    numbered: list[LogMessage] = []
    for record in records:
        following = numbered[-1].message_id + 1 if numbered else 0
        known = record.message_id != UNNUMBERED and (not numbered or record.message_id >= following)
        numbered.append(record if known else record._replace(message_id=following))
    return numbered
