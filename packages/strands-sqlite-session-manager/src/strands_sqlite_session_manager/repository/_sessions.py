"""What every operation on a session asks first, and what deletes one."""

from __future__ import annotations

from strands_sqlite_session_manager import _blobs
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager.errors import NotFoundError

_HAS_SESSION = "SELECT 1 FROM sessions WHERE session_id = ?"
_DELETE_SESSION = "DELETE FROM sessions WHERE session_id = ?"
_RECORD_DELETION = """
INSERT INTO deletions (change_id, session_id)
SELECT 1 + max(
    ifnull((SELECT max(change_id) FROM sessions), 0), ifnull((SELECT max(change_id) FROM agents), 0),
    ifnull((SELECT max(change_id) FROM messages), 0), ifnull((SELECT max(change_id) FROM multi_agents), 0),
    ifnull((SELECT max(change_id) FROM deletions), 0)
), ?
"""


def remove_session(connection: Connection, session_id: str) -> None:
    """Delete the session with everything in it; in a write transaction."""
    connection.run(_RECORD_DELETION, (session_id,))
    blobs = _blobs.of_session(connection, session_id)
    connection.run(_DELETE_SESSION, (session_id,))
    _blobs.free(connection, blobs)


def require_session(connection: Connection, session_id: str) -> None:
    """Refuse to go on where there is no such session.

    Raises:
        NotFoundError: There is none.
    """
    if connection.row(_HAS_SESSION, (session_id,)) is None:
        message = f"Session {session_id} does not exist"
        raise NotFoundError(message, hint="create the session first")
