"""When something was last written to each session: a table that follows the writes, and is never in their way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from ._connection import Connection
from ._database import Database

BATCH_SESSIONS = 250
"""How many sessions are brought up to date in one transaction, so that other writers wait but for a moment."""

_FEW = 4096
"""So many new messages are looked through one by one, however few sessions there are."""

_WORTH_SCANNING = 4
"""From so many new messages for each session on, looking at the last message of every session is cheaper."""

_TABLES = ("messages", "agents", "multi_agents", "sessions", "deletions")
_NEWEST = "SELECT " + ", ".join(f"ifnull((SELECT max(change_id) FROM {table}), 0)" for table in _TABLES)
_COUNT = "SELECT count(*) FROM sessions"
_FOLLOW = """
INSERT INTO watermarks (name, change_id) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET change_id = excluded.change_id WHERE change_id < excluded.change_id
"""

# NOT INDEXED: the index by session is smaller than the table, but the whole of it would be read.
_TOUCHED = " UNION ".join(
    f"SELECT session_id FROM {table} NOT INDEXED WHERE change_id > ? AND change_id <= ?" for table in _TABLES
)
_EVERY = "SELECT change_id, session_id FROM sessions WHERE change_id > ? ORDER BY change_id LIMIT ?"

_DIGIT = "[0-9]"
_PLAIN_TIME = f"{_DIGIT * 4}-{_DIGIT * 2}-{_DIGIT * 2}T{_DIGIT * 2}:{_DIGIT * 2}:{_DIGIT * 2}.{_DIGIT * 6}+00:00"
_BEGINS_AS_TIME = f"{_DIGIT * 4}-{_DIGIT * 2}-{_DIGIT * 2}*"


def utc(column: str) -> str:
    """Return SQL for the time in `column` as ISO 8601 in UTC with milliseconds; text that is no time stays as it is.

    What the SDK writes is cut, which is cheaper than to take it apart.
    """
    return (
        f"CASE WHEN {column} GLOB '{_PLAIN_TIME}' THEN substr({column}, 1, 23) || '+00:00' "
        f"WHEN {column} GLOB '{_BEGINS_AS_TIME}' "
        f"THEN ifnull(strftime('%Y-%m-%dT%H:%M:%f+00:00', {column}), {column}) ELSE {column} END"
    )


LAST_ACTIVITY = f"""max(
    {utc("sessions.created_at")},
    ifnull((
        SELECT max(max({utc("agents.updated_at")}, ifnull((
            SELECT {utc("messages.created_at")} FROM messages
            WHERE messages.session_id = agents.session_id AND messages.agent_id = agents.agent_id
            ORDER BY messages.message_id DESC LIMIT 1
        ), '')))
        FROM agents WHERE agents.session_id = sessions.session_id
    ), ''),
    ifnull((
        SELECT max({utc("multi_agents.updated_at")}) FROM multi_agents
        WHERE multi_agents.session_id = sessions.session_id
    ), '')
)"""
"""SQL for the last activity of a row of `sessions`: from the table itself, whatever `session_activity` knows."""

_THESE = "(SELECT value FROM json_each(?))"
_RENEW = f"""
INSERT INTO session_activity (session_id, last_activity)
SELECT session_id, {LAST_ACTIVITY} FROM sessions WHERE session_id IN {_THESE}
ON CONFLICT (session_id) DO UPDATE SET last_activity = excluded.last_activity
WHERE last_activity <> excluded.last_activity
"""

# Where nothing may be written, what is newer than the table stands beside it, and a view of the same name joins them.
_BESIDE = """
CREATE TEMP TABLE IF NOT EXISTS newer_activity (session_id TEXT PRIMARY KEY, last_activity TEXT NOT NULL) WITHOUT ROWID;
CREATE TEMP TABLE IF NOT EXISTS activity_watermarks (name TEXT PRIMARY KEY, change_id INTEGER NOT NULL) WITHOUT ROWID;
CREATE TEMP VIEW IF NOT EXISTS session_activity AS
SELECT session_id, last_activity FROM main.session_activity AS older
WHERE NOT EXISTS (SELECT 1 FROM temp.newer_activity AS newer WHERE newer.session_id = older.session_id)
UNION ALL SELECT session_id, last_activity FROM temp.newer_activity;
"""
_IS_BESIDE = "SELECT 1 FROM sqlite_temp_schema WHERE name = 'newer_activity'"
_HAS_MORE_BESIDE = """
SELECT 1 FROM temp.activity_watermarks AS beside LEFT JOIN main.watermarks AS own USING (name)
WHERE beside.change_id > ifnull(own.change_id, 0)
"""
_INDEX_BESIDE = """
CREATE INDEX IF NOT EXISTS temp.newer_activity_by_time ON newer_activity (last_activity, session_id)
"""
_DROP_BESIDE = f"DELETE FROM temp.newer_activity WHERE session_id IN {_THESE}"
_ADD_BESIDE = f"INSERT INTO temp.newer_activity SELECT session_id, {LAST_ACTIVITY} FROM sessions"
_FOLLOW_BESIDE = "INSERT OR REPLACE INTO temp.activity_watermarks (name, change_id) VALUES (?, ?)"


class _Tail(NamedTuple):
    """What was written since the table last followed.

    Attributes:
        followed: The change of each table up to which it follows.
        newest: The newest change of each.
    """

    followed: tuple[int, ...]
    newest: tuple[int, ...]

    @property
    def messages(self) -> int:
        """How many messages were written, at most."""
        return self.newest[0] - self.followed[0]

    @property
    def bounds(self) -> tuple[int, ...]:
        """The bindings of `_TOUCHED`."""
        return tuple(bound for pair in zip(self.followed, self.newest, strict=True) for bound in pair)

    @property
    def watermarks(self) -> list[tuple[str, int]]:
        """The rows that say that the table has followed."""
        return [(f"activity.{table}", newest) for table, newest in zip(_TABLES, self.newest, strict=True)]


def catch_up(database: Database) -> None:
    """Bring `session_activity` up to date with everything that was committed before.

    In batches, between which other writers get their turn. Several processes may do it at once; one that is stopped in
    the middle leaves rows that are right, and the rest is done the next time. Where the database is open for reading
    only, `session_activity` then means a TEMP view that has what the table lacks, for queries on the same connection.

    Raises:
        SQLiteSessionError: As `Database.write`.
    """
    if database.read_only:
        database.read(complete_beside)
        return
    tail = database.read(_tail)
    if tail is None:
        return
    touched = database.read(lambda connection: _touched(connection, tail))
    left = _every_batch(database) if touched is None else _batches(touched)
    batch: list[str] | None = next(left, [])
    while batch is not None:
        following = next(left, None)
        _renew(database, batch, tail if following is None else None)
        batch = following


def _renew(database: Database, session_ids: list[str], tail: _Tail | None) -> None:
    """Renew the rows of some sessions, and with the last of them note how far the table has followed."""

    def renew(connection: Connection) -> None:
        connection.run(_RENEW, (json.dumps(session_ids),))
        if tail is not None:
            connection.executemany(_FOLLOW, tail.watermarks)

    database.write(renew)


def _tail(connection: Connection, watermarks: str = "main.watermarks") -> _Tail | None:
    """Return what the table has yet to follow, or None where there is nothing."""
    known = dict(connection.rows(f"SELECT name, change_id FROM {watermarks}"))
    tail = _Tail(tuple(known.get(f"activity.{table}", 0) for table in _TABLES), connection.row(_NEWEST))
    return tail if any(new > old for old, new in zip(*tail, strict=True)) else None


def _touched(connection: Connection, tail: _Tail) -> list[str] | None:
    """Return the sessions with something new, or None where it is cheaper to look at every session."""
    if tail.messages > _FEW and tail.messages > _WORTH_SCANNING * connection.row(_COUNT)[0]:
        return None
    return [session_id for (session_id,) in connection.rows(_TOUCHED, tail.bounds)]


def _batches(session_ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(session_ids), BATCH_SESSIONS):
        yield session_ids[start : start + BATCH_SESSIONS]


def _every_batch(database: Database) -> Iterator[list[str]]:
    """Yield every session; one that is noted anew meanwhile moves to the end, and is not left out."""
    last = 0
    while found := database.read(partial(_every_after, change_id=last)):
        last = found[-1][0]
        yield [session_id for _, session_id in found]


def _every_after(connection: Connection, change_id: int) -> list[tuple[int, str]]:
    return connection.rows(_EVERY, (change_id, BATCH_SESSIONS))


def complete_beside(connection: Connection) -> None:
    """Note beside the table what it lacks, all of it from the instant of this read, on a connection that only reads."""
    is_beside = connection.row(_IS_BESIDE) is not None
    tail = _tail(connection)
    if tail is None and not is_beside:
        return
    if not is_beside:
        connection.execute(_BESIDE)
    elif _is_overtaken(connection):
        connection.run("DELETE FROM temp.newer_activity")
    else:
        connection.run(_INDEX_BESIDE)  # it takes as long as several pages without it
        tail = _tail(connection, "temp.activity_watermarks")
    if tail is not None:
        _add_beside(connection, tail)


def _is_overtaken(connection: Connection) -> bool:
    """Tell whether somebody brought the table itself to where this connection came, or further."""
    return connection.row(_HAS_MORE_BESIDE) is None


def _add_beside(connection: Connection, tail: _Tail) -> None:
    touched = _touched(connection, tail)
    if touched is None:
        connection.run("DELETE FROM temp.newer_activity")
        connection.run(_ADD_BESIDE)
    else:
        these = (json.dumps(touched),)
        connection.run(_DROP_BESIDE, these)
        connection.run(f"{_ADD_BESIDE} WHERE session_id IN {_THESE}", these)
    connection.executemany(_FOLLOW_BESIDE, tail.watermarks)
