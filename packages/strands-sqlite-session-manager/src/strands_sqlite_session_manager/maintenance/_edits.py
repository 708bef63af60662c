"""What a repair writes: in a transaction of the caller's."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from strands_sqlite_session_manager import _blobs, _state_history
from strands_sqlite_session_manager._codec import dumps, loads
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager.maintenance._pairs import error_result
from strands_sqlite_session_manager.maintenance._shape import references
from strands_sqlite_session_manager.repository._records import next_change

_NOW = "strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')"
_PLACE = "session_id = ? AND agent_id = ? AND message_id = ?"
_TEXTS = f"SELECT message, redact_message FROM messages WHERE {_PLACE}"
_APPEND = f"""
INSERT INTO messages (change_id, session_id, agent_id, message_id, message)
VALUES ({next_change("messages")}, ?, ?, ?, ?)
"""
_PUT = f"""
UPDATE messages SET change_id = {next_change("messages")}, message = ?, redact_message = ?, updated_at = {_NOW}
WHERE {_PLACE}
"""
_LINKS = f"SELECT blob_id, sha256 FROM message_blobs JOIN blobs USING (blob_id) WHERE {_PLACE}"
_UNLINK = f"DELETE FROM message_blobs WHERE {_PLACE} AND blob_id = ?"
_STATES = """
SELECT state, conversation_manager_state, internal_state FROM agents WHERE session_id = ? AND agent_id = ?
"""
_PUT_STATE = f"""
UPDATE agents SET change_id = {next_change("agents")}, conversation_manager_state = ?, updated_at = {_NOW}
WHERE session_id = ? AND agent_id = ?
"""


def append_results(
    connection: Connection, *, session_id: str, agent_id: str, message_id: int, calls: list[str]
) -> None:
    """Append the message that the SDK would, before it takes a new prompt: an error for each call."""
    content = [error_result(call) for call in calls]
    message = {"role": "user", "content": content, "tracking_id": str(uuid4())}
    connection.run(_APPEND, (session_id, agent_id, message_id, dumps(message)))


def put_shown(
    connection: Connection, *, session_id: str, agent_id: str, message_id: int, shown: dict[str, Any]
) -> None:
    """Store a message as it is to be shown; where it was redacted, the original stays."""
    place = (session_id, agent_id, message_id)
    message, redacted = connection.row(_TEXTS, place)
    texts = (dumps(shown), None) if redacted is None else (message, dumps(shown))
    connection.run(_PUT, (*texts, *place))
    used = set().union(*(references(loads(text)) for text in texts if text is not None))
    unused = [(blob_id,) for blob_id, digest in connection.rows(_LINKS, place) if digest not in used]
    for blob in unused:
        connection.run(_UNLINK, (*place, *blob))
    _blobs.free(connection, unused)


def remove_first(connection: Connection, *, session_id: str, agent_id: str, removed: int) -> None:
    """Let an agent no longer be given the first of its messages, as its conversation manager would."""
    before = connection.row(_STATES, (session_id, agent_id))
    manager = dumps({**loads(before[1]), "removed_message_count": removed})
    connection.run(_PUT_STATE, (manager, session_id, agent_id))
    _state_history.record(connection, session_id, agent_id, before, (before[0], manager, before[2]))
