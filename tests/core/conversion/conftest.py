"""A database file for each test."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.core.database.faults import FaultyVFS

from .file import File

NUMBERS = count()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    """A new file; what was opened on it is closed after the test."""
    opened = File(tmp_path / "sessions.db")
    yield opened
    opened.close()


@pytest.fixture
def vfs() -> Iterator[FaultyVFS]:
    """A disk that fails when the test says so."""
    faulty = FaultyVFS(f"full-disk-{next(NUMBERS)}")
    yield faulty
    faulty.fault = None
    faulty.unregister()
