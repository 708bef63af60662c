"""Storage calls from code that has no event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from strands_sqlite_session_manager import SQLiteStorage

from .conversations import LATEST, Conversation, checkpoint


def write(storage: SQLiteStorage, key: str, data: bytes) -> None:
    asyncio.run(storage.write(key, data))


def read(storage: SQLiteStorage, key: str) -> bytes | None:
    return asyncio.run(storage.read(key))


def delete(storage: SQLiteStorage, *keys: str) -> None:
    async def work() -> None:
        for key in keys:
            await storage.delete(key)

    asyncio.run(work())


def search(storage: SQLiteStorage, query: str) -> list[str]:
    return [result.key for result in asyncio.run(storage.search(query))]


def save(storage: SQLiteStorage, conversation: Conversation, number: int) -> bytes:
    """Save a checkpoint and the latest snapshot, as `SnapshotSessionManager` does after a turn; return the bytes."""
    data = conversation.snapshot()

    async def work() -> None:
        await storage.write(checkpoint(number), data)
        await storage.write(LATEST, data)

    asyncio.run(work())
    return data


def save_turns(storage: SQLiteStorage, conversation: Conversation, turns: Iterable[int]) -> dict[str, bytes]:
    """Hold a turn and save it, for each of the numbers; return every object that is stored then."""
    objects = {}
    for number in turns:
        conversation.turn()
        objects[checkpoint(number)] = objects[LATEST] = save(storage, conversation, number)
    return objects
