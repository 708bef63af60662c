"""Write the golden file of a new schema version: `python tests/core/data/write_golden.py`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager, SQLiteStorage, _schema


class _Graph:
    id = "graph"

    def serialize_state(self) -> dict[str, str]:
        return {"status": "completed"}


def main() -> None:
    """Fill a new file with one of each; refuse to write over one that is there."""
    path = Path(__file__).with_name(f"schema_{_schema.VERSION}.db")
    if path.exists():
        sys.exit(f"{path.name} exists: a golden file is never written again")
    image = {"image": {"format": "png", "source": {"bytes": bytes(range(256)) * 4}}}
    with SQLiteSessionManager("golden", path) as manager:
        manager.create_agent("golden", SessionAgent("default", {"mood": "calm"}, {"removed_message_count": 0}))
        manager.create_message("golden", "default", SessionMessage({"role": "user", "content": [{"text": "hello"}]}, 0))
        manager.create_message("golden", "default", SessionMessage({"role": "user", "content": [image]}, 1))  # type: ignore[list-item]
        redacted = SessionMessage({"role": "user", "content": [{"text": "secret"}]}, 2)
        manager.create_message("golden", "default", redacted)
        redacted.redact_message = {"role": "user", "content": [{"text": "[redacted]"}]}
        manager.update_message("golden", "default", redacted)
        manager.update_agent("golden", SessionAgent("default", {"mood": "calm", "turns": 2}, {}))
        manager.create_multi_agent("golden", _Graph())  # type: ignore[arg-type]  # only id and state are used
    with SQLiteStorage(path) as storage:
        asyncio.run(_fill(storage))
    with SessionStore(path) as store:
        _note(store)


async def _fill(storage: SQLiteStorage) -> None:
    """Store a whole object, two that share parts, and search."""
    await storage.write("memory/notes/tea.md", b"# Tea\nGreen, in the morning.")
    for turns in (3, 4):
        messages = [{"role": "user", "content": [{"text": f"{turn} " * 600}]} for turn in range(turns)]
        snapshot = {"scope": "agent", "data": {"messages": messages, "state": {}}}
        await storage.write(f"snapshots/{turns}.json", json.dumps(snapshot).encode())
    await storage.namespace("memory/notes").search("green tea")


def _note(store: SessionStore) -> None:
    """Say something about the session, take a fork of it back, list and search."""
    store.set_title("golden", "A golden session")
    store.add_tags("golden", "kept", "small")
    store.set_metadata("golden", {"purpose": "migrations"})
    store.fork_session("golden", "fork")
    store.rewind_session("fork", at=1)
    store.list_sessions()
    store.search_messages("hello")


if __name__ == "__main__":
    main()
