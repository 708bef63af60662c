"""The full-text index of messages: how it follows what is written, in batches that leave room for other writers."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from operator import index as whole_number
from typing import NamedTuple

from ._codec import loads
from ._connection import Connection
from ._database import Database
from ._texts import said
from ._words import index_text
from .errors import CodecError

Progress = Callable[[int, int], None]
"""Gets how many changes were looked through, and how many there are."""

SMALL_BATCH = 128
"""How many messages are indexed in one transaction while others write: that takes about 20 ms."""

LARGE_BATCH = 20_000
"""How many at most while nobody else does: FTS5 needs 35 µs for each then, 160 µs in small batches."""

BATCH_CHARACTERS = 32 * 1024 * 1024
"""A batch has no more messages once it has so much text."""

QUIET_SECONDS = 5.0
"""When nobody else has written for so long, batches grow again: an agent that takes its time is not to be held up."""

PAUSE = 1.0
"""While others write, a pause is so many times as long as the batch before it took."""

MOST_SEGMENTS = 64
"""From so many parts of the index on, they are merged as fast as new ones are written."""

_READ_MESSAGES = 1_000
_READ_CHARACTERS = 8 * 1024 * 1024
_MERGED_PAGES = 64
_MERGED_PAGES_BEHIND = 4_096
_FIRST_BATCH = 1_000
_GROWTH = 4

_NAME = "message_index"
_WATERMARK = "SELECT change_id FROM watermarks WHERE name = ?"
_RAISE = """
INSERT INTO watermarks (name, change_id) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET change_id = excluded.change_id
"""
_NEWEST = "SELECT ifnull(max(change_id), 0) FROM messages"
_UNREAD = """
SELECT change_id, coalesce(redact_message, message) FROM messages WHERE change_id > ? ORDER BY change_id LIMIT ?
"""
_PRESENT = "SELECT change_id FROM messages WHERE change_id > ? AND change_id <= ?"
# One statement for all: Python's other threads go on meanwhile, and FTS5 writes one segment instead of many.
_ADD = "INSERT INTO message_index (rowid, words) SELECT CAST(key AS INTEGER), value FROM json_each(?)"
_MERGE = "INSERT INTO message_index (message_index, rank) VALUES ('merge', ?)"
_OPTIMIZE = "INSERT INTO message_index (message_index) VALUES ('optimize')"
_EMPTY = "INSERT INTO message_index (message_index) VALUES ('delete-all')"
# What FTS5 keeps in memory of a transaction, so that a batch becomes one segment, and no merges but our own: FTS5 would
# merge while a batch is written, or all segments of a level at once while others wait.
_CONFIGURE = """
INSERT INTO message_index (message_index, rank) VALUES ('hashsize', 67108864);
INSERT INTO message_index (message_index, rank) VALUES ('automerge', 0);
INSERT INTO message_index (message_index, rank) VALUES ('crisismerge', 1000);
"""
_SEGMENTS = """
WITH RECURSIVE segments (segid) AS (
    SELECT min(segid) FROM message_index_idx
    UNION ALL
    SELECT (SELECT min(segid) FROM message_index_idx WHERE segid > segments.segid) FROM segments WHERE segid IS NOT NULL
)
SELECT count(segid) FROM segments
"""
_COUNTERS = """
SELECT ifnull((SELECT max(change_id) FROM messages), 0) + ifnull((SELECT max(change_id) FROM agents), 0)
    + ifnull((SELECT max(change_id) FROM sessions), 0) + ifnull((SELECT max(change_id) FROM multi_agents), 0)
    + ifnull((SELECT max(change_id) FROM deletions), 0) + ifnull((SELECT max(change_id) FROM objects), 0)
