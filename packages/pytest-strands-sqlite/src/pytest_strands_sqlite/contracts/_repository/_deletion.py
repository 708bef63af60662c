"""A deleted session is gone with everything in it, and takes nothing else with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from strands.session.session_repository import SessionRepository
from strands.types.exceptions import SessionException

from pytest_strands_sqlite.contracts._capabilities import RepositoryCapability, needs
from pytest_strands_sqlite.contracts._records import crew, session, texts

from ._base import RepositorySection
from ._isolation import NEIGHBOURS


class Deletion(RepositorySection):
    """Deletion: `delete_session(session_id)`, which the SDK's interface leaves open."""

    @needs(RepositoryCapability.DELETION)
    def test_a_deleted_session_takes_everything_along(self, place: Path) -> None:
        """What is in a session goes with it, and does not come back with a new one of the same id, however often."""
        repository = self._with_agent(place)
        self._add_texts(repository, "hello")
        with_crews = RepositoryCapability.MULTI_AGENT in self.capabilities
        if with_crews:
            repository.create_multi_agent("s", crew("m", {"step": 1}))
        _delete(repository, "s")

        found = self._reopened(place)
        self._expect("have no such session", found.read_session("s"), None)
        found.create_session(session("s"))

        self._expect("have no agent in the new session", found.read_agent("s", "a"), None)
        if with_crews:
            self._expect("have no multi-agent in the new session", found.read_multi_agent("s", "m"), None)
        self._add_agent(found, "s")
        self._expect("have no message in the new session", found.list_messages("s", "a"), [])
        _delete(found, "s")
        self._expect("delete the new session too", found.read_session("s"), None)

    @needs(RepositoryCapability.DELETION)
    def test_a_deleted_session_spares_those_with_similar_ids(self, place: Path) -> None:
        """An id is no pattern and no prefix: deleting `a` leaves `a2`."""
        repository = self._handle(place)
        for name in NEIGHBOURS:
            self._add_agent(repository, name)
            self._add_texts(repository, f"of {name}", session_id=name)

        for number, name in enumerate(NEIGHBOURS):
            _delete(repository, name)
            self._expect(f"delete {name!r}", repository.read_session(name), None)
            found = {other: texts(repository.list_messages(other, "a")) for other in NEIGHBOURS[number + 1 :]}
            self._expect("keep every other session", found, {other: [f"of {other}"] for other in found})

    @needs(RepositoryCapability.DELETION)
    def test_deleting_what_is_missing_is_refused(self, place: Path) -> None:
        """Deleting a session that does not exist raises `SessionException`."""
        repository = self._handle(place)

        with self._refused("refuse to delete a session that does not exist", SessionException):
            _delete(repository, "missing")


def _delete(repository: SessionRepository, session_id: str) -> None:
    whole: Any = repository
    whole.delete_session(session_id)
