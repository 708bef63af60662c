"""The tables as people and tools see them, migrations, and files of every release."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import apsw
import pytest
from strands import Agent
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import (
    CodecError,
    DatabaseFullError,
    SQLiteSessionManager,
    SQLiteStorage,
    _schema,
)

DATA = Path(__file__).parent.parent / "data"


def message(number: int, *content: Any) -> SessionMessage:
    return SessionMessage({"role": "user", "content": list(content)}, number)


def query(path: Path, sql: str) -> list[Any]:
    """Return what another SQLite program sees in a closed file."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_a_new_file_says_what_it_is(tmp_path: Path) -> None:
    """The header names the program and the schema version, and each migration left its record."""
    path = tmp_path / "sessions.db"
    SQLiteSessionManager("s", path).close()
    assert query(path, "PRAGMA application_id") == [(_schema.APPLICATION_ID,)]
    assert query(path, "PRAGMA user_version") == [(_schema.VERSION,)]
    names = [name for name, _ in _schema.MIGRATIONS]
    assert query(path, "SELECT version, name FROM migrations") == list(enumerate(names, 1))


def test_another_program_reads_the_tables_as_text(tmp_path: Path) -> None:
    """Ids are text, values are JSON, times are ISO text: the standard library's SQLite shows them on a closed file."""
    path = tmp_path / "sessions.db"
    with SQLiteSessionManager("support-42", path) as manager:
        manager.create_agent("support-42", SessionAgent("default", {"mood": "gro\u00df"}, {}))
        manager.create_message("support-42", "default", message(0, {"text": "Where is my order?"}))
    with sqlite3.connect(path) as connection:
        row = connection.execute(
            "SELECT session_id, agent_id, message_id, message, created_at FROM messages"
        ).fetchone()
        assert row[:3] == ("support-42", "default", 0)
        assert json.loads(row[3]) == {"role": "user", "content": [{"text": "Where is my order?"}]}
        assert row[4].endswith("+00:00")
        assert connection.execute("SELECT state FROM agents").fetchone() == ('{"mood":"gro\u00df"}',)
    connection.close()


def test_the_transcript_view_reads_as_prose(tmp_path: Path) -> None:
    """One view shows who said what: text, tool calls, results, images by name, and what a guardrail put in place."""
    path = tmp_path / "sessions.db"
    call = {"toolUse": {"toolUseId": "t", "name": "find", "input": {"order": 4711}}}
    result = {"toolResult": {"toolUseId": "t", "status": "success", "content": [{"text": "lost"}]}}
    with SQLiteSessionManager("s", path) as manager:
        manager.create_agent("s", SessionAgent("a", {}, {}))
        manager.create_message("s", "a", message(0, {"text": "Look:"}, {"image": {"source": {"bytes": b"x" * 9999}}}))
        manager.create_message("s", "a", message(1, {"text": "I will."}, call))
        manager.create_message("s", "a", message(2, result))
        redacted = message(3, {"text": "my card is 4111"})
        redacted.redact_message = {"role": "user", "content": [{"text": "[redacted]"}]}
        manager.create_message("s", "a", redacted)
        manager.create_message("s", "a", SessionMessage({"role": "user", "content": "no list"}, 4))  # type: ignore[typeddict-item]
        manager.create_message("s", "a", message(5, "no dict", {"toolUse": {}}, {}))
    said = [row[0] for row in query(path, "SELECT said FROM transcript ORDER BY message_id")]
    assert said == [
        "Look:\n[image]",
        'I will.\n[calls find {"order":4711}]',
        '[result [{"text":"lost"}]]',
        "[redacted]",
        "no list",
        "no dict\n[calls ? ]\n[]",
    ]


def test_rows_inserted_by_hand_get_their_timestamps(tmp_path: Path) -> None:
    """Timestamps are automatic: a row that someone adds with another tool has them."""
    path = tmp_path / "sessions.db"
    SQLiteSessionManager("s", path).close()
    connection = apsw.Connection(str(path))
    connection.execute("INSERT INTO sessions (session_id, session_type) VALUES ('by hand', 'AGENT')")
    connection.close()
    with SQLiteSessionManager("by hand", path) as manager:
        session = manager.read_session("by hand")
        assert session is not None
        assert session.created_at.startswith("20")
        assert session.created_at.endswith("+00:00")


