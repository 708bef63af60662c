"""A caller whose thread is interrupted wherever it happens to be, as by Ctrl-C or where a time limit is over."""

from __future__ import annotations

import faulthandler
import itertools
import os
import random
import signal
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from strands import Agent
from strands.types.session import SessionAgent, SessionMessage

import strands_sqlite_session_manager
from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import SQLiteSessionManager
from tests.core.database.forking import descriptors

from .sayings import said

SESSIONS = "interrupted "
"""How the names of all sessions begin that are used here."""

STUCK = 60
"""After so many seconds without an interrupt that arrived the process says where its threads stand, and ends."""

_WITHOUT_INTERRUPT = 20
_PACKAGE = str(Path(strands_sqlite_session_manager.__file__).parent)


class InterruptedByTest(BaseException):
    """What the handler of the signal raises."""


class Interrupter:
    """Interrupts calls on this thread, which must be the main one, at a moment that nobody chose.

    Attributes:
        count: How many interrupts came, also those that Python swallowed, as it does in hooks of a fork.
    """

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(seed)
        self._armed = False
        self.count = 0
        signal.signal(signal.SIGALRM, self._handle)
        sys.unraisablehook = _tell_of_others

    def _handle(self, _signal: int, frame: FrameType | None) -> None:
        if self._armed and not _is_hook_of_others(frame):
            self._armed = False
            self.count += 1
            raise InterruptedByTest

    def run(self, step: Callable[[], None], after: Callable[[], None], interrupts: int) -> None:
        """Call `step` until so many interrupts came, and `after` after each of these, in peace."""
        longest = 2 * statistics.median(_seconds_of(step) for _ in range(_WITHOUT_INTERRUPT))
        goal = self.count + interrupts
        while self.count < goal:
            faulthandler.dump_traceback_later(STUCK, exit=True)
            with suppress(InterruptedByTest):
                self._armed = True
                self._repeat(step, longest)
            after()
        faulthandler.cancel_dump_traceback_later()

    def _repeat(self, step: Callable[[], None], longest: float) -> None:
        while self._armed:  # not in the `with`: Python 3.12 and 3.13 do not catch there what comes at the loop's end
            # Each time anew: now and then Python forgets until the next signal that one came.
            signal.setitimer(signal.ITIMER_REAL, max(1e-6, self._chance.random() * longest))
            step()


def _is_hook_of_others(frame: FrameType | None) -> bool:
    """Tell whether this is the hook of a fork of another module: that of `logging` would never give its lock back."""
    hook = None
    while frame is not None and frame.f_code is not Talker.fork.__code__:
        hook, frame = frame, frame.f_back
    return frame is not None and hook is not None and not hook.f_code.co_filename.startswith(_PACKAGE)


def _tell_of_others(swallowed: Any) -> None:
    if not isinstance(swallowed.exc_value, InterruptedByTest):
        sys.__unraisablehook__(swallowed)


def _seconds_of(step: Callable[[], None]) -> float:
    before = time.perf_counter()
    step()
    return time.perf_counter() - before


class Talker:
    """Appends to a conversation, and knows what was acknowledged and what it had begun when it was interrupted."""

    def __init__(self, db: Path, session: str) -> None:
        self._db = db
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

    def fork(self) -> None:
        """Make a child, which reads the last message and writes its own state."""
        if os.fork() == 0:
            status = 1
            try:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(STUCK)
                assert not descriptors(self._db), "a connection was inherited"
                self.look()
                self._manager.update_agent(self._session, SessionAgent("a", {"process": os.getpid()}, {}))
                status = 0
            except BaseException:  # noqa: BLE001 - the parent sees the status
                traceback.print_exc()
            finally:
                os._exit(status)

    def look_after_children(self) -> None:
        """Hold that each child ended well, and go on here, on another thread too."""
        with suppress(ChildProcessError):
            while True:
                assert os.wait()[1] == 0
        self.say()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self.say).result()
        self.look()

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
        "forks": (talker.fork, talker.look_after_children, interrupts // 6),
    }
    for step, after, number in kinds.values():
        interrupter.run(step, after, number)
    talker.close()
    builder.close()
    return {f"interrupted {kind}": number for kind, (_, _, number) in kinds.items()}
