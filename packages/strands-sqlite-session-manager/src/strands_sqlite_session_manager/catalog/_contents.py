"""The messages of a session, as agents get them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from strands_sqlite_session_manager import _blobs
from strands_sqlite_session_manager._codec import has_bytes, loads_bytes, require_texts
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import NotFoundError
from strands_sqlite_session_manager.repository._sessions import require_session

_AGENTS = "SELECT agent_id FROM agents WHERE session_id = ? ORDER BY agent_id"
_COUNT = "SELECT count(*) FROM messages WHERE session_id = ? AND agent_id = ?"
_MESSAGES = """
SELECT message_id, coalesce(redact_message, message), redact_message IS NOT NULL, created_at
FROM messages WHERE session_id = ? AND agent_id = ? ORDER BY message_id LIMIT ? OFFSET ?
"""
_LAST = 2**63 - 1
_START = "SELECT message_id FROM messages WHERE session_id = ? AND agent_id = ? ORDER BY message_id LIMIT 1 OFFSET ?"
_NEXT = """
SELECT message_id, coalesce(redact_message, message), redact_message IS NOT NULL, created_at, (
    SELECT coalesce(sum(length(content)), 0) FROM message_blobs AS linked JOIN blobs USING (blob_id)
    WHERE linked.session_id = messages.session_id AND linked.agent_id = messages.agent_id
    AND linked.message_id = messages.message_id
)
FROM messages WHERE session_id = ? AND agent_id = ? AND message_id > ? ORDER BY message_id LIMIT ?
"""

_PAGE = 200
"""So many messages are read at once where all of them are looked through."""

_PAGE_BYTES = 4_000_000
"""So many bytes they have at most, attachments among it, unless one message has more."""

_Blobs = dict[int, dict[str, bytes]]


@dataclass(frozen=True)
class StoredMessage:
    """A message, as an agent that resumes the session gets it.

    Attributes:
        session_id: Its session.
        agent_id: Its agent.
        message_id: Its place in the conversation of the agent.
        role: Who said it: `user` or `assistant`.
        message: It, as the SDK has it; images and documents are bytes.
        redacted: Whether a guardrail put it in the place of another.
        created_at: When it was stored: ISO 8601, as it was stored.
    """

    session_id: str
    agent_id: str
    message_id: int
    role: str
    message: dict[str, Any]
    redacted: bool
    created_at: str


def read_messages(
    database: Database, session_id: str, agent_id: str | None = None, *, limit: int | None = None, offset: int = 0
) -> list[StoredMessage]:
    """Return messages of an agent in the order of the conversation, `[offset:][:limit]` as Python slices.

    Args:
        database: Where they are.
        session_id: Of which session.
        agent_id: Of which agent; None where the session has one only.
        limit: How many at most; None for all.
        offset: How many to leave out; a negative one counts from the end.

    Raises:
        NotFoundError: There is no such session, or no such agent in it.
        ValueError: `agent_id` is None and the session has several agents, which the message names.
        CodecError: A stored message is damaged.
    """

    def fetch(connection: Connection) -> tuple[str, list[Any], _Blobs]:
        agent = _chosen_agent(connection, session_id, agent_id)
        count = connection.row(_COUNT, (session_id, agent))[0] if offset < 0 else _LAST
        start = slice(offset, None).indices(count)[0]
        most = count if limit is None else max(0, min(limit, count))
        rows = connection.rows(_MESSAGES, (session_id, agent, most, start))
        return agent, rows, _attached(connection, session_id, agent, rows)

    agent, rows, blobs = database.read(fetch)
    return [_message(session_id, agent, row, blobs.get(row[0])) for row in rows]


def iterate_messages(
    database: Database, session_id: str, agent_id: str, *, limit: int | None = None, offset: int = 0
) -> Iterator[StoredMessage]:
    """Give the messages of an agent, read in pages of a few megabytes, each as of an instant of its own.

    What is added behind them meanwhile is given too, and what is deleted meanwhile is not.

    Args:
        database: Where they are.
        session_id: Of which session.
        agent_id: Of which agent.
        limit: How many at most; None for all.
        offset: How many to leave out; a negative one says with how many from the end to begin.

    Raises:
        NotFoundError: There is no such session, or no such agent in it, any more.
        CodecError: A stored message is damaged.
    """
    after = database.read(partial(_before, session_id=session_id, agent_id=agent_id, offset=offset))
    while after is not None and limit != 0:
        size = _PAGE if limit is None else min(_PAGE, limit)
        rows, blobs = database.read(partial(_page, session_id=session_id, agent_id=agent_id, after=after, size=size))
        for row in rows:
            yield _message(session_id, agent_id, row[:4], blobs.get(row[0]))
        after = rows[-1][0] if rows else None
        limit = None if limit is None else limit - len(rows)


def _before(connection: Connection, *, session_id: str, agent_id: str, offset: int) -> int | None:
    """Return what all ids but the first `offset` are above; None where there are no others."""
    _chosen_agent(connection, session_id, agent_id)
    if offset < 0:
        offset = max(0, connection.row(_COUNT, (session_id, agent_id))[0] + offset)
    row = connection.row(_START, (session_id, agent_id, min(offset, _LAST)))
    return None if row is None else row[0] - 1


def _page(connection: Connection, *, session_id: str, agent_id: str, after: int, size: int) -> tuple[list[Any], _Blobs]:
    """Return up to `size` messages above the id `after`, at least one if there is any, and what is attached."""
    _chosen_agent(connection, session_id, agent_id)
    rows: list[Any] = []
    total = 0
    cursor = connection.cursor()
    try:
        for row in cursor.execute(_NEXT, (session_id, agent_id, after, size)):
            total += len(row[1]) + row[4]
            if rows and total > _PAGE_BYTES:
                break
            rows.append(row)
    finally:
        cursor.close()
    return rows, _attached(connection, session_id, agent_id, rows)


def _attached(connection: Connection, session_id: str, agent_id: str, rows: list[Any]) -> _Blobs:
    """Return the bytes that are stored apart from the messages in `rows`."""
    ids = [row[0] for row in rows if has_bytes(row[1])]
    return _blobs.load(connection, session_id, agent_id, ids[0], ids[-1]) if ids else {}


def _chosen_agent(connection: Connection, session_id: str, agent_id: str | None) -> str:
    """Return the agent that is meant.

    Raises:
        NotFoundError: There is none.
        ValueError: It could be any of several.
    """
    require_session(connection, session_id)
    known: list[str] = [row[0] for row in connection.rows(_AGENTS, (session_id,))]
    if agent_id in known:
        return agent_id
    if agent_id is not None or not known:
        message = f"Agent {agent_id} in session {session_id} does not exist"
        if agent_id is None:
            message = f"session {session_id} has no agent"
        raise NotFoundError(message, hint=f"its agents are {', '.join(known)}" if known else "it holds no messages")
    if len(known) > 1:
        message = f"session_id=<{session_id}> has several agents, name one of them: {', '.join(known)}"
        raise ValueError(message)
    return known[0]


def _message(session_id: str, agent_id: str, row: Any, blobs: dict[str, bytes] | None) -> StoredMessage:
    message_id, text, redacted, created_at = row
    require_texts(created_at)
    message = loads_bytes(text, blobs)
    role = str(message.get("role", "")) if isinstance(message, dict) else ""
    return StoredMessage(session_id, agent_id, message_id, role, message, bool(redacted), created_at)
