"""What the original 0.1.0 module wrote, taken over into the tables of schema version 1."""

from __future__ import annotations

from typing import Any

from ._codec import dumps, dumps_apart, dumps_strict, loads, loads_bytes
from ._connection import Connection

TABLES = ("messages", "multi_agents", "agents", "sessions")
"""Children first: dropped in this order, nothing cascades."""

_MISSING_SESSIONS = """
INSERT OR IGNORE INTO sessions (session_id, session_type)
SELECT session_id, 'AGENT' FROM legacy_agents
UNION SELECT session_id, 'AGENT' FROM legacy_messages
UNION SELECT session_id, 'AGENT' FROM legacy_multi_agents
"""

_MISSING_AGENTS = """
INSERT OR IGNORE INTO agents (session_id, agent_id, state, conversation_manager_state, internal_state)
SELECT DISTINCT session_id, agent_id, '{}', '{}', '{}' FROM legacy_messages
"""

_STATES = ("state", "conversation_manager_state", "internal_state")


def is_legacy(connection: Connection) -> bool:
    """Tell whether the database has the four tables of 0.1.0 and nothing else of its own."""
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    if {name for (name,) in tables} != set(TABLES):
        return False
    return all(
        connection.row("SELECT 1 FROM pragma_table_info(?) WHERE name = 'data'", (table,)) is not None
        for table in TABLES
    )


def set_aside(connection: Connection) -> None:
    """Rename the old tables, so that today's can be created."""
    for table in TABLES:
        connection.execute(f"ALTER TABLE {table} RENAME TO legacy_{table}")


def take_over(connection: Connection) -> None:
    """Copy every row of the old tables into today's, then drop the old ones.

    0.1.0 did not always enforce foreign keys: a row without its parent gets an empty one, and is kept.

    Raises:
        CodecError: A row does not hold JSON.
    """
    _take_sessions(connection)
    connection.execute(_MISSING_SESSIONS)
    _take_agents(connection)
    connection.execute(_MISSING_AGENTS)
    _take_messages(connection)
    _take_multi_agents(connection)
    for table in TABLES:
        connection.execute(f"DROP TABLE legacy_{table}")


def _extra(fields: dict[str, Any], *known: str) -> str | None:
    unknown = {key: value for key, value in fields.items() if key not in known}
    return dumps(unknown) if unknown else None


def _take_sessions(connection: Connection) -> None:
    rows = connection.execute("SELECT session_id, data, created_at, updated_at FROM legacy_sessions ORDER BY rowid")
    for session_id, data, created_at, updated_at in rows:
        fields = loads(data)
        connection.execute(
            "INSERT INTO sessions (session_id, session_type, created_at, updated_at, extra) VALUES (?, ?, ?, ?, ?)",
            (
                session_id,
                fields.get("session_type", "AGENT"),
                fields.get("created_at", created_at),
                fields.get("updated_at", updated_at),
                _extra(fields, "session_id", "session_type", "created_at", "updated_at"),
            ),
        )


def _take_agents(connection: Connection) -> None:
    rows = connection.execute(
        "SELECT session_id, agent_id, data, created_at, updated_at FROM legacy_agents ORDER BY rowid"
    )
    for session_id, agent_id, data, created_at, updated_at in rows:
        fields = loads(data)
        states = [fields.get(key, {}) for key in ("state", "conversation_manager_state", "_internal_state")]
        connection.execute(
            "INSERT INTO agents (session_id, agent_id, state, conversation_manager_state, internal_state, "
            "created_at, updated_at, extra) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                session_id,
                agent_id,
                *map(dumps, states),
                fields.get("created_at", created_at),
                fields.get("updated_at", updated_at),
                _extra(fields, "agent_id", "created_at", "updated_at", "_internal_state", *_STATES),
            ),
        )
        connection.execute(
            "INSERT INTO agent_state_history (session_id, agent_id, change_number, changes) VALUES (?, ?, 1, ?)",
            (
                session_id,
                agent_id,
                dumps({name: {"replace": value} for name, value in zip(_STATES, states, strict=True)}),
            ),
        )


def _take_messages(connection: Connection) -> None:
    rows = connection.execute(
        "SELECT session_id, agent_id, message_id, data, created_at, updated_at FROM legacy_messages ORDER BY rowid"
    )
    for session_id, agent_id, message_id, data, created_at, updated_at in rows:
        fields = loads_bytes(data)
        (message, redacted), blobs = dumps_apart(fields["message"], fields.get("redact_message"))
        connection.execute(
            "INSERT INTO messages (session_id, agent_id, message_id, message, redact_message, "
            "created_at, updated_at, extra) VALUES (?, ?, ?, ?, nullif(?, 'null'), ?, ?, ?)",
            (
                session_id,
                agent_id,
                message_id,
                message,
                redacted,
                fields.get("created_at", created_at),
                fields.get("updated_at", updated_at),
                _extra(fields, "message", "message_id", "redact_message", "created_at", "updated_at"),
            ),
        )
        for sha256, content in blobs.items():
            connection.execute("INSERT OR IGNORE INTO blobs (sha256, content) VALUES (?, ?)", (sha256, content))
            connection.execute(
                "INSERT INTO message_blobs SELECT ?, ?, ?, blob_id FROM blobs WHERE sha256 = ?",
                (session_id, agent_id, message_id, sha256),
            )


def _take_multi_agents(connection: Connection) -> None:
    rows = connection.execute(
        "SELECT session_id, multi_agent_id, data, created_at, updated_at FROM legacy_multi_agents ORDER BY rowid"
    )
    for session_id, multi_agent_id, data, created_at, updated_at in rows:
        connection.execute(
            "INSERT INTO multi_agents (session_id, multi_agent_id, state, created_at, updated_at) "
            "VALUES (?, ?, ?, ?, ?)",
            (session_id, multi_agent_id, dumps_strict(loads(data)), created_at, updated_at),
        )
