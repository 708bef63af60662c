"""The history of an agent's state: one small row for each change, holding the values that changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ._codec import dumps, loads
from ._connection import Connection
from .errors import CodecError

FIELDS = ("state", "conversation_manager_state", "internal_state")
"""The columns of `agents` whose history is kept."""

_KINDS = {"set": dict, "remove": list}

_INSERT = """
INSERT INTO agent_state_history (session_id, agent_id, change_number, message_id, changes)
VALUES (
    ?1, ?2,
    (SELECT 1 + ifnull(max(change_number), 0) FROM agent_state_history WHERE session_id = ?1 AND agent_id = ?2),
    (SELECT max(message_id) FROM messages WHERE session_id = ?1 AND agent_id = ?2),
    ?3
)
"""

_CURRENT = """
SELECT state, conversation_manager_state, internal_state FROM agents WHERE session_id = ? AND agent_id = ?
"""
_FIRST = """
SELECT message_id, changes, created_at FROM agent_state_history WHERE session_id = ? AND agent_id = ?
ORDER BY change_number LIMIT 1
"""
_IS_LATER = """
SELECT 1 FROM agent_state_history WHERE session_id = ? AND agent_id = ? AND message_id > ? LIMIT 1
"""
_UNTIL = """
SELECT changes FROM agent_state_history
WHERE session_id = ? AND agent_id = ? AND (message_id IS NULL OR message_id <= ?) ORDER BY change_number
"""
_NEXT_MESSAGE = """
SELECT created_at FROM messages WHERE session_id = ? AND agent_id = ? AND message_id > ? ORDER BY message_id LIMIT 1
"""


class PastState(NamedTuple):
    """The state an agent had at a message.

    Attributes:
        texts: The JSON texts of `FIELDS`.
        known: Whether it was recorded; else it is the earliest state that was, without what came later for certain.
    """

    texts: tuple[str, ...]
    known: bool


def record(
    connection: Connection, session_id: str, agent_id: str, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    """Note which values of the agent changed, with the last message stored by now; of an old one nothing if none did.

    Args:
        connection: In a write transaction.
        session_id: The session.
        agent_id: The agent.
        before: The JSON texts of `FIELDS` as they were; empty for a new agent.
        after: The JSON texts of `FIELDS` as they are.
    """
    is_new = not before
    before = before or ("{}",) * len(FIELDS)
    changes = {
        field: _change(loads(old), loads(new))
        for field, old, new in zip(FIELDS, before, after, strict=True)
        if old != new
    }
    if changes or is_new:  # the history begins with the agent, or nobody could tell that it does
        connection.run(_INSERT, (session_id, agent_id, dumps(changes)))


def _change(old: Any, new: Any) -> dict[str, Any]:
    """Return what makes `new` of `old`: the top-level values to set, and the keys to remove."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return {"replace": new}
    change: dict[str, Any] = {"set": {key: value for key, value in new.items() if not _same(old, key, value)}}
    if removed := [key for key in old if key not in new]:
        change["remove"] = removed
    return change


def _same(old: dict[str, Any], key: str, value: object) -> bool:
    """Tell whether `old` has the same JSON under `key`; `1`, `1.0` and `true` are equal in Python only."""
    return key in old and old[key] == value and dumps(old[key]) == dumps(value)


def changes_problem(value: Any) -> str:
    """Say why `value` is no row of a history; empty where it is one."""
    if not isinstance(value, dict) or not all(isinstance(change, dict) for change in value.values()):
        return "is no object of changes"
    if unknown := [name for name in value if name not in FIELDS]:
        return f"changes {unknown[0]!r}, which agents do not have"
    for change in value.values():
        for name, part in change.items():
            if name != "replace" and not isinstance(part, _KINDS.get(name, ())):
                return f"has a {name!r} that is no change"
        if not all(isinstance(key, str) for key in change.get("remove", ())):
            return "has a 'remove' that is no change"
    return ""


def state_at(connection: Connection, session_id: str, agent_id: str, at: int) -> PastState:
    """Return the state that an agent had after message `at` and before the next one.

    The history of an agent from 0.1.0, or of one that was converted from snapshots, may begin later than its messages.
    Before that the earliest state counts that is known, as far as it can have been true: a conversation manager had
    trimmed and summed up nothing yet, and no interrupt was open, nor any conversation that a model's server keeps.

    Args:
        connection: In a transaction.
        session_id: The session.
        agent_id: The agent, which exists.
        at: The id of the message; -1 for the state before the first.
    """
    agent = (session_id, agent_id)
    first = connection.row(_FIRST, agent)
    if first is not None and _is_of_later(connection, agent, at, first):
        return PastState(_earliest(first[1]), known=False)
    if first is None or connection.row(_IS_LATER, (*agent, at)) is None:
        return PastState(connection.row(_CURRENT, agent), known=True)
    found = connection.execute(_UNTIL, (*agent, at))
    return PastState(tuple(map(dumps, _fold(changes for (changes,) in found).values())), known=True)


def _is_of_later(connection: Connection, agent: tuple[str, str], at: int, first: tuple[int | None, str, str]) -> bool:
    """Tell whether the history begins with a state of a later time, given its first row."""
    message_id, changes, recorded_at = first
    if message_id is not None:
        return message_id > at
    if not isinstance(_loaded(changes).get("state", {}).get("replace"), dict):
        return False
    following = connection.row(_NEXT_MESSAGE, (*agent, at))  # what 0.1.0 left is recorded as if it came before all
    return following is not None and following[0] < recorded_at


def _fold(history: Iterable[str]) -> dict[str, Any]:
    """Return the values of `FIELDS` that the changes lead to."""
    values: dict[str, Any] = {field: {} for field in FIELDS}
    for changes in history:
        for field, change in _loaded(changes).items():
            if "replace" in change:
                values[field] = change["replace"]
                continue
            value = values[field] if isinstance(values[field], dict) else {}
            value = {**value, **change.get("set", {})}
            removed = change.get("remove", ())
            values[field] = {key: value[key] for key in value if key not in removed}
    return values


def _loaded(changes: str) -> dict[str, Any]:
    """Return a row of a history.

    Raises:
        CodecError: Another program has left something else.
    """
    value = loads(changes)
    if problem := changes_problem(value):
        message = f"the history of an agent's state holds a row that {problem}"
        raise CodecError(message, hint="see what `verify` finds, then restore the row from a backup")
    found: dict[str, Any] = value
    return found


def _earliest(changes: str) -> tuple[str, ...]:
    """Return the state that the first row of a history holds, as it can have been at an earlier time."""
    values = _fold([changes])
    manager = values["conversation_manager_state"]
    if isinstance(manager, dict):
        nothing_yet = {"removed_message_count": 0, "summary_message": None}
        values["conversation_manager_state"] = {key: nothing_yet.get(key, value) for key, value in manager.items()}
    return tuple(map(dumps, {**values, "internal_state": {}}.values()))
