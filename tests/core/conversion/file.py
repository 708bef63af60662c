"""A database file that is opened as a message log, as snapshots, and as storage."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

from strands.session.snapshot_session_manager import SnapshotSessionManager
from strands.types.session import SessionMessage

from strands_sqlite_session_manager import SQLiteSessionManager, SQLiteStorage

AGENT = "default"
"""The id of an agent that was given none."""


def latest_key(session_id: str, agent_id: str = AGENT, *, scope: str = "agent") -> str:
    """Return where the SDK keeps what an agent, a graph or a swarm resumes from."""
    return f"session/{session_id}/scopes/{scope}/{agent_id}/snapshots/snapshot_latest.json"


class File:
    """One database file, and whatever a test opened on it.

    Attributes:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened = contextlib.ExitStack()

    def log(self, session_id: str = "s") -> SQLiteSessionManager:
        """Open a session as a message log."""
        return self._opened.enter_context(SQLiteSessionManager(session_id, self.path, durability="normal"))

    def storage(self) -> SQLiteStorage:
        """Open the file as storage."""
        return self._opened.enter_context(SQLiteStorage(self.path, durability="normal"))

    def snapshots(self, session_id: str = "s", **options: Any) -> SnapshotSessionManager:
        """Open a session as snapshots."""
        return SnapshotSessionManager(session_id, storage=options.pop("storage", None) or self.storage(), **options)

    def listed(self, session_id: str = "s", agent_id: str = AGENT) -> list[SessionMessage]:
        """Return all messages that the log holds of an agent."""
        return self.log(session_id).list_messages(session_id, agent_id)

    def read(self, key: str) -> Any:
        """Return what JSON an object holds, None where there is none."""
        data = asyncio.run(self.storage().read(key))
        return None if data is None else json.loads(data)

    def write(self, key: str, value: Any) -> None:
        """Store JSON as the SDK writes it."""
        asyncio.run(self.storage().write(key, json.dumps(value, ensure_ascii=False).encode()))

    def stored_keys(self, prefix: str = "") -> list[str]:
        """Return the keys of all objects."""
        return asyncio.run(self.storage().list(prefix))

    def close(self) -> None:
        """Close what was opened, as the end of a process would."""
        self._opened.close()
