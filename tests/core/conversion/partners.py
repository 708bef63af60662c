"""What is copied, and a storage on the other side that fails when a test says so."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from strands.storage import InMemoryStorage, Storage


def objects(number: int) -> dict[str, bytes]:
    """Return objects of many sizes and with every byte, under keys of many shapes."""
    chance = random.Random(4711)
    shapes = (
        "session/{0}/scopes/agent/a/snapshots/snapshot_latest.json",
        "memory/\u00fc \u6f22/{0}.md",
        "{0}",
        "%_/{0}.json",
    )
    sizes = (0, 1, 100, 2048, 2049, 20_000)
    return {
        shapes[each % len(shapes)].format(each): chance.randbytes(sizes[each % len(sizes)]) for each in range(number)
    }


async def put(storage: Storage, contents: dict[str, bytes]) -> None:
    """Store objects."""
    await asyncio.gather(*(storage.write(key, data) for key, data in contents.items()))


async def contents_of(storage: Storage) -> dict[str, bytes | None]:
    """Return all objects."""
    return {key: await storage.read(key) for key in await storage.list("")}


class Counted(InMemoryStorage):
    """Counts its writes, and fails when told so.

    Attributes:
        written: The keys, in the order of the writes.
        fails: Called with the name of each operation and its key.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []
        self.fails: Callable[[str, str], None] = lambda _operation, _key: None

    async def write(self, key: str, data: bytes) -> None:
        """Count, and store."""
        self.fails("write", key)
        self.written.append(key)
        await super().write(key, data)

    async def read(self, key: str) -> bytes | None:
        """Read, unless that is to fail."""
        self.fails("read", key)
        return await super().read(key)


def failing(operation: str, key: str, error: BaseException) -> Callable[[str, str], None]:
    """Return a fault that raises `error` at one operation on one key."""

    def fault(called: str, with_key: str) -> None:
        if (called, with_key) == (operation, key):
            raise error

    return fault
