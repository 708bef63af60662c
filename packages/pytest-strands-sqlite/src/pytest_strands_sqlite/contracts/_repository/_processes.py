"""Other processes on the same place: they see what is stored, and a killed one loses nothing it acknowledged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_strands_sqlite.contracts._capabilities import RepositoryCapability, needs
from pytest_strands_sqlite.contracts._records import texts

from ._base import RepositorySection


class Processes(RepositorySection):
    """Two processes, and kill -9."""

    @needs(RepositoryCapability.OTHER_PROCESSES)
    def test_another_process_sees_what_was_stored(self, place: Path) -> None:
        """Another process lists the messages of this one while it has the place open, and this one lists its."""
        repository = self._with_agent(place)
        self._add_texts(repository, "from here", "from here too")

        reports = self._workers.run(self._order(place, "list"))
        self._expect("show its messages to another process", reports[0]["texts"], ["from here", "from here too"])

        self._workers.run(self._order(place, "append", first=2, count=1))
        found = texts(repository.list_messages("s", "a"))
        self._expect("show the message of another process", found, ["from here", "from here too", "message 2"])

    @needs(RepositoryCapability.OTHER_PROCESSES)
    def test_two_processes_write_at_once(self, place: Path) -> None:
        """Two processes that append to sessions of their own at the same moment lose nothing."""
        repository = self._handle(place)
        for name in ("one", "two"):
            self._add_agent(repository, name)

        self._workers.run(*(self._order(place, "append", session_id=name, count=15) for name in ("one", "two")))

        expected = [f"message {number}" for number in range(15)]
        found = {name: texts(repository.list_messages(name, "a")) for name in ("one", "two")}
        self._expect("hold what both processes wrote", found, {"one": expected, "two": expected})

    @needs(RepositoryCapability.OTHER_PROCESSES)
    def test_a_killed_process_loses_nothing_it_acknowledged(self, place: Path) -> None:
        """After kill -9 every message whose call had returned is there, whole and in order, and writing goes on."""
        self._with_agent(place)
        self._close_all()
        expected: list[str] = []
        for acknowledged in (1, 4, 13):
            order = self._order(place, "append", first=len(expected), count=100_000)
            reports = self._workers.kill_after(acknowledged, order)
            expected += [f"message {report['stored']}" for report in reports]
            found = texts(self._reopened(place).list_messages("s", "a"))
            self._expect("hold every acknowledged message", found[: len(expected)], expected)
            more = found[len(expected) :]
            self._expect("hold no more than the one in flight", more, [f"message {len(expected)}"][: len(more)])
            expected = found

    def _order(self, place: Path, task: str, **more: Any) -> dict[str, Any]:
        order = {"factory": self._factory, "task": f"repository_{task}", "place": str(place)}
        return {**order, "session_id": "s", **more}
