"""Sessions of long ago, written without the SDK, so that a second process that writes them starts at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from strands_sqlite_session_manager import _blobs
from strands_sqlite_session_manager._codec import dumps_apart
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.repository._records import next_change
from strands_sqlite_session_manager.retention import PrunePolicy

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
PLAN = PrunePolicy(tags=("old",))
"""Lets go what was tagged as old."""

_PROGRAM = Path(__file__).with_name("retention_process.py")

_ADD_SESSION = f"""
INSERT INTO sessions (change_id, session_id, session_type, created_at, updated_at)
VALUES ({next_change("sessions")}, ?1, 'AGENT', ?2, ?2)
"""
_ADD_AGENT = f"""
INSERT INTO agents (change_id, session_id, agent_id, state, conversation_manager_state, internal_state, created_at,
    updated_at) VALUES ({next_change("agents")}, ?1, 'a', ?2, '{{}}', '{{}}', ?3, ?3)
"""
_ADD_MESSAGE = f"""
INSERT INTO messages (change_id, session_id, agent_id, message_id, message, redact_message, created_at, updated_at)
VALUES ({next_change("messages")}, ?1, 'a', ?2, ?3, ?4, ?5, ?5)
"""
_NEXT = "SELECT 1 + ifnull(max(message_id), -1) FROM messages WHERE session_id = ? AND agent_id = 'a'"
_ADD_TAG = "INSERT INTO session_tags (session_id, tag) VALUES (?, ?)"
_LENGTHS = """
SELECT session_id, (SELECT count(*) FROM messages WHERE messages.session_id = sessions.session_id) FROM sessions
"""


def text(words: str, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": [{"text": words}]}


def image(content: bytes) -> dict[str, Any]:
    return {"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": content}}}]}


def add_message(
    connection: Connection, session_id: str, message: Any, redacted: Any = None, at: datetime = NOW
) -> None:
    """Append a message, the replacement of a redacted one with it."""
    number = connection.row(_NEXT, (session_id,))[0]
    texts, blobs = dumps_apart(message) if redacted is None else dumps_apart(message, redacted)
    replacement = None if redacted is None else texts[1]
    connection.run(_ADD_MESSAGE, (session_id, number, texts[0], replacement, at.isoformat(timespec="microseconds")))
    _blobs.link(connection, (session_id, "a", number), blobs)


def add_session(
    database: Database,
    session_id: str,
    *messages: Any,
    days_ago: float = 100,
    tags: Iterable[str] = (),
    state: str = "{}",
) -> None:
    """Write a session with an agent and its messages, all of them so many days before `NOW`."""
    at = NOW - timedelta(days=days_ago)

    def add(connection: Connection) -> None:
        written = at.isoformat(timespec="microseconds")
        connection.run(_ADD_SESSION, (session_id, written))
        connection.run(_ADD_AGENT, (session_id, state, written))
        for message in messages:
            add_message(connection, session_id, message, at=at)
        for tag in tags:
            connection.run(_ADD_TAG, (session_id, tag))

    database.write(add)


def add_message_now(database: Database, session_id: str, message: Any, redacted: Any = None) -> None:
    database.write(lambda connection: add_message(connection, session_id, message, redacted))


def lengths(database: Database) -> dict[str, int]:
    """The number of messages of each session."""
    return dict(database.read(lambda connection: connection.rows(_LENGTHS)))


def shown(database: Database, session_id: str) -> list[Any]:
    """What an agent gets of the messages of a session."""
    sql = "SELECT coalesce(redact_message, message) FROM messages WHERE session_id = ? ORDER BY message_id"
    return [json.loads(row[0]) for row in database.read(lambda connection: connection.rows(sql, (session_id,)))]


def assert_sound(database: Database) -> None:
    """SQLite finds nothing wrong, every row has its parent, and every binary value has somebody who uses it."""
    for sql, expected in (
        ("PRAGMA integrity_check", [("ok",)]),
        ("PRAGMA foreign_key_check", []),
        ("SELECT 1 FROM blobs WHERE blob_id NOT IN (SELECT blob_id FROM message_blobs)", []),
    ):
        assert database.read(lambda connection, sql=sql: connection.rows(sql)) == expected  # type: ignore[misc]


def raw_bytes(db: Path) -> bytes:
    """Every byte of every file of the database; read by another process, for closing a file drops SQLite's locks."""
    names = sorted(str(path) for path in db.parent.iterdir() if path.name.startswith(db.name))
    return subprocess.run(["/bin/cat", *names], check=True, stdout=subprocess.PIPE).stdout


@contextmanager
def another_process(task: str, db: Path, *rest: str) -> Iterator[subprocess.Popen[str]]:
    """Another process on the file; it has printed its first line, and ends with its standard input."""
    command = [sys.executable, str(_PROGRAM), task, str(db), *rest]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline()
        try:
            yield process
        finally:
            process.stdin.close()
            process.stdout.read()
            assert process.wait(60) == 0


def end(process: subprocess.Popen[str]) -> None:
    """Let another process end its transaction, and wait until it has."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


def copies_of_the_killed(db: Path, task: str, times: int) -> list[Path]:
    """Let processes do the task on copies of the file, each killed at another of its writes; return the copies."""
    command = [sys.executable, str(_PROGRAM), "die", str(db), task, str(times)]
    env = {**os.environ, "SQLITE_TMPDIR": str(db.parent)}
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env).stdout
    return [Path(line) for line in output.split("\n") if line]
