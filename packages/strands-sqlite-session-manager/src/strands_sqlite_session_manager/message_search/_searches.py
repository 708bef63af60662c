"""Which messages have what is searched: asked at a moment at which the index knows all of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Any, Literal, NamedTuple

from strands_sqlite_session_manager import _message_index as index
from strands_sqlite_session_manager._codec import loads
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._texts import said
from strands_sqlite_session_manager._words import query_terms
from strands_sqlite_session_manager.message_search._snippets import snippet

Order = Literal["relevance", "newest"]

MOST_RANKED = 20_000
"""Of what has very common words only so many messages are ranked, the newest."""

MOST_TERMS = 200
"""Of a query with more different words only so many count, the first."""

_MOST = 2**63 - 1
_ATTEMPTS = 3
_MESSAGES_IN_MEMORY = 5_000

_INDEXED = """
SELECT message_index.rowid AS change_id, message_index.rank FROM message_index {joined}
WHERE message_index MATCH :query {limits} {filters} ORDER BY message_index.rowid DESC LIMIT :most
"""
_TAIL = """
SELECT message_tail.rowid AS change_id, message_tail.rank FROM temp.message_tail {joined}
WHERE message_tail MATCH :query AND message_tail.rowid > :indexed {filters} ORDER BY message_tail.rowid DESC LIMIT :most
"""
_JOINED = "CROSS JOIN messages ON messages.change_id = {table}.rowid"
_BOTH = "SELECT * FROM ({indexed}) UNION ALL SELECT * FROM ({tail})"
_BEST = "SELECT change_id, rank FROM ({found}) ORDER BY {order} LIMIT :limit OFFSET :offset"
_ORDERS: dict[str, str] = {"relevance": "rank, change_id DESC", "newest": "change_id DESC"}
_IN_RANGE = "AND message_index.rowid BETWEEN :first AND :last"
_RANGE = "SELECT min(change_id), max(change_id) FROM messages WHERE session_id = ?1 AND (?2 IS NULL OR agent_id = ?2)"
_SHOWN = "coalesce(messages.redact_message, messages.message)"
_FILTERS = {
    "session_id": "AND messages.session_id = :session_id",
    "agent_id": "AND messages.agent_id = :agent_id",
    "role": f"AND CASE WHEN json_valid({_SHOWN}, 2) THEN json_extract({_SHOWN}, '$.role') END = :role",
    "since": "AND messages.created_at >= :since",
    "until": "AND messages.created_at <= :until",
}
_HITS = f"""
SELECT change_id, session_id, agent_id, message_id, created_at, {_SHOWN} FROM messages
WHERE change_id IN (SELECT value FROM json_each(?))
"""


@dataclass(frozen=True, kw_only=True)
class MessageFilter:
    """Which messages are searched: those that fit everything that is set.

    Attributes:
        session_id: Only those of this session.
        agent_id: Only those of agents with this id.
        role: Only those of this role, such as `"user"`.
        since: Only those created at this time or later; with a time zone.
        until: Only those created at this time or earlier; with a time zone.
    """

    session_id: str | None = None
    agent_id: str | None = None
    role: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse a time that could be meant in any time zone.

        Raises:
            ValueError: It has none.
        """
        for name, moment in (("since", self.since), ("until", self.until)):
            if moment is not None and moment.utcoffset() is None:
                message = f"{name}=<{moment}> | must have a time zone"
                raise ValueError(message)


@dataclass(frozen=True)
class SearchHit:
    """A message that has what was searched.

    Attributes:
        session_id: The session it is in.
        agent_id: The agent whose message it is.
        message_id: Its place in the conversation.
        role: Who said it.
        created_at: When, in ISO 8601.
        snippet: What it says around the best place, in one line; `…` stands for what was left out.
        highlights: Where in `snippet` the words are that were searched: begin and end, in characters.
        score: How well it fits, between 0 and 1; scores of different searches do not compare.
    """

    session_id: str
    agent_id: str
    message_id: int
    role: str
    created_at: str
    snippet: str
    highlights: tuple[tuple[int, int], ...]
    score: float


_EVERYTHING = MessageFilter()
_Row = tuple[int, str, str, int, str, str]


