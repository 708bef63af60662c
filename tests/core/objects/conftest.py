"""A storage on a new file, and a disk that fails or crashes when a test says so."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from strands_sqlite_session_manager import SQLiteStorage

from .disk import CrashingVFS

pytest.register_assert_rewrite("tests.core.objects.looking")

NUMBERS = count()


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The path of a database that does not exist yet."""
    return tmp_path / "objects.db"


@pytest.fixture
def storage(db: Path) -> Iterator[SQLiteStorage]:
    """A storage on `db`."""
    with SQLiteStorage(db, durability="normal") as storage:
        yield storage


@pytest.fixture
def vfs() -> Iterator[CrashingVFS]:
    """A VFS of the test's own, that passes everything on until it is given a fault."""
    crashing = CrashingVFS(f"objects-{next(NUMBERS)}")
    yield crashing
    crashing.fault = None
    crashing.unregister()