"""

# The same for a database that may only be read: in memory, and only what the index does not have.
_CREATE_TAIL = """
CREATE VIRTUAL TABLE temp.message_tail USING fts5 (
    words, content = '', tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
);
INSERT INTO temp.message_tail (message_tail, rank) VALUES ('hashsize', 67108864);
INSERT INTO temp.message_tail (message_tail, rank) VALUES ('automerge', 0);
INSERT INTO temp.message_tail (message_tail, rank) VALUES ('crisismerge', 1000);
CREATE TABLE temp.message_tail_reach (above INTEGER NOT NULL, up_to INTEGER NOT NULL);
INSERT INTO temp.message_tail_reach VALUES (0, 0);
"""
_HAS_TAIL = "SELECT 1 FROM temp.sqlite_schema WHERE name = 'message_tail_reach'"
_TAIL = "SELECT above, up_to FROM temp.message_tail_reach"
_EMPTY_TAIL = "INSERT INTO temp.message_tail (message_tail) VALUES ('delete-all')"
_ADD_TO_TAIL = "INSERT INTO temp.message_tail (rowid, words) VALUES (?, ?)"
_MOVE_TAIL = "UPDATE temp.message_tail_reach SET above = ?, up_to = ?"

_Row = tuple[int, str]


class _Batch(NamedTuple):
    """Messages that are to be indexed, and what they are the next of.

    Attributes:
        above: The change up to which everything was indexed when they were read.
        up_to: The last change that was looked at.
        words: By change, what is indexed.
    """

    above: int
    up_to: int
    words: list[_Row]


def indexed_to(connection: Connection) -> int:
    """Return the change up to which messages are indexed."""
    row = connection.row(_WATERMARK, (_NAME,))
    return 0 if row is None else whole_number(row[0])  # where it is none, another program has written it


def is_behind(connection: Connection) -> bool:
    """Tell whether messages were written that are not indexed."""
    return int(connection.row(_NEWEST)[0]) > indexed_to(connection)


def catch_up(database: Database, progress: Progress | None = None) -> None:
    """Index the messages that are not yet, in transactions between which other writers get their turn.

    Args:
        database: Where; another process may do the same at the same time.
        progress: Called between the transactions, with the changes looked through so far and their number.
    """
    start, newest = database.read(lambda connection: (indexed_to(connection), int(connection.row(_NEWEST)[0])))
    if start >= newest:
        return
    pace = _Pace()
    with closing(_batches(database, start, newest, pace)) as batches:
        for batch in batches:
            pace.run(database, batch)
            if progress is not None:
                progress(min(batch.up_to, newest) - start, newest - start)


def catch_up_here(connection: Connection) -> None:
    """Index the messages that are not yet, in the caller's transaction."""
    above = indexed_to(connection)
    while rows := _unread(connection, above, _READ_MESSAGES):
        _add(connection, _Batch(above, rows[-1][0], _words(rows)))
        above = rows[-1][0]


def catch_up_in_memory(connection: Connection, messages: int) -> int:
    """Index, in TEMP tables, up to so many of the messages that the index lacks; return how many are left at most.

    Args:
        connection: One that may only read; it keeps the tables.
        messages: How many to index in this transaction.
    """
    if connection.row(_HAS_TAIL) is None:
        connection.execute(_CREATE_TAIL)
    indexed = indexed_to(connection)
    above, up_to = connection.row(_TAIL)
    if not above <= indexed <= up_to:  # the index was built anew, or has overtaken all of this
        connection.run(_EMPTY_TAIL)
        above = up_to = indexed
    while messages > 0 and (rows := _unread(connection, up_to, min(messages, _READ_MESSAGES))):
        connection.executemany(_ADD_TO_TAIL, _words(rows))
        up_to = rows[-1][0]
        messages -= len(rows)
    connection.run(_MOVE_TAIL, (above, up_to))
    return max(0, int(connection.row(_NEWEST)[0]) - int(up_to))


def empty(connection: Connection) -> None:
    """Take everything out of the index, in the caller's transaction; the next search indexes all messages anew."""
    connection.run(_EMPTY)
    connection.run(_RAISE, (_NAME, 0))


def rebuild(database: Database, progress: Progress | None = None) -> None:
    """Build the index anew: nothing that was deleted or redacted is left in it."""
    database.write(empty)
    catch_up(database, progress)


def optimize(database: Database) -> None:
    """Merge the index into one part, and drop what it keeps of removed messages; others must wait meanwhile."""
    database.write(lambda connection: connection.run(_OPTIMIZE))