def test_large_binary_values_are_stored_once_as_bytes_and_freed_with_their_last_message(tmp_path: Path) -> None:
    """An image costs its own size, once, however many messages hold it; deleting the last of them frees it."""
    path = tmp_path / "sessions.db"
    image = bytes(range(256)) * 4096
    block = {"image": {"format": "png", "source": {"bytes": image}}}
    with SQLiteSessionManager("s", path) as manager:
        manager.create_agent("s", SessionAgent("a", {}, {}))
        manager.create_session(Session("t", SessionType.AGENT))
        manager.create_agent("t", SessionAgent("a", {}, {}))
        for session in ("s", "t"):
            for number in range(5):
                manager.create_message(session, "a", message(number, block))
        assert [record.message["content"][0] for record in manager.list_messages("t", "a")] == [block] * 5
        manager.update_message("s", "a", message(4, {"text": "redacted"}))
        manager.delete_session("s")
        assert manager.list_messages("t", "a")[4].message["content"] == [block]
    assert query(path, "SELECT length(content) FROM blobs") == [(len(image),)]
    assert path.stat().st_size < 1.2 * len(image)
    with SQLiteSessionManager("t", path) as manager:
        for number in range(5):
            manager.update_message("t", "a", message(number, {"text": "redacted"}))
    assert query(path, "SELECT count(*) FROM blobs") == [(0,)]
    assert query(path, "SELECT count(*) FROM message_blobs") == [(0,)]


def test_deleting_a_session_leaves_no_row_of_it(tmp_path: Path) -> None:
    """Everything of the session goes with it; its id stays among the deletions, for those who mirror the file."""
    path = tmp_path / "sessions.db"
    with SQLiteSessionManager("s", path) as manager:
        manager.create_agent("s", SessionAgent("a", {"x": 1}, {}))
        manager.create_message("s", "a", message(0, {"image": {"source": {"bytes": b"x" * 9999}}}))
        manager.delete_session("s")
    for table in ("sessions", "agents", "messages", "multi_agents", "agent_state_history", "blobs", "message_blobs"):
        assert query(path, f"SELECT count(*) FROM {table}") == [(0,)], table
    assert query(path, "SELECT session_id FROM deletions") == [("s",)]


def test_the_change_counter_only_ever_rises(tmp_path: Path) -> None:
    """Each write of a row gives it a number above all that were given before, deleted rows included."""
    path = tmp_path / "sessions.db"
    given: list[int] = []

    def newest(manager: SQLiteSessionManager) -> int:
        sql = "SELECT max(change_id) FROM messages"
        return int(manager._database.read(lambda connection: connection.row(sql)[0]))

    with SQLiteSessionManager("keep", path) as manager:
        for round_ in range(3):
            name = f"s{round_}"
            manager.create_session(Session(name, SessionType.AGENT))
            manager.create_agent(name, SessionAgent("a", {}, {}))
            for number in range(3):
                manager.create_message(name, "a", message(number, {"text": name}))
                given.append(newest(manager))
            manager.update_message(name, "a", message(0, {"text": "again"}))
            given.append(newest(manager))
            manager.create_message(name, "a", message(1, {"text": name}))
            assert newest(manager) == given[-1], "a retry changes nothing"
            if round_ < 2:
                manager.delete_session(name)
    assert given == sorted(set(given))


def test_the_state_history_has_a_small_row_for_each_change(tmp_path: Path) -> None:
    """What an agent's state was at any message can be put together; a sync that changes nothing adds nothing."""
    path = tmp_path / "sessions.db"
    with SQLiteSessionManager("s", path) as manager:
        big = "x" * 10_000
        manager.create_agent("s", SessionAgent("a", {"mood": "calm", "big": big}, {"removed_message_count": 0}))
        manager.update_agent("s", SessionAgent("a", {"mood": "calm", "big": big}, {"removed_message_count": 0}))
        manager.create_message("s", "a", message(0, {"text": "x"}))
        manager.update_agent("s", SessionAgent("a", {"mood": "tense", "big": big}, {"removed_message_count": 0}))
        manager.create_message("s", "a", message(1, {"text": "x"}))
        manager.update_agent("s", SessionAgent("a", {"big": big}, {"removed_message_count": 1}))
    rows = query(path, "SELECT message_id, changes FROM agent_state_history ORDER BY change_number")
    assert [(message_id, json.loads(changes)) for message_id, changes in rows] == [
        (
            None,
            {
                "state": {"set": {"mood": "calm", "big": big}},
                "conversation_manager_state": {"set": {"removed_message_count": 0}},
            },
        ),
        (0, {"state": {"set": {"mood": "tense"}}}),
        (
            1,
            {
                "state": {"set": {}, "remove": ["mood"]},
                "conversation_manager_state": {"set": {"removed_message_count": 1}},
            },
        ),
    ]


