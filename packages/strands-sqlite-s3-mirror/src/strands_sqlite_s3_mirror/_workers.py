"""Work on many items at once: as many threads as asked for, and no more items in memory than they need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Condition
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def run_all(items: Iterable[T], work: Callable[[T], R], workers: int) -> Iterator[R]:
    """Give what `work` returns for each of the items, in the order in which they are done.

    The items are taken in the thread of the caller, at most twice as many as there are workers ahead of what is done.
    Whatever ends it early (the error of one item, an interrupt, a caller who asks for no more) lets those that are
    being worked on come to their end, begins no other, and leaves no thread behind.

    Args:
        items: What there is to do.
        work: Does one of them; called in other threads.
        workers: How many at once.

    Raises:
        BaseException: The first that `work` or the items raised.
    """
    running: set[Future[R]] = set()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="strands-sqlite-mirror")
    try:
        for item in items:
            running.add(pool.submit(work, item))
            if len(running) == 2 * workers:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from _results(done)
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from _results(done)
    finally:
        pool.shutdown(cancel_futures=True)


def _results(done: set[Future[R]]) -> Iterator[R]:
    for future in done:
        yield future.result()


class Room:
    """Room in memory for bodies that are on their way: who wants in waits until there is enough, in any thread."""

    def __init__(self, size: int) -> None:
        """Build one of `size` bytes."""
        self._size = size
        self._free = size
        self._changed = Condition()

    def enter(self, size: int) -> None:
        """Wait until there is room for `size` bytes; what is larger than the room waits until it has all of it."""
        wanted = min(size, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= wanted)
            self._free -= wanted

    def leave(self, size: int) -> None:
        """Give back what was taken for `size` bytes."""
        with self._changed:
            self._free += min(size, self._size)
            self._changed.notify_all()
