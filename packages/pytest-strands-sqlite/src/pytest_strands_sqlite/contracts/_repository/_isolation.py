"""What belongs to one session or agent is seen by no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_strands_sqlite.contracts._capabilities import RepositoryCapability, needs
from pytest_strands_sqlite.contracts._records import agent, crew, said, session, texts

from ._base import RepositorySection

NEIGHBOURS = (
    *("a", "a2", "A", "a_", "%", "_", "*", ".", "..", "' OR '1'='1", "a'; DELETE FROM sessions; --", '"', "a b", " a"),
    *("a ", "ä", "a\u0308", "日本語", "a.json", "0", "00", "-1", "session_a"),
)
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
        """Each agent has its own state and messages, and an update of one leaves the others."""
        repository = self._handle(place)
        for agent_id in ("one", "two"):
            self._add_agent(repository, "s", agent_id)
            self._add_texts(repository, f"of {agent_id}", agent_id=agent_id)
        repository.update_agent("s", agent("one", step=2))

        found = self._reopened(place)
        other = found.read_agent("s", "two")
        self._expect("keep the state of the other agent", other and other.state, {"owner": "s/two"})

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

        states = {name: record.state if (record := repository.read_agent(name, name)) else None for name in NEIGHBOURS}
        expected = {name: {"owner": f"{name}/{name}"} for name in NEIGHBOURS}
        self._expect("keep agents with similar ids apart", states, expected)

    def test_an_id_with_a_slash_is_refused(self, place: Path) -> None:
        """An id with a path separator is a `ValueError`, as everywhere in the SDK, whatever is called with it."""
        repository = self._with_agent(place)
        for bad in ("a/b", "/a", "a/", "/", "../a", "a/."):
            with self._refused(f"refuse to create a session {bad!r}", ValueError):
                repository.create_session(session(bad))
            with self._refused(f"refuse to read a session {bad!r}", ValueError):
                repository.read_session(bad)
            for session_id, agent_id in ((bad, "a"), ("s", bad)):
                with self._refused(f"refuse to create an agent {bad!r}", ValueError):
                    repository.create_agent(session_id, agent(agent_id))
                with self._refused(f"refuse to read an agent {bad!r}", ValueError):
                    repository.read_agent(session_id, agent_id)
                with self._refused(f"refuse a message with an id {bad!r}", ValueError):
                    repository.create_message(session_id, agent_id, said(0))
                with self._refused(f"refuse to read a message with an id {bad!r}", ValueError):
                    repository.read_message(session_id, agent_id, 0)
                with self._refused(f"refuse to list messages with an id {bad!r}", ValueError):
                    repository.list_messages(session_id, agent_id)

    def test_a_message_id_that_is_no_integer_is_refused(self, place: Path) -> None:
        """A message id that is no integer is a `ValueError` or a `TypeError`, and nothing is written."""
        repository = self._with_agent(place)
        bad_ids: list[Any] = ["0", "../0", 1.5, None]
        for bad in bad_ids:
            with self._refused(f"refuse to store a message {bad!r}", ValueError, TypeError):
                repository.create_message("s", "a", said(bad))
            with self._refused(f"refuse to read a message {bad!r}", ValueError, TypeError):
                repository.read_message("s", "a", bad)
            with self._refused(f"refuse to update a message {bad!r}", ValueError, TypeError):
                repository.update_message("s", "a", said(bad))

        self._expect("write nothing", repository.list_messages("s", "a"), [])

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
