"""The contestants that the SDK's own session manager drives: ours, the floor, files, S3 and the original design."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import cast

import apsw
import boto3  # type: ignore[import-untyped]  # it brings no types
from moto import mock_aws
from strands.session import FileSessionManager, RepositorySessionManager, S3SessionManager
from strands.types.content import Message
from strands.types.session import SessionMessage

from benchmarks import material
from benchmarks.adapters import Durability, LockedFloor
from benchmarks.race.contest import Action, Store
from benchmarks.race.original import OriginalRepository
from benchmarks.race.s3_server import S3Server
from benchmarks.turns import Conversation
from strands_sqlite_session_manager import SQLiteSessionManager

_REGION, _BUCKET = "us-east-1", "race"


class StrandsLog:
    """A conversation behind one of the SDK's session managers; turns are the hooks of the manager."""

    def __init__(self, manager: RepositorySessionManager, session_id: str, stored: int) -> None:
        """Go on after `stored` messages."""
        self._manager = manager
        self._repository = manager.session_repository
        self._session_id = session_id
        self._next = stored
        self._talk: Conversation | None = None

    def fill(self, messages: Sequence[Message]) -> None:
        """Store the messages one by one."""
        for message in messages:
            self.storing(message)()

    def storing(self, message: Message) -> Action:
        """Prepare the SDK's record of the message; the first one gives the session its agent."""
        if self._next == 0:
            material.create_agent(self._repository, self._session_id)
        record = SessionMessage.from_message(message, self._next)
        self._next += 1
        return partial(self._repository.create_message, self._session_id, material.AGENT, record)

    def read(self) -> Sequence[object]:
        """Return all records."""
        return self._repository.list_messages(self._session_id, material.AGENT)

    def newest(self, count: int) -> Sequence[object]:
        """Return the records from a position on."""
        return self._repository.list_messages(self._session_id, material.AGENT, limit=count, offset=self._next - count)

    def cycle(self) -> float:
        """Play turns of an agent that has the manager's hooks."""
        if self._talk is None:
            self._talk = Conversation(self._manager)
        return self._talk.cycle()


class FloorLog(StrandsLog):
    """A conversation on the floor, which has a place for raw bytes."""

    def storing(self, message: Message) -> Action:
        """Prepare a row for the message, and in the same transaction one for the bytes of its image."""
        image = message["content"][0].get("image")
        if image is None:
            return super().storing(message)
        floor = cast("LockedFloor", self._repository)
        store = super().storing({"role": message["role"], "content": [{"text": "an image"}]})

        def action() -> None:
            with floor.connection:
                floor.put_picture(image["source"]["bytes"])
                store()

        return action


class StrandsStore:
    """Opens one session manager for each conversation."""

    def __init__(
        self, settings: str, opener: Callable[[str], RepositorySessionManager], kind: type[StrandsLog] = StrandsLog
    ) -> None:
        """Open managers with `opener`, given the id of a session, for logs of a kind."""
        self.settings = settings
        self._opener = opener
        self._kind = kind

    def log(self, session_id: str, stored: int = 0) -> StrandsLog:
        """Open a manager for the conversation."""
        return self._kind(self._opener(session_id), session_id, stored)


def _settings(durability: Durability) -> str:
    return f"WAL, synchronous {durability.upper()}, SQLite {apsw.sqlite_lib_version()}"


@contextmanager
def _ours(folder: Path, durability: Durability) -> Iterator[Store]:
    with ExitStack() as stack:

        def opener(session_id: str) -> RepositorySessionManager:
            return stack.enter_context(SQLiteSessionManager(session_id, folder / "race.db", durability=durability))

        yield StrandsStore(_settings(durability), opener)


@contextmanager
def _floor(folder: Path, durability: Durability) -> Iterator[Store]:
    floor = LockedFloor(folder / "race.db", durability, busy_seconds=30)
    try:
        settings = _settings(durability)
        yield StrandsStore(settings, lambda session_id: RepositorySessionManager(session_id, floor), FloorLog)
    finally:
        floor.close()


open_ours = partial(_ours, durability="full")
open_ours_normal = partial(_ours, durability="normal")
open_floor = partial(_floor, durability="full")
open_floor_normal = partial(_floor, durability="normal")


@contextmanager
def open_original(folder: Path) -> Iterator[Store]:
    """Open the stand-in for the original design."""
    repository = OriginalRepository(folder / "race.db")
    try:
        yield StrandsStore(repository.settings, lambda session_id: RepositorySessionManager(session_id, repository))
    finally:
        repository.close()


@contextmanager
def open_files(folder: Path) -> Iterator[Store]:
    """Open the SDK's manager for files."""
    settings = "files that are renamed into place, no fsync"
    yield StrandsStore(settings, lambda session_id: FileSessionManager(session_id, str(folder)))


@contextmanager
def open_moto(folder: Path) -> Iterator[Store]:  # noqa: ARG001 - nothing is on disk
    """Open the SDK's manager for S3 on a bucket that moto holds in this process."""
    with mock_aws():
        boto3.client("s3", region_name=_REGION).create_bucket(Bucket=_BUCKET)
        yield StrandsStore(
            "memory of this process, no network",
            lambda session_id: S3SessionManager(session_id, _BUCKET, region_name=_REGION),
        )


@contextmanager
def open_s3_server(folder: Path) -> Iterator[Store]:
    """Open the SDK's manager for S3 on a server of its own on this machine."""
    session = boto3.Session(aws_access_key_id="race", aws_secret_access_key=secrets.token_hex(16), region_name=_REGION)
    with S3Server(folder, session.get_credentials()) as server:
        session.client("s3", endpoint_url=server.url).create_bucket(Bucket=_BUCKET)
        yield StrandsStore(
            "HTTP to 127.0.0.1; the server does not wait for the disk",
            lambda session_id: S3SessionManager(session_id, _BUCKET, boto_session=session, endpoint_url=server.url),
        )
