"""Turns at something that only so many may use at once, given in the order in which they were asked for.

A signal whose handler raises, as for Ctrl-C, may come between any two instructions of the main thread. No turn is lost
by that: who asks for one names it first, and always leaves, once more where an interrupt came while it left:

    mine = Turn()
    try:
        turns.take(mine)
        ...
    finally:
        try:
            turns.leave(mine)
        except BaseException:
            turns.leave(mine)
            raise

`Turns.run` is that. To leave again does no harm, for what is done is read from who is inside and who waits, and not
counted. A lock is taken by `with` alone, and no loop stands within: Python 3.12 and 3.13 do not release it for an
interrupt at the loop's end.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class Turn:
    """The turn of one caller: asked for, taken, and left.

    Attributes:
        alone: Whether nobody else may be inside.
        called: Whether it was told that it is its turn.
        served: Whether somebody who has a turn does for it what it waits to do.
        done: Whether nothing more comes of it.
    """

    __slots__ = ("_bell", "alone", "called", "done", "served")

    def __init__(self, *, alone: bool = False) -> None:
        self.alone = alone
        self.called = False
        self.served = False
        self.done = False
        self._bell: threading.Lock | None = None

    def prepare(self) -> None:
        """Get ready to wait."""
        self._bell = threading.Lock()
        self._bell.acquire()

    def wake(self) -> None:
        """Let the caller go on: it is its turn, or it was served. Again is fine."""
        if self._bell is not None:
            with suppress(RuntimeError):
                self._bell.release()

    def wait(self) -> None:
        """Wait for `wake`."""
        if self._bell is not None:
            self._bell.acquire()


class Turns:
    """Who is inside, and who waits.

    Attributes:
        mutex: Guards both. Nobody waits while holding it.
        waiting: Who waits, in the order in which they came; those who are done have not been taken out yet.
    """

    def __init__(self, places: int) -> None:
        """Let `places` callers in at once."""
        self.mutex = threading.Lock()
        self.waiting: deque[Turn] = deque()
        self._places = places
        self._inside: list[Turn] = []

    def run(self, work: Callable[[], T], *, alone: bool = False) -> T:
        """Return what `work` returns, which has a turn meanwhile; `alone`: while nobody else is inside."""
        mine = Turn(alone=alone)
        try:
            self.take(mine)
            return work()
        finally:
            try:
                self.leave(mine)
            except BaseException:
                self.leave(mine)
                raise

    def enter(self, mine: Turn) -> bool:
        """Take a turn if there is no need to wait for it; else queue up, and return False."""
        with self.mutex:
            if not self.waiting and self._has_room(mine):
                mine.called = True
                self._inside.append(mine)
                return True
            mine.prepare()
            self.waiting.append(mine)
            return False

    def take(self, mine: Turn) -> None:
        """Take a turn, and wait for it where one must."""
        if not self.enter(mine):
            mine.wait()

    def leave(self, mine: Turn) -> None:
        """Give a turn up, had or asked for, and call who is next; one that is being served stays. Again is fine."""
        with self.mutex:
            if mine in self._inside:
                mine.done = True
                self._inside.remove(mine)
            elif not mine.served:
                mine.done = True
            uncalled = self._let_in()
        for each in uncalled:
            each.wake()
            each.called = True

    def pass_on(self, mine: Turn, other: Turn) -> bool:
        """Give a turn to another caller, who serves this one; return whether it was there to be given."""
        with self.mutex:
            if mine not in self._inside:
                return False
            mine.served = other.called = True
            self._inside[self._inside.index(mine)] = other
            return True

    def _let_in(self) -> list[Turn]:
        """Let those in front in for whom there is room, take out who no longer waits; return who is to be called."""
        while self.waiting:
            first = self.waiting[0]
            if not first.done and first not in self._inside:
                if not self._has_room(first):
                    break
                self._inside.append(first)
            self.waiting.popleft()
        return [each for each in self._inside if not each.called]

    def _has_room(self, turn: Turn) -> bool:
        inside = self._inside
        return not inside or not (turn.alone or inside[0].alone or len(inside) >= self._places)
