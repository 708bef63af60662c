"""The history of an agent's state: one small row for each top-level value that changed."""

from __future__ import annotations

from ._codec import dumps, loads
from ._connection import Connection

FIELDS = ("state", "conversation_manager_state", "internal_state")
"""The columns of `agents` whose history is kept."""

_INSERT = """
INSERT INTO agent_state_history (session_id, agent_id, message_id, field, key, value)
VALUES (
    ?1, ?2, (SELECT max(message_id) FROM messages WHERE session_id = ?1 AND agent_id = ?2), ?3, ?4, ?5
)
"""


def record(
    connection: Connection, session_id: str, agent_id: str, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    """Note which values of the agent changed, with the last message stored by now.

    Args:
        connection: In a write transaction.
        session_id: The session.
        agent_id: The agent.
        before: The JSON texts of `FIELDS` as they were; empty for a new agent.
        after: The JSON texts of `FIELDS` as they are.
    """
    before = before or ("{}",) * len(FIELDS)
    for field, old, new in zip(FIELDS, before, after, strict=True):
        if old != new:
            rows = [(session_id, agent_id, field, key, value) for key, value in _changes(_values(old), _values(new))]
            connection.executemany(_INSERT, rows)


def _values(text: str) -> dict[str | None, str]:
    """Return the top-level values of a JSON object as texts; anything else as one value without a key."""
    value = loads(text)
    if not isinstance(value, dict):
        return {None: text}
    return {key: dumps(item) for key, item in value.items()}


def _changes(old: dict[str | None, str], new: dict[str | None, str]) -> list[tuple[str | None, str | None]]:
    removed: list[tuple[str | None, str | None]] = [(key, None) for key in old if key not in new]
    return removed + [(key, value) for key, value in new.items() if old.get(key) != value]
