"""Lists of sessions, page by page."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from unicodedata import normalize

from strands_sqlite_session_manager import _activity
from strands_sqlite_session_manager._activity import utc
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.catalog._details import SessionInfo, describe, noted

Sort = Literal["activity", "created", "id"]
"""By what sessions are sorted: their last activity, when they were created, or their ids."""

_MOST = 2**63 - 2
"""More cannot be asked of SQLite, which is asked for one more than are wanted, and no file has so many."""

_SCANNED = 1000
"""So many sessions are read at once where their titles and metadata are looked through."""

_BY_ACTIVITY = "session_activity AS found CROSS JOIN sessions USING (session_id)"
_AND_ACTIVITY = "sessions JOIN session_activity AS found USING (session_id)"
_KEYS: Mapping[Sort, str] = MappingProxyType(
    {"activity": "found.last_activity", "created": utc("sessions.created_at"), "id": "sessions.session_id"}
)
_HAS_TAG = "EXISTS (SELECT 1 FROM session_tags WHERE tag = ? AND session_tags.session_id = {by}.session_id)"
_HAS_AGENT = "EXISTS (SELECT 1 FROM agents WHERE agents.session_id = {by}.session_id AND agent_id = ?)"
_BEHIND: Mapping[str, Mapping[bool, str]] = MappingProxyType(
    {
        "id": {True: "sessions.session_id < ?", False: "sessions.session_id > ?"},
        "created": {
            True: f"({_KEYS['created']}, sessions.session_id) < (?, ?)",
            False: f"({_KEYS['created']}, sessions.session_id) > (?, ?)",
        },
        "activity": {
            True: "(found.last_activity, found.session_id) < (?, ?)",
            False: "(found.last_activity, found.session_id) > (?, ?)",
        },
    }
)


@dataclass(frozen=True)
class SessionFilter:
    """Which sessions are listed: those to which everything applies that is given.

    Attributes:
        active_since: Their last activity was then or later; a time with its zone.
        active_until: Their last activity was then or earlier; a time with its zone.
        title: What is in their title, without regard to case.
        tags: All these tags are theirs.
        metadata: Top-level values of their metadata, equal to these; None for what they do not have.
        agent_id: An agent of this id is theirs.
    """

    active_since: datetime | None = None
    active_until: datetime | None = None
    title: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    agent_id: str | None = None


@dataclass(frozen=True)
class SessionPage:
    """Some sessions of a list.

    Attributes:
        sessions: They, in the order of the list.
        after: What to ask for the next page with; None where this is the last.
    """

    sessions: tuple[SessionInfo, ...]
    after: str | None


class _Position(NamedTuple):
    """Where a page ends: the last session on it, and by what it was sorted."""

    key: str
    session_id: str


class _Row(NamedTuple):
    session_id: str
    key: str
    activity: Any  # None where it was not asked for, or another program has left that in its place
    title: str | None
    metadata: str | None


_EVERY = SessionFilter()


def list_sessions(  # noqa: PLR0913 - options, each with a default
    database: Database,
    where: SessionFilter = _EVERY,
    *,
    sort: Sort = "activity",
    descending: bool | None = None,
    limit: int = 50,
    after: str | None = None,
) -> SessionPage:
    """Return a page of the sessions, from one instant.

    A page begins behind the last session of the page before, wherever that is now: what others write meanwhile lets no
    session appear twice or be left out, but those whose own place in the order they change.

    ```python
    from strands_sqlite_session_manager import SessionStore

    with SessionStore() as store:
        page = store.list_sessions()
        while page.sessions:
            for session in page.sessions:
                print(session.last_activity, session.session_id, session.title or session.preview)
            if page.after is None:
                break
            page = store.list_sessions(after=page.after)
    ```

    Args:
        database: Where they are.
        where: Which of them.
        sort: By what; those that are equal in it follow each other by their ids.
        descending: The latest first, or from z to a. None: the latest first, ids from a to z.
        limit: How many, at least 1.
        after: The `after` of the page before, in the same order; None for the first.

    Raises:
        TypeError: `where` has a text in place of tags.
        ValueError: `limit` is less than 1, `sort` is unknown, a time has no zone, or `after` is not from such a page.
        SQLiteSessionError: The database cannot be read, or what was last written cannot be noted.
    """
    if sort not in _KEYS or limit < 1:
        message = f"sort=<{sort}>, limit=<{limit}> | sort is one of {', '.join(_KEYS)}, limit at least 1"
        raise ValueError(message)
    tags: object = where.tags
    if isinstance(tags, str):
        message = f"tags=<{tags}> | must be a tuple of tags"
        raise TypeError(message)
    if descending is None:
        descending = sort != "id"
    position = None if after is None else _decoded(after, sort, descending=descending)
    query = _Query(where, sort, descending=descending)
    if query.needs_activity and not database.read_only:
        _activity.catch_up(database)
    return database.read(partial(query.page, position=position, limit=limit, read_only=database.read_only))


class _Query:
    """A list of sessions as SQL, and what SQL cannot tell."""

    def __init__(self, where: SessionFilter, sort: Sort, *, descending: bool) -> None:
        self._where = where
        self._sort: Sort = sort
        self._descending = descending
        self._title = None if where.title is None else _folded(where.title)
        self._conditions: list[str] = []
        self._bindings: list[str] = []
        self._by = "found" if sort == "activity" else "sessions"
        for comparison, time in ((">=", where.active_since), ("<=", where.active_until)):
            if time is not None:
                self._require(f"found.last_activity {comparison} ?", _utc_text(time))
        self.needs_activity = sort == "activity" or bool(self._conditions)
        for tag in where.tags:
            self._require(_HAS_TAG.format(by=self._by), tag)
        if where.agent_id is not None:
            self._require(_HAS_AGENT.format(by=self._by), where.agent_id)
        if self._title is not None:
            self._require("sessions.title IS NOT NULL")
        if any(value is not None for value in where.metadata.values()):
            self._require("sessions.metadata IS NOT NULL")

    def page(self, connection: Connection, position: _Position | None, limit: int, *, read_only: bool) -> SessionPage:
        """Return the page behind `position`."""
        if self.needs_activity and read_only:  # in this read: the next may be on another connection
            _activity.complete_beside(connection)
        limit = min(limit, _MOST)
        rows = self._rows(connection, position, limit + 1)
        shown = rows[:limit]
        activity = {row.session_id: row.activity for row in shown} if self.needs_activity else None
        sessions = describe(connection, (row.session_id for row in shown), activity)
        return SessionPage(tuple(sessions), self._encoded(shown[-1]) if len(rows) > limit else None)

    def _rows(self, connection: Connection, position: _Position | None, count: int) -> list[_Row]:
        looks_through = self._title is not None or bool(self._where.metadata)
        found: list[_Row] = []
        while len(found) < count:
            size = _SCANNED if looks_through else count
            rows = [_Row(*row) for row in connection.rows(*self._statement(position, size))]
            found += [row for row in rows if self._has_notes(row)] if looks_through else rows
            if len(rows) < size:
                break
            position = _Position(rows[-1].key, rows[-1].session_id)
        return found[:count]

    def _statement(self, position: _Position | None, size: int) -> tuple[str, tuple[Any, ...]]:
        conditions, bindings = list(self._conditions), list(self._bindings)
        if position is not None:
            conditions.append(_BEHIND[self._sort][self._descending])
            bindings += [position.session_id] if self._sort == "id" else position
        direction = "DESC" if self._descending else "ASC"
        tables = _BY_ACTIVITY if self._sort == "activity" else _AND_ACTIVITY if self.needs_activity else "sessions"
        sql = (
            f"SELECT {self._by}.session_id, {_KEYS[self._sort]} AS place, "
            f"{'found.last_activity' if self.needs_activity else 'NULL'}, sessions.title, sessions.metadata "
            f"FROM {tables} WHERE {' AND '.join(conditions) or 'TRUE'} "
            f"ORDER BY place {direction}, {self._by}.session_id {direction} LIMIT ?"
        )
        return sql, (*bindings, size)

    def _require(self, condition: str, *bindings: str) -> None:
        self._conditions.append(condition)
        self._bindings += bindings

    def _has_notes(self, row: _Row) -> bool:
        if self._title is not None and (row.title is None or self._title not in _folded(row.title)):
            return False
        values = noted(row.metadata) if self._where.metadata else {}
        return all(_equal(values.get(key), value) for key, value in self._where.metadata.items())

    def _encoded(self, row: _Row) -> str:
        value = [self._sort, self._descending, row.key, row.session_id]
        return urlsafe_b64encode(json.dumps(value, ensure_ascii=False).encode()).decode().rstrip("=")


def _decoded(after: str, sort: Sort, *, descending: bool) -> _Position:
    """Return the position that `after` stands for.

    Raises:
        ValueError: None, or one in another order.
    """
    try:
        found = json.loads(urlsafe_b64decode(after.encode("ascii") + b"=" * (-len(after) % 4)))
        of_sort, of_direction, key, session_id = found
    except (ValueError, TypeError, RecursionError) as error:
        message = f"after=<{after}> is not from a page of sessions"
        raise ValueError(message) from error
    if not (isinstance(key, str) and isinstance(session_id, str)):
        message = f"after=<{after}> is not from a page of sessions"
        raise ValueError(message)  # noqa: TRY004 - what is wrong is the text
    if of_sort != sort or of_direction is not descending:
        message = f"after=<{after}> is from a list in another order: sort=<{of_sort}>, descending=<{of_direction}>"
        raise ValueError(message)
    return _Position(key, session_id)


def _utc_text(time: datetime) -> str:
    """Return the time as last activities are written.

    Raises:
        ValueError: It has no zone.
    """
    if time.tzinfo is None:
        message = f"time=<{time}> | must have a zone, as datetime.now(timezone.utc) has"
        raise ValueError(message)
    return time.astimezone(timezone.utc).isoformat(timespec="milliseconds")


def _folded(text: str) -> str:
    return normalize("NFKC", text).casefold()


def _equal(one: object, other: object) -> bool:
    """Tell whether two JSON values are equal; for Python, true is 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    return one == other
