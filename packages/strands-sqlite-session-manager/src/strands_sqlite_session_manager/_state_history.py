"""The history of an agent's state: one small row for each change, holding the values that changed."""

from __future__ import annotations

from typing import Any

from ._codec import dumps, loads
from ._connection import Connection

FIELDS = ("state", "conversation_manager_state", "internal_state")
"""The columns of `agents` whose history is kept."""

_INSERT = """
INSERT INTO agent_state_history (session_id, agent_id, change_number, message_id, changes)
VALUES (
    ?1, ?2,
    (SELECT 1 + ifnull(max(change_number), 0) FROM agent_state_history WHERE session_id = ?1 AND agent_id = ?2),
    (SELECT max(message_id) FROM messages WHERE session_id = ?1 AND agent_id = ?2),
    ?3
)
"""


def record(
    connection: Connection, session_id: str, agent_id: str, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    """Note which values of the agent changed, with the last message stored by now; nothing where none did.

    Args:
        connection: In a write transaction.
        session_id: The session.
        agent_id: The agent.
        before: The JSON texts of `FIELDS` as they were; empty for a new agent.
        after: The JSON texts of `FIELDS` as they are.
    """
    before = before or ("{}",) * len(FIELDS)
    changes = {
        field: _change(loads(old), loads(new))
        for field, old, new in zip(FIELDS, before, after, strict=True)
        if old != new
    }
    if changes:
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
