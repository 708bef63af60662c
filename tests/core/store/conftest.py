"""A database that does not wait for the disk; many files have one of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from strands_sqlite_session_manager._database import Database, Options
from strands_sqlite_session_manager._schema import open_database


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The path of a database that does not exist yet."""
    return tmp_path / "sessions.db"


@pytest.fixture
def database(db: Path) -> Iterator[Database]:
    """An empty database at `db`."""
    database = open_database(db, Options(durability="normal"))
    yield database
    database.close()
