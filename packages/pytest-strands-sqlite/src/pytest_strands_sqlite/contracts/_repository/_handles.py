"""Two that have the same place open at once, in one process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from strands.session.session_repository import SessionRepository
from strands.types.exceptions import SessionException

from pytest_strands_sqlite.contracts._capabilities import RepositoryCapability, needs
from pytest_strands_sqlite.contracts._records import agent, said, session, texts

from ._base import RepositorySection

_Found = TypeVar("_Found")

_ROUNDS = 12
_EACH = 6


class Handles(RepositorySection):
    """Two handles: both see what is stored now, and neither loses what the other writes."""

    def test_a_second_handle_sees_every_write_of_the_first(self, place: Path) -> None:
        """What one has stored the other reads at once, though both were open before."""
        one, two = self._with_agent(place), self._handle(place)
        seen = []
        for number in range(4):
            one.create_message("s", "a", said(number, f"message {number}"))
            seen.append(len(two.list_messages("s", "a")))

        self._expect("show each message to the other handle at once", seen, [1, 2, 3, 4])

    def test_two_handles_take_turns(self, place: Path) -> None:
        """Two that append to one agent in turn make one conversation."""
        handles = (self._with_agent(place), self._handle(place))
        for number in range(6):
            handles[number % 2].create_message("s", "a", said(number, f"message {number}"))

        found = texts(handles[1].list_messages("s", "a"))

        self._expect("hold the turns of both", found, [f"message {number}" for number in range(6)])

    def test_every_call_may_come_from_a_new_thread_and_loop(self, place: Path) -> None:
        """A repository belongs to no thread and no loop: a synchronous agent calls from new ones each time."""
        repository = self._handle(place)
        _on_a_new_thread(lambda: self._add_agent(repository, "s"))
        for number in range(3):
            _on_a_new_thread(partial(repository.create_message, "s", "a", said(number, f"message {number}")))
        _on_a_new_thread(lambda: repository.update_agent("s", agent("a", step=2)))

        found = texts(_on_a_new_thread(lambda: repository.list_messages("s", "a")))
        record = _on_a_new_thread(lambda: repository.read_agent("s", "a"))

        self._expect("list what came from other threads", found, ["message 0", "message 1", "message 2"])
        self._expect("read what came from another thread", record and record.state, {"step": 2})

    def test_threads_write_at_once(self, place: Path) -> None:
        """Threads that append to sessions of their own, some through one handle, lose nothing."""
        handles = [self._handle(place), self._handle(place)]
        names = [f"s{number}" for number in range(4)]
        for name in names:
            self._add_agent(handles[0], name)

        def append(position: int) -> None:
            words = [f"{position}.{number}" for number in range(_EACH)]
            self._add_texts(handles[position % 2], *words, session_id=names[position])

        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(append, range(len(names))))

        found = {name: texts(handles[0].list_messages(name, "a")) for name in names}
        expected = {name: [f"{place}.{number}" for number in range(_EACH)] for place, name in enumerate(names)}
        self._expect("hold what each thread wrote", found, expected)

    @needs(RepositoryCapability.ATOMIC_CREATE)
    def test_of_two_creations_at_once_one_succeeds(self, place: Path) -> None:
        """Of several who create one session at the same moment one succeeds, the others get a `SessionException`."""
        handles = [self._handle(place) for _ in range(3)]
        start = threading.Barrier(len(handles))

        def create(handle: SessionRepository) -> list[bool]:
            outcomes = []
            for turn in range(_ROUNDS):
                start.wait(60)
                try:
                    handle.create_session(session(f"race {turn}"))
                except SessionException:
                    outcomes.append(False)
                else:
                    outcomes.append(True)
            return outcomes

        with ThreadPoolExecutor(len(handles)) as pool:
            found = [sum(outcomes) for outcomes in zip(*pool.map(create, handles), strict=True)]

        self._expect("let exactly one creation succeed in each round", found, [1] * _ROUNDS)


def _on_a_new_thread(call: Callable[[], _Found]) -> _Found:
    """Make a call as a synchronous agent makes its hooks: on a new thread, on a new event loop."""

    async def on_loop() -> _Found:
        return call()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, on_loop()).result()
