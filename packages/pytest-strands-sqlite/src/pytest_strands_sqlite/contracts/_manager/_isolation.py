"""What belongs to one session or agent is seen by no other."""

from __future__ import annotations

from pathlib import Path

from pytest_strands_sqlite.contracts._capabilities import ManagerCapability, needs

from ._base import ManagerSection, said

_NEIGHBOURS = ("a", "a2", "A", "a_", "%", "..", "' OR '1'='1", "ä")
"""Ids that patterns, file names or SQL might take for one another."""


class Isolation(ManagerSection):
    """Isolation and deletion."""

    def test_sessions_do_not_see_each_other(self, place: Path) -> None:
        """Agents with one id in sessions with similar ids each have a conversation and a state of their own."""
        for name in _NEIGHBOURS:
            agent = self._agent(place, f"answer of {name}", session_id=name)
            agent.state.set("owner", name)
            agent(f"question of {name}")
        self._close_all()

        resumed = {name: self._agent(place, session_id=name) for name in _NEIGHBOURS}

        found = {name: (said(agent), agent.state.get("owner")) for name, agent in resumed.items()}
        expected = {name: ([f"question of {name}", f"answer of {name}"], name) for name in _NEIGHBOURS}
        self._expect("keep sessions with similar ids apart", found, expected)

    def test_agents_of_a_session_do_not_see_each_other(self, place: Path) -> None:
        """Agents of one session each have a conversation of their own."""
        for name in ("one", "two"):
            self._agent(place, f"answer of {name}", agent_id=name)(f"question of {name}")
        self._close_all()

        found = {name: said(self._agent(place, agent_id=name)) for name in ("one", "two")}

        expected = {name: [f"question of {name}", f"answer of {name}"] for name in ("one", "two")}
        self._expect("keep the agents of a session apart", found, expected)

    def test_a_new_session_is_empty(self, place: Path) -> None:
        """A session that nobody has used begins with nothing, though others have a history."""
        self._agent(place, "one")("first?")

        agent = self._agent(place, session_id="s2")

        self._expect("begin with no message", said(agent), [])
        self._expect("begin with no state", agent.state.get(), {})

    def test_a_session_id_with_a_slash_is_refused(self, place: Path) -> None:
        """A manager is not built on an id with a path separator: that is a `ValueError`, as everywhere in the SDK."""
        for bad in ("a/b", "/a", "../a"):
            with self._refused(f"refuse the session id {bad!r}", ValueError):
                self._manager(place, bad)

    @needs(ManagerCapability.DELETION)
    def test_a_deleted_session_takes_everything_along(self, place: Path) -> None:
        """A deleted session begins anew with nothing of the old one; sessions with similar ids stay."""
        for name in ("a", "a2"):
            agent = self._agent(place, f"answer of {name}", session_id=name)
            agent.state.set("owner", name)
            agent(f"question of {name}")
        self._close_all()

        self.delete(place, "a")

        fresh, other = self._agent(place, session_id="a"), self._agent(place, session_id="a2")
        self._expect("begin anew after a deletion", (said(fresh), fresh.state.get()), ([], {}))
        self._expect("keep the other session", said(other), ["question of a2", "answer of a2"])
