"""Large binary values of messages: stored once each, linked to the messages that use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ._connection import Connection

Place = tuple[str, str, int]
"""Session id, agent id, message id."""

_STORE = "INSERT INTO blobs (sha256, content) VALUES (?, ?) ON CONFLICT (sha256) DO NOTHING"
_LINK = "INSERT INTO message_blobs SELECT ?, ?, ?, blob_id FROM blobs WHERE sha256 = ?"
_UNLINK = """
DELETE FROM message_blobs WHERE session_id = ? AND agent_id = ? AND message_id = ? RETURNING blob_id
"""
_OF_SESSION = "SELECT DISTINCT blob_id FROM message_blobs WHERE session_id = ?"
_FREE = """
DELETE FROM blobs WHERE blob_id = ?1 AND NOT EXISTS (SELECT 1 FROM message_blobs WHERE blob_id = ?1)
"""
_LOAD = """
SELECT message_id, sha256, content FROM message_blobs JOIN blobs USING (blob_id)
WHERE session_id = ? AND agent_id = ? AND message_id BETWEEN ? AND ?
"""


def link(connection: Connection, place: Place, blobs: Mapping[str, bytes]) -> None:
    """Store those of `blobs` that are new, and note that the message at `place` uses them."""
    for sha256, content in blobs.items():
        connection.run(_STORE, (sha256, content))
        connection.run(_LINK, (*place, sha256))


def relink(connection: Connection, place: Place, blobs: Mapping[str, bytes]) -> None:
    """Let the message at `place` use `blobs` and no others; free what nothing uses any more."""
    before = connection.rows(_UNLINK, place)
    link(connection, place, blobs)
    free(connection, before)


def of_session(connection: Connection, session_id: str) -> list[tuple[int]]:
    """Return the ids of the binary values that the session's messages use."""
    return connection.rows(_OF_SESSION, (session_id,))


def free(connection: Connection, blob_ids: Iterable[tuple[int]]) -> None:
    """Delete those of the binary values that no message uses."""
    connection.executemany(_FREE, blob_ids)


def load(connection: Connection, session_id: str, agent_id: str, first: int, last: int) -> dict[int, dict[str, bytes]]:
    """Return the binary values of the messages from `first` to `last`, by message id and SHA-256."""
    found: dict[int, dict[str, bytes]] = {}
    for message_id, sha256, content in connection.rows(_LOAD, (session_id, agent_id, first, last)):
        found.setdefault(message_id, {})[sha256] = content
    return found
