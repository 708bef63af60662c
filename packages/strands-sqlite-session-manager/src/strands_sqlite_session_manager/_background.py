"""One thread that runs jobs in the order in which they were given."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue

Job = Callable[[], None]


class Background:
    """A thread that is there until this is dropped or closed, and does not hold up the end of the interpreter.

    Giving a job is a single instruction, which no interrupt divides: the locks of `ThreadPoolExecutor.submit`, which
    are written in Python, can stay locked where one comes between.
    """

    def __init__(self, name: str) -> None:
        """Start the thread.

        Raises:
            RuntimeError: No thread can be started: the interpreter is shutting down, or a limit is reached.
        """
        jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.run: Callable[[Job], None] = jobs.put
        self.close = weakref.finalize(self, jobs.put, None)
        self.close.atexit = False  # jobs may still come when the interpreter ends
        threading.Thread(target=_work, args=(jobs,), name=name, daemon=True).start()


def _work(jobs: SimpleQueue[Job | None]) -> None:
    while (job := jobs.get()) is not None:
        job()
        del job  # what it holds must not wait for the next
