"""Which messages of a log an agent holds, and the log that several such windows come from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from strands_sqlite_session_manager.repository.logs import LogMessage

UNNUMBERED = -(2**63)
"""In place of the id of a message that no log has known."""


@dataclass(frozen=True)
class Window:
    """The messages that an agent held at one time.

    Attributes:
        offset: The place in the log of the first of them.
        messages: The messages, without those that a conversation manager put in front.
        time: When it was saved.
    """

    offset: int
    messages: list[Any]
    time: str


def offset_of(conversation_manager_state: Any) -> int:
    """Return how many messages of the log a conversation manager has trimmed."""
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
    return in_front(conversation_manager_state) + shown[offset_of(conversation_manager_state) :]


def window(messages: list[Any], conversation_manager_state: Any, time: str, missing: int = 0) -> Window:
    """Return what an agent held as a window on its log, of which the first `missing` messages are not known."""
    own = list(messages)
    for summary in in_front(conversation_manager_state):
        if summary in own:
            own.remove(summary)
    return Window(max(0, offset_of(conversation_manager_state) - missing), own, time)


def log_of(known: list[LogMessage], latest: Window, earlier: Iterable[Window]) -> tuple[list[LogMessage], int]:
    """Return the log that `latest` is a window on, and how many messages in front of it are missing.

    Args:
        known: The log as it once was; empty where nobody knows.
        latest: What the agent holds.
        earlier: What it held at other times, the newest first; looked at as long as something is missing.
    """
    places = dict(enumerate(known))
    for place, message in enumerate(latest.messages, latest.offset):
        _fill(places, place, message, latest.time, known[: latest.offset])
    end = latest.offset + len(latest.messages)
    for each in earlier:
        if all(place in places for place in range(latest.offset)):
            break
        for place, message in enumerate(each.messages, each.offset):
            if place < latest.offset and place not in places:
                places[place] = LogMessage(UNNUMBERED, message, None, each.time, each.time)
    found = sorted(place for place in places if place < end)
    missing = sum(place not in places for place in range(latest.offset))
    return _numbered([places[place] for place in found]), missing


def _fill(places: dict[int, LogMessage], place: int, message: Any, time: str, trimmed: list[LogMessage]) -> None:
    """Put `message` in its place, unless it is there, or a pinned one whose own place is further in front."""
    record = places.get(place)
    if record is not None and (record.shown == message or any(message == each.shown for each in trimmed)):
        return
    if record is None:
        places[place] = LogMessage(UNNUMBERED, message, None, time, time)
    else:
        places[place] = record._replace(message=message, redact_message=None, updated_at=time)


def _numbered(records: list[LogMessage]) -> list[LogMessage]:
    """Return the records with ids in order: those that have one keep it, if it is above the one before."""
    numbered: list[LogMessage] = []
    for record in records:
        following = numbered[-1].message_id + 1 if numbered else 0
        known = record.message_id != UNNUMBERED and (not numbered or record.message_id >= following)
        numbered.append(record if known else record._replace(message_id=following))
    return numbered
