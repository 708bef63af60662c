"""Fixtures: a real S3 server, moto's, a proxy that can fail in front of the real one, and a bucket for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.retries.standard import ExponentialBackoff
from moto import mock_aws

from strands_sqlite_s3_mirror import _client
from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database

from .proxy import Proxy
from .pushing import add_session
from .servers import Server, buckets_given_back, seaweedfs


@pytest.fixture(autouse=True)
def _no_other_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no credentials, profile or endpoint of the person who runs the tests have a say."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "nowhere")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 try again at once; how long it waits is not ours to test."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.0)


@pytest.fixture(autouse=True)
def _buckets_of_the_test() -> Iterator[None]:
    """Delete the buckets that a test makes; those of fixtures with a wider scope stay."""
    with buckets_given_back():
        yield


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """SeaweedFS, one for each process that runs tests."""
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture
def moto_server() -> Iterator[Server]:
    """Moto's S3, inside of this process, empty."""
    with mock_aws():
        yield Server("moto", None)


@pytest.fixture(params=["s3_server", "moto_server"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each server in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Server)
    return found


@pytest.fixture
def bucket(server: Server) -> Iterator[Bucket]:
    """A new bucket, on each server in turn."""
    made = server.bucket()
    yield made
    made.close()


@pytest.fixture
def s3_bucket(s3_server: Server) -> Iterator[Bucket]:
    """A new bucket on the real server."""
    made = s3_server.bucket()
    yield made
    made.close()


@pytest.fixture
def moto_bucket(moto_server: Server) -> Iterator[Bucket]:
    """A new bucket of moto's."""
    made = moto_server.bucket()
    yield made
    made.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Database]:
    """A database in which nothing is, beside the one of the test."""
    database = open_database(tmp_path / "other" / "sessions.db")
    yield database
    database.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database with a session in which nothing is said yet; many files have one of their own."""
    database = open_database(tmp_path / "sessions.db")
    add_session(database, "talk")
    yield database
    database.close()


@pytest.fixture
def proxy(s3_server: Server) -> Iterator[Proxy]:
    """A proxy in front of the real server, which does as it is told to."""
    assert s3_server.endpoint_url is not None
    with Proxy(s3_server.endpoint_url) as running:
        yield running


@pytest.fixture
def quick_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once where S3 was busy or an answer broke off."""
    monkeypatch.setattr(_client, "_FIRST_PAUSE", 0.0)
