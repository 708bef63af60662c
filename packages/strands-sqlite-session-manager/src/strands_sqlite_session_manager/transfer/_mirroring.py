"""What a copy of the database in the layout of `S3SessionManager` holds, and what of it changed since the last time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from strands_sqlite_session_manager import _blobs, _parts
from strands_sqlite_session_manager._codec import encode_bytes_values, has_bytes, loads, loads_bytes
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager.errors import CodecError, TransferError

from ._reading import each_row, has_session, session_lines, unreadable
from ._records import parse
from ._sidecar import SidecarWriter
from ._spool import Spool
from ._tree import AGENT, FIELDS, MULTI_AGENT, SESSION, record_object

SIDECARS = "strands_sqlite/"
"""Where, for each session, lies what the layout has no place for."""

_TABLES = ("sessions", "agents", "messages", "multi_agents", "objects", "deletions", "object_deletions")
_POSITIONS = "SELECT " + ", ".join(f"ifnull((SELECT max(change_id) FROM {table}), 0)" for table in _TABLES)
_SESSIONS = """
SELECT session_id, session_type, created_at, updated_at, extra FROM sessions WHERE change_id > ? ORDER BY change_id
"""
_AGENTS = """
SELECT session_id, agent_id, state, conversation_manager_state, internal_state, created_at, updated_at, extra
FROM agents WHERE change_id > ? ORDER BY change_id
"""
_MESSAGES = """
SELECT session_id, agent_id, message_id, message, redact_message, created_at, updated_at, extra
FROM messages WHERE change_id > ? ORDER BY change_id
"""
_MULTI_AGENTS = """
SELECT session_id, multi_agent_id, state FROM multi_agents WHERE change_id > ? ORDER BY change_id
"""
_OBJECTS = "SELECT change_id, key, content FROM objects WHERE change_id > ? ORDER BY change_id"
_NEW_SIDECARS = """
SELECT session_id FROM sessions WHERE change_id > ? UNION SELECT session_id FROM agents WHERE change_id > ?
UNION SELECT session_id FROM multi_agents WHERE change_id > ? UNION SELECT session_id FROM deletions WHERE change_id > ?
"""
_TOUCHED = "SELECT DISTINCT session_id FROM deletions WHERE change_id > ? ORDER BY session_id"
_AGENT_IDS = "SELECT agent_id FROM agents WHERE session_id = ? ORDER BY agent_id"
_MESSAGE_IDS = "SELECT agent_id, message_id FROM messages WHERE session_id = ? ORDER BY agent_id, message_id"
_MULTI_AGENT_IDS = "SELECT multi_agent_id FROM multi_agents WHERE session_id = ? ORDER BY multi_agent_id"
_DELETED_KEYS = """
SELECT DISTINCT key FROM object_deletions
WHERE change_id > ? AND NOT EXISTS (SELECT 1 FROM objects WHERE objects.key = object_deletions.key) ORDER BY key
"""
_TOKENS = "SELECT tokens FROM mirrors WHERE place = ?"
_REMEMBER = """
INSERT INTO mirrors (place, tokens) VALUES (?, ?) ON CONFLICT (place) DO UPDATE SET tokens = excluded.tokens,
    updated_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')