@pytest.fixture
def legacy(tmp_path: Path) -> Path:
    """A copy of a file that the original 0.1.0 module wrote."""
    return Path(shutil.copy(DATA / "legacy_0_1_0.db", tmp_path / "sessions.db"))


def test_a_file_of_0_1_0_opens_with_everything_in_it(legacy: Path) -> None:
    """All sessions, agents, messages and multi-agent states of the old file are read as they were written."""
    before: dict[str, list[Any]] = {
        table: query(legacy, f"SELECT * FROM {table} ORDER BY rowid")
        for table in ("sessions", "agents", "messages", "multi_agents")
    }
    with SQLiteSessionManager("support-42", legacy) as manager:
        for session_id, data, *_ in before["sessions"]:
            assert manager.read_session(session_id) == Session.from_dict(json.loads(data))
        for session_id, agent_id, data, *_ in before["agents"]:
            assert manager.read_agent(session_id, agent_id) == SessionAgent.from_dict(json.loads(data))
        for session_id, agent_id, message_id, data, *_ in before["messages"]:
            found = manager.read_message(session_id, agent_id, message_id)
            assert found == SessionMessage.from_dict(json.loads(data))
        for session_id, multi_agent_id, data, *_ in before["multi_agents"]:
            assert manager.read_multi_agent(session_id, multi_agent_id) == json.loads(data)
    assert [len(before[table]) for table in before] == [3, 3, 34, 1]
    assert query(legacy, "SELECT count(*) FROM messages") == [(34,)]
    assert query(legacy, "SELECT length(content) FROM blobs") == [(1032,)], "the image is bytes now"
    assert query(legacy, "PRAGMA integrity_check") == [("ok",)]


def test_a_manager_goes_on_where_0_1_0_stopped(legacy: Path) -> None:
    """A real agent resumes a session of the old file, what was trimmed stays trimmed, and it continues the count."""
    with SQLiteSessionManager("support-42", legacy) as manager:
        agent = Agent(
            model=ScriptedModel("You are welcome."),
            session_manager=manager,
            conversation_manager=SlidingWindowConversationManager(),
            callback_handler=None,
        )
        assert agent.state.get("customer") == "Ada"
        restored = [block for found in agent.messages for block in found["content"]]
        assert {"text": "[redacted]"} in restored
        assert {"text": "My order 4711 never arrived."} not in restored
        agent("Thank you.")
        ids = [record.message_id for record in manager.list_messages("support-42", "default")]
        assert ids == list(range(10))


def test_a_migration_is_preceded_by_a_backup(legacy: Path) -> None:
    """The file as it was stays beside the new one, private, under a name that says which version it has."""
    before = {table: query(legacy, f"SELECT * FROM {table}") for table in ("sessions", "agents", "messages")}
    SQLiteSessionManager("support-42", legacy).close()
    (backup,) = legacy.parent.glob("sessions.db.v0-*.backup")
    assert {table: query(backup, f"SELECT * FROM {table}") for table in before} == before
    assert backup.stat().st_mode & 0o777 == 0o600
    SQLiteSessionManager("support-42", legacy).close()
    assert len(list(legacy.parent.iterdir())) == 2, "opening again makes no further backup"


