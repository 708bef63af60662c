"""A deleted session is gone with everything in it, and takes nothing else with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from strands.session.session_repository import SessionRepository
from strands.types.exceptions import SessionException

from pytest_strands_sqlite.contracts._capabilities import RepositoryCapability, needs
from pytest_strands_sqlite.contracts._records import session, texts

from ._base import RepositorySection
from ._isolation import NEIGHBOURS


class Deletion(RepositorySection):
    """Deletion: `delete_session(session_id)`, which the SDK's interface leaves open."""

    @needs(RepositoryCapability.DELETION)
    def test_a_deleted_session_takes_everything_along(self, place: Path) -> None:
        """Agents and messages go with their session, and do not come back with a new one of the same id."""
        repository = self._with_agent(place)
        self._add_texts(repository, "hello")
        _delete(repository, "s")

        found = self._reopened(place)
        self._expect("have no such session", found.read_session("s"), None)
        found.create_session(session("s"))

        self._expect("have no agent in the new session", found.read_agent("s", "a"), None)
        self._add_agent(found, "s")
        self._expect("have no message in the new session", found.list_messages("s", "a"), [])

    @needs(RepositoryCapability.DELETION)
    def test_a_deleted_session_spares_those_with_similar_ids(self, place: Path) -> None:
        """An id is no pattern and no prefix: deleting `a` leaves `a2`."""
        repository = self._handle(place)
        for name in NEIGHBOURS:
            self._add_agent(repository, name)
            self._add_texts(repository, f"of {name}", session_id=name)

        _delete(repository, NEIGHBOURS[0])

        found = {name: texts(repository.list_messages(name, "a")) for name in NEIGHBOURS[1:]}
        self._expect("keep every other session", found, {name: [f"of {name}"] for name in NEIGHBOURS[1:]})

    @needs(RepositoryCapability.DELETION)
    def test_deleting_what_is_missing_is_refused(self, place: Path) -> None:
        """Deleting a session that does not exist raises `SessionException`."""
        repository = self._handle(place)

        with self._refused("refuse to delete a session that does not exist", SessionException):
            _delete(repository, "missing")


def _delete(repository: SessionRepository, session_id: str) -> None:
    whole: Any = repository
    whole.delete_session(session_id)
