"""How a connection of the standard library treats the disk."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")
_JOURNALS = {"wal": "WAL", "delete": "rollback journal"}


def sqlite_settings(connection: sqlite3.Connection) -> str:
    """Return the journal and the synchronous mode of a connection, and the version of SQLite."""
    ((journal,),) = connection.execute("PRAGMA journal_mode").fetchall()
    ((synchronous,),) = connection.execute("PRAGMA synchronous").fetchall()
    return (
        f"{_JOURNALS.get(journal, journal)}, synchronous {_SYNCHRONOUS[synchronous]}, SQLite {sqlite3.sqlite_version}"
    )


def settings_of_file(path: Path) -> str:
    """Return what a new connection to the file at `path` gets when nobody sets anything."""
    with closing(sqlite3.connect(path)) as connection:
        return sqlite_settings(connection)
