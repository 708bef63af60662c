"""What belongs to one session or agent is seen by no other."""

from __future__ import annotations

from pathlib import Path

from pytest_strands_sqlite.contracts._capabilities import RepositoryCapability, needs
from pytest_strands_sqlite.contracts._records import agent, crew, said, session, texts

from ._base import RepositorySection

NEIGHBOURS = ("a", "a2", "A", "a_", "%", "_", "..", "' OR '1'='1", "a b", "ä", "a.json")
"""Ids that patterns, file names or SQL might take for one another."""


class Isolation(RepositorySection):
    """Isolation: sessions and agents with similar ids are apart."""

    def test_sessions_do_not_see_each_other(self, place: Path) -> None:
        """Each session has its own agents and messages, though agents of other sessions have the same ids."""
        repository = self._handle(place)
        for session_id in ("one", "two"):
            self._add_agent(repository, session_id)
            self._add_texts(repository, f"first of {session_id}", f"second of {session_id}", session_id=session_id)

        found = self._reopened(place)

        for session_id in ("one", "two"):
            wish = f"list the messages of session {session_id!r} only"
            expected = [f"first of {session_id}", f"second of {session_id}"]
            self._expect(wish, texts(found.list_messages(session_id, "a")), expected)
            record = found.read_agent(session_id, "a")
            self._expect("keep agents apart", record.state if record else None, {"owner": f"{session_id}/a"})

    def test_agents_of_a_session_do_not_see_each_other(self, place: Path) -> None:
        """Each agent has its own state and messages."""
        repository = self._handle(place)
        for agent_id in ("one", "two"):
            self._add_agent(repository, "s", agent_id)
            self._add_texts(repository, f"of {agent_id}", agent_id=agent_id)

        found = self._reopened(place)

        for agent_id in ("one", "two"):
            messages = texts(found.list_messages("s", agent_id))
            self._expect(f"list the messages of agent {agent_id!r} only", messages, [f"of {agent_id}"])

    def test_ids_are_plain_text(self, place: Path) -> None:
        """Ids that differ in any way are different: case, accents, wildcards, quotes and dots mean nothing."""
        repository = self._handle(place)
        for name in NEIGHBOURS:
            self._add_agent(repository, name, name)
            repository.create_message(name, name, said(0, f"of {name}"))

        found = {name: texts(repository.list_messages(name, name)) for name in NEIGHBOURS}

        self._expect("keep similar ids apart", found, {name: [f"of {name}"] for name in NEIGHBOURS})

    def test_an_id_with_a_slash_is_refused(self, place: Path) -> None:
        """An id with a path separator is a `ValueError`, as everywhere in the SDK."""
        repository = self._with_agent(place)

        with self._refused("refuse a session id with a slash", ValueError):
            repository.create_session(session("../x"))
        with self._refused("refuse an agent id with a slash", ValueError):
            repository.create_agent("s", agent("x/y"))
        with self._refused("refuse to read an id with a slash", ValueError):
            repository.read_session("x/y")

    @needs(RepositoryCapability.MULTI_AGENT)
    def test_an_agent_and_a_multi_agent_may_share_an_id(self, place: Path) -> None:
        """A multi-agent is kept apart from the agent of the same id, and from that of another session."""
        repository = self._with_agent(place, "s", "m")
        repository.create_session(session("s2"))
        repository.create_multi_agent("s", crew("m", {"of": "s"}))
        repository.create_multi_agent("s2", crew("m", {"of": "s2"}))

        found = repository.read_agent("s", "m")

        self._expect("keep the agent", found.state if found else None, {"owner": "s/m"})
        self._expect("keep the multi-agent", repository.read_multi_agent("s", "m"), {"of": "s"})
        self._expect("keep the other multi-agent", repository.read_multi_agent("s2", "m"), {"of": "s2"})
