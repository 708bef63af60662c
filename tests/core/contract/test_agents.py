"""Agents: created or replaced, read, updated."""

from __future__ import annotations

import pytest
from strands.types.exceptions import SessionException
from strands.types.session import SessionAgent

from strands_sqlite_session_manager import NotFoundError

from .backends import Backend, Manager, SQLiteBackend
from .samples import EARLY, LATE, agent, exact, said, stock


def test_read_agent_gives_what_was_created(manager: Manager) -> None:
    """All three states and both times of an agent are read as they were written, in the order of their keys."""
    created = SessionAgent("a", {"z": 1, "a": [2]}, {"removed_message_count": 3}, {"interrupt_state": {}}, EARLY, LATE)

    assert manager.create_agent("s", created) is None

    found = manager.read_agent("s", "a")
    assert found is not None
    assert exact(found.to_dict()) == exact(created.to_dict())


def test_read_agent_gives_none_for_a_missing_one(manager: Manager) -> None:
    """An agent that does not exist, or whose session does not, is read as `None`."""
    manager.create_agent("s", agent("a"))

    assert manager.read_agent("s", "missing") is None
    assert manager.read_agent("missing", "a") is None


def test_create_agent_replaces_an_existing_one(manager: Manager) -> None:
    """`create_agent` on an existing agent stores the new record whole, times included, and returns `None`."""
    manager.create_agent("s", agent("a", old=1, both=1))
    replacement = SessionAgent("a", {"both": 2}, {}, {}, LATE, LATE)

    assert manager.create_agent("s", replacement) is None

    assert manager.read_agent("s", "a") == replacement


def test_create_agent_keeps_the_messages_of_an_existing_one(manager: Manager) -> None:
    """Replacing an agent's record does not take its messages away."""
    stock(manager, "s")

    manager.create_agent("s", agent("a", replaced=True))

    assert [message.message_id for message in manager.list_messages("s", "a")] == [0, 1]


def test_agents_of_one_session_are_apart(manager: Manager) -> None:
    """Two agents of one session have their own state and their own messages, of the same ids."""
    manager.create_agent("s", agent("a", who="a"))
    manager.create_agent("s", agent("b", who="b"))
    manager.create_message("s", "a", said(0, "to a"))
    manager.create_message("s", "b", said(0, "to b"))

    manager.update_agent("s", agent("a", who="still a"))

    other = manager.read_agent("s", "b")
    assert other is not None
    assert other.state == {"who": "b"}
    assert manager.list_messages("s", "a") == [said(0, "to a")]
    assert manager.list_messages("s", "b") == [said(0, "to b")]


def test_update_agent_replaces_the_states(manager: Manager) -> None:
    """All three states are replaced whole, not merged; `update_agent` returns `None`."""
    manager.create_agent("s", SessionAgent("a", {"x": 1}, {"removed_message_count": 1}, {"model_state": {"y": 1}}))

    assert manager.update_agent("s", SessionAgent("a", {"z": 2}, {}, {"interrupt_state": {}})) is None

    found = manager.read_agent("s", "a")
    assert found is not None
    assert (found.state, found.conversation_manager_state, found._internal_state) == (
        {"z": 2},
        {},
        {"interrupt_state": {}},
    )


def test_update_agent_keeps_created_at_and_copies_it(manager: Manager) -> None:
    """The stored `created_at` stays and is set on the passed object; `updated_at` is stored as it was given."""
    manager.create_agent("s", agent("a", at=EARLY))
    update = agent("a", at=LATE, step=2)

    manager.update_agent("s", update)

    assert (update.created_at, update.updated_at) == (EARLY, LATE)
    assert manager.read_agent("s", "a") == SessionAgent(
        "a", {"step": 2}, {"removed_message_count": 0}, {"model_state": {}}, EARLY, LATE
    )


def test_update_agent_stores_an_earlier_updated_at(manager: Manager) -> None:
    """`updated_at` is the caller's business: an earlier time than the stored one is stored too."""
    manager.create_agent("s", agent("a", at=LATE))

    manager.update_agent("s", agent("a", at=EARLY))

    found = manager.read_agent("s", "a")
    assert found is not None
    assert (found.created_at, found.updated_at) == (LATE, EARLY)


def test_update_agent_keeps_the_messages(manager: Manager) -> None:
    """Updating an agent's record does not take its messages away."""
    stock(manager, "s")

    manager.update_agent("s", agent("a", step=2))

    assert [message.message_id for message in manager.list_messages("s", "a")] == [0, 1]


@pytest.mark.parametrize(("session_id", "agent_id"), [("s", "missing"), ("missing", "a")])
def test_update_agent_refuses_a_missing_one(manager: Manager, session_id: str, agent_id: str) -> None:
    """Updating an agent that does not exist raises, naming agent and session, and creates nothing."""
    manager.create_agent("s", agent("a"))

    with pytest.raises(SessionException) as raised:
        manager.update_agent(session_id, agent(agent_id))

    assert str(raised.value) == f"Agent {agent_id} in session {session_id} does not exist"
    assert manager.read_agent(session_id, agent_id) is None


def test_agent_is_stored_as_it_was_at_the_call(manager: Manager) -> None:
    """Later changes to the passed object, or to an object that was read, change nothing that is stored."""
    record = agent("a", items=[1])
    manager.create_agent("s", record)
    record.state["items"].append(2)
    first = manager.read_agent("s", "a")
    assert first is not None
    first.state["items"].append(3)

    again = manager.read_agent("s", "a")

    assert again is not None
    assert again.state == {"items": [1]}


def test_sqlite_missing_agent_has_its_own_error_type(sqlite: SQLiteBackend) -> None:
    """**Ours.** The error has a type that can be caught without looking at its text."""
    with pytest.raises(NotFoundError):
        sqlite.open("s").update_agent("s", agent("missing"))


def test_sqlite_agent_needs_its_session(sqlite: SQLiteBackend) -> None:
    """**Ours.** An agent of a session that does not exist is refused, the session is named, nothing is written."""
    manager = sqlite.open("s")

    with pytest.raises(NotFoundError, match=r"\bnowhere\b"):
        manager.create_agent("nowhere", agent("a"))

    assert manager.read_agent("nowhere", "a") is None
    assert sqlite.rows("SELECT count(*) FROM agents") == [(0,)]


def test_oracle_accepts_an_agent_without_its_session(oracle: Backend) -> None:
    """What the SDK's managers do instead: they store an agent below a session that nobody created."""
    manager = oracle.open("s")

    manager.create_agent("nowhere", agent("a"))

    assert manager.read_session("nowhere") is None
    assert manager.read_agent("nowhere", "a") is not None
