"""Fresh databases in memory, each a copy of one that has its tables: making those takes longer than a short test."""

from __future__ import annotations

import threading

from strands_sqlite_session_manager._connection import Connection, connect
from strands_sqlite_session_manager._database import Database, DatabaseUser, Options
from strands_sqlite_session_manager._schema import bring_up_to_date

_LOCK = threading.Lock()
_TEMPLATE: list[Connection] = []


class MemoryDatabase(DatabaseUser):
    """A database in memory that lives until it is closed, and whoever joins it."""

    def __init__(self) -> None:
        """Make it, with its tables and nothing in them."""
        self._database = Database(":memory:", Options(), _copy_template)


def _copy_template(connection: Connection, path: str) -> None:
    with _LOCK:
        if not _TEMPLATE:
            template = connect(path, seconds=0, create=True)
            bring_up_to_date(template, path)
            _TEMPLATE.append(template)
        with connection.backup("main", _TEMPLATE[0], "main") as backup:
            while not backup.done:
                backup.step()
