"""Multi-agents: the object is given, its serialized state is stored, the raw state is read."""

from __future__ import annotations

import pytest
from strands.types.exceptions import SessionException

from strands_sqlite_session_manager import NotFoundError

from .backends import Backend, Manager, SQLiteBackend
from .samples import agent, crew, exact, session

STATE = {
    "type": "graph",
    "id": "m",
    "status": "executing",
    "completed_nodes": ["z", "a"],
    "node_results": {"z": {"result": {"text": "done ✓"}, "execution_time": 12}},
    "next_nodes_to_execute": [],
    "current_task": None,
}


def test_read_multi_agent_gives_the_serialized_state(manager: Manager) -> None:
    """The state that the object serializes to is read back as it is, in the order of its keys."""
    assert manager.create_multi_agent("s", crew("m", STATE)) is None

    assert exact(manager.read_multi_agent("s", "m")) == exact(STATE)


def test_read_multi_agent_gives_none_for_a_missing_one(manager: Manager) -> None:
    """A multi-agent that does not exist, or whose session does not, is read as `None`."""
    manager.create_multi_agent("s", crew("m"))

    assert manager.read_multi_agent("s", "missing") is None
    assert manager.read_multi_agent("missing", "m") is None


def test_empty_state_is_not_a_missing_one(manager: Manager) -> None:
    """An empty state is read as `{}`, not as `None`."""
    manager.create_multi_agent("s", crew("m", {}))

    assert manager.read_multi_agent("s", "m") == {}


def test_create_multi_agent_replaces_an_existing_one(manager: Manager) -> None:
    """`create_multi_agent` on an existing one stores the new state whole and returns `None`."""
    manager.create_multi_agent("s", crew("m", {"old": 1, "both": 1}))

    assert manager.create_multi_agent("s", crew("m", {"both": 2})) is None

    assert manager.read_multi_agent("s", "m") == {"both": 2}


def test_update_multi_agent_replaces_the_state(manager: Manager) -> None:
    """`update_multi_agent` replaces the state whole, not merged, and returns `None`."""
    manager.create_multi_agent("s", crew("m", {"old": 1}))

    assert manager.update_multi_agent("s", crew("m", {"new": 2})) is None

    assert manager.read_multi_agent("s", "m") == {"new": 2}


@pytest.mark.parametrize(("session_id", "multi_agent_id"), [("s", "missing"), ("missing", "m")])
def test_update_multi_agent_refuses_a_missing_one(manager: Manager, session_id: str, multi_agent_id: str) -> None:
    """Updating a multi-agent that does not exist raises, naming it and its session, and creates nothing."""
    manager.create_multi_agent("s", crew("m"))

    with pytest.raises(SessionException) as raised:
        manager.update_multi_agent(session_id, crew(multi_agent_id))

    assert str(raised.value) == f"MultiAgent state {multi_agent_id} in session {session_id} does not exist"
    assert manager.read_multi_agent(session_id, multi_agent_id) is None


@pytest.mark.parametrize("write", ["create_multi_agent", "update_multi_agent"])
def test_multi_agent_state_is_not_decoded(manager: Manager, write: str) -> None:
    """What looks like encoded bytes in a multi-agent's state is read as it stands; bytes are not decoded."""
    encoded = {"result": {"__bytes_encoded__": True, "data": "aGVsbG8="}}
    manager.create_multi_agent("s", crew("m"))

    getattr(manager, write)("s", crew("m", encoded))

    assert manager.read_multi_agent("s", "m") == encoded


@pytest.mark.parametrize("write", ["create_multi_agent", "update_multi_agent"])
def test_multi_agent_state_takes_no_bytes(manager: Manager, write: str) -> None:
    """Bytes in a multi-agent's state are not JSON: `TypeError`, and the stored state stays."""
    manager.create_multi_agent("s", crew("m", {"step": 1}))

    with pytest.raises(TypeError):
        getattr(manager, write)("s", crew("m", {"step": b"two"}))

    assert manager.read_multi_agent("s", "m") == {"step": 1}


def test_multi_agents_and_agents_of_the_same_id_are_apart(manager: Manager) -> None:
    """A multi-agent may have the id of an agent of its session, or of a multi-agent of another session."""
    manager.create_session(session("s2"))
    manager.create_agent("s", agent("m", kind="agent"))
    manager.create_multi_agent("s", crew("m", {"kind": "crew"}))
    manager.create_multi_agent("s2", crew("m", {"kind": "other crew"}))

    found = manager.read_agent("s", "m")
    assert found is not None
    assert found.state == {"kind": "agent"}
    assert manager.read_multi_agent("s", "m") == {"kind": "crew"}
    assert manager.read_multi_agent("s2", "m") == {"kind": "other crew"}


def test_multi_agent_is_stored_as_it_was_at_the_call(manager: Manager) -> None:
    """Later changes to the state, or to a state that was read, change nothing that is stored."""
    state = {"nodes": ["a"]}
    manager.create_multi_agent("s", crew("m", state))
    state["nodes"].append("b")
    first = manager.read_multi_agent("s", "m")
    assert first is not None
    first["nodes"].append("c")

    assert manager.read_multi_agent("s", "m") == {"nodes": ["a"]}


def test_sqlite_missing_multi_agent_has_its_own_error_type(sqlite: SQLiteBackend) -> None:
    """**Ours.** The error has a type that can be caught without looking at its text."""
    with pytest.raises(NotFoundError):
        sqlite.open("s").update_multi_agent("s", crew("missing"))


def test_sqlite_multi_agent_needs_its_session(sqlite: SQLiteBackend) -> None:
    """**Ours.** A multi-agent of a session that does not exist is refused, and the session is named."""
    manager = sqlite.open("s")

    with pytest.raises(NotFoundError, match=r"\bnowhere\b"):
        manager.create_multi_agent("nowhere", crew("m"))

    assert sqlite.rows("SELECT count(*) FROM multi_agents") == [(0,)]


def test_oracle_accepts_a_multi_agent_without_its_session(oracle: Backend) -> None:
    """What the SDK's managers do instead: they store a multi-agent below a session that nobody created."""
    manager = oracle.open("s")

    manager.create_multi_agent("nowhere", crew("m", {"step": 1}))

    assert manager.read_session("nowhere") is None
    assert manager.read_multi_agent("nowhere", "m") == {"step": 1}
