"""Sessions written row by row, as the SDK's session manager writes them, and what their tables hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import SQLiteSessionManager

Rows = list[tuple[Any, ...]]


def query(path: Path, sql: str, *bindings: object) -> Rows:
    """Return what any other program would see in the file."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        return list(connection.execute(sql, bindings))
    finally:
        connection.close()


def everything(path: Path) -> dict[str, Rows]:
    """Return all rows of all tables, but for what FTS5 keeps as bytes."""
    tables = query(
        path, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '%\\_index%' ESCAPE '\\'"
    )
    return {table: query(path, f"SELECT * FROM {table}") for (table,) in tables}


def no_damage(path: Path) -> bool:
    """Tell whether SQLite finds nothing wrong, and every row has its parent."""
    return query(path, "PRAGMA integrity_check") == [("ok",)] and query(path, "PRAGMA foreign_key_check") == []


def time(seconds: float) -> str:
    """Return a moment as the SDK writes it."""
    return f"2026-01-01T00:{int(seconds) // 60:02}:{seconds % 60:09.6f}+00:00"


class Log:
    """A session that is written row by row.

    Attributes:
        manager: The session manager behind it.
    """

    def __init__(self, manager: SQLiteSessionManager) -> None:
        self.manager = manager
        self.session_id = manager.session_id
        self._next: dict[str, int] = {}

    def agent(self, agent_id: str = "agent", at: float = 0, **state: Any) -> None:
        """Create an agent."""
        record = SessionAgent(agent_id, state, {"__name__": "None", "removed_message_count": 0}, created_at=time(at))
        self.manager.create_agent(self.session_id, record)
        self._next[agent_id] = 0

    def change(self, agent_id: str = "agent", *, trimmed: int = 0, **state: Any) -> None:
        """Store a state of an agent."""
        manager = {"__name__": "None", "removed_message_count": trimmed}
        self.manager.update_agent(self.session_id, SessionAgent(agent_id, state, manager))

    def say(self, agent_id: str = "agent", *content: Any, at: float | None = None) -> int:
        """Store a message, said by user and assistant in turn."""
        number = self._next[agent_id]
        self._next[agent_id] = number + 1
        role = "assistant" if number % 2 else "user"
        message: Any = {"role": role, "content": list(content) or [{"text": f"{agent_id} {number}"}]}
        stamp = time(number if at is None else at)
        record = SessionMessage(message, number, created_at=stamp, updated_at=stamp)
        self.manager.create_message(self.session_id, agent_id, record)
        return number

    def redact(self, agent_id: str, message_id: int) -> None:
        """Put something else in the place of a message, as a guardrail does."""
        record = self.manager.read_message(self.session_id, agent_id, message_id)
        assert record is not None
        record.redact_message = {"role": record.message["role"], "content": [{"text": "[removed]"}]}
        self.manager.update_message(self.session_id, agent_id, record)


def image(pixels: bytes) -> Any:
    """An image block."""
    return {"image": {"format": "png", "source": {"bytes": pixels}}}
