"""A disk that fails, or waits, when a test says so."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from .faults import FaultyVFS

NUMBERS = count()


@pytest.fixture
def vfs() -> Iterator[FaultyVFS]:
    """A VFS of the test's own, that passes everything on until it is given a fault."""
    faulty = FaultyVFS(f"faulty-{next(NUMBERS)}")
    yield faulty
    faulty.fault = None
    faulty.unregister()
