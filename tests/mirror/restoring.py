"""Databases to push and restore, and looks at what came back."""

from __future__ import annotations

from typing import Any

from strands.types.session import SessionAgent

from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.repository import agents, multi_agents
from strands_sqlite_session_manager.transfer import Positions, changed_objects
from strands_sqlite_session_manager.transfer._storing_objects import store_objects
from tests.core.store.transferring import (
    GONE,
    IMAGE,
    LATE,
    ODD,
    ODD_ID,
    add_session,
    exported,
    note,
    say,
    with_extra,
)

PLAIN_ID = ODD_ID.replace("\\", "")
"""Without the backslash, which SeaweedFS takes for a slash."""

SNAPSHOTS = "session/chat/scopes/agent/helper/snapshots"
OBJECTS = {
    f"{SNAPSHOTS}/immutable_history/snapshot_1.json": b'{"messages": [' + b'{"role": "user"}, ' * 400 + b"{}]}",
    f"{SNAPSHOTS}/snapshot_latest.json": b'{"messages": [' + b'{"role": "user"}, ' * 500 + b"{}]}",
    "context/chat/scopes/agent/helper/c0_0": bytes(range(256)) * 20,
    "memory/ü facts.md": b"",
    "tea.txt": b"green",
}


def fill_all(database: Database, odd_id: str = ODD_ID) -> None:
    """Store sessions in which everything occurs that a table can hold, and objects of storages."""
    add_session(database, "bare")
    add_session(database, "silent", "b", "a")
    add_session(database, odd_id, "a", odd_id)
    for message_id in (-1, 7):
        say(database, odd_id, message_id, {"odd": ODD}, {"text": "hi"})
    say(database, odd_id, 8, {"image": IMAGE}, redacted=GONE)
    say(database, odd_id, 0, {"image": IMAGE}, agent=odd_id)
    agents.update_agent(database, odd_id, SessionAgent("a", {"odd": ODD}, {"k": [1.0]}, {"i": {"x": None}}, LATE, LATE))
    for multi_agent_id in ("graph", odd_id):
        multi_agents.create_multi_agent(database, odd_id, multi_agent_id, {"nodes": [1e16, float("nan")], "ü": None})
    for session_id in ("talk", "Talk", "talk.b"):
        talk(database, session_id)
    note(database, "talk", 'Talk "1"', '{"customer": 7,"nested":{"a":[1e5]}}', "vip", "open")
    with_extra(database)
    store_objects(database, list(OBJECTS.items()), "fail")


def talk(database: Database, session_id: str) -> None:
    """Store a session in which an agent said something, and changed its state."""
    add_session(database, session_id, "a")
    for message_id in range(3):
        say(database, session_id, message_id, {"text": f"line {message_id} ü of {session_id}"})
    for said in range(3):
        agents.update_agent(database, session_id, SessionAgent("a", {"said": said}, {}, {}, LATE, LATE))


def stored_objects(database: Database) -> dict[str, bytes]:
    """Every storage object."""

    def read(connection: Any) -> dict[str, bytes]:
        return {each.path: each.body for each in changed_objects(connection, Positions()) if each.kind == "object"}

    return database.read(read)


def session_ids(database: Database) -> list[str]:
    """The id of every session, in order."""
    rows = database.read(lambda connection: connection.rows("SELECT session_id FROM sessions ORDER BY session_id"))
    return [session_id for (session_id,) in rows]


def contents(database: Database) -> tuple[bytes, dict[str, bytes]]:
    """Everything in a database that a mirror keeps."""
    return exported(database), stored_objects(database)