class _Pace:
    """How large batches are, and how long the pauses between them: large and none while nobody else writes."""

    def __init__(self) -> None:
        self.size = _FIRST_BATCH
        self._counters: int | None = None
        self._others_until = -math.inf

    def run(self, database: Database, batch: _Batch) -> None:
        """Index `batch`, then leave the others their time, if there are any."""
        begins: list[float] = []
        counters: list[int] = []

        def add(connection: Connection) -> None:
            begins.append(time.perf_counter())
            counters.append(int(connection.row(_COUNTERS)[0]))
            _add(connection, batch)

        database.write(add)
        end = time.perf_counter()
        self._adapt(counters[-1], end)  # of an operation that was run again, the last run counts
        if self.size == SMALL_BATCH:
            time.sleep(PAUSE * (end - begins[-1]))

    def _adapt(self, counters: int, now: float) -> None:
        if self._counters not in (None, counters):
            self._others_until = now
            self.size = SMALL_BATCH
        elif now - self._others_until > QUIET_SECONDS:
            self.size = min(self.size * _GROWTH, LARGE_BATCH)
        self._counters = counters


def _batches(database: Database, start: int, newest: int, pace: _Pace) -> Generator[_Batch, None, None]:
    """Yield the messages from `start` to `newest` as batches of the right size; a thread reads the next meanwhile."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="strands-sqlite-index") as reader:
        ahead = reader.submit(_read, database, start, pace.size)
        while (found := ahead.result()).words:
            if found.up_to < newest:
                ahead = reader.submit(_read, database, found.up_to, max(pace.size, _READ_MESSAGES))
            above, words = found.above, found.words
            while words:
                part, words = words[: pace.size], words[pace.size :]
                yield _Batch(above, part[-1][0], part)
                above = part[-1][0]
            if above >= newest:
                return


def _read(database: Database, above: int, most: int) -> _Batch:
    """Read the next messages to be indexed, in short transactions, and turn them into words outside of these."""
    words: list[_Row] = []
    characters, up_to = 0, above
    while len(words) < most and characters < BATCH_CHARACTERS:
        rows = database.read(partial(_unread, above=up_to, most=min(most - len(words), _READ_MESSAGES)))
        if not rows:
            break
        up_to = rows[-1][0]
        words += _words(rows)
        characters += sum([len(text) for _, text in words[-len(rows) :]])
    return _Batch(above, up_to, words)


def _unread(connection: Connection, above: int, most: int) -> list[_Row]:
    """Return the next messages as JSON, fewer than `most` where they are large."""
    rows: list[_Row] = []
    characters = 0
    for change_id, text in connection.execute(_UNREAD, (above, most)):
        rows.append((change_id, text))
        characters += len(text)
        if characters >= _READ_CHARACTERS:
            break
    return rows


def _words(rows: list[_Row]) -> list[_Row]:
    return [(change_id, _words_of(text)) for change_id, text in rows]


def _words_of(text: str) -> str:
    try:
        return index_text(said(loads(text)), None)
    except CodecError:  # damaged by another program; it is not what a search is there to report
        return ""


def _add(connection: Connection, batch: _Batch) -> None:
    """Index those messages of `batch` that are still there and that nobody else has indexed meanwhile."""
    row = connection.row(_WATERMARK, (_NAME,))
    indexed = 0 if row is None else whole_number(row[0])
    if not batch.above <= indexed < batch.up_to:  # somebody else was here, or has emptied the index
        return
    if row is None:
        connection.execute(_CONFIGURE)
    present = {change_id for (change_id,) in connection.rows(_PRESENT, (indexed, batch.up_to))}
    connection.run(_ADD, (json.dumps({change_id: words for change_id, words in batch.words if change_id in present}),))
    connection.run(_RAISE, (_NAME, batch.up_to))
    if len(batch.words) <= SMALL_BATCH:
        connection.run(_MERGE, (_MERGED_PAGES,))
    elif connection.row(_SEGMENTS)[0] > MOST_SEGMENTS:
        connection.run(_MERGE, (_MERGED_PAGES_BEHIND,))
