"""Fixtures for what is done with releases: one bucket for all tests, emptied before each, and a database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_session_manager._database import Database
from tests.mirror.servers import Server

from . import released


@pytest.fixture(scope="session")
def shared_bucket(s3_server: Server) -> Iterator[Bucket]:
    """A bucket on the real server; to build clients for each test takes most of its time."""
    made = s3_server.bucket()
    yield made
    made.close()


@pytest.fixture
def bucket(shared_bucket: Bucket) -> Bucket:
    """That bucket, empty."""
    shared_bucket.delete(found.key for found in list(shared_bucket.list("")))
    return shared_bucket


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Two sessions of messages, one of snapshots, and a note."""
    with released.opened(tmp_path / "agents.db") as opened:
        released.fill(opened)
        yield opened
