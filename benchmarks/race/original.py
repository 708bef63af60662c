"""A stand-in for the original design of this package: one connection of the standard library and whole records."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from strands.session import SessionRepository
from strands.types.session import Session, SessionAgent, SessionMessage
from typing_extensions import override

from benchmarks.race.settings import sqlite_settings

_TIMES = "created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP"
_TABLES = f"""
CREATE TABLE IF NOT EXISTS sessions (session_id TEXT PRIMARY KEY, data TEXT NOT NULL, {_TIMES});
CREATE TABLE IF NOT EXISTS agents (
    session_id TEXT NOT NULL, agent_id TEXT NOT NULL, data TEXT NOT NULL, {_TIMES},
    PRIMARY KEY (session_id, agent_id),
    FOREIGN KEY (session_id) REFERENCES sessions (session_id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS messages (
    session_id TEXT NOT NULL, agent_id TEXT NOT NULL, message_id INTEGER NOT NULL, data TEXT NOT NULL, {_TIMES},
    PRIMARY KEY (session_id, agent_id, message_id),
    FOREIGN KEY (session_id, agent_id) REFERENCES agents (session_id, agent_id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS idx_messages_session_agent ON messages (session_id, agent_id, message_id);
CREATE INDEX IF NOT EXISTS idx_agents_session ON agents (session_id);
"""
_PUT_SESSION = "INSERT INTO sessions (session_id, data) VALUES (?, ?)"
_GET_SESSION = "SELECT data FROM sessions WHERE session_id = ?"
_PUT_AGENT = "INSERT OR REPLACE INTO agents (session_id, agent_id, data) VALUES (?, ?, ?)"
_SET_AGENT = "UPDATE agents SET data = ?, updated_at = CURRENT_TIMESTAMP WHERE session_id = ? AND agent_id = ?"
_GET_AGENT = "SELECT data FROM agents WHERE session_id = ? AND agent_id = ?"
_PUT_MESSAGE = "INSERT INTO messages (session_id, agent_id, message_id, data) VALUES (?, ?, ?, ?)"
_SET_MESSAGE = (
    "UPDATE messages SET data = ?, updated_at = CURRENT_TIMESTAMP"
    " WHERE session_id = ? AND agent_id = ? AND message_id = ?"
)
_GET_MESSAGE = "SELECT data FROM messages WHERE session_id = ? AND agent_id = ? AND message_id = ?"
_GET_MESSAGES = "SELECT data FROM messages WHERE session_id = ? AND agent_id = ? ORDER BY message_id LIMIT ? OFFSET ?"


class OriginalRepository(SessionRepository):
    """Written for the race from the tables of a file of 0.1.0 and from what is known of how it worked.

    Every record is the SDK's own `to_dict` as JSON in one column; every write is a commit of its own on the one
    connection that all threads share, here behind a lock, because without it writes are lost.
    """

    def __init__(self, path: Path) -> None:
        """Open the file at `path` and create its tables."""
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.executescript(_TABLES)
        self.settings = sqlite_settings(self._connection)
        self._lock = Lock()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _write(self, statement: str, values: Sequence[Any]) -> None:
        with self._lock, self._connection:
            self._connection.execute(statement, values)

    def _read(self, statement: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        with self._lock:
            rows = self._connection.execute(statement, values).fetchall()
        return [json.loads(data) for (data,) in rows]

    @override
    def create_session(self, session: Session, **kwargs: Any) -> Session:
        self._write(_PUT_SESSION, (session.session_id, json.dumps(session.to_dict())))
        return session

    @override
    def read_session(self, session_id: str, **kwargs: Any) -> Session | None:
        found = self._read(_GET_SESSION, (session_id,))
        return Session.from_dict(found[0]) if found else None

    @override
    def create_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        self._write(_PUT_AGENT, (session_id, session_agent.agent_id, json.dumps(session_agent.to_dict())))

    @override
    def read_agent(self, session_id: str, agent_id: str, **kwargs: Any) -> SessionAgent | None:
        found = self._read(_GET_AGENT, (session_id, agent_id))
        return SessionAgent.from_dict(found[0]) if found else None

    @override
    def update_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        previous = self.read_agent(session_id, session_agent.agent_id)
        if previous is not None:
            session_agent.created_at = previous.created_at
        self._write(_SET_AGENT, (json.dumps(session_agent.to_dict()), session_id, session_agent.agent_id))

    @override
    def create_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any) -> None:
        data = json.dumps(session_message.to_dict())
        self._write(_PUT_MESSAGE, (session_id, agent_id, session_message.message_id, data))

    @override
    def read_message(self, session_id: str, agent_id: str, message_id: int, **kwargs: Any) -> SessionMessage | None:
        found = self._read(_GET_MESSAGE, (session_id, agent_id, message_id))
        return SessionMessage.from_dict(found[0]) if found else None

    @override
    def update_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any) -> None:
        data = json.dumps(session_message.to_dict())
        self._write(_SET_MESSAGE, (data, session_id, agent_id, session_message.message_id))

    @override
    def list_messages(
        self, session_id: str, agent_id: str, limit: int | None = None, offset: int = 0, **kwargs: Any
    ) -> list[SessionMessage]:
        found = self._read(_GET_MESSAGES, (session_id, agent_id, -1 if limit is None else limit, offset))
        return [SessionMessage.from_dict(each) for each in found]
