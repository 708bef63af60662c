"""Sessions that the SDK keeps as snapshots: the newest one of each agent."""

from __future__ import annotations

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from ._sdk import is_namespaced

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from strands_sqlite_session_manager import SQLiteStorage

_T = TypeVar("_T")
_AGENT = re.compile(r"([^/]+)/snapshots/.+")
_LATEST = re.compile(r"(?:(.+)/)?([^/]+)/scopes/agent/[^/]+/snapshots/snapshot_latest\.json")


def read_snapshots(storage: Any, session_id: str) -> dict[str, dict[str, Any]]:
    """Return the newest snapshot of each agent of a session.

    Args:
        storage: Where a `SnapshotSessionManager` keeps it, already below the prefix that the SDK puts in front.
        session_id: The session.

    Returns:
        What each snapshot holds, by the agent's id; empty where there is no such session.
    """
    folder = f"{session_id}/scopes/agent/"

    async def read() -> dict[str, dict[str, Any]]:
        newest: dict[str, str] = {}
        for key in sorted(await storage.list(folder)):  # the latest sorts behind its history, which sorts by time
            if found := _AGENT.fullmatch(key.removeprefix(folder)):
                newest[found[1]] = key
        return {agent_id: json.loads(await storage.read(key))["data"] for agent_id, key in newest.items()}

    return _run(read())


def below_sessions(storage: SQLiteStorage) -> SQLiteStorage:
    """Return a storage as the SDK uses it for sessions: a namespace as it is, others below a prefix."""
    return storage if is_namespaced(storage) else storage.namespace("session")


def find_snapshot_sessions(storage: SQLiteStorage) -> list[tuple[SQLiteStorage, str]]:
    """Return each session of which a storage holds snapshots, with the namespace that it is in."""
    found = dict.fromkeys(match.groups() for key in _run(storage.list()) if (match := _LATEST.fullmatch(key)))
    return [(storage.namespace(prefix or ""), session_id) for prefix, session_id in found]


def _run(call: Coroutine[Any, Any, _T]) -> _T:
    """Await a call on a loop of its own, on a thread of its own: the caller's may have a loop that runs."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, call).result()
