"""Fixtures: the three backends, the two of the SDK, and SQLite alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from moto import mock_aws

from .backends import Backend, FileBackend, Manager, S3Backend, SQLiteBackend
from .samples import agent

BUCKET = "contract"

_PREFIXES = itertools.count()


@pytest.fixture(scope="package")
def s3_client() -> Iterator[BaseClient]:
    """A client of moto's S3, with one bucket, and credentials that open nothing."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.setenv(name, "testing")
        client: Any = boto3.Session(region_name="us-east-1").client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture
def s3(s3_client: BaseClient) -> S3Backend:
    """S3, below a prefix of its own."""
    return S3Backend(s3_client, BUCKET, f"test-{next(_PREFIXES)}")


@pytest.fixture
def file(tmp_path: Path) -> FileBackend:
    """Files, in a folder of its own."""
    return FileBackend(tmp_path)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[SQLiteBackend]:
    """SQLite, in a file of its own."""
    backend = SQLiteBackend(tmp_path)
    yield backend
    backend.close()


@pytest.fixture(params=["sqlite", "file", "s3"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Backend)
    return found


@pytest.fixture(params=["file", "s3"])
def oracle(request: pytest.FixtureRequest) -> Backend:
    """Each of the SDK's own backends in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Backend)
    return found


@pytest.fixture
def manager(backend: Backend) -> Manager:
    """A manager on the new session `s` of each backend in turn."""
    return backend.open("s")


@pytest.fixture
def agent_a(request: pytest.FixtureRequest) -> None:
    """Give the session `s` its agent `a`, on the backend that the test asks for."""
    name = next(name for name in ("sqlite", "oracle", "backend") if name in request.fixturenames)
    request.getfixturevalue(name).open("s").create_agent("s", agent("a"))
