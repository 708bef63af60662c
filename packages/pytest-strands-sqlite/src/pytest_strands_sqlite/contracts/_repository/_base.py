"""How the sections of the repository contract open what they test."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from strands.session.session_repository import SessionRepository

from pytest_strands_sqlite.contracts._capabilities import Capability, RepositoryCapability
from pytest_strands_sqlite.contracts._contract import Contract, not_overridden
from pytest_strands_sqlite.contracts._records import agent, said, session


class RepositorySection(Contract[SessionRepository]):
    """What every section of the repository contract has: the hooks of its author, and short ways to open."""

    kind: ClassVar[type[Capability]] = RepositoryCapability

    def open(self, place: Path) -> SessionRepository:
        """Open the repository at `place`, as a new process would; the same place again must hold what was stored.

        Args:
            place: A folder that is fresh for each test, or a name for what is not kept in files. With
                `OTHER_PROCESSES` this is called in other processes, on a new object of your class: use no fixtures.
        """
        raise not_overridden(self, "open(self, place)")

    def stored_fields(self, place: Path, session_id: str, agent_id: str, message_id: int) -> set[str]:
        """Return the names of all fields that the stored message record has; for `UNKNOWN_FIELDS`."""
        raise not_overridden(self, "stored_fields(self, place, session_id, agent_id, message_id)")

    def lay_old_place(self, place: Path) -> tuple[str, str, list[str]]:
        """Put what an older version wrote at `place`; for `UPGRADES`.

        Returns:
            A session and an agent that are stored there, and the text of each of its messages.
        """
        raise not_overridden(self, "lay_old_place(self, place)")

    def _handle(self, place: Path) -> SessionRepository:
        return self._keep(self.open(place))

    def _reopened(self, place: Path) -> SessionRepository:
        self._close_all()
        return self._handle(place)

    def _with_agent(self, place: Path, session_id: str = "s", agent_id: str = "a") -> SessionRepository:
        """Open, with an agent that has said nothing."""
        repository = self._handle(place)
        self._add_agent(repository, session_id, agent_id)
        return repository

    def _add_agent(self, repository: SessionRepository, session_id: str, agent_id: str = "a") -> None:
        if repository.read_session(session_id) is None:
            repository.create_session(session(session_id))
        repository.create_agent(session_id, agent(agent_id, owner=f"{session_id}/{agent_id}"))

    def _add_texts(
        self, repository: SessionRepository, *words: str, session_id: str = "s", agent_id: str = "a"
    ) -> None:
        for number, word in enumerate(words):
            repository.create_message(session_id, agent_id, said(number, word))
