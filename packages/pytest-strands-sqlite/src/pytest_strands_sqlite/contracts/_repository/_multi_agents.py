"""The states of multi-agents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from strands.session.session_repository import SessionRepository
from strands.types.exceptions import SessionException

from pytest_strands_sqlite.contracts._capabilities import RepositoryCapability, needs
from pytest_strands_sqlite.contracts._records import crew, exact, session

from ._base import RepositorySection

_STATE: dict[str, Any] = {
    "nodes": ["z", "a"],
    "results": {"z": {"time": 12, "text": "done ✓"}},
    "task": None,
    "raw": {"__bytes_encoded__": True, "data": "aGVsbG8="},
}
"""The last value is what the SDK takes for bytes in messages and agents; in multi-agents it does not."""


class MultiAgents(RepositorySection):
    """Multi-agents: what they serialize to is JSON, and is kept as it stands."""

    @needs(RepositoryCapability.MULTI_AGENT)
    def test_the_state_of_a_multi_agent_comes_back(self, place: Path) -> None:
        """What a multi-agent serializes to is read as it stands; a missing one is `None`, an empty one is not."""
        repository = self._with_session(place)
        repository.create_multi_agent("s", crew("m", _STATE))
        repository.create_multi_agent("s", crew("empty", {}))

        found = self._reopened(place)

        self._expect("read the state as it was stored", exact(found.read_multi_agent("s", "m")), exact(_STATE))
        self._expect("tell empty from missing", found.read_multi_agent("s", "empty"), {})
        self._expect("read a missing one as None", found.read_multi_agent("s", "missing"), None)
        self._expect("read one of a missing session as None", found.read_multi_agent("missing", "m"), None)

    @needs(RepositoryCapability.MULTI_AGENT)
    def test_a_second_creation_of_a_multi_agent_replaces_its_state(self, place: Path) -> None:
        """`create_multi_agent` for one that exists stores the new state whole."""
        repository = self._with_session(place)
        repository.create_multi_agent("s", crew("m", {"old": 1, "both": 1}))
        repository.create_multi_agent("s", crew("m", {"both": 2}))

        self._expect("replace the state whole", self._reopened(place).read_multi_agent("s", "m"), {"both": 2})

    @needs(RepositoryCapability.MULTI_AGENT)
    def test_an_updated_multi_agent_replaces_the_old_state(self, place: Path) -> None:
        """`update_multi_agent` replaces the state whole, and raises `SessionException` where there is none."""
        repository = self._with_session(place)
        repository.create_multi_agent("s", crew("m", {"old": 1}))
        repository.update_multi_agent("s", crew("m", _STATE))

        for session_id, multi_agent_id in (("s", "missing"), ("missing", "m")):
            with self._refused("refuse to update a multi-agent that does not exist", SessionException):
                repository.update_multi_agent(session_id, crew(multi_agent_id))
            self._expect("create nothing", repository.read_multi_agent(session_id, multi_agent_id), None)

        found = self._reopened(place).read_multi_agent("s", "m")
        self._expect("replace the state whole", exact(found), exact(_STATE))

    @needs(RepositoryCapability.MULTI_AGENT)
    def test_a_state_belongs_to_its_caller(self, place: Path) -> None:
        """Later changes to a state that was given or read change nothing that is stored."""
        repository, state = self._with_session(place), {"nodes": ["a"]}
        repository.create_multi_agent("s", crew("m", state))
        state["nodes"].append("b")
        (repository.read_multi_agent("s", "m") or {"nodes": []})["nodes"].append("c")

        self._expect("keep its own copy", repository.read_multi_agent("s", "m"), {"nodes": ["a"]})

    @needs(RepositoryCapability.PARENTS_REQUIRED, RepositoryCapability.MULTI_AGENT)
    def test_a_multi_agent_without_its_session_is_refused(self, place: Path) -> None:
        """A multi-agent of a session that does not exist raises `SessionException`, and is not stored."""
        repository = self._handle(place)

        with self._refused("refuse a multi-agent of a session that does not exist", SessionException):
            repository.create_multi_agent("missing", crew("m", {"step": 1}))

        self._expect("store no multi-agent", repository.read_multi_agent("missing", "m"), None)

    def _with_session(self, place: Path) -> SessionRepository:
        repository = self._handle(place)
        repository.create_session(session("s"))
        return repository
