"""Rows of multi-agent states."""

from __future__ import annotations

from typing import Any

from strands_sqlite_session_manager._codec import dumps_strict, loads
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import NotFoundError
from strands_sqlite_session_manager.repository._records import next_change
from strands_sqlite_session_manager.repository._sessions import require_session

_SELECT_MULTI_AGENT = "SELECT state FROM multi_agents WHERE session_id = ? AND multi_agent_id = ?"
_UPDATE_MULTI_AGENT = f"""
UPDATE multi_agents SET change_id = {next_change("multi_agents")}, state = ?,
    updated_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')
WHERE session_id = ? AND multi_agent_id = ?
"""
_INSERT_MULTI_AGENT = f"""
INSERT INTO multi_agents (change_id, state, session_id, multi_agent_id) VALUES ({next_change("multi_agents")}, ?, ?, ?)
"""


def create_multi_agent(database: Database, session_id: str, multi_agent_id: str, state: object) -> None:
    """Store a multi-agent state, over the one with its id where there is one.

    Raises:
        NotFoundError: There is no such session.
    """
    row = (dumps_strict(state), session_id, multi_agent_id)

    def put(connection: Connection) -> None:
        connection.run(_UPDATE_MULTI_AGENT, row)
        if not connection.changes():
            require_session(connection, session_id)
            connection.run(_INSERT_MULTI_AGENT, row)

    database.write(put)


def update_multi_agent(database: Database, session_id: str, multi_agent_id: str, state: object) -> None:
    """Store a multi-agent state over the one with its id.

    Raises:
        NotFoundError: There is no such state.
    """
    row = (dumps_strict(state), session_id, multi_agent_id)

    def put(connection: Connection) -> None:
        connection.run(_UPDATE_MULTI_AGENT, row)
        if not connection.changes():
            message = f"MultiAgent state {multi_agent_id} in session {session_id} does not exist"
            raise NotFoundError(message, hint="create it first")

    database.write(put)


def read_multi_agent(database: Database, session_id: str, multi_agent_id: str) -> dict[str, Any] | None:
    """Return the state as it was stored, markers of binary values included, or None where there is none."""
    key = (session_id, multi_agent_id)
    row = database.read(lambda connection: connection.row(_SELECT_MULTI_AGENT, key))
    return None if row is None else loads(row[0])
