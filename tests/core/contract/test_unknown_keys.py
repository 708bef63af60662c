"""Fields that a newer SDK has and this one does not know, **ours**: their values are kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from .backends import Manager, SQLiteBackend
from .samples import EARLY, LATE, agent, said


@dataclass
class NewerAgent(SessionAgent):
    """The agent record of a newer SDK."""

    of_a_newer_sdk: dict[str, Any] = field(default_factory=lambda: {"x": [1, None]})


@dataclass
class NewerMessage(SessionMessage):
    """The message record of a newer SDK."""

    of_a_newer_sdk: str = "kept"


@dataclass
class NewerSession(Session):
    """The session record of a newer SDK."""

    of_a_newer_sdk: str = "kept"


def store_newer(manager: Manager) -> None:
    """Store one record of each kind as a newer SDK would."""
    manager.create_session(NewerSession("n", SessionType.AGENT, EARLY, LATE))
    manager.create_agent("n", NewerAgent("a", {"k": 1}, {}, {}, EARLY, LATE))
    manager.create_message("n", "a", NewerMessage(said(0).message, 0, None, EARLY, LATE))


def test_sqlite_unknown_keys_keep_their_values(sqlite: SQLiteBackend) -> None:
    """**Ours.** The unknown fields are JSON in the column `extra`, with the values they came with."""
    store_newer(sqlite.open("s"))

    for table, value in (("sessions", "kept"), ("agents", {"x": [1, None]}), ("messages", "kept")):
        ((extra,),) = sqlite.rows(f"SELECT extra FROM {table} WHERE session_id = ?", "n")
        assert json.loads(extra) == {"of_a_newer_sdk": value}


def test_sqlite_unknown_keys_survive_an_older_sdk(sqlite: SQLiteBackend) -> None:
    """**Ours.** An update by an SDK that does not know a field leaves it; one by the newer SDK replaces it."""
    manager = sqlite.open("s")
    store_newer(manager)

    manager.update_agent("n", agent("a", step=2))
    manager.update_message("n", "a", said(0, "changed"))

    assert sqlite.rows("SELECT json_extract(extra, '$.of_a_newer_sdk.x') FROM agents") == [("[1,null]",)]
    assert sqlite.rows("SELECT json_extract(extra, '$.of_a_newer_sdk') FROM messages") == [("kept",)]
    manager.update_message("n", "a", NewerMessage(said(0).message, 0, None, EARLY, LATE, of_a_newer_sdk="new"))
    assert sqlite.rows("SELECT json_extract(extra, '$.of_a_newer_sdk') FROM messages") == [("new",)]
