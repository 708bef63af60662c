"""An event loop that lives as long as a conversation, for those that are called with `await`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from typing_extensions import Self

T = TypeVar("T")


class Loop:
    """An event loop for one thread at a time."""

    def __init__(self) -> None:
        """Make the loop."""
        self._loop = asyncio.new_event_loop()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end and return what it gives."""
        return self._loop.run_until_complete(work)

    def __enter__(self) -> Self:
        """Return the loop."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads of the loop and close it."""
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