def search_messages(  # noqa: PLR0913 - options, each with a default
    database: Database,
    query: str,
    where: MessageFilter = _EVERYTHING,
    *,
    order: Order = "relevance",
    limit: int = 20,
    offset: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[SearchHit]:
    """Return the messages that have all words of `query`, or words that begin with them, from three letters on.

    Everything a message says counts: text, reasoning, names and values of tool calls, results, names of documents and
    citations; of a redacted message what was put in its place. Case and accents do not matter. In scripts that put
    no spaces between words, and in Korean, every two neighboring characters are a word. Query syntax is plain text.

    The first search indexes all messages, later ones those that were written meanwhile, in short transactions if others
    write too. A read-only database does so in memory. The answer is what the file held at one moment.

    ```python
    from strands_sqlite_session_manager import SessionStore

    with SessionStore() as store:
        for hit in store.search_messages("weather zürich"):
            print(hit.session_id, hit.message_id, hit.snippet)
    ```

    Args:
        database: The database.
        query: What to search. Without any word nothing is found.
        where: Which messages to search.
        order: The best first, or the newest: those that were stored or redacted last. Of words that tens of thousands
            of messages have, the newest of these are ranked.
        limit: How many to return at most.
        offset: How many of the first to leave out.
        progress: Called between transactions while messages are indexed, with how far it is and how far it goes.

    Raises:
        ValueError: An unknown order, or a negative limit or offset.
        SQLiteSessionError: The file cannot be read or written; the type says why.
    """
    _require_options(order, limit, offset)
    database.require_open()
    terms = query_terms(query, None)[:MOST_TERMS]
    if not terms:
        return []
    search = _Search(terms, where, order, limit, offset)
    found = (_answer_in_memory if database.read_only else _answer)(database, search, progress)
    return [_hit(row, rank, terms) for row, rank in found]


def _require_options(order: str, limit: int, offset: int) -> None:
    if order not in _ORDERS:
        message = f"order=<{order}> | must be 'relevance' or 'newest'"
        raise ValueError(message)
    for name, value in (("limit", limit), ("offset", offset)):
        if value < 0:
            message = f"{name}=<{value}> | must not be negative"
            raise ValueError(message)


class _Search(NamedTuple):
    """What is asked."""

    terms: list[str]
    where: MessageFilter
    order: Order
    limit: int
    offset: int


_Found = list[tuple[_Row, float]]


def _answer(database: Database, search: _Search, progress: index.Progress | None) -> _Found:
    """Catch up, and search at a moment at which nothing is behind."""
    for _ in range(_ATTEMPTS):
        index.catch_up(database, progress)
        found = database.read(lambda connection: None if index.is_behind(connection) else _find(connection, search))
        if found is not None:
            return found
    answers: list[_Found] = []

    def run(connection: Connection) -> None:  # others write all the time: let them wait
        index.catch_up_here(connection)
        answers.append(_find(connection, search))

    database.write(run)
    return answers[-1]  # where the operation was run again, the last run is the one that counts


def _answer_in_memory(database: Database, search: _Search, progress: index.Progress | None) -> _Found:
    """Index in memory what the file's index lacks, and search both."""
    done, total = 0, None
    while True:
        left, found = database.read(partial(_complete_and_find, search=search))
        if total is None:
            total = left + _MESSAGES_IN_MEMORY
        if found is not None:
            return found
        done = max(done, total - left)
        if progress is not None:
            progress(min(done, total), total)


def _complete_and_find(connection: Connection, search: _Search) -> tuple[int, _Found | None]:
    left = index.catch_up_in_memory(connection, _MESSAGES_IN_MEMORY)
    return left, None if left else _find(connection, search, has_tail=True)


def _find(connection: Connection, search: _Search, *, has_tail: bool = False) -> _Found:
    """Return the messages that were found with their rank, in order."""
    values = _values(connection, search)
    if values is None:
        return []
    best: list[Any] = connection.execute(_sql(search, has_tail=has_tail), values).fetchall()
    rows: dict[Any, _Row] = {
        row[0]: row for row in connection.rows(_HITS, (json.dumps([change_id for change_id, _ in best]),))
    }
    return [(rows[change_id], float(rank)) for change_id, rank in best if change_id in rows]


def _values(connection: Connection, search: _Search) -> dict[str, Any] | None:
    """Return what is bound to the statement, or None where the session or agent has no messages."""
    where = search.where
    values: dict[str, Any] = {
        "query": " AND ".join(search.terms),
        "limit": min(search.limit, _MOST),
        "offset": min(search.offset, _MOST),
        "most": min(max(MOST_RANKED, search.offset + search.limit), _MOST),
        "indexed": index.indexed_to(connection),
        **{name: getattr(where, name) for name in ("session_id", "agent_id", "role")},
        "since": where.since and _utc(where.since).rstrip("0").rstrip("."),
        "until": where.until and _utc(where.until) + "~",
    }
    if where.session_id is not None:
        values["first"], values["last"] = connection.row(_RANGE, (where.session_id, where.agent_id))
        return None if values["first"] is None else values
    return values


def _sql(search: _Search, *, has_tail: bool) -> str:
    where = search.where
    filters = " ".join([sql for name, sql in _FILTERS.items() if getattr(where, name) is not None])
    limits = "" if where.session_id is None else _IN_RANGE
    joined = _JOINED.format(table="message_index") if filters else ""
    found = _INDEXED.format(joined=joined, limits=limits, filters=filters)
    if has_tail:  # it keeps messages that were changed since: what is in `messages` decides
        tail = _TAIL.format(joined=_JOINED.format(table="message_tail"), filters=filters)
        found = _BOTH.format(indexed=found, tail=tail)
    return _BEST.format(found=found, order=_ORDERS[search.order])


def _utc(moment: datetime) -> str:
    """Return a time as text that sorts among those stored, whatever fraction of a second those have."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="microseconds")


def _hit(row: _Row, rank: float, terms: list[str]) -> SearchHit:
    _, session_id, agent_id, message_id, created_at, shown = row
    message = loads(shown)
    text, highlights = snippet(said(message), terms)
    role = str(message.get("role", "")) if isinstance(message, dict) else ""
    return SearchHit(session_id, agent_id, message_id, role, created_at, text, highlights, rank / (rank - 1))
