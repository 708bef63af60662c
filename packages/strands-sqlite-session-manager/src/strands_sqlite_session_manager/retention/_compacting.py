"""Giving free space back to the file system."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.retention._rewriting import merge_indexes, rewrite

_PAGES = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
_STEPS = 2


@dataclass(frozen=True)
class Compacted:
    """What `compact` achieved.

    Attributes:
        bytes_before: Size of the file and its WAL before.
        bytes_after: Their size now.
    """

    bytes_before: int
    bytes_after: int


def compact(database: Database, *, progress: Callable[[int, int], None] | None = None) -> Compacted:
    """Merge the full-text indexes, write the whole file anew without the free space in it, and empty the WAL.

    Others can read meanwhile, but not write while the file is written: where that takes longer than their timeout,
    their writes fail with a `DatabaseBusyError`. SQLite needs as much space again as the content takes: once for a
    temporary file in the system's folder for those (`SQLITE_TMPDIR` names another), which has no name on POSIX systems
    and is gone with the process whatever happens, and once for the WAL. A process that is killed leaves the content as
    it was.

    Args:
        database: The database.
        progress: Called with the number of steps done, and of all steps.

    Raises:
        DatabaseBusyError: Others were writing, or reading what is older, for longer than the timeout. Nothing is lost,
            but the file is not small yet: compact again.
        DatabaseFullError: There is not enough space for the copies. Nothing is lost.
        SQLiteSessionError: The file could not be written; the type says why. Nothing is lost.
    """
    before = database.read(_size)
    merge_indexes(database)
    if progress is not None:
        progress(1, _STEPS)
    rewrite(database, "the content is complete", "end what reads or writes the file for long, then compact again")
    if progress is not None:
        progress(_STEPS, _STEPS)
    return Compacted(before, database.read(_size))


def _size(connection: Connection) -> int:
    """Return the size of the file and its WAL. Asks for their sizes by name, opens nothing."""
    if not connection.filename:
        return int(connection.row(_PAGES)[0])
    names = (connection.filename, f"{connection.filename}-wal")
    return sum(os.path.getsize(name) for name in names if os.path.exists(name))
