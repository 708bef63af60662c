"""A new interpreter that imports one contestant, stores and reads a conversation, and prints what that took.

Only what a user would import is imported here, and it is imported where the clock runs.
"""
# ruff: noqa: PLC0415 - the import is what is measured

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

_TEXT = "one river stone window lamp paper garden winter harbor letter copper meadow " * 7
_STATUS = Path("/proc/self/status")
_KIB = 1 if sys.platform == "darwin" else 1024


def _peak() -> int:
    """Return the most memory that this process has held so far, in bytes.

    On Linux `getrusage` counts what the parent held when it started this process; `/proc` does not.
    """
    if _STATUS.exists():
        (peak,) = (line.split()[1] for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB


def _strands(manager: Any, length: int) -> int:
    from strands.types.session import SessionAgent, SessionMessage

    manager.create_agent("session", SessionAgent("agent", {}, {}))
    for number in range(length):
        message: Any = {"role": "user", "content": [{"text": f"{number} {_TEXT}"}]}
        manager.create_message("session", "agent", SessionMessage.from_message(message, number))
    return len(manager.list_messages("session", "agent"))


class Ours:
    """This package."""

    def load(self) -> None:
        """Import it."""
        from strands_sqlite_session_manager import SQLiteSessionManager

        self._open = SQLiteSessionManager

    def work(self, folder: str, length: int) -> int:
        """Store and read a conversation."""
        with self._open("session", f"{folder}/race.db") as manager:
            return _strands(manager, length)


class Files:
    """The SDK's manager for files."""

    def load(self) -> None:
        """Import it."""
        from strands.session import FileSessionManager

        self._open = FileSessionManager

    def work(self, folder: str, length: int) -> int:
        """Store and read a conversation."""
        return _strands(self._open("session", folder), length)


class LangGraph:
    """LangGraph's saver."""

    def load(self) -> None:
        """Import it."""
        from langchain_core.messages import HumanMessage
        from langgraph.checkpoint.base import empty_checkpoint
        from langgraph.checkpoint.sqlite import SqliteSaver

        self._open, self._empty, self._message = SqliteSaver.from_conn_string, empty_checkpoint, HumanMessage

    def work(self, folder: str, length: int) -> int:
        """Store and read a conversation."""
        config: Any = {"configurable": {"thread_id": "session", "checkpoint_ns": ""}}
        messages: list[Any] = []
        with self._open(f"{folder}/race.db") as saver:
            for number in range(length):
                messages.append(self._message(f"{number} {_TEXT}", id=str(number)))
                checkpoint = self._empty()
                checkpoint["channel_values"] = {"messages": messages}
                saver.put(config, checkpoint, {}, {})
            found = saver.get_tuple(config)
        return 0 if found is None else len(found.checkpoint["channel_values"]["messages"])


class OpenAI:
    """The session of the OpenAI Agents SDK."""

    def load(self) -> None:
        """Import it."""
        from agents import SQLiteSession

        self._open = SQLiteSession

    def work(self, folder: str, length: int) -> int:
        """Store and read a conversation."""
        return asyncio.run(self._work(self._open("session", f"{folder}/race.db"), length))

    async def _work(self, session: Any, length: int) -> int:
        for number in range(length):
            await session.add_items([{"role": "user", "content": f"{number} {_TEXT}"}])
        return len(await session.get_items())


class ADK:
    """The session service of Google ADK."""

    def load(self) -> None:
        """Import it."""
        from google.adk.events import Event
        from google.adk.sessions.sqlite_session_service import SqliteSessionService
        from google.genai import types

        self._open, self._event, self._types = SqliteSessionService, Event, types

    def work(self, folder: str, length: int) -> int:
        """Store and read a conversation."""
        return asyncio.run(self._work(self._open(f"{folder}/race.db"), length))

    async def _work(self, service: Any, length: int) -> int:
        names = {"app_name": "race", "user_id": "user"}
        session = await service.create_session(**names)
        for number in range(length):
            content = self._types.Content(role="user", parts=[self._types.Part(text=f"{number} {_TEXT}")])
            await service.append_event(session, self._event(author="user", invocation_id="i", content=content))
        return len((await service.get_session(**names, session_id=session.id)).events)


PROBES = {each.__name__: each for each in (Ours, Files, LangGraph, OpenAI, ADK)}


def main(name: str, folder: str, length: int) -> None:
    """Print the seconds of the import, and the peak of memory before it, after it and at the end, as JSON."""
    probe, before = PROBES[name](), _peak()
    begin = perf_counter()
    probe.load()
    seconds, imported = perf_counter() - begin, _peak()
    if length and probe.work(folder, length) < length:
        raise SystemExit(1)
    print(json.dumps({"import": seconds, "before": before, "imported": imported, "peak": _peak()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
