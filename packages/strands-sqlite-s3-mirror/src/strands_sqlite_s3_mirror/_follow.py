"""Pushes what changed, at an interval, until it is told to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from strands_sqlite_session_manager.errors import DatabaseBusyError

from ._lock import PushUnderWayError
from .errors import UnreachableError

if TYPE_CHECKING:
    from ._sending import Pushed

logger = logging.getLogger(__name__)

PASSING = (UnreachableError, DatabaseBusyError, PushUnderWayError)
"""Errors that go away by themselves: no network, an S3 that throttles or fails, a database that is locked, and a push
that somebody else began.
"""

LONGEST_PAUSE = 300.0
"""Seconds between two attempts, where one after the other fails; the interval, if that is longer."""

_DOUBLINGS = 20
"""After so many the longest pause is reached, whatever the interval."""


def follow(  # noqa: PLR0913 - what to do, when, and whom to tell
    push: Callable[[], Pushed],
    look: Callable[[], object],
    *,
    interval: float,
    stop: threading.Event,
    on_push: Callable[[Pushed], None] | None = None,
    on_error: Callable[[Exception, float], None] | None = None,
) -> None:
    """Push whenever the database changed, until `stop` is set; then once more.

    While nothing changes no request is made. What passes by itself is tried again, after pauses that grow.

    Args:
        push: Pushes what changed; returns when S3 has it.
        look: Tells the state of the database: something that is equal as long as nothing was written.
        interval: Seconds between two looks.
        stop: Ends it, when it is set.
        on_push: Called after each push, with what it did: that is in S3 now.
        on_error: Called with what passes by itself, and with the seconds until the next attempt; without it a warning
            is logged.

    Raises:
        ValueError: The interval is not above zero.
        Exception: What `push` or `look` raised and does not pass by itself; and on the last push, whatever it was.
    """
    if not interval > 0:
        message = f"interval=<{interval}> | must be above zero"
        raise ValueError(message)
    following = _Following(push, look, on_push)
    failures = 0
    while True:
        last = stop.is_set()
        try:
            following.push_changes()
            failures, pause = 0, interval
        except PASSING as error:
            if last:
                raise
            pause = min(interval * 2 ** min(failures, _DOUBLINGS), max(interval, LONGEST_PAUSE))
            failures += 1
            (on_error or _log)(error, pause)
        if last:
            return
        stop.wait(pause)


class _Following:
    """What was seen of the database when it was last pushed."""

    def __init__(
        self, push: Callable[[], Pushed], look: Callable[[], object], on_push: Callable[[Pushed], None] | None
    ) -> None:
        self._push = push
        self._look = look
        self._on_push = on_push
        self._pushed: object = None

    def push_changes(self) -> None:
        seen = self._look()  # before the push: what is written while it runs is pushed by the next
        if seen == self._pushed:
            return
        done = self._push()
        self._pushed = seen
        if self._on_push is not None:
            self._on_push(done)


def _log(error: Exception, pause: float) -> None:
    logger.warning("error=<%s>, pause=<%.1f> | push failed, trying again", error, pause)
