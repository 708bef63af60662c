"""Fields that a newer SDK has and this one does not know: kept in storage, ignored on load."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from .backends import Backend, Manager, SQLiteBackend
from .samples import EARLY, LATE, agent, crew, said


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


def test_unknown_keys_are_ignored_on_load(manager: Manager) -> None:
    """Records of a newer SDK, with fields that this one does not know, are read without them."""
    store_newer(manager)

    assert manager.read_session("n") == Session("n", SessionType.AGENT, EARLY, LATE)
    assert manager.read_agent("n", "a") == SessionAgent("a", {"k": 1}, {}, {}, EARLY, LATE)
    assert manager.list_messages("n", "a") == [SessionMessage(said(0).message, 0, None, EARLY, LATE)]


def test_unknown_keys_are_kept_in_storage(backend: Backend) -> None:
    """Fields that this SDK does not know are stored with the record."""
    store_newer(backend.open("s"))

    stored = backend.stored_keys("n", "a", 0)

    assert {name: "of_a_newer_sdk" in keys for name, keys in stored.items()} == dict.fromkeys(stored, True)


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


def test_oracle_drops_unknown_keys_at_an_update(oracle: Backend) -> None:
    """What the SDK's managers do instead: an update by an older SDK removes what it does not know."""
    manager = oracle.open("s")
    store_newer(manager)

    manager.update_agent("n", agent("a", step=2))

    assert "of_a_newer_sdk" not in oracle.stored_keys("n", "a", 0)["agent"]


def test_attributes_that_are_no_fields_are_not_stored(manager: Manager) -> None:
    """What a caller hangs on a record beside its fields, JSON or not, stays with the caller's object."""
    records: tuple[Any, ...] = (Session("n", SessionType.AGENT, EARLY, LATE), agent("a"), said(0))
    for record in records:
        record.of_the_caller = object()

    manager.create_session(records[0])
    manager.create_agent("n", records[1])
    manager.create_message("n", "a", records[2])

    assert manager.read_session("n") == Session("n", SessionType.AGENT, EARLY, LATE)
    assert manager.read_agent("n", "a") == agent("a")
    assert manager.list_messages("n", "a") == [said(0)]


def test_newer_multi_agent_state_is_kept_whole(manager: Manager) -> None:
    """A multi-agent's state has no known keys: all of it is stored and read."""
    manager.create_multi_agent("s", crew("m", {"of_a_newer_sdk": {"x": 1}, "schema": 99}))

    assert manager.read_multi_agent("s", "m") == {"of_a_newer_sdk": {"x": 1}, "schema": 99}
