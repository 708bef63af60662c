"""Erasing the originals of redacted messages, wherever they are stored."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from strands_sqlite_session_manager import _archives, _blobs
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.repository._records import next_change
from strands_sqlite_session_manager.retention._folders import folders_of, is_there, not_found
from strands_sqlite_session_manager.retention._rewriting import leave_nothing

BATCH_MESSAGES = 256
"""How many redacted messages are looked at in one transaction."""

_REDACTED = """
SELECT change_id FROM messages WHERE redact_message IS NOT NULL AND change_id > ? ORDER BY change_id LIMIT ?
"""
_REDACTED_IN_SESSION = """
SELECT change_id FROM messages WHERE session_id = ?3 AND redact_message IS NOT NULL AND +change_id > ?1
ORDER BY change_id LIMIT ?2
"""
_DROP_ORIGINAL = f"""
UPDATE messages SET change_id = {next_change("messages")}, message = redact_message, redact_message = NULL
WHERE change_id = ? AND redact_message IS NOT NULL RETURNING session_id, agent_id, message_id, message
"""
_UNLINK_UNUSED = """
DELETE FROM message_blobs WHERE session_id = ?1 AND agent_id = ?2 AND message_id = ?3
AND NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.blob_id = message_blobs.blob_id AND instr(?4, sha256))
RETURNING blob_id
"""


def erase_redacted(database: Database, session_ids: Iterable[str] | None = None) -> int:
    """Erase the originals of redacted messages: the replacement becomes the message that is stored.

    The originals are then nowhere in the file, as after `erase`; attachments go that nothing else uses. The copies go
    too that `convert_to_snapshots` keeps beside the snapshots for the way back, in every namespace. A session that was
    made of another has copies of its own, such as a fork, or a conversion with a `new_session_id`: name it too, or take
    all. What an agent on snapshots or a storage keeps of its own accord is not looked at: the SDK redacts there in
    place, and checkpoints made before are yours to delete.

    Messages are redacted in small transactions; where this is interrupted, call it again.

    Args:
        database: The database.
        session_ids: The sessions, or the one, of a session manager or as snapshots; all if None.

    Returns:
        How many originals there were, each copy counted.

    Raises:
        NotFoundError: There is no such session. Nothing was erased.
        DatabaseBusyError: As `erase`.
        SQLiteSessionError: The file could not be written; the type says why.
    """
    ids = [session_ids] if isinstance(session_ids, str) else session_ids
    sessions = None if ids is None else database.read(partial(_require_folders, session_ids=list(ids)))
    count = 0
    for session_id, folders in [(None, None)] if sessions is None else sessions.items():
        count += _drop_from_logs(database, session_id) + _drop_from_archives(database, folders)
    leave_nothing(database, "the originals are deleted")
    return count


def _require_folders(connection: Connection, session_ids: list[str]) -> dict[str, list[str]]:
    """Return where the objects of each session lie; refuse to go on where one of them is not there."""
    folders = folders_of(connection, session_ids)
    for session_id in session_ids:
        if not is_there(connection, session_id, folders[session_id]):
            raise not_found(session_id)
    return folders


def _drop_from_logs(database: Database, session_id: str | None) -> int:
    count = 0
    last = 0
    while ids := database.read(partial(_redacted, session_id=session_id, after=last)):
        count += _drop_originals(database, ids)
        last = ids[-1]
    return count


def _redacted(connection: Connection, session_id: str | None, after: int) -> list[int]:
    """Return some of the redacted messages behind `after`, by their change ids, the lowest first."""
    if session_id is None:
        rows = connection.rows(_REDACTED, (after, BATCH_MESSAGES))
    else:
        rows = connection.rows(_REDACTED_IN_SESSION, (after, BATCH_MESSAGES, session_id))
    return [change_id for (change_id,) in rows]


def _drop_originals(database: Database, change_ids: list[int]) -> int:
    """Put the replacement of each message in its place; return how many had one still."""
    counts: list[int] = []

    def drop(connection: Connection) -> None:
        count = 0
        for change_id in change_ids:
            for *place, text in connection.rows(_DROP_ORIGINAL, (change_id,)):
                _blobs.free(connection, connection.rows(_UNLINK_UNUSED, (*place, text)))
                count += 1
        counts.append(count)

    database.write(drop)
    return counts[-1]


def _drop_from_archives(database: Database, folders: list[str] | None) -> int:
    """Erase what conversions keep, each archive in one transaction; return how many originals that were."""
    counts: list[int] = []
    for key in database.read(partial(_archives_in, folders=folders)):
        if database.read(partial(_archives.count_originals, key=key)):
            counts.append(0)

            def drop(connection: Connection, key: str = key) -> None:
                counts[-1] = _archives.drop_originals(connection, key)

            database.write(drop)
    return sum(counts)


def _archives_in(connection: Connection, folders: list[str] | None) -> list[str]:
    if folders is None:
        return _archives.agent_archives(connection)
    return [key for folder in folders for key in _archives.agent_archives(connection, folder)]
