"""Erasing content for good: from the tables, the indexes, the history, the free space and the WAL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from strands_sqlite_session_manager import _blobs, _index, _objects
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._keys import end_of
from strands_sqlite_session_manager.errors import NotFoundError
from strands_sqlite_session_manager.repository._records import next_change
from strands_sqlite_session_manager.repository._sessions import remove_session, require_session
from strands_sqlite_session_manager.retention._planning import weigh
from strands_sqlite_session_manager.retention._rewriting import merge_indexes, rewrite

BATCH_MESSAGES = 256
"""How many redacted messages are looked at in one transaction."""

_AGAIN = "end what reads or writes the file, then erase the same again: it finishes what is left to do"
_HAS_SESSION = "SELECT 1 FROM sessions WHERE session_id = ?"
_WAS_DELETED = "SELECT 1 FROM deletions WHERE session_id = ? AND agent_id IS NULL LIMIT 1"
_COUNT_MESSAGES = "SELECT count(*) FROM messages WHERE session_id = ?"
_OBJECTS = "SELECT count(*), ifnull(sum(size), 0) FROM objects WHERE key >= ? AND key < ?"
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


@dataclass(frozen=True)
class ErasePlan:
    """What `erase` would take.

    Attributes:
        sessions: How many of the sessions are there, as sessions of a session manager or as objects of a storage.
        messages: How many messages they have.
        objects: How many objects lie below their `session/<id>/` and `context/<id>/`.
        bytes: What their messages, states, history and objects have, and attachments that no other session uses.
    """

    sessions: int
    messages: int
    objects: int
    bytes: int


@dataclass(frozen=True)
class Erased:
    """What `erase` took.

    Attributes:
        sessions: How many sessions.
        messages: How many messages they had.
        objects: How many objects of a storage.
    """

    sessions: int
    messages: int
    objects: int


def plan_erase(database: Database, session_ids: Iterable[str]) -> ErasePlan:
    """Return what `erase` would take; nothing is erased.

    Args:
        database: The database; it may be open for reading only.
        session_ids: The sessions.

    Raises:
        NotFoundError: One of them is not there, and never was.
        SQLiteSessionError: The file cannot be read; the type says why.
    """
    ids = _distinct(session_ids)

    def read(connection: Connection) -> ErasePlan:
        found = [_require_known(connection, session_id) for session_id in ids]
        objects = [connection.row(_OBJECTS, span) for session_id in ids for span in _spans(session_id)]
        weights = weigh(connection, ids)
        return ErasePlan(
            sessions=sum(found),
            messages=sum(messages for _, _, messages, _ in weights),
            objects=sum(count for count, _ in objects),
            bytes=sum(size for *_, size in weights) + sum(size for _, size in objects),
        )

    return database.read(read)


def erase(
    database: Database, session_ids: Iterable[str], *, progress: Callable[[int, int], None] | None = None
) -> Erased:
    """Delete sessions so that nothing of what was in them is left in the file.

    Gone are the messages with the originals of redacted ones, attachments that no other session uses, the states and
    their history, titles, tags and metadata, the objects below `session/<id>/` and `context/<id>/`, where the SDK keeps
    the snapshots and the offloaded context of sessions with these ids, and the words of all of it in the full-text
    indexes. The file is then written anew from what is left, as by `compact`, and the WAL is emptied, so that no bytes
    stay behind in free space either. The temporary copy that SQLite makes for this is made after the deletion: it has
    nothing of what was erased.

    What stays: the ids, in the table `deletions`, for those who follow the changes; objects under keys of your own
    making; and files that are not the database, such as backups (`<file>.v<n>-<time>.backup` before a migration).
    A session manager that has an erased session open gets a `NotFoundError` at its next write.

    Each session goes in one transaction. Where this is interrupted, or another process is in the way, erase the same
    ids again: those that are gone already are fine then, and the file is written anew all the same.

    Args:
        database: The database.
        session_ids: The sessions; ids of sessions that were deleted before are fine.
        progress: Called with the number of steps done and of all steps: one for each session, one for the file.

    Raises:
        NotFoundError: One of them is not there, and never was. Nothing was deleted.
        DatabaseBusyError: The sessions are deleted, but other users of the file kept it from being written anew, or the
            WAL from being emptied, for longer than the timeout: content may still be in there.
        SQLiteSessionError: The file could not be written; the type says why.
    """
    ids = _distinct(session_ids)
    database.read(lambda connection: [_require_known(connection, session_id) for session_id in ids])
    counts = []
    for done, session_id in enumerate(ids, 1):
        counts.append(_delete(database, session_id))
        if progress is not None:
            progress(done, len(ids) + 1)
    _finish(database, "the sessions are deleted")
    if progress is not None:
        progress(len(ids) + 1, len(ids) + 1)
    sessions, messages, objects = (sum(each) for each in zip((0, 0, 0), *counts, strict=True))
    return Erased(sessions, messages, objects)


def erase_redacted(database: Database, session_id: str | None = None) -> int:
    """Erase the originals of redacted messages: the replacement becomes the message that is stored.

    The originals are then nowhere in the file, as after `erase`; attachments go that nothing else uses. Messages are
    redacted in small transactions; where this is interrupted, call it again.

    Args:
        database: The database.
        session_id: The session; all if None.

    Returns:
        How many originals there were.

    Raises:
        NotFoundError: There is no such session.
        DatabaseBusyError: As `erase`.
        SQLiteSessionError: The file could not be written; the type says why.
    """
    if session_id is not None:
        database.read(lambda connection: require_session(connection, session_id))
    count = 0
    last = 0
    while ids := database.read(partial(_redacted, session_id=session_id, after=last)):
        count += _drop_originals(database, ids)
        last = ids[-1]
    _finish(database, "the originals are deleted")
    return count


def _finish(database: Database, what: str) -> None:
    """Let nothing of what was deleted be left in the indexes, the free space and the WAL."""
    while database.read(_index.is_stale):
        database.write(_index.drop_stale)
    merge_indexes(database)
    rewrite(database, what, _AGAIN)


def _distinct(session_ids: Iterable[str]) -> list[str]:
    if isinstance(session_ids, str):
        message = "session_ids must be several ids, not one text"
        raise TypeError(message)
    return list(dict.fromkeys(session_ids))


def _require_known(connection: Connection, session_id: str) -> bool:
    """Tell whether the session is there, or was until it was deleted."""
    if connection.row(_HAS_SESSION, (session_id,)) is not None or _keys(connection, session_id):
        return True
    if connection.row(_WAS_DELETED, (session_id,)) is None:
        message = f"Session {session_id} does not exist"
        raise NotFoundError(message)
    return False


def _spans(session_id: str) -> list[tuple[str, str | None]]:
    """Return where the SDK keeps objects of the session: the first key, and the first behind them.

    An id with a slash would lead into the folders of another session; the SDK allows none.
    """
    if "/" in session_id:
        return []
    return [(prefix, end_of(prefix)) for prefix in (f"session/{session_id}/", f"context/{session_id}/")]


def _keys(connection: Connection, session_id: str) -> list[str]:
    return [key for prefix, _ in _spans(session_id) for key in _objects.list_keys(prefix)(connection)]


def _delete(database: Database, session_id: str) -> tuple[int, int, int]:
    """Delete the session and its objects; return how many sessions, messages and objects these were."""
    counts: list[tuple[int, int, int]] = []

    def delete(connection: Connection) -> None:
        keys = _keys(connection, session_id)
        messages = connection.row(_COUNT_MESSAGES, (session_id,))[0]
        found = bool(keys) or connection.row(_HAS_SESSION, (session_id,)) is not None
        if found:
            remove_session(connection, session_id)
        for key in keys:
            _objects.delete_object(key)(connection)
        counts.append((int(found), messages, len(keys)))

    database.write(delete)
    return counts[-1]


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
