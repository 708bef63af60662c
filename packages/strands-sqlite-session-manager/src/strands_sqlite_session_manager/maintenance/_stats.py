"""What takes how much space in a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any

from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database

_COUNTS = {
    "sessions": "SELECT count(*) FROM sessions",
    "agents": "SELECT count(*) FROM agents",
    "messages": "SELECT count(*) FROM messages",
    "multi_agents": "SELECT count(*) FROM multi_agents",
    "objects": "SELECT count(*) FROM objects",
    "object_bytes": "SELECT ifnull(sum(size), 0) FROM objects",
    "attachments": "SELECT count(*) FROM blobs",
    "attachment_bytes": "SELECT ifnull(sum(length(content)), 0) FROM blobs",
    "unindexed_messages": """
        SELECT iif(
            indexed_to = 0,
            (SELECT count(*) FROM messages), -- all of them are counted in an index
            (SELECT count(*) FROM messages WHERE change_id > indexed_to)
        )
        FROM (SELECT ifnull((SELECT change_id FROM watermarks WHERE name = 'message_index'), 0) AS indexed_to)
    """,
}
_TABLES = "SELECT name, pgsize FROM dbstat('main', 1) ORDER BY pgsize DESC, name"
# NOT INDEXED: in the order of sessions, SQLite would read pages in no order, and most of them many times.
_SIZES = """
SELECT
    session_id,
    1,
    octet_length(message) + ifnull(octet_length(redact_message), 0) + ifnull(octet_length(extra), 0)
FROM messages NOT INDEXED
UNION ALL
SELECT session_id, 0, octet_length(state) + octet_length(conversation_manager_state) + octet_length(internal_state)
FROM agents
UNION ALL
SELECT session_id, 0, octet_length(state) FROM multi_agents
UNION ALL
SELECT session_id, 0, octet_length(changes) FROM agent_state_history
UNION ALL
SELECT session_id, 0, length(content)
FROM (SELECT DISTINCT session_id, blob_id FROM message_blobs) JOIN blobs USING (blob_id)
"""


@dataclass(frozen=True)
class SessionBytes:
    """What a session holds.

    Attributes:
        session_id: The session.
        messages: How many messages all its agents have.
        bytes: Its messages, states and their history as stored, and its attachments. One that several sessions share
            counts in each.
    """

    session_id: str
    messages: int
    bytes: int


@dataclass(frozen=True)
class TableBytes:
    """What a table or index takes of the file.

    Attributes:
        name: As in `sqlite_schema`.
        bytes: Its pages, with the free space in them.
    """

    name: str
    bytes: int


@dataclass(frozen=True)
class Stats:
    """What takes how much space.

    Attributes:
        path: The file, or `:memory:`.
        bytes: How large it is.
        wal_bytes: How large the WAL beside it is: what was written last, and not yet moved into the file.
        page_size: The size of a page in bytes.
        pages: How many pages there are, the free ones among them.
        free_pages: How many are free: `compact` gives them back.
        sessions: How many sessions there are.
        agents: How many agents they have.
        messages: How many messages these have.
        multi_agents: How many graphs and swarms there are.
        objects: How many objects storages keep.
        object_bytes: How large these are together; what several share is stored once.
        attachments: How many large binary values messages have.
        attachment_bytes: How large these are together.
        largest: The largest sessions, the largest first.
        tables: Every table and index, the largest first.
        unindexed_messages: How many messages the next search has to index first.
    """

    path: str
    bytes: int
    wal_bytes: int
    page_size: int
    pages: int
    free_pages: int
    sessions: int
    agents: int
    messages: int
    multi_agents: int
    objects: int
    object_bytes: int
    attachments: int
    attachment_bytes: int
    largest: tuple[SessionBytes, ...]
    tables: tuple[TableBytes, ...]
    unindexed_messages: int


def stats(database: Database, *, top: int = 10) -> Stats:
    """Return what takes how much space. No text is read: only how long it is.

    Args:
        database: Where to look.
        top: How many of the largest sessions to return.

    Raises:
        SQLiteSessionError: The file cannot be read; the type says why.
        ValueError: `top` is negative.
    """
    if top < 0:
        message = f"top=<{top}> | must not be negative"
        raise ValueError(message)
    return database.read(lambda connection: _stats(connection, database.path, top))


def _stats(connection: Connection, path: str, top: int) -> Stats:
    page_size, pages, free_pages = (
        int(connection.row(f"PRAGMA {name}")[0]) for name in ("page_size", "page_count", "freelist_count")
    )
    file = connection.filename
    counts: dict[str, Any] = {name: connection.row(sql)[0] for name, sql in _COUNTS.items()}
    return Stats(
        path=path,
        bytes=_size(file) if file else page_size * pages,
        wal_bytes=_size(f"{file}-wal") if file else 0,
        page_size=page_size,
        pages=pages,
        free_pages=free_pages,
        largest=_largest(connection, top) if top else (),
        tables=tuple(TableBytes(*row) for row in connection.rows(_TABLES)),
        **counts,
    )


def _largest(connection: Connection, top: int) -> tuple[SessionBytes, ...]:
    """Return the largest sessions. What is grouped here takes 150 bytes a session; SQLite would sort all messages."""
    messages: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for session_id, message, size in connection.execute(_SIZES):
        messages[session_id] = messages.get(session_id, 0) + message
        sizes[session_id] = sizes.get(session_id, 0) + size
    largest = nsmallest(top, sizes, key=lambda session_id: (-sizes[session_id], session_id))
    return tuple(SessionBytes(session_id, messages[session_id], sizes[session_id]) for session_id in largest)


def _size(path: str) -> int:
    """Return the size of a file, 0 where there is none. Looks at the name, opens nothing."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
