"""All pages of a database that is in use, copied in steps between which others write and fork."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import apsw

from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import DatabaseBusyError

STEP_PAGES = 1000
"""How many pages are copied at a time; between two steps nothing is locked, and others may write."""

MOST_RESTARTS = 3
"""So often a write of others may send the copy back to its beginning; then the rest is copied in one step."""

Progress = Callable[[int, int], None]


@contextmanager
def _source(database: Database) -> Iterator[apsw.Connection]:
    """Lend a connection of the backup's own to what is copied."""
    if database.in_memory:  # its one connection is in a transaction, from which SQLite's backup does not read
        source = apsw.Connection(":memory:")
        source.deserialize("main", database.read(lambda connection: connection.serialize("main")))
    else:
        source = database.between_forks(database.connect)
    try:
        yield source
    finally:
        database.between_forks(source.close)


def copy_pages(database: Database, copy: apsw.Connection, progress: Progress | None) -> None:
    """Copy all pages; from the beginning again where a fork has closed what is copied, and at last without a pause."""
    for _ in range(MOST_RESTARTS):
        with _source(database) as source:
            try:
                _copy_from(source, database, copy, progress)
            except (apsw.ConnectionClosedError, ValueError):
                if not _is_closed(source):
                    raise
            else:
                return
    pages = database.between_forks(partial(_copy_at_once, database, copy))
    if progress is not None:
        progress(pages, pages)


def _copy_from(source: apsw.Connection, database: Database, copy: apsw.Connection, progress: Progress | None) -> None:
    """Copy all pages, step by step; when others write between two steps, SQLite begins again."""
    backup = database.between_forks(partial(copy.backup, "main", source, "main"))
    try:
        restarts, done = 0, 0
        while not backup.done:
            step = partial(_step, backup, STEP_PAGES if restarts < MOST_RESTARTS else -1)
            before, (done, pages) = done, database.between_forks(step)
            restarts += done <= before
            if progress is not None:
                progress(done, pages)
        _require_unchanged(database, source)
    finally:
        database.between_forks(partial(backup.close, force=True))


def _copy_at_once(database: Database, copy: apsw.Connection) -> int:
    """Copy all pages between two forks; return how many."""
    source = database.connect()
    try:
        with copy.backup("main", source, "main") as backup:
            _, pages = _step(backup, -1)
        _require_unchanged(database, source)
    finally:
        source.close()
    return pages


def _step(backup: apsw.Backup, pages: int) -> tuple[int, int]:
    """Copy so many pages; return how many are copied, and how many there are."""
    backup.step(pages)
    return backup.page_count - backup.remaining, backup.page_count


def _require_unchanged(database: Database, source: apsw.Connection) -> None:
    if isinstance(source, Connection) and not source.is_current():
        message = f"database=<{database.path}> was changed while it was copied, and is read without locks"
        raise DatabaseBusyError(message, hint="try again, or back up where the folder can be written")


def _is_closed(connection: apsw.Connection) -> bool:
    try:
        connection.total_changes()
    except apsw.ConnectionClosedError:
        return True
    return False
