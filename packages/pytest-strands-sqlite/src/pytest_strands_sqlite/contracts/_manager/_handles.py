"""Several that have one place open at once, here and in other processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pytest_strands_sqlite.contracts._capabilities import ManagerCapability, needs

from ._base import ManagerSection, said


class Handles(ManagerSection):
    """Two handles, two processes, kill -9."""

    def test_a_second_handle_sees_every_turn_of_the_first(self, place: Path) -> None:
        """An agent that is built while another is at work resumes from what that one has said so far."""
        first = self._agent(place, "one", "two")
        first("first?")
        seen = [len(self._agent(place).messages)]
        first("second?")
        seen.append(len(self._agent(place).messages))

        self._expect("show each turn to whoever resumes now", seen, [2, 4])

    def test_agents_talk_at_once(self, place: Path) -> None:
        """Agents in threads, each with a session of its own, lose nothing."""
        names = [f"s{number}" for number in range(4)]
        agents = {name: self._agent(place, *["answer"] * 3, session_id=name) for name in names}

        def talk(name: str) -> None:
            for number in range(3):
                agents[name](f"{name} {number}")

        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(talk, names))
        self._close_all()

        found = {name: said(self._agent(place, session_id=name))[::2] for name in names}
        self._expect(
            "hold the turns of each", found, {name: [f"{name} {number}" for number in range(3)] for name in names}
        )

    @needs(ManagerCapability.OTHER_PROCESSES)
    def test_another_process_resumes_the_conversation(self, place: Path) -> None:
        """Another process resumes what was said here, goes on, and this one resumes from there."""
        self._agent(place, "one")("first?")
        self._close_all()

        reports = self._workers.run(self._order(place, count=1))
        self._expect("resume in another process", reports[0]["resumed"], 2)

        expected = ["first?", "one", "question 2", "answer 3"]
        self._expect("resume what another process said", said(self._agent(place)), expected)

    @needs(ManagerCapability.OTHER_PROCESSES)
    def test_two_processes_talk_at_once(self, place: Path) -> None:
        """Two processes that talk at the same moment, each in a session of its own, lose nothing."""
        names = ("one", "two")

        self._workers.run(*(self._order(place, session_id=name, count=6) for name in names))

        found = {name: said(self._agent(place, session_id=name)) for name in names}
        self._expect("hold what both processes said", found, dict.fromkeys(names, _talk(12)))

    @needs(ManagerCapability.OTHER_PROCESSES)
    def test_a_killed_process_loses_no_turn_it_acknowledged(self, place: Path) -> None:
        """After kill -9 every turn that had returned is there, whole and in order, and the conversation resumes."""
        stored: list[str] = []
        for acknowledged in (2, 5):
            reports = self._workers.kill_after(acknowledged, self._order(place, count=2_000))
            self._expect("resume from what was stored", reports[0]["resumed"], len(stored))
            stored += [text for report in reports for text in report.get("stored", ())]
            found = said(self._resumed(place))
            self._expect("hold every acknowledged turn", found[: len(stored)], stored)
            stored = found
        agent = self._resumed(place, "still here")
        agent("and now?")
        self._expect("go on after the kill", said(agent)[-2:], ["and now?", "still here"])

    def _order(self, place: Path, *, count: int, session_id: str = "s") -> dict[str, Any]:
        order = {"factory": self._factory, "task": "manager_talk", "place": str(place)}
        return {**order, "session_id": session_id, "count": count}


def _talk(messages: int) -> list[str]:
    """Return what the other process says."""
    return [f"{'answer' if number % 2 else 'question'} {number}" for number in range(messages)]
