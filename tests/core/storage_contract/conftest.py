"""Fixtures: the storages of the SDK and ours, a SQLite file alone, and a disk that fails when a test says so."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.core.database.faults import FaultyVFS

from .backends import (
    NAMES,
    Backend,
    FileBackend,
    MemoryBackend,
    SQLiteBackend,
    SQLiteMemoryBackend,
    SQLiteNamespaceBackend,
    Store,
)

_NUMBERS = count()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[SQLiteBackend]:
    """SQLite, in a file of its own."""
    backend = SQLiteBackend(tmp_path)
    yield backend
    backend.close()


@pytest.fixture
def sqlite_memory() -> Iterator[SQLiteMemoryBackend]:
    """SQLite, in memory."""
    backend = SQLiteMemoryBackend()
    yield backend
    backend.close()


@pytest.fixture
def sqlite_namespace(tmp_path: Path) -> Iterator[SQLiteNamespaceBackend]:
    """A namespace in SQLite; what is stored beside it must be as it was when the test is over."""
    backend = SQLiteNamespaceBackend(tmp_path)
    yield backend
    found = backend.neighbours()
    backend.close()
    assert found == backend.NEIGHBOURS


@pytest.fixture
def memory() -> MemoryBackend:
    """The SDK's dict."""
    return MemoryBackend()


@pytest.fixture
def file(tmp_path: Path) -> FileBackend:
    """The SDK's files, in a folder of their own."""
    return FileBackend(tmp_path)


@pytest.fixture(params=NAMES)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend in turn."""
    found = request.getfixturevalue(request.param.replace("-", "_"))
    assert isinstance(found, Backend)
    return found


@pytest.fixture
def store(backend: Backend) -> Store:
    """An empty storage on each backend in turn."""
    return backend.open()


@pytest.fixture
def vfs() -> Iterator[FaultyVFS]:
    """A VFS of the test's own, that passes everything on until it is given a fault."""
    faulty = FaultyVFS(f"faulty-storage-{next(_NUMBERS)}")
    yield faulty
    faulty.fault = None
    faulty.unregister()
