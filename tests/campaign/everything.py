"""Everything that can be asked of a file or done to it, for files that hold what they should not."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import SessionStore, SQLiteSessionError, SQLiteSessionManager, SQLiteStorage
from strands_sqlite_session_manager.catalog import SessionFilter
from strands_sqlite_session_manager.cli import _html
from strands_sqlite_session_manager.message_search import MessageFilter
from strands_sqlite_session_manager.retention import PrunePolicy

from .folders import new_folder
from .hostile import refusal

Act = Callable[[], object]


def reads_of_file(store: SessionStore) -> dict[str, Act]:
    """Return what a store can be asked about the whole file, by name."""
    return {
        "list": lambda: store.list_sessions(SessionFilter(tags=()), limit=100),
        "list by title": lambda: store.list_sessions(SessionFilter(title="a", metadata={"k": 1}), sort="id"),
        "list by creation": lambda: store.list_sessions(sort="created", limit=2),
        "search": lambda: store.search_messages("the weather"),
        "plan prune": lambda: store.plan_prune(PrunePolicy(keep_last=0, max_bytes=1)),
        "jsonl": lambda: store.export_jsonl(io.BytesIO()),
        "files": lambda: _exported_files(store),
        "verify": store.verify,
        "stats": store.stats,
        "plan repair": lambda: store.repair(dry_run=True),
        "back up": lambda: _backed_up(store),
    }


def reads_of_session(store: SessionStore, session_id: str, agent_id: str) -> dict[str, Act]:
    """Return what a store can be asked about a session, by name; the agent need not have said anything."""
    return {
        "summarize": lambda: store.summarize_session(session_id),
        "read": lambda: store.read_messages(session_id, agent_id),
        "checkpoints": lambda: store.list_checkpoints(session_id, agent_id),
        "checkpoint": lambda: store.read_checkpoint(session_id, -1, agent_id),
        "search in": lambda: store.search_messages("hi", MessageFilter(session_id=session_id, role="user")),
        "plan erase": lambda: store.plan_erase([session_id]),
        "html": lambda: pages(store, session_id),
    }


def writes_of_store(store: SessionStore, session_id: str, agent_id: str) -> dict[str, Act]:
    """Return what a store can do to a file, by name."""
    return {
        "title": lambda: store.set_title(session_id, "a title"),
        "tag": lambda: store.add_tags(session_id, "vip"),
        "note": lambda: store.set_metadata(session_id, {"k": 1}),
        "fork": lambda: store.fork_session(session_id, "a fork", at=0, agent_id=agent_id),
        "rewind": lambda: store.rewind_session(session_id, at=0, agent_id=agent_id),
        "repair": store.repair,
        "erase redacted": lambda: store.erase_redacted([session_id]),
        "erase": lambda: store.erase([session_id]),
        "prune": lambda: store.prune(store.plan_prune(PrunePolicy(keep_last=1, idle=timedelta()))),
        "compact": store.compact,
    }


def acts_of_manager(manager: SQLiteSessionManager, session_id: str, agent_id: str) -> dict[str, Act]:
    """Return what a manager's repository can be asked, and do to a file, by name."""
    message: Any = {"role": "user", "content": [{"text": "hi"}]}
    return {
        "read session": lambda: manager.read_session(session_id),
        "read agent": lambda: manager.read_agent(session_id, agent_id),
        "list messages": lambda: manager.list_messages(session_id, agent_id),
        "read message": lambda: manager.read_message(session_id, agent_id, 0),
        "read graph": lambda: manager.read_multi_agent(session_id, "graph"),
        "update agent": lambda: manager.update_agent(session_id, SessionAgent(agent_id, {"n": 1}, {}, {})),
        "append": lambda: manager.create_message(session_id, agent_id, SessionMessage(message, 1000)),
        "redact": lambda: manager.update_message(session_id, agent_id, SessionMessage(message, 1000, message)),
        "delete session": lambda: manager.delete_session(session_id),
    }


def acts_of_storage(storage: SQLiteStorage, key: str) -> dict[str, Act]:
    """Return what a storage can be asked, and do to a file, by name."""
    return {
        "list keys": lambda: asyncio.run(storage.list("")),
        "read object": lambda: asyncio.run(storage.read(key)),
        "search objects": lambda: asyncio.run(storage.search("message")),
        "write object": lambda: asyncio.run(storage.write(key, b"x" * 100_000)),
        "write another": lambda: asyncio.run(storage.write("another", b"x")),
        "delete object": lambda: asyncio.run(storage.delete(key)),
    }


def refusals(acts: dict[str, Act]) -> dict[str, SQLiteSessionError]:
    """Run all of it; return what was refused. Whatever is no typed error with a hint comes out, with the act's name."""
    found = {}
    for name, act in acts.items():
        try:
            error = refusal(act)
        except BaseException as unexpected:
            message = f"{name}: {type(unexpected).__name__}: {unexpected}"
            raise AssertionError(message) from unexpected
        if error is not None:
            found[name] = error
    return found


def pages(store: SessionStore, session_id: str) -> str:
    """Return the session as a page, as `strands-sqlite show --html` writes it."""
    summary = store.summarize_session(session_id)
    agents = [agent.agent_id for agent in summary.agents]
    parts = ((agent_id, iter(store.read_messages(session_id, agent_id))) for agent_id in agents)
    return "\n".join(_html.page(summary, parts, agents))


def _exported_files(store: SessionStore) -> None:
    with new_folder() as folder:
        store.export_files(folder)


def _backed_up(store: SessionStore) -> None:
    with new_folder() as folder:
        store.back_up(Path(folder, "backup.db"))


def snapshot_of(messages: int) -> bytes:
    """Return a snapshot that is stored in parts."""
    said = [{"role": "user", "content": [{"text": f"message {number} " * 20}]} for number in range(messages)]
    return json.dumps({"scope": "agent", "data": {"messages": said, "state": {}}, "app_data": {}}).encode()
