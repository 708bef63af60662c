"""Sessions as their rows, and as what an agent that resumes them has in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import apsw
from strands import Agent
from strands.agent import conversation_manager
from strands.agent.conversation_manager import ConversationManager
from strands.session.session_manager import SessionManager
from strands.session.snapshot_session_manager import SnapshotSessionManager
from strands.types.content import Message, Messages

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import (
    SQLiteSessionManager,
    SQLiteStorage,
    convert_to_message_log,
    convert_to_snapshots,
)

Rows = dict[str, list[tuple[Any, ...]]]

_NUMBERS = {"session_id", "change_id", "blob_id"}
"""Columns that say where a row stands, not what it holds."""


def query(path: Path, sql: str, *bindings: object) -> list[Any]:
    """Return what any other program would see in the file."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        return list(connection.execute(sql, bindings))
    finally:
        connection.close()


def session_ids(path: Path) -> list[str]:
    """Return the sessions that are kept as message logs."""
    return [session_id for (session_id,) in query(path, "SELECT session_id FROM sessions ORDER BY session_id")]


def rows_of(path: Path, session_id: str) -> Rows:
    """Return everything that any table holds of a session, but for its id, the numbers of rows, and what is derived."""
    columns: dict[str, list[str]] = {}
    for table, column in query(
        path,
        "SELECT t.name, c.name FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c "
        "WHERE t.type = 'table' AND t.name NOT IN ('deletions', 'session_activity') ORDER BY t.name, c.cid",
    ):
        columns.setdefault(table, []).append(column)
    found: Rows = {"binary values": _blobs(path, session_id)}
    for table, names in columns.items():
        if "session_id" in names and (kept := ", ".join(name for name in names if name not in _NUMBERS)):
            found[table] = query(path, f"SELECT {kept} FROM {table} WHERE session_id = ? ORDER BY {kept}", session_id)
    return found


def _blobs(path: Path, session_id: str) -> list[tuple[Any, ...]]:
    return query(
        path,
        "SELECT agent_id, message_id, sha256, content FROM message_blobs JOIN blobs USING (blob_id) "
        "WHERE session_id = ? ORDER BY agent_id, message_id, sha256",
        session_id,
    )


def everything(path: Path) -> Rows:
    """Return all rows of all tables."""
    tables = query(path, "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'")
    return {table: query(path, f"SELECT * FROM {table}") for (table,) in tables}


class Memory(NamedTuple):
    """What an agent has in memory."""

    messages: Messages
    state: dict[str, Any]
    conversation_manager: dict[str, Any]
    interrupts: dict[str, Any]
    model_state: dict[str, Any]

    def uncounted(self) -> Memory:
        """Leave out how many messages are out of sight: some of a snapshot's were never stored, a log's all are."""
        kept = {key: value for key, value in self.conversation_manager.items() if key != "removed_message_count"}
        return self._replace(conversation_manager=kept)


def memory_of(agent: Agent) -> Memory:
    """Return what an agent has in memory."""
    return Memory(
        agent.messages,
        agent.state.get(),
        agent.conversation_manager.get_state(),
        agent._interrupt_state.to_dict(),
        agent._model_state,
    )


def resumed(manager: SessionManager[Any], agent_id: str, conversation: ConversationManager) -> Memory:
    """Return what an agent has in memory after it was restored from a session."""
    agent = Agent(
        model=ScriptedModel(),
        agent_id=agent_id,
        session_manager=manager,
        conversation_manager=conversation,
        callback_handler=None,
    )
    return memory_of(agent)


def content(messages: Messages) -> list[tuple[str, Any]]:
    """Return who said what, without ids and measurements."""
    return [(message["role"], message["content"]) for message in messages]


def assert_converts_both_ways(path: Path) -> None:
    """Turn every session of the file into snapshots and back, under other ids, and compare all rows.

    Both are resumed too, by an agent on the log and by one on the snapshots, which must have the same in memory.
    """
    for session_id in session_ids(path):
        there, back = f"{session_id} in snapshots", f"{session_id} and back"
        if session_id.endswith((" and back", " in snapshots")):
            continue
        options: dict[str, Any] = {"overwrite": True, "durability": "normal"}
        convert_to_snapshots(session_id, path, new_session_id=there, **options)
        convert_to_message_log(there, path, new_session_id=back, **options)
        assert rows_of(path, back) == rows_of(path, session_id)
        assert_resumes_alike(path, session_id, there)


def assert_resumes_alike(path: Path, log_id: str, snapshots_id: str, *, counted: bool = True) -> None:
    """Resume every agent of a message log from both, and compare what they have in memory.

    Args:
        path: The file.
        log_id: The session that is kept as a log.
        snapshots_id: The session that is kept as snapshots.
        counted: Whether the number of messages that are out of sight must be equal too.
    """
    agents = query(path, "SELECT agent_id, conversation_manager_state FROM agents WHERE session_id = ?", log_id)
    stored = json.dumps(query(path, "SELECT message FROM messages WHERE session_id = ?", log_id))
    with SQLiteSessionManager(log_id, path) as log, SQLiteStorage(path) as storage:
        snapshots = SnapshotSessionManager(snapshots_id, storage=storage)
        for agent_id, state in agents:
            found = [resumed(manager, agent_id, _conversation_manager(state)) for manager in (log, snapshots)]
            expected, actual = (each._replace(messages=_without_new_ids(each.messages, stored)) for each in found)
            assert actual.uncounted() == expected.uncounted()
            assert not counted or actual == expected


def _conversation_manager(state: str) -> ConversationManager:
    name = json.loads(state)["__name__"]
    made: ConversationManager = getattr(conversation_manager, name)()
    return made


def _without_new_ids(messages: Messages, stored: str) -> Messages:
    """Leave out the ids of messages that are not stored: the SDK gives new ones to those that it mends on restore."""

    def known(message: Message) -> Any:
        tracked = message.get("tracking_id")
        return message if tracked is None or tracked in stored else {**message, "tracking_id": None}

    return [known(message) for message in messages]
