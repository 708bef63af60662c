"""A file with something of everything in it, and ways to spoil it behind the back of the package."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import SQLiteSessionManager, SQLiteStorage, _message_index
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.maintenance import Finding, verify

IMAGE = bytes(range(256)) * 8
CALL = {"role": "assistant", "content": [{"toolUse": {"toolUseId": "call-1", "name": "look", "input": {}}}]}
RESULT = {
    "role": "user",
    "content": [{"toolResult": {"toolUseId": "call-1", "status": "success", "content": [{"text": "rain"}]}}],
}
MANAGER_STATE = {"__name__": "SlidingWindowConversationManager", "removed_message_count": 0}


def text(role: str, words: str) -> dict[str, Any]:
    return {"role": role, "content": [{"text": words}]}


def tell(manager: SQLiteSessionManager, agent_id: str, *messages: Any) -> None:
    """Store an agent and what was said to it and by it."""
    state = SessionAgent(agent_id, {"mood": "calm"}, MANAGER_STATE)
    state._internal_state = {"interrupt_state": {"interrupts": {}, "context": {}, "activated": False}}
    manager.create_agent(manager.session_id, state)
    for number, message in enumerate(messages):
        manager.create_message(manager.session_id, agent_id, SessionMessage(message, number))


def fill(path: Path) -> None:
    """Put something of everything into a new file, and search it."""
    image = {"image": {"format": "png", "source": {"bytes": IMAGE}}}
    picture = {"role": "user", "content": [{"text": "what is this?"}, image]}
    with SQLiteSessionManager("talk", path) as manager:
        tell(manager, "guide", text("user", "how is the weather?"), CALL, RESULT, text("assistant", "it rains"))
        tell(manager, "eye", picture, text("assistant", "a cat"))
        manager.update_agent("talk", SessionAgent("guide", {"mood": "glad"}, MANAGER_STATE))
    with SQLiteStorage(path) as storage:
        asyncio.run(_keep_objects(storage))
    with closing(open_database(path)) as database:
        _message_index.catch_up(database)


async def _keep_objects(storage: SQLiteStorage) -> None:
    long = "".join(f"line {number} of a long object\n" for number in range(2000)).encode()
    await storage.write("notes/short.txt", b"a short object")
    await storage.write("notes/long.txt", long)
    await storage.write("notes/longer.txt", long + b"and a little more")
    assert await storage.search("object")


def spoil(path: Path, *statements: str) -> None:
    """Run SQL that this package would not."""
    connection = apsw.Connection(os.fspath(path))
    with closing(connection):
        for statement in statements:
            connection.execute(statement)


def findings(path: Path) -> list[Finding]:
    with closing(open_database(path)) as database:
        return verify(database)
