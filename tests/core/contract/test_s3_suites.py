"""What `S3SessionManager` does otherwise than the contracts say, on moto: in this process, which no other one sees."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

import boto3
import pytest
from moto import mock_aws
from strands.session.s3_session_manager import S3SessionManager

from pytest_strands_sqlite.contracts import (
    ManagerCapability,
    RepositoryCapability,
    SessionManagerContract,
    SessionRepositoryContract,
)

from .test_repository_suite import KNOWN_OF_THE_SDK


class Bucket:
    """A bucket of moto's, and how many requests were made of it."""

    def __init__(self) -> None:
        self.requests = 0
        self.client: Any = boto3.Session(region_name="us-east-1").client("s3")
        self.client.create_bucket(Bucket="contract")
        self.client.meta.events.register("before-send.s3", self._count)

    def _count(self, **_event: object) -> None:
        self.requests += 1

    def open(self, place: Path, session_id: str) -> S3SessionManager:
        # In place of boto3.Session: to build a client for every manager would take most of the time of these tests.
        shared = cast("Any", type("Shared", (), {"client": lambda _self, **_options: self.client})())
        return S3SessionManager(session_id, "contract", "/".join(place.parts[-2:]), boto_session=shared)

    def read_json(self, place: Path, name: str) -> dict[str, object]:
        key = "/".join([*place.parts[-2:], name])
        found: dict[str, object] = json.loads(self.client.get_object(Bucket="contract", Key=key)["Body"].read())
        return found


class OnS3:
    """Places that are prefixes in one bucket."""

    bucket: ClassVar[Bucket]

    def cost(self, place: Path) -> Mapping[str, int]:
        return {"requests": self.bucket.requests}


@pytest.fixture(scope="module", autouse=True)
def bucket() -> Iterator[None]:
    """Moto's S3, and credentials that open nothing."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.setenv(name, "testing")
        OnS3.bucket = Bucket()
        yield


class TestRepository(OnS3, SessionRepositoryContract):
    """Objects below a prefix of a bucket."""

    capabilities = frozenset(RepositoryCapability) - {
        RepositoryCapability.ATOMIC_CREATE,
        RepositoryCapability.OTHER_PROCESSES,
        RepositoryCapability.UPGRADES,
    }
    known_deviations = KNOWN_OF_THE_SDK

    def open(self, place: Path) -> S3SessionManager:
        return self.bucket.open(place, "contract")

    def stored_fields(self, place: Path, session_id: str, agent_id: str, message_id: int) -> set[str]:
        name = f"session_{session_id}/agents/agent_{agent_id}/messages/message_{message_id}.json"
        return set(self.bucket.read_json(place, name))


class TestManager(OnS3, SessionManagerContract):
    """Objects below a prefix of a bucket."""

    capabilities = frozenset(ManagerCapability) - {ManagerCapability.OTHER_PROCESSES, ManagerCapability.UPGRADES}

    def open(self, place: Path, session_id: str) -> S3SessionManager:
        return self.bucket.open(place, session_id)

    def delete(self, place: Path, session_id: str) -> None:
        self.bucket.open(place, "another").delete_session(session_id)
