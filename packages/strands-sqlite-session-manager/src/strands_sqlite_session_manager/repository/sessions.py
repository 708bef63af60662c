"""Rows of sessions."""

from __future__ import annotations

import strands.types.session as sdk

from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import AlreadyExistsError
from strands_sqlite_session_manager.repository._records import build, extra_fields, next_change, times
from strands_sqlite_session_manager.repository._sessions import remove_session, require_session

_SESSION_COLUMNS = frozenset({"session_id", "session_type", "created_at", "updated_at"})
_SESSION_TYPES = {member.value: member for member in sdk.SessionType}
_SELECT_SESSION = "SELECT session_type, created_at, updated_at, extra FROM sessions WHERE session_id = ?"
_INSERT_SESSION = f"""
INSERT INTO sessions (change_id, session_id, session_type, created_at, updated_at, extra)
VALUES ({next_change("sessions")}, ?, ?, ?, ?, ?) ON CONFLICT (session_id) DO NOTHING
"""


def create_session(database: Database, session: sdk.Session) -> None:
    """Store a new session.

    Raises:
        AlreadyExistsError: There is one with its id.
    """
    kind = getattr(session.session_type, "value", session.session_type)
    row = (session.session_id, kind, *times(session), extra_fields(session, _SESSION_COLUMNS))

    def insert(connection: Connection) -> None:
        connection.run(_INSERT_SESSION, row)
        if not connection.changes():
            message = f"Session {session.session_id} already exists"
            raise AlreadyExistsError(message)

    database.write(insert)


def read_session(database: Database, session_id: str) -> sdk.Session | None:
    """Return the session, or None where there is none."""
    row = database.read(lambda connection: connection.row(_SELECT_SESSION, (session_id,)))
    if row is None:
        return None
    kind, created_at, updated_at, extra = row
    return build(
        sdk.Session,
        extra,
        session_id=session_id,
        session_type=_SESSION_TYPES.get(kind, kind),
        created_at=created_at,
        updated_at=updated_at,
    )


def delete_session(database: Database, session_id: str) -> None:
    """Delete the session with everything in it, and the binary values that nothing else uses.

    Raises:
        NotFoundError: There is no such session.
    """

    def delete(connection: Connection) -> None:
        require_session(connection, session_id)
        remove_session(connection, session_id)

    database.write(delete)