"""


class Positions(NamedTuple):
    """How far a copy has followed: the highest change counter of each table that it has seen."""

    sessions: int = 0
    agents: int = 0
    messages: int = 0
    multi_agents: int = 0
    objects: int = 0
    deletions: int = 0
    object_deletions: int = 0


class MirrorObject(NamedTuple):
    """An object of a copy.

    Attributes:
        path: Its key, below where the copy lies.
        kind: "session", "agent", "message", "multi_agent", "sidecar", or "object" for those of storages.
        body: What the SDK would have written.
    """

    path: str
    kind: str
    body: bytes


def positions(connection: Connection) -> Positions:
    """Return how far one has followed who has read all that there is."""
    return Positions(*connection.row(_POSITIONS))


def changed_objects(connection: Connection, since: Positions) -> Iterator[MirrorObject]:
    """Give each object whose row was written after `since`, by the SDK's bytes; all from `Positions()`.

    The sessions come first, then their agents, messages and graphs, what the layout has no place for, and last what
    storages keep. Read to the end in one transaction.

    Raises:
        TransferError: A row holds what cannot be read; the message names it.
    """
    yield from _session_objects(connection, since)
    yield from _agent_objects(connection, since)
    yield from _message_objects(connection, since)
    yield from _multi_agent_objects(connection, since)
    changed = (since.sessions, since.agents, since.multi_agents, since.deletions)
    for (session_id,) in connection.rows(_NEW_SIDECARS, changed):
        if has_session(connection, session_id):
            yield MirrorObject(sidecar_path(session_id), "sidecar", _sidecar(connection, session_id))
    for change_id, key, content in each_row(connection, _OBJECTS, (since.objects,)):
        yield MirrorObject(key, "object", _parts.contents(connection, change_id) if content is None else content)


def touched_sessions(connection: Connection, since: Positions) -> list[str]:
    """Return the sessions that lost something after `since`: they were deleted, or rewound."""
    return [session_id for (session_id,) in connection.rows(_TOUCHED, (since.deletions,))]


def session_paths(connection: Connection, session_id: str) -> Iterator[str]:
    """Give the path of each object that there is of a session now; none where it was deleted."""
    if not has_session(connection, session_id):
        return
    yield f"{_folder(session_id)}/session.json"
    for (agent_id,) in connection.rows(_AGENT_IDS, (session_id,)):
        yield _agent_path(session_id, agent_id)
    for agent_id, message_id in each_row(connection, _MESSAGE_IDS, (session_id,)):
        yield _message_path(session_id, agent_id, message_id)
    for (multi_agent_id,) in connection.rows(_MULTI_AGENT_IDS, (session_id,)):
        yield _multi_agent_path(session_id, multi_agent_id)
    yield sidecar_path(session_id)


def deleted_keys(connection: Connection, since: Positions) -> list[str]:
    """Return the keys of storage objects that were deleted after `since`, and not written again."""
    return [key for (key,) in connection.rows(_DELETED_KEYS, (since.object_deletions,))]


def read_mirror_tokens(connection: Connection, place: str) -> tuple[str, ...]:
    """Return the tokens of the copies at `place` that were made from this database, the newest last."""
    found = connection.row(_TOKENS, (place,))
    return () if found is None else tuple(json.loads(found[0]))


def write_mirror_tokens(connection: Connection, place: str, tokens: tuple[str, ...]) -> None:
    """Remember the tokens of the copies at `place`, in place of those that are known; in a write transaction."""
    connection.run(_REMEMBER, (place, json.dumps(tokens)))


def sidecar_path(session_id: str) -> str:
    """Return where that of a session lies which the layout has no place for."""
    return f"{SIDECARS}{_folder(session_id)}.json"


def _folder(session_id: str) -> str:
    return f"{SESSION}{session_id}"


def _agent_path(session_id: str, agent_id: str) -> str:
    return f"{_folder(session_id)}/agents/{AGENT}{agent_id}/agent.json"


def _message_path(session_id: str, agent_id: str, message_id: int) -> str:
    return f"{_folder(session_id)}/agents/{AGENT}{agent_id}/messages/message_{message_id}.json"


def _multi_agent_path(session_id: str, multi_agent_id: str) -> str:
    return f"{_folder(session_id)}/multi_agents/{MULTI_AGENT}{multi_agent_id}/multi_agent.json"


def _session_objects(connection: Connection, since: Positions) -> Iterator[MirrorObject]:
    for row in each_row(connection, _SESSIONS, (since.sessions,)):
        path = f"{_folder(row[0])}/session.json"
        yield MirrorObject(path, "session", _bytes("session", row[:-1], row[-1], path))


def _agent_objects(connection: Connection, since: Positions) -> Iterator[MirrorObject]:
    for session_id, agent_id, *states, created_at, updated_at, extra in each_row(connection, _AGENTS, (since.agents,)):
        path = _agent_path(session_id, agent_id)
        values = [agent_id, *(_value(text, path) for text in states), created_at, updated_at]
        yield MirrorObject(path, "agent", _bytes("agent", values, extra, path))


def _message_objects(connection: Connection, since: Positions) -> Iterator[MirrorObject]:
    for *place, message, redacted, created_at, updated_at, extra in each_row(connection, _MESSAGES, (since.messages,)):
        session_id, agent_id, message_id = place
        path = _message_path(session_id, agent_id, message_id)
        blobs: dict[str, bytes] | None = None
        if has_bytes(message) or (redacted is not None and has_bytes(redacted)):
            blobs = _blobs.load(connection, session_id, agent_id, message_id, message_id).get(message_id, {})
        said, shown = (None if text is None else _value(text, path, blobs) for text in (message, redacted))
        values = [said, message_id, shown, created_at, updated_at]
        yield MirrorObject(path, "message", _bytes("message", values, extra, path))


def _multi_agent_objects(connection: Connection, since: Positions) -> Iterator[MirrorObject]:
    for session_id, multi_agent_id, state in each_row(connection, _MULTI_AGENTS, (since.multi_agents,)):
        path = _multi_agent_path(session_id, multi_agent_id)
        yield MirrorObject(path, "multi_agent", _json(_value(state, path), path))


def _value(text: str, path: str, blobs: dict[str, bytes] | None = None) -> Any:
    try:
        return loads(text) if blobs is None else encode_bytes_values(loads_bytes(text, blobs))
    except CodecError as error:
        where = f"object=<{path}>"
        raise unreadable(where, error) from error


def _bytes(kind: str, values: Any, extra: str | None, path: str) -> bytes:
    """Return the JSON of a record of `values` in the SDK's order, then what a newer SDK added."""
    added = {} if extra is None else _value(extra, path)
    return _json(record_object(kind, dict(zip(FIELDS[kind], values, strict=True)), added), path)


def _json(value: object, path: str) -> bytes:
    try:
        return json.dumps(value, indent=2, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:  # another program has stored it as an escape
        message = f"object=<{path}> cannot hold a lone surrogate, as the value does"
        raise TransferError(message, hint="mend the text in the database") from error


def _sidecar(connection: Connection, session_id: str) -> bytes:
    """Return title, tags, metadata, the history of states and the times of graphs."""
    with Spool() as spool:
        writer = SidecarWriter(spool)
        for _, line in session_lines(connection, session_id, messages=False):
            writer.add(parse(line))
        return b"".join(writer.pieces())
