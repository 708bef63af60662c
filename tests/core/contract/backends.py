"""The session managers under test, each behind the same few calls: open one, and look at what it stored."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, TypeAlias, cast

import apsw
from botocore.client import BaseClient
from strands.session.file_session_manager import FileSessionManager
from strands.session.s3_session_manager import S3SessionManager

from strands_sqlite_session_manager import SQLiteSessionManager

Manager: TypeAlias = SQLiteSessionManager | FileSessionManager | S3SessionManager

METHODS = (
    "create_session",
    "read_session",
    "delete_session",
    "create_agent",
    "read_agent",
    "update_agent",
    "create_message",
    "read_message",
    "update_message",
    "list_messages",
    "create_multi_agent",
    "read_multi_agent",
    "update_multi_agent",
)


class Backend(ABC):
    """One place where sessions are kept."""

    name: str

    @abstractmethod
    def open(self, session_id: str = "s") -> Manager:
        """Build a session manager on this place, as a new process would."""

    @abstractmethod
    def stored_keys(self, session_id: str, agent_id: str, message_id: int) -> dict[str, set[str]]:
        """Return which fields the stored session, agent and message have, the ones this SDK does not know included."""


class FileBackend(Backend):
    """A folder of JSON files, kept by `FileSessionManager`."""

    name = "file"

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "files"

    def open(self, session_id: str = "s") -> FileSessionManager:
        return FileSessionManager(session_id, str(self.folder))

    def stored_keys(self, session_id: str, agent_id: str, message_id: int) -> dict[str, set[str]]:
        session = self.folder / f"session_{session_id}"
        agent = session / "agents" / f"agent_{agent_id}"
        paths = {
            "session": session / "session.json",
            "agent": agent / "agent.json",
            "message": agent / "messages" / f"message_{message_id}.json",
        }
        return {name: set(json.loads(path.read_text("utf-8"))) for name, path in paths.items()}


class OneClient:
    """Stands in for `boto3.Session`: building a client for every manager would take most of the time of these tests."""

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def client(self, **_options: object) -> BaseClient:
        return self._client


class S3Backend(Backend):
    """A prefix in a bucket of moto's S3, kept by `S3SessionManager`."""

    name = "s3"

    def __init__(self, client: BaseClient, bucket: str, prefix: str) -> None:
        self._client = cast("Any", client)
        self._bucket = bucket
        self._prefix = prefix

    def open(self, session_id: str = "s") -> S3SessionManager:
        shared = cast("Any", OneClient(self._client))
        return S3SessionManager(session_id, self._bucket, self._prefix, boto_session=shared)

    def stored_keys(self, session_id: str, agent_id: str, message_id: int) -> dict[str, set[str]]:
        session = f"{self._prefix}/session_{session_id}"
        agent = f"{session}/agents/agent_{agent_id}"
        keys = {
            "session": f"{session}/session.json",
            "agent": f"{agent}/agent.json",
            "message": f"{agent}/messages/message_{message_id}.json",
        }
        return {name: set(self._json(key)) for name, key in keys.items()}

    def _json(self, key: str) -> dict[str, object]:
        body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return cast("dict[str, object]", json.loads(body))


class SQLiteBackend(Backend):
    """One database file, kept by `SQLiteSessionManager`."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "sessions.db"
        self._opened: list[SQLiteSessionManager] = []
        self._connections: list[apsw.Connection] = []

    def open(self, session_id: str = "s", *, busy_timeout: float = 30.0) -> SQLiteSessionManager:
        manager = SQLiteSessionManager(session_id, self.path, busy_timeout=busy_timeout)
        self._opened.append(manager)
        return manager

    def foreign(self) -> apsw.Connection:
        """Open the file as any other program would, without patience for locks."""
        connection = apsw.Connection(str(self.path))
        self._connections.append(connection)
        return connection

    def rows(self, sql: str, *bindings: object) -> list[tuple[Any, ...]]:
        """Read the file as any other program would."""
        return list(self.foreign().execute(sql, cast("Any", bindings)))

    def stored_keys(self, session_id: str, agent_id: str, message_id: int) -> dict[str, set[str]]:
        found = {
            "session": self.rows("SELECT extra FROM sessions WHERE session_id = ?", session_id),
            "agent": self.rows("SELECT extra FROM agents WHERE session_id = ? AND agent_id = ?", session_id, agent_id),
            "message": self.rows(
                "SELECT extra FROM messages WHERE session_id = ? AND agent_id = ? AND message_id = ?",
                session_id,
                agent_id,
                message_id,
            ),
        }
        return {name: set(json.loads(rows[0][0])) for name, rows in found.items()}

    def close(self) -> None:
        """Let go of what was opened."""
        for connection in self._connections:
            connection.close()
        for manager in self._opened:
            manager.close()
