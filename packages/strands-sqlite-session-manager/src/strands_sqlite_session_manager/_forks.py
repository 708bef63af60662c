"""Forks: what the thread that forks waits for, holds meanwhile, and gives back.

Python goes on where a hook of a fork raises, as it does where the handler of a signal raises within. So each hook is
registered twice: the second one does what is left of the first, which is nothing where that was not interrupted.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from ._turns import Turn, Turns


class Held(threading.local):
    """What this thread holds while it forks.

    Attributes:
        whole: Whether it is all that there is to hold.
    """

    def __init__(self) -> None:
        """Hold nothing."""
        self.whole = False
        self._ways_back: list[Callable[[], None]] = []

    def lock(self, lock: threading.RLock) -> None:
        """Wait for a lock, and hold it."""
        self._ways_back.append(partial(_unlock, lock))
        lock.acquire()

    def take(self, turns: Turns, turn: Turn) -> None:
        """Wait for a turn, and hold it."""
        self._ways_back.append(partial(turns.leave, turn))
        turns.take(turn)

    def give_back(self) -> None:
        """Let everybody go on. Again is fine."""
        self.whole = False
        for way_back in reversed(self._ways_back):
            way_back()
        self.forget()

    def forget(self) -> None:
        """Hold nothing any more, in a child, where all that was held is made anew."""
        self.whole = False
        self._ways_back.clear()


def at_forks(before: Callable[[Held], None], in_child: Callable[[], None]) -> None:
    """Have `before` called in each thread that is about to fork, and `in_child` in the child.

    Args:
        before: Waits for what must not be in the middle of something, and holds it until the fork is over. It is called
            again, holding nothing, if it was interrupted.
        in_child: Makes anew what belongs to threads of the parent; again is fine.
    """
    held = Held()

    def hold() -> None:
        if not held.whole:
            held.give_back()
            before(held)
            held.whole = True

    def begin_anew() -> None:
        in_child()
        held.forget()

    if hasattr(os, "register_at_fork"):
        for _ in range(2):
            os.register_at_fork(before=hold, after_in_parent=held.give_back, after_in_child=begin_anew)


def _unlock(lock: threading.RLock) -> None:
    with suppress(RuntimeError):  # an interrupt came before this thread had it, or after it had given it back
        lock.release()
