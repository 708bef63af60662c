"""A caller whose thread is interrupted wherever it happens to be, as by Ctrl-C or where a time limit is over."""

from __future__ import annotations

import faulthandler
import itertools
import random
import signal
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from strands import Agent
from strands.types.session import SessionAgent, SessionMessage

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import SQLiteSessionManager

from .sayings import said

SESSIONS = "interrupted "
"""How the names of all sessions begin that are used here."""

STUCK = 60
"""After so many seconds without an interrupt that arrived the process says where its threads stand, and ends."""

_WITHOUT_INTERRUPT = 20


class InterruptedByTest(BaseException):
    """What the handler of the signal raises."""


class Interrupter:
    """Interrupts calls on this thread, which must be the main one, at a moment that nobody chose.

    Attributes:
        count: How many calls were interrupted.
    """

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(seed)
        self._armed = False
        self.count = 0
        signal.signal(signal.SIGALRM, self._handle)

    def _handle(self, _signal: int, _frame: object) -> None:
        if self._armed:
            self._armed = False
            raise InterruptedByTest

    def run(self, step: Callable[[], None], after: Callable[[], None], interrupts: int) -> None:
        """Call `step` until so many calls were interrupted, and `after` after each of these, in peace."""
        longest = 2 * statistics.median(_seconds_of(step) for _ in range(_WITHOUT_INTERRUPT))
        goal = self.count + interrupts
        while self.count < goal:
            faulthandler.dump_traceback_later(STUCK, exit=True)
            try:
                self._armed = True
                signal.setitimer(signal.ITIMER_REAL, max(1e-6, self._chance.random() * longest))
                self._repeat(step)
            except InterruptedByTest:
                self.count += 1
            after()
        faulthandler.cancel_dump_traceback_later()

    def _repeat(self, step: Callable[[], None]) -> None:
        while self._armed:  # not in the `try`: Python 3.12 and 3.13 do not catch there what comes at the loop's end
            step()


def _seconds_of(step: Callable[[], None]) -> float:
    before = time.perf_counter()
    step()
    return time.perf_counter() - before


class Talker:
    """Appends to a conversation, and knows what was acknowledged and what it had begun when it was interrupted."""

    def __init__(self, db: Path, session: str) -> None:
        self._manager = SQLiteSessionManager(session, db)
        self._manager.create_agent(session, SessionAgent("a", {}, {}))
        self._session = session
        self._acknowledged = 0

    def say(self) -> None:
        """Append the next message."""
        number = self._acknowledged
        message: Any = said(self._session, number)
        self._manager.create_message(self._session, "a", SessionMessage(message, number))
        self._acknowledged = number + 1

    def read(self) -> None:
        """Read the last message."""
        self._manager.list_messages(self._session, "a", offset=-1)

    def look(self) -> None:
        """Hold that everything acknowledged is stored, and of what was interrupted all or nothing."""
        found = self._manager.list_messages(self._session, "a", offset=max(0, self._acknowledged - 3))
        first = max(0, self._acknowledged - 3)
        assert len(found) - (self._acknowledged - first) in (0, 1), (self._acknowledged, len(found))
        for number, each in enumerate(found, first):
            assert (each.message_id, each.message) == (number, said(self._session, number))
        self._acknowledged = first + len(found)

    def close(self) -> None:
        """Hold that the whole conversation is there, then leave."""
        self.look()
        assert len(self._manager.list_messages(self._session, "a")) == self._acknowledged
        self._manager.close()


class Builder:
    """Makes managers and agents, and lets go of them."""

    def __init__(self, db: Path, session: str) -> None:
        self._db, self._session, self._numbers = db, session, itertools.count()
        self._manager = SQLiteSessionManager(session, db)
        self._manager.create_agent(session, SessionAgent("kept", {}, {}))
        self._states = itertools.count()

    def build(self) -> None:
        """Restore an agent, or make a new one, with a manager of its own."""
        with SQLiteSessionManager(f"{self._session}-{next(self._numbers) % 50}", self._db) as manager:
            Agent(model=ScriptedModel(), session_manager=manager, callback_handler=None)

    def look(self) -> None:
        """Hold that what is written here and now is stored when the call returns, for others to see."""
        state = {"number": next(self._states)}
        self._manager.update_agent(self._session, SessionAgent("kept", state, {}))
        with SQLiteSessionManager(self._session, self._db.as_uri()) as other:  # connections of its own
            found = other.read_agent(self._session, "kept")
        assert found is not None
        assert found.state == state

    def close(self) -> None:
        """Leave."""
        self._manager.close()


def interrupt(db: Path, interrupts: int, place: str) -> dict[str, int]:
    """Interrupt what a caller does so many times; hold after each that nothing is lost and nothing stuck.

    Args:
        db: The file.
        interrupts: How many of them.
        place: Where that is: another place has other sessions and other moments.

    Returns:
        How many interrupts there were of each kind.
    """
    interrupter = Interrupter(place)
    talker, builder = Talker(db, f"{SESSIONS}talker {place}"), Builder(db, f"{SESSIONS}builder {place}")
    kinds = {
        "writes": (talker.say, talker.look, interrupts // 2),
        "reads": (talker.read, talker.look, interrupts // 3),
        "agents made": (builder.build, builder.look, interrupts // 6),
    }
    for step, after, number in kinds.values():
        interrupter.run(step, after, number)
    talker.close()
    builder.close()
    return {f"interrupted {kind}": number for kind, (_, _, number) in kinds.items()}
