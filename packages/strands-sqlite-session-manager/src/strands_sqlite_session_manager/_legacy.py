"""What the original 0.1.0 module wrote, taken over into the tables of schema version 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ._codec import dumps, dumps_apart, dumps_strict, loads, loads_bytes
from ._connection import Connection
from .errors import CodecError

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


class _Row(NamedTuple):
    """A row of an old table: the text ids it is known by, its JSON, and its two times."""

    key: tuple[Any, ...]
    data: str
    created_at: str
    updated_at: str


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
        CodecError: A row does not hold what 0.1.0 wrote.
    """
    _each(connection, "sessions", "session_id", _take_session)
    connection.execute(_MISSING_SESSIONS)
    _each(connection, "agents", "session_id, agent_id", _take_agent)
    connection.execute(_MISSING_AGENTS)
    _each(connection, "messages", "session_id, agent_id, message_id", _take_message)
    _each(connection, "multi_agents", "session_id, multi_agent_id", _take_multi_agent)
    for table in TABLES:
        connection.execute(f"DROP TABLE legacy_{table}")


def _each(connection: Connection, table: str, key: str, take: Callable[[Connection, _Row], None]) -> None:
    """Call `take` with each row of an old table."""
    for *ids, data, created_at, updated_at in connection.execute(
        f"SELECT {key}, data, created_at, updated_at FROM legacy_{table} ORDER BY rowid"
    ):
        row = _Row(tuple(ids), str(data), str(created_at), str(updated_at))
        try:
            take(connection, row)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            message = f"table=<{table}>, key=<{row.key}> | the row does not hold what 0.1.0 wrote: {error}"
            hint = "mend or delete the row with any SQLite tool, then open the file again"
            raise CodecError(message, hint=hint) from error


def _time(fields: dict[str, Any], name: str, column: str) -> str:
    time = fields.get(name)
    return time if isinstance(time, str) else column


def _extra(fields: dict[str, Any], *known: str) -> str | None:
    unknown = {key: value for key, value in fields.items() if key not in known}
    return dumps(unknown) if unknown else None


def _take_session(connection: Connection, row: _Row) -> None:
    fields = loads(row.data)
    connection.execute(
        "INSERT INTO sessions (session_id, session_type, created_at, updated_at, extra) VALUES (?, ?, ?, ?, ?)",
        (
            *row.key,
            fields.get("session_type", "AGENT"),
            _time(fields, "created_at", row.created_at),
            _time(fields, "updated_at", row.updated_at),
            _extra(fields, "session_id", "session_type", "created_at", "updated_at"),
        ),
    )


def _take_agent(connection: Connection, row: _Row) -> None:
    fields = loads(row.data)
    states = [fields.get(key, {}) for key in ("state", "conversation_manager_state", "_internal_state")]
    connection.execute(
        "INSERT INTO agents (session_id, agent_id, state, conversation_manager_state, internal_state, "
        "created_at, updated_at, extra) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *row.key,
            *map(dumps, states),
            _time(fields, "created_at", row.created_at),
            _time(fields, "updated_at", row.updated_at),
            _extra(fields, "agent_id", "created_at", "updated_at", "_internal_state", *_STATES),
        ),
    )
    changes = {column: {"replace": value} for column, value in zip(_STATES, states, strict=True)}
    connection.execute(
        "INSERT INTO agent_state_history (session_id, agent_id, change_number, changes) VALUES (?, ?, 1, ?)",
        (*row.key, dumps(changes)),
    )


def _take_message(connection: Connection, row: _Row) -> None:
    fields = loads_bytes(row.data)
    (message, redacted), blobs = dumps_apart(fields["message"], fields.get("redact_message"))
    connection.execute(
        "INSERT INTO messages (session_id, agent_id, message_id, message, redact_message, "
        "created_at, updated_at, extra) VALUES (?, ?, ?, ?, nullif(?, 'null'), ?, ?, ?)",
        (
            *row.key,
            message,
            redacted,
            _time(fields, "created_at", row.created_at),
            _time(fields, "updated_at", row.updated_at),
            _extra(fields, "message", "message_id", "redact_message", "created_at", "updated_at"),
        ),
    )
    for sha256, content in blobs.items():
        connection.execute("INSERT OR IGNORE INTO blobs (sha256, content) VALUES (?, ?)", (sha256, content))
        connection.execute(
            "INSERT INTO message_blobs SELECT ?, ?, ?, blob_id FROM blobs WHERE sha256 = ?",
            (*row.key, sha256),
        )


def _take_multi_agent(connection: Connection, row: _Row) -> None:
    connection.execute(
        "INSERT INTO multi_agents (session_id, multi_agent_id, state, created_at, updated_at) VALUES (?, ?, ?, ?, ?)",
        (*row.key, dumps_strict(loads(row.data)), row.created_at, row.updated_at),
    )
