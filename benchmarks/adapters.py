"""One way to open each of the managers that are compared, and the floor: the least work that SQLite allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import apsw
import boto3  # type: ignore[import-untyped]  # it brings no types
from moto import mock_aws
from pydantic_core import from_json, to_json
from strands.session import FileSessionManager, RepositorySessionManager, S3SessionManager, SessionRepository
from strands.types.session import Session, SessionAgent, SessionMessage
from typing_extensions import override

from strands_sqlite_session_manager import SQLiteSessionManager
from strands_sqlite_session_manager._connection import CHECKPOINT_PAGES, WAL_BYTES

Durability = Literal["full", "normal"]
Opener = Callable[[Path, str, Durability], AbstractContextManager[RepositorySessionManager]]

OURS = "ours"
FLOOR = "floor"
FILE = "FileSessionManager"
S3 = "S3SessionManager (moto)"

_REGION, _BUCKET = "us-east-1", "benchmarks"

_SCHEMA = """
CREATE TABLE sessions (session_id TEXT PRIMARY KEY, data TEXT NOT NULL);
CREATE TABLE agents (
    session_id TEXT NOT NULL, agent_id TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (session_id, agent_id)
);
CREATE TABLE messages (
    session_id TEXT NOT NULL, agent_id TEXT NOT NULL, message_id INTEGER NOT NULL, message TEXT NOT NULL,
    redact_message TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    PRIMARY KEY (session_id, agent_id, message_id)
);
CREATE TABLE pictures (content BLOB NOT NULL);
"""
_PUT_SESSION = "INSERT INTO sessions VALUES (?, ?)"
_GET_SESSION = "SELECT data FROM sessions WHERE session_id = ?"
_PUT_AGENT = "INSERT INTO agents VALUES (?, ?, ?)"
_SET_AGENT = "UPDATE agents SET data = ? WHERE session_id = ? AND agent_id = ?"
_GET_AGENT = "SELECT data FROM agents WHERE session_id = ? AND agent_id = ?"
_PUT_MESSAGE = "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)"
_SET_MESSAGE = (
    "UPDATE messages SET message = ?, redact_message = ?, updated_at = ?"
    " WHERE session_id = ? AND agent_id = ? AND message_id = ?"
)
_GET_MESSAGES = (
    "SELECT message, message_id, redact_message, created_at, updated_at FROM messages"
    " WHERE session_id = ? AND agent_id = ? AND message_id >= ? ORDER BY message_id LIMIT ?"
)


class Floor(SessionRepository):
    """The least raw APSW work for the same durability and the same JSON.

    One connection, one prepared statement per call, each in a transaction of its own. The settings that decide how
    the disk is used are ours, so that a ratio says what our own work costs. Nothing is checked, nothing is
    shared between threads, bytes and unknown fields are not looked after, and no error is translated.
    """

    def __init__(self, path: Path, durability: Durability, busy_seconds: int = 0) -> None:
        """Open the file at `path`; when it is new, create its tables."""
        is_new = not path.exists()
        self.connection = apsw.Connection(str(path))
        self.connection.set_busy_timeout(busy_seconds * 1000)
        self.connection.pragma("synchronous", durability)
        self.connection.pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        self.connection.pragma("journal_size_limit", WAL_BYTES)
        if is_new:
            self.connection.pragma("journal_mode", "wal")
            self.connection.execute(_SCHEMA)
        self._execute: Callable[..., Iterable[tuple[Any, ...]]] = self.connection.cursor().execute

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def put_picture(self, content: bytes) -> None:
        """Write `content` as one raw row."""
        self._execute("INSERT INTO pictures VALUES (?)", (content,))

    @override
    def create_session(self, session: Session, **kwargs: Any) -> Session:
        self._execute(_PUT_SESSION, (session.session_id, _json(session)))
        return session

    @override
    def read_session(self, session_id: str, **kwargs: Any) -> Session | None:
        rows = list(self._execute(_GET_SESSION, (session_id,)))
        return Session(**from_json(rows[0][0])) if rows else None

    @override
    def create_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        self._execute(_PUT_AGENT, (session_id, session_agent.agent_id, _json(session_agent)))

    @override
    def read_agent(self, session_id: str, agent_id: str, **kwargs: Any) -> SessionAgent | None:
        rows = list(self._execute(_GET_AGENT, (session_id, agent_id)))
        return SessionAgent(**from_json(rows[0][0])) if rows else None

    @override
    def update_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        self._execute(_SET_AGENT, (_json(session_agent), session_id, session_agent.agent_id))

    @override
    def create_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any) -> None:
        redacted = session_message.redact_message
        self._execute(
            _PUT_MESSAGE,
            (
                session_id,
                agent_id,
                session_message.message_id,
                to_json(session_message.message).decode(),
                None if redacted is None else to_json(redacted).decode(),
                session_message.created_at,
                session_message.updated_at,
            ),
        )

    @override
    def read_message(self, session_id: str, agent_id: str, message_id: int, **kwargs: Any) -> SessionMessage | None:
        found = self.list_messages(session_id, agent_id, limit=1, offset=message_id)
        return found[0] if found else None

    @override
    def update_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any) -> None:
        message, redacted = to_json(session_message.message).decode(), to_json(session_message.redact_message).decode()
        key = (session_id, agent_id, session_message.message_id)
        self._execute(_SET_MESSAGE, (message, redacted, session_message.updated_at, *key))

    @override
    def list_messages(
        self, session_id: str, agent_id: str, limit: int | None = None, offset: int = 0, **kwargs: Any
    ) -> list[SessionMessage]:
        return [
            SessionMessage(from_json(message), number, redacted and from_json(redacted), created, updated)
            for message, number, redacted, created, updated in self._execute(
                _GET_MESSAGES, (session_id, agent_id, offset, -1 if limit is None else limit)
            )
        ]


class LockedFloor(Floor):
    """The floor for several threads: one connection behind a lock, which each call holds while SQLite works."""

    def __init__(self, path: Path, durability: Durability, busy_seconds: int = 0) -> None:
        """Open the file at `path`."""
        super().__init__(path, durability, busy_seconds)
        self._unlocked, self._lock = self._execute, Lock()
        self._execute = self._locked

    def _locked(self, *arguments: Any) -> Any:
        with self._lock:
            return self._unlocked(*arguments)


def _json(value: Session | SessionAgent) -> str:
    return to_json(vars(value)).decode()


@contextmanager
def open_ours(folder: Path, session_id: str, durability: Durability) -> Iterator[SQLiteSessionManager]:
    """Open the package's own manager on a file in `folder`."""
    with SQLiteSessionManager(session_id, folder / "ours.db", durability=durability) as manager:
        yield manager


@contextmanager
def open_floor(folder: Path, session_id: str, durability: Durability) -> Iterator[RepositorySessionManager]:
    """Open the SDK's manager over the floor, on a file in `folder`."""
    floor = Floor(folder / "floor.db", durability)
    try:
        yield RepositorySessionManager(session_id, floor)
    finally:
        floor.close()


@contextmanager
def open_files(folder: Path, session_id: str, durability: Durability) -> Iterator[FileSessionManager]:  # noqa: ARG001 - it has one durability only
    """Open the SDK's manager for files; it writes without any fsync."""
    yield FileSessionManager(session_id, str(folder / "files"))


@contextmanager
def open_s3(folder: Path, session_id: str, durability: Durability) -> Iterator[S3SessionManager]:  # noqa: ARG001 - nothing is on disk
    """Open the SDK's manager for S3 on a bucket that moto holds in this process."""
    with mock_aws():
        boto3.client("s3", region_name=_REGION).create_bucket(Bucket=_BUCKET)
        yield S3SessionManager(session_id, _BUCKET, region_name=_REGION)


OPENERS: dict[str, Opener] = {OURS: open_ours, FLOOR: open_floor, FILE: open_files, S3: open_s3}
"""How each subject is opened, by its name in the report."""
