"""Event loops that live as long as a store, for those that are called with `await`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from typing_extensions import Self

T = TypeVar("T")


class Loops:
    """One event loop for each thread that asks for it, as an application has them."""

    def __init__(self) -> None:
        """Begin without a loop."""
        self._own = threading.local()
        self._all: list[asyncio.AbstractEventLoop] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end, on the loop of this thread, and return what it gives."""
        if not hasattr(self._own, "loop"):
            self._own.loop = asyncio.new_event_loop()
            self._all.append(self._own.loop)
        loop: asyncio.AbstractEventLoop = self._own.loop
        return loop.run_until_complete(work)

    def __enter__(self) -> Self:
        """Return the loops."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads of all loops, and close them."""
        for loop in self._all:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
