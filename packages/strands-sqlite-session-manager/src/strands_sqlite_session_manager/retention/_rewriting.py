"""Rewriting the file from what is in it, so that nothing else is."""

from __future__ import annotations

import time

from strands_sqlite_session_manager import _index
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import DatabaseBusyError

MERGED_PAGES = 500
"""About so many pages of a full-text index are written in one transaction."""

# A first step with a negative number makes one piece of all; SQLite says that nothing is left to do by fewer changes
# than two: https://sqlite.org/fts5.html#the_merge_command
_MERGE = (
    "INSERT INTO message_index (message_index, rank) VALUES ('merge', ?)",
    "INSERT INTO search_index (search_index, rank) VALUES ('merge', ?)",
)
_FEWEST_CHANGES = 2
_PAUSE = 0.005
_AGAIN = "end what reads or writes the file, then erase the same again: it finishes what is left to do"


def leave_nothing(database: Database, what: str) -> None:
    """Let nothing of what was deleted be left in the indexes, the free space and the WAL.

    Args:
        database: The database.
        what: What is deleted, to be said where another process is in the way.

    Raises:
        DatabaseBusyError: Others were in the way for longer than the timeout.
        SQLiteSessionError: The file could not be written; the type says why.
    """
    while database.read(_index.is_stale):
        database.write(_index.drop_stale)
    merge_indexes(database)
    rewrite(database, what, _AGAIN)


def merge_indexes(database: Database) -> None:
    """Let the full-text indexes have no words but those that are found; others get their turn between the steps.

    Raises:
        SQLiteSessionError: An index could not be written; the type says why.
    """
    for sql in _MERGE:
        pages = -MERGED_PAGES
        while _merge(database, sql, pages):
            pages = MERGED_PAGES


def _merge(database: Database, sql: str, pages: int) -> bool:
    """Merge some pages of an index; return whether there was something to do."""
    changes: list[int] = []

    def run(connection: Connection) -> None:
        before = connection.total_changes()
        connection.run(sql, (pages,))
        changes.append(connection.total_changes() - before)

    database.write(run)
    return changes[-1] >= _FEWEST_CHANGES


def rewrite(database: Database, what: str, again: str) -> None:
    """Write the whole file anew, then empty the WAL into it.

    Args:
        database: The database; others can neither write while the file is written, nor read what is older then.
        what: What is done already, to be said where another process is in the way.
        again: What to do then.

    Raises:
        DatabaseBusyError: Others were in the way for longer than the timeout.
        SQLiteSessionError: The file could not be written; the type says why.
    """
    message = f"database=<{database.path}> | {what}, but others were using the file: older content may still be in it"
    emptied: list[bool] = []
    try:
        database.run_alone(lambda connection: connection.run("VACUUM"))
        database.run_alone(lambda connection: emptied.append(_empty_wal(connection)))
    except DatabaseBusyError as error:
        raise DatabaseBusyError(message, hint=again) from error
    if not emptied[-1]:
        raise DatabaseBusyError(message, hint=again)


def _empty_wal(connection: Connection) -> bool:
    """Write the WAL into the file and cut it to nothing; return False where others were in the way for too long.

    SQLite does not wait for another process that checkpoints, so this does.
    """
    deadline = time.monotonic() + connection.patience
    while connection.row("PRAGMA wal_checkpoint(TRUNCATE)")[0]:
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE)
    return True
