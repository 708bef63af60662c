"""Sessions to move, and looks at what has arrived."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from strands_sqlite_session_manager import transfer
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.repository import agents, messages, multi_agents, sessions

EARLY, LATE = "2025-05-01T10:00:00.000001+00:00", "2025-06-01T10:00:00+00:00"
IMAGE = bytes(range(256)) * 8
ODD_ID = "it's %_\n\u2028 'ü漢🎉' .. {}\\ "
ODD = {
    "nan": float("nan"),
    "inf": [float("inf"), float("-inf"), -0.0, 1e16, 1e-7, 5e-324],
    "big": 10**400,
    "text": '\x00\x1f\x7f \u2028 "\\/ </script> 🎉',
    "1": True,
    "one": 1,
    "float": 1.0,
    "empty": [{}, [], "", None],
    "bytes": {"small": b"\x00\xff", "large": IMAGE},
    "no bytes": {"__bytes_encoded__": False, "data": 1},
}
GONE = {"role": "user", "content": [{"text": "[gone]", "b": IMAGE[:600]}]}
TABLES = {
    "sessions": "session_id, session_type, created_at, updated_at, title, metadata, extra",
    "session_tags": "session_id, tag",
    "agents": "session_id, agent_id, state, conversation_manager_state, internal_state, created_at, updated_at, extra",
    "messages": "session_id, agent_id, message_id, message, redact_message, created_at, updated_at, extra",
    "agent_state_history": "session_id, agent_id, change_number, message_id, changes, created_at",
    "multi_agents": "session_id, multi_agent_id, state, created_at, updated_at",
    "message_blobs JOIN blobs USING (blob_id)": "session_id, agent_id, message_id, sha256, content",
}
SOURCE = Path(__file__).parent / "transfer_process.py"


def add_session(database: Database, session_id: str, *agent_ids: str) -> None:
    """Store a session with agents that have said nothing."""
    sessions.create_session(database, Session(session_id, SessionType.AGENT, EARLY, EARLY))
    for agent_id in agent_ids:
        agents.create_agent(database, session_id, SessionAgent(agent_id, {"mood": "calm"}, {}, {}, EARLY, LATE))


def say(database: Database, session_id: str, message_id: int, *content: Any, **more: Any) -> None:
    """Store a message of the agent `a`."""
    message: Any = {"role": "user", "content": list(content)}
    record = SessionMessage(message, message_id, more.pop("redacted", None), EARLY, LATE)
    messages.create_message(database, session_id, more.pop("agent", "a"), record)


def fill(database: Database) -> None:
    """Store sessions in which everything occurs that a table can hold."""
    add_session(database, "bare")
    add_session(database, "silent", "b", "a")
    add_session(database, ODD_ID, "a", ODD_ID)
    for message_id in (-1, 0, 7):
        say(database, ODD_ID, message_id, {"odd": ODD}, {"text": "hi"})
    say(database, ODD_ID, 8, {"image": IMAGE}, redacted=GONE)
    say(database, ODD_ID, 0, {"image": IMAGE}, agent=ODD_ID)
    agents.update_agent(database, ODD_ID, SessionAgent("a", {"odd": ODD}, {"k": [1.0]}, {"i": {"x": None}}, LATE, LATE))
    for multi_agent_id in ("graph", ODD_ID):
        multi_agents.create_multi_agent(database, ODD_ID, multi_agent_id, {"nodes": [1e16, float("nan")], "ü": None})
    add_session(database, "talk", "a")
    for message_id in range(30):
        say(database, "talk", message_id, {"text": f"line {message_id} ü"})
        agents.update_agent(database, "talk", SessionAgent("a", {"said": message_id}, {}, {}, LATE, LATE))
    note(database, "talk", 'Talk "1"', '{"customer": 7,"nested":{"a":[1e5]}}', "vip", "open")
    with_extra(database)


def note(database: Database, session_id: str, title: str, metadata: str, *tags: str) -> None:
    """Store what people note about a session."""

    def put(connection: Any) -> None:
        connection.run(
            "UPDATE sessions SET title = ?, metadata = ? WHERE session_id = ?", (title, metadata, session_id)
        )
        for tag in tags:
            connection.run("INSERT INTO session_tags (session_id, tag) VALUES (?, ?)", (session_id, tag))

    database.write(put)


def with_extra(database: Database) -> None:
    """Store fields of a newer SDK."""

    def put(connection: Any) -> None:
        for table in ("sessions", "agents", "messages"):
            connection.run(f"UPDATE {table} SET extra = '{{\"newer\":{{\"a\":1.5}}}}' WHERE session_id = 'talk'")

    database.write(put)


def rows(database: Database) -> dict[str, list[Any]]:
    """Every row that an export is to keep, without change counters."""
    return {
        table: database.read(
            lambda connection, sql=f"SELECT {columns} FROM {table} ORDER BY {columns}": connection.rows(sql)
        )
        for table, columns in TABLES.items()
    }


def exported(database: Database, session_ids: list[str] | None = None) -> bytes:
    """The sessions as JSON Lines, without the time in the header."""
    target = io.BytesIO()
    transfer.export_jsonl(database, target, session_ids)
    header, _, rest = target.getvalue().partition(b"\n")
    fields = json.loads(header)
    fields["exported_at"] = ""
    return json.dumps(fields).encode() + b"\n" + rest


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` with its content, and every folder."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def start(task: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process that does one thing, and reports on its standard output."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, str(SOURCE), task, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
