"""Erasing content for good: from the tables, the indexes, the history, the free space and the WAL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from strands_sqlite_session_manager import _objects
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.repository._sessions import remove_session
from strands_sqlite_session_manager.retention._folders import (
    distinct,
    folders_of,
    is_there,
    keys_below,
    require_known,
)
from strands_sqlite_session_manager.retention._offloaded import Offloaded, offloaded
from strands_sqlite_session_manager.retention._rewriting import leave_nothing
from strands_sqlite_session_manager.retention._weighing import Weights

_COUNT_MESSAGES = "SELECT count(*) FROM messages WHERE session_id = ?"
_SIZES = "SELECT ifnull(sum(size), 0) FROM objects WHERE key IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True)
class ErasePlan:
    """What `erase` would take.

    Attributes:
        sessions: How many of the sessions are there, as sessions of a session manager or as objects of a storage.
        messages: How many messages they have.
        objects: How many objects are theirs: as `erase` says.
        bytes: What their messages, states, history and objects have, and attachments that no session uses that stays.
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


def plan_erase(database: Database, session_ids: Iterable[str], *, namespaces: Iterable[str] = ()) -> ErasePlan:
    """Return what `erase` would take; nothing is erased.

    Args:
        database: The database; it may be open for reading only.
        session_ids: The sessions.
        namespaces: As for `erase`.

    Raises:
        NotFoundError: One of them is not there, and never was.
        InvalidKeyError: A namespace can be part of no key.
        SQLiteSessionError: The file cannot be read; the type says why.
    """
    ids, namespaces = distinct("session_ids", session_ids), distinct("namespaces", namespaces)

    def read(connection: Connection) -> ErasePlan:
        folders = folders_of(connection, ids, namespaces)
        found = [require_known(connection, session_id, folders[session_id]) for session_id in ids]
        beside = offloaded(connection, ids, namespaces)
        keys = {key for session_id in ids for key in _keys(connection, session_id, folders[session_id], beside)}
        weights = Weights()
        weights.add(connection, ids)
        going = weights.in_database()
        return ErasePlan(
            sessions=sum(found),
            messages=sum(weight.messages for weight in weights.sessions.values()),
            objects=len(keys),
            bytes=sum(going.take(session_id) for session_id in ids) + connection.row(_SIZES, (json.dumps([*keys]),))[0],
        )

    return database.read(read)


def erase(
    database: Database,
    session_ids: Iterable[str],
    *,
    namespaces: Iterable[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Erased:
    """Delete sessions so that nothing of what was in them is left in the file.

    Gone are the messages with the originals of redacted ones, attachments that no other session uses, the states and
    their history, titles, tags and metadata, the objects of sessions with these ids, and the words of all of it in the
    full-text indexes. Objects of a session lie below `session/<id>/` and `context/<id>/`, where the SDK keeps snapshots
    and offloaded context; below `<namespace>/<id>/` wherever `convert_to_snapshots` wrote the session; and below the
    `namespaces` that are named. The results of tools that the SDK's `ContextOffloader` keeps as
    `offloader/<id of the call>_<n>` go with the calls in the session's messages and snapshots, unless the message log
    of another session has the same result, as a fork has. The file is then written anew from what is left, as by
    `compact`, and the WAL is emptied, so that no bytes stay behind in free space either. The temporary copy that SQLite
    makes for this is made after the deletion: it has nothing of what was erased.

    What stays: the ids, in the table `deletions`, for those who follow the changes; sessions with other ids that were
    made of these, as forks, and conversions with a `new_session_id`; what a `SnapshotSessionManager` or a storage keeps
    in namespaces that are not named, offloaded results whose calls are in no stored message any more, and other objects
    under keys of your own making; and files that are not the database, such as backups
    (`<file>.v<n>-<time>.backup` before a migration).
    A session manager that has an erased session open gets a `NotFoundError` at its next write.

    Each session goes in one transaction. Where this is interrupted, or another process is in the way, erase the same
    ids again: those that are gone already are fine then, and the file is written anew all the same.

    Args:
        database: The database.
        session_ids: The sessions; ids of sessions that were deleted before are fine.
        namespaces: More folders in which objects of sessions lie, each session in a folder of its id: `"team/session"`
            for `SnapshotSessionManager` on `SQLiteStorage(...).namespace("team")`; and `"team"` for the results that a
            `ContextOffloader` keeps there.
        progress: Called with the number of steps done and of all steps: one for each session, one for the file.

    Raises:
        NotFoundError: One of them is not there, and never was. Nothing was deleted.
        InvalidKeyError: A namespace can be part of no key. Nothing was deleted.
        DatabaseBusyError: The sessions are deleted, but other users of the file kept it from being written anew, or the
            WAL from being emptied, for longer than the timeout: content may still be in there.
        SQLiteSessionError: The file could not be written; the type says why.
    """
    ids, namespaces = distinct("session_ids", session_ids), distinct("namespaces", namespaces)
    folders, beside = database.read(lambda connection: _look(connection, ids, namespaces))
    counts = []
    for done, session_id in enumerate(ids, 1):
        counts.append(_delete(database, session_id, folders[session_id], beside))
        if progress is not None:
            progress(done, len(ids) + 1)
    leave_nothing(database, "the sessions are deleted")
    if progress is not None:
        progress(len(ids) + 1, len(ids) + 1)
    sessions, messages, objects = (sum(each) for each in zip((0, 0, 0), *counts, strict=True))
    return Erased(sessions, messages, objects)


def _look(connection: Connection, ids: list[str], namespaces: list[str]) -> tuple[dict[str, list[str]], Offloaded]:
    """Return where the objects of each session lie; refuse to go on where one of them is not known."""
    folders = folders_of(connection, ids, namespaces)
    for session_id in ids:
        require_known(connection, session_id, folders[session_id])
    return folders, offloaded(connection, ids, namespaces)


def _keys(connection: Connection, session_id: str, folders: list[str], beside: Offloaded) -> list[str]:
    """Return the keys of a session's objects, each once."""
    own = keys_below(connection, folders)
    return list(dict.fromkeys([*own, *beside.keys(connection, session_id, own)]))


def _delete(database: Database, session_id: str, folders: list[str], beside: Offloaded) -> tuple[int, int, int]:
    """Delete the session and its objects; return how many sessions, messages and objects these were."""
    counts: list[tuple[int, int, int]] = []

    def delete(connection: Connection) -> None:
        keys = _keys(connection, session_id, folders, beside)
        messages = connection.row(_COUNT_MESSAGES, (session_id,))[0]
        found = is_there(connection, session_id, folders)
        if found:
            remove_session(connection, session_id)
        for key in keys:
            _objects.delete_object(key)(connection)
        counts.append((int(found), messages, len(keys)))

    database.write(delete)
    return counts[-1]