def test_a_migration_that_fails_leaves_the_file_as_it_was(legacy: Path) -> None:
    """A row of the old file that is no JSON stops the migration: nothing of it stays, and the row is told."""
    connection = apsw.Connection(str(legacy))
    connection.execute("UPDATE messages SET data = '{broken' WHERE message_id = 24")
    connection.close()
    before = query(legacy, "SELECT * FROM messages")
    with pytest.raises(CodecError, match=r"table=<messages>, key=<\(.*24\)>.*not readable JSON") as caught:
        SQLiteSessionManager("support-42", legacy)
    assert "mend or delete the row" in caught.value.hint
    assert query(legacy, "SELECT * FROM messages") == before
    assert query(legacy, "PRAGMA user_version") == [(0,)]
    names = {row[0] for row in query(legacy, "SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert names == {"sessions", "agents", "messages", "multi_agents"}
    assert list(legacy.parent.glob("*backup*")) == [], "attempts do not fill the disk"


@pytest.mark.parametrize("data", ["[]", "7", "{}", '{"message": {"role": "user", "content": []}, "created_at": null}'])
def test_a_row_of_the_old_file_with_another_shape_is_named_or_kept(legacy: Path, data: str) -> None:
    """JSON that 0.1.0 never wrote is a typed error that names the row; a missing time is taken from the column."""
    connection = apsw.Connection(str(legacy))
    connection.execute("UPDATE messages SET data = ? WHERE message_id = 24", (data,))
    connection.close()
    if "message" in data:
        with SQLiteSessionManager("support-42", legacy) as manager:
            found = manager.read_message("o'brien; DROP TABLE sessions;--", 'agent "1"', 24)
            assert found is not None
            assert found.created_at == "2026-11-22 07:47:38"
    else:
        with pytest.raises(CodecError, match="table=<messages>"):
            SQLiteSessionManager("support-42", legacy)


def test_a_migration_without_room_leaves_the_file_as_it_was(legacy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full in the middle of a migration is an error, and the old file still opens afterwards."""
    step = _schema._step

    def full(connection: Any, version: int) -> None:
        connection.pragma("max_page_count", connection.pragma("page_count"))
        step(connection, version)

    with monkeypatch.context() as patch:
        patch.setattr(_schema, "_step", full)
        with pytest.raises(DatabaseFullError):
            SQLiteSessionManager("support-42", legacy)
    assert query(legacy, "PRAGMA user_version") == [(0,)]
    with SQLiteSessionManager("support-42", legacy) as manager:
        assert len(manager.list_messages("support-42", "default")) == 8


def test_rows_of_0_1_0_without_their_parents_are_kept(legacy: Path) -> None:
    """The old module did not enforce foreign keys: messages whose agent is missing get one."""
    connection = apsw.Connection(str(legacy))
    connection.execute("DELETE FROM agents WHERE agent_id = 'triage'; DELETE FROM sessions WHERE session_id = 'empty'")
    connection.execute("INSERT INTO multi_agents (session_id, multi_agent_id, data) VALUES ('gone', 'g', '{}')")
    connection.close()
    with SQLiteSessionManager("support-42", legacy) as manager:
        assert len(manager.list_messages("support-42", "triage")) == 1
        found = manager.read_agent("support-42", "triage")
        assert found is not None
        assert found.state == {}
        assert manager.read_multi_agent("gone", "g") == {}


@pytest.mark.parametrize("version", range(1, _schema.VERSION + 1))
def test_a_file_of_every_released_schema_opens(tmp_path: Path, version: int) -> None:
    """The golden file of each schema version opens with what was put in it."""
    path = Path(shutil.copy(DATA / f"schema_{version}.db", tmp_path / "sessions.db"))
    with SQLiteSessionManager("golden", path) as manager:
        agent = manager.read_agent("golden", "default")
        assert agent is not None
        assert agent.state == {"mood": "calm", "turns": 2}
        records = manager.list_messages("golden", "default")
        assert [record.message_id for record in records] == [0, 1, 2]
        assert records[1].message["content"][0]["image"]["source"]["bytes"] == bytes(range(256)) * 4
        assert records[2].to_message()["content"] == [{"text": "[redacted]"}]
        assert manager.read_multi_agent("golden", "graph") == {"status": "completed"}
    assert query(path, "PRAGMA user_version") == [(_schema.VERSION,)]


@pytest.mark.parametrize("version", range(2, _schema.VERSION + 1))
def test_the_objects_in_a_file_of_every_released_schema_are_read(tmp_path: Path, version: int) -> None:
    """The objects in the golden file of each schema version are read, searched, and freed when they are deleted."""
    path = Path(shutil.copy(DATA / f"schema_{version}.db", tmp_path / "sessions.db"))

    async def look(storage: SQLiteStorage) -> None:
        for turns in (3, 4):
            found = json.loads(await storage.read(f"snapshots/{turns}.json") or b"")
            assert [message["content"][0]["text"][:2] for message in found["data"]["messages"]] == [
                f"{turn} " for turn in range(turns)
            ]
        assert [result.key for result in await storage.namespace("memory/notes").search("tea")] == ["tea.md"]
        for key in await storage.list():
            await storage.delete(key)

    with SQLiteStorage(path) as storage:
        asyncio.run(look(storage))
    assert query(path, "SELECT count(*) FROM parts") == [(0,)]


def test_the_golden_file_of_this_schema_has_the_schema_of_today(tmp_path: Path) -> None:
    """The newest golden file was written with the tables that this code creates: a changed schema is a new version."""
    path = tmp_path / "sessions.db"
    SQLiteSessionManager("s", path).close()
    sql = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    assert query(DATA / f"schema_{_schema.VERSION}.db", sql) == query(path, sql)
