"""The views that other tools show: what each says of a session, in plain columns."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import SQLiteSessionManager, SQLiteStorage
from strands_sqlite_session_manager._schema import open_database

CALLS = [
    {"toolUse": {"toolUseId": "t1", "name": "find", "input": {"order": 4711}}},
    {"toolUse": {"toolUseId": "t2", "name": "refund", "input": {}}},
]
RESULT = {"toolResult": {"toolUseId": "t1", "status": "success", "content": [{"text": "lost"}]}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed file with a session in which tools were called and the state changed."""
    path = tmp_path / "sessions.db"
    with SQLiteSessionManager("support-42", path) as manager:
        manager.create_agent("support-42", SessionAgent("helper", {"mood": "calm", "old": 1}, {}))
        for number, (role, *content) in enumerate([("assistant", *CALLS), ("user", RESULT)]):
            record = SessionMessage({"role": role, "content": content}, number, created_at=f"2030-01-0{number + 1}")  # type: ignore[typeddict-item]
            manager.create_message("support-42", "helper", record)
        manager.update_agent("support-42", SessionAgent("helper", {"mood": "happy"}, {}, updated_at="2026-01-01"))
    return path


@pytest.fixture
def shell(path: Path) -> Iterator[sqlite3.Connection]:
    """What another program sees: the SQLite of the standard library, on the closed file."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    yield connection
    connection.close()


def test_session_overview_has_a_row_for_each_session(path: Path) -> None:
    """Title, tags, agents, how many messages, and when something last happened, whichever table says so."""
    database = open_database(path)

    def note(connection: object) -> None:
        connection.run("UPDATE sessions SET title = 'Lost order', metadata = '{\"customer\": 7}'")  # type: ignore[attr-defined]
        connection.run("INSERT INTO session_tags VALUES ('support-42', 'open'), ('support-42', 'vip')")  # type: ignore[attr-defined]

    database.write(note)
    database.close()
    shell = sqlite3.connect(path)
    columns = "session_id, title, tags, last_activity, agents, messages, metadata"
    rows = shell.execute(f"SELECT {columns} FROM session_overview").fetchall()
    shell.close()
    expected = ("support-42", "Lost order", "open, vip", "2030-01-02", "helper", 2, '{"customer": 7}')
    assert rows == [expected]


def test_session_overview_shows_a_session_without_agents(tmp_path: Path) -> None:
    """Its last activity is then its beginning."""
    path = tmp_path / "sessions.db"
    SQLiteSessionManager("empty", path).close()
    shell = sqlite3.connect(path)
    rows = shell.execute(
        "SELECT session_id, created_at = last_activity, agents, messages FROM session_overview"
    ).fetchall()
    shell.close()
    assert rows == [("empty", 1, None, 0)]


def test_tool_calls_stand_beside_their_results(shell: sqlite3.Connection) -> None:
    """A call has its tool, its input and what came back; one without an answer has no result."""
    rows = shell.execute("SELECT message_id, tool, input, status, result FROM tool_calls ORDER BY tool").fetchall()
    assert rows == [(0, "find", '{"order":4711}', "success", "lost"), (0, "refund", "{}", None, None)]


def test_state_changes_are_a_row_each(shell: sqlite3.Connection) -> None:
    """What was set, and what went, with the message after which it happened."""
    rows = shell.execute("SELECT message_id, part, change, name, value FROM state_changes").fetchall()
    assert sorted(rows, key=repr) == sorted(
        [
            (None, "state", "set", "mood", "calm"),
            (None, "state", "set", "old", 1),
            (1, "state", "set", "mood", "happy"),
            (1, "state", "removed", "old", None),
        ],
        key=repr,
    )


def test_stored_objects_are_readable_also_in_parts(path: Path) -> None:
    """Parts and runs of parts are put together: the text is what was stored."""
    stored = {}
    with SQLiteStorage(path) as storage:
        for turns in (1, 3, 4, 9):
            messages = [{"role": "user", "content": [{"text": f"\u00fc {turn} " * 700}]} for turn in range(turns)]
            data = {"scope": "agent", "data": {"messages": messages, "state": {}}}
            stored[f"snapshots/{turns}.json"] = json.dumps(data, ensure_ascii=False)
            asyncio.run(storage.write(f"snapshots/{turns}.json", stored[f"snapshots/{turns}.json"].encode()))
        asyncio.run(storage.write("note.txt", b"short"))
    shell = sqlite3.connect(path)
    found = dict(shell.execute("SELECT key, text FROM stored_objects").fetchall())
    shell.close()
    assert found == {**stored, "note.txt": "short"}
