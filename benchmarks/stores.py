"""One way to open each of the storages that are compared, a clock around them, and a loop that they share."""

from __future__ import annotations

import asyncio
import builtins
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from strands.storage import InMemoryStorage, LocalFileStorage, Storage
from strands.storage.storage import StorageSearchResult
from typing_extensions import Self

from benchmarks.adapters import Durability
from strands_sqlite_session_manager import SQLiteStorage

T = TypeVar("T")
Opener = Callable[[Path, Durability], AbstractContextManager[Storage]]

OURS = "ours"
LOCAL = "LocalFileStorage"
MEMORY = "InMemoryStorage"

NO_FSYNC = f"{LOCAL} never waits for the disk, and what it left to the disk is written between two turns"


class Clocked:
    """A storage that notes how long the one inside takes, and how many bytes that is handed.

    Attributes:
        seconds: What was spent in `write` and `read` so far.
        handed: The bytes of all writes so far.
    """

    def __init__(self, storage: Storage) -> None:
        """Put a clock around `storage`."""
        self._storage = storage
        self.seconds = 0.0
        self.handed = 0

    async def write(self, key: str, data: bytes) -> None:
        """Write; note the time and the bytes."""
        self.handed += len(data)
        await self._timed(self._storage.write(key, data))

    async def read(self, key: str) -> bytes | None:
        """Read; note the time."""
        return await self._timed(self._storage.read(key))

    async def delete(self, key: str) -> None:
        """Delete."""
        await self._storage.delete(key)

    async def list(self, query: str = "") -> builtins.list[str]:
        """List."""
        return await self._storage.list(query)

    async def search(self, query: str) -> builtins.list[StorageSearchResult]:
        """Search."""
        return await self._storage.search(query)

    async def _timed(self, call: Awaitable[T]) -> T:
        begin = perf_counter()
        try:
            return await call
        finally:
            self.seconds += perf_counter() - begin


class SharedLoop:
    """An event loop that other tasks use too, as in an asynchronous application; one waits on it all the time."""

    def __init__(self) -> None:
        """Start the loop and its other task."""
        self._loop = asyncio.new_event_loop()
        self._other = self._loop.create_task(self._wait())

    def run(self, function: Callable[[], Awaitable[T]]) -> T:
        """Return what `function` gives when it is awaited on the loop."""
        return self._loop.run_until_complete(_awaited(function))

    def __enter__(self) -> Self:
        """Return the loop."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the other task and close the loop."""
        self._other.cancel()
        self._loop.run_until_complete(asyncio.wait([self._other]))
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    @staticmethod
    async def _wait() -> None:
        await asyncio.Event().wait()


async def _awaited(function: Callable[[], Awaitable[T]]) -> T:
    return await function()


def settle() -> None:
    """Wait until the disk has everything that was written so far, so that no fsync of another subject pays for it."""
    if hasattr(os, "sync"):
        os.sync()


@contextmanager
def open_ours(folder: Path, durability: Durability) -> Iterator[Storage]:
    """Open the package's own storage on a file in `folder`."""
    with SQLiteStorage(folder / "ours.db", durability=durability) as storage:
        yield storage


@contextmanager
def open_local(folder: Path, durability: Durability) -> Iterator[Storage]:  # noqa: ARG001 - it has one durability only
    """Open the SDK's storage for files; it writes without any fsync."""
    yield LocalFileStorage(str(folder))


@contextmanager
def open_memory(folder: Path, durability: Durability) -> Iterator[Storage]:  # noqa: ARG001 - nothing is on disk
    """Open the SDK's storage for tests."""
    yield InMemoryStorage()


OPENERS: dict[str, Opener] = {OURS: open_ours, LOCAL: open_local, MEMORY: open_memory}
"""How each storage is opened, by its name in the report."""


def opened(stack: ExitStack, name: str, folder: Path, durability: Durability) -> Storage:
    """Open one storage in a new folder until `stack` ends."""
    folder.mkdir(parents=True, exist_ok=True)
    return stack.enter_context(OPENERS[name](folder, durability))
