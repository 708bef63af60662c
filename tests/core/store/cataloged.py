"""Sessions written row by row, with times of any form, so that a second process that writes them starts at once."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

from strands_sqlite_session_manager import _blobs
from strands_sqlite_session_manager._codec import dumps_apart
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.repository._records import next_change
from strands_sqlite_session_manager.repository._sessions import remove_session

START = datetime(2026, 1, 1, tzinfo=timezone.utc)

_REWIND = """
INSERT INTO deletions (change_id, session_id, agent_id, first_message_id)
SELECT 1 + max(
    ifnull((SELECT max(change_id) FROM sessions), 0), ifnull((SELECT max(change_id) FROM agents), 0),
    ifnull((SELECT max(change_id) FROM messages), 0), ifnull((SELECT max(change_id) FROM multi_agents), 0),
    ifnull((SELECT max(change_id) FROM deletions), 0)
), ?, ?, ?
"""
_STATES = {"state": "{}", "conversation_manager_state": "{}", "internal_state": "{}"}


def at(seconds: float) -> str:
    """A moment as the SDK writes it."""
    return (START + timedelta(seconds=seconds)).isoformat(timespec="microseconds")


def milliseconds(seconds: float) -> str:
    """The same moment as last activities are written."""
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def put(connection: Connection, table: str, **columns: Any) -> None:
    """Add a row with a change counter of its own."""
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    sql = f"INSERT INTO {table} (change_id, {names}) VALUES ({next_change(table)}, {marks})"
    connection.run(sql, tuple(columns.values()))


def put_session(connection: Connection, session_id: str, *agents: str, time: str = at(0)) -> None:
    put(connection, "sessions", session_id=session_id, session_type="AGENT", created_at=time, updated_at=time)
    for agent_id in agents:
        put_agent(connection, session_id, agent_id, time)


def put_agent(connection: Connection, session_id: str, agent_id: str, time: str) -> None:
    times = {"created_at": time, "updated_at": time}
    put(connection, "agents", session_id=session_id, agent_id=agent_id, **_STATES, **times)


def touch_agent(connection: Connection, session_id: str, agent_id: str, time: str) -> None:
    """Store the agent anew."""
    sql = f"UPDATE agents SET change_id = {next_change('agents')}, updated_at = ? WHERE session_id = ? AND agent_id = ?"
    connection.run(sql, (time, session_id, agent_id))


def put_message(
    connection: Connection, session_id: str, agent_id: str, content: Any = "hi", time: str = at(0), **more: Any
) -> None:
    """Append a message, said by user and assistant in turn; `more` are other keys of it."""
    sql = "SELECT 1 + ifnull(max(message_id), -1) FROM messages WHERE session_id = ? AND agent_id = ?"
    number = connection.row(sql, (session_id, agent_id))[0]
    blocks = [{"text": content}] if isinstance(content, str) else content
    texts, blobs = dumps_apart({"role": "assistant" if number % 2 else "user", "content": blocks, **more})
    place = (session_id, agent_id, number)
    values = {"message": texts[0], "created_at": time, "updated_at": time}
    put(connection, "messages", session_id=session_id, agent_id=agent_id, message_id=number, **values)
    _blobs.link(connection, place, blobs)


def rewind(connection: Connection, session_id: str, agent_id: str, first: int) -> None:
    """Delete the messages of an agent from `first` on."""
    connection.run(_REWIND, (session_id, agent_id, first))
    sql = "DELETE FROM messages WHERE session_id = ? AND agent_id = ? AND message_id >= ?"
    connection.run(sql, (session_id, agent_id, first))


def add_session(database: Database, session_id: str, *said: Any, agent: str = "a", seconds: float = 0) -> None:
    """Write a session with an agent that says something, all at one time."""

    def add(connection: Connection) -> None:
        put_session(connection, session_id, agent, time=at(seconds))
        for content in said:
            put_message(connection, session_id, agent, content, at(seconds))

    database.write(add)


def add_many(database: Database, count: int, *, first: int = 0) -> None:
    """Write sessions `s00000`, `s00001` … with a message each, a second apart."""

    def add(connection: Connection) -> None:
        for number in range(first, first + count):
            put_session(connection, f"s{number:05}", "a", time=at(number))
            put_message(connection, f"s{number:05}", "a", f"hello {number}", at(number))

    database.write(add)


def step(connection: Connection, chance: Random) -> None:
    """Do something that may move the last activity of a session."""
    session_id, agent_id = f"s{chance.randrange(8)}", chance.choice("ab")
    time = at(chance.uniform(0, 1e6))
    known = {row[0] for row in connection.rows("SELECT session_id FROM sessions")}
    agents = {row[0] for row in connection.rows("SELECT agent_id FROM agents WHERE session_id = ?", (session_id,))}
    if session_id not in known:
        put_session(connection, session_id, time=time)
    elif agent_id not in agents:
        put_agent(connection, session_id, agent_id, time)
    elif chance.random() < 0.1:
        remove_session(connection, session_id)
    elif chance.random() < 0.2:
        rewind(connection, session_id, agent_id, chance.randrange(3))
    elif chance.random() < 0.3:
        touch_agent(connection, session_id, agent_id, time)
    elif chance.random() < 0.2:
        sql = "SELECT count(*) FROM multi_agents WHERE session_id = ?"
        count = connection.row(sql, (session_id,))[0]
        row = {"multi_agent_id": f"m{count}", "state": "{}", "created_at": time, "updated_at": time}
        put(connection, "multi_agents", session_id=session_id, **row)
    else:
        put_message(connection, session_id, agent_id, time=time)


def expected_activity(connection: Connection) -> dict[str, str]:
    """The last activity of each session, found without the code under test; all times as `at` writes them."""
    found = dict(connection.rows("SELECT session_id, created_at FROM sessions"))
    last = "SELECT session_id, created_at, agent_id, max(message_id) FROM messages GROUP BY session_id, agent_id"
    for sql in (last, "SELECT session_id, updated_at FROM agents", "SELECT session_id, updated_at FROM multi_agents"):
        for session_id, time, *_ in connection.rows(sql):
            found[session_id] = max(found[session_id], time)
    return {session_id: f"{time[:23]}+00:00" for session_id, time in found.items()}


def activity(connection: Connection) -> dict[str, str]:
    """What the table says."""
    return dict(connection.rows("SELECT session_id, last_activity FROM session_activity"))


def changes(connection: Connection) -> dict[str, int]:
    """The change counter of each session."""
    return dict(connection.rows("SELECT session_id, change_id FROM sessions"))


def tokens(number: int) -> Any:
    """What the SDK notes about a message of a model."""
    usage = {"inputTokens": number, "outputTokens": 2 * number, "totalTokens": 3 * number}
    return json.loads(json.dumps({"usage": usage, "metrics": {"latencyMs": 10 * number}}))
