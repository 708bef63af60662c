"""LangGraph's `SqliteSaver` as a contestant: a checkpoint of the whole state for every message."""

from __future__ import annotations

import itertools
import uuid
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.sqlite import SqliteSaver
from strands.types.content import Message

from benchmarks import material
from benchmarks.race.contest import Action, Store
from benchmarks.race.settings import sqlite_settings


def to_langchain(message: Message) -> AnyMessage:
    """Return the message as LangChain has it, with an id as LangGraph gives it."""
    number = str(uuid.uuid4())
    content: list[str | dict[Any, Any]] = []
    for block in message["content"]:
        if "toolUse" in block:
            use = block["toolUse"]
            call = {"name": use["name"], "args": use["input"], "id": use["toolUseId"]}
            return AIMessage(content, tool_calls=[call], id=number)
        if "toolResult" in block:
            result = block["toolResult"]
            return ToolMessage(result["content"][0]["text"], tool_call_id=result["toolUseId"], id=number)
        if "image" in block:
            data = b64encode(block["image"]["source"]["bytes"]).decode()
            content.append({"type": "image", "base64": data, "mime_type": "image/png"})
        else:
            content.append({"type": "text", "text": block["text"]})
    role = HumanMessage if message["role"] == "user" else AIMessage
    plain = content[0]["text"] if len(content) == 1 and isinstance(content[0], dict) and "text" in content[0] else None
    return role(plain or content, id=number)


class LangGraphLog:
    """A thread of a graph; the saver is called as a compiled graph calls it, without the graph."""

    def __init__(self, saver: SqliteSaver, session_id: str) -> None:
        """Go on with the latest checkpoint of the thread, if there is one."""
        self._saver = saver
        self._latest: Any = {"configurable": {"thread_id": session_id, "checkpoint_ns": ""}}
        self._thread: Any = self._latest
        self._state: dict[str, Any] = {}
        self._steps = itertools.count()
        self._turns = enumerate(material.turns())
        self._messages: list[AnyMessage] = list(self.read())

    def fill(self, messages: Sequence[Message]) -> None:
        """Store one checkpoint with all of them."""
        self._messages += map(to_langchain, messages)
        self._put()

    def storing(self, message: Message) -> Action:
        """Prepare to add the message to the state and to store a checkpoint of it."""
        converted = to_langchain(message)

        def put() -> None:
            self._messages.append(converted)
            self._put()

        return put

    def read(self) -> Sequence[Any]:
        """Return the messages in the latest checkpoint."""
        found = self._saver.get_tuple(self._thread)
        return [] if found is None else found.checkpoint["channel_values"]["messages"]

    def cycle(self) -> float:
        """Play turns as a graph of a model and a tool does it: a checkpoint for the input and after each step."""
        turns = len(material.TURN_SIZES)
        return sum(self._turn(number, messages) for number, messages in itertools.islice(self._turns, turns)) / turns

    def _turn(self, number: int, messages: Sequence[Message]) -> float:
        converted = [to_langchain(message) for message in messages]
        begin = perf_counter()
        self.read()
        self._put(source="input")
        for message in converted:
            writes: list[tuple[str, Any]] = [("messages", [message])]
            if message is converted[-1]:
                self._state = material.state(number)
                writes.append(("state", self._state))
            self._saver.put_writes(self._latest, writes, str(uuid.uuid4()))
            self._messages.append(message)
            self._put()
        return perf_counter() - begin

    def _put(self, source: str = "loop") -> None:
        checkpoint = empty_checkpoint()
        checkpoint["channel_values"] = {"messages": list(self._messages), "state": self._state}
        step = next(self._steps)
        versions: Any = dict.fromkeys(("messages", "state"), f"{step:032}.0.5")
        checkpoint["channel_versions"] = versions
        metadata: Any = {"source": source, "step": step, "parents": {}}
        self._latest = self._saver.put(self._latest, checkpoint, metadata, versions)


class LangGraphStore:
    """One saver on one connection, as its documentation makes it."""

    def __init__(self, saver: SqliteSaver) -> None:
        """Hold the saver."""
        self._saver = saver
        self.settings = f"{sqlite_settings(saver.conn)}; one connection behind a lock"

    def log(self, session_id: str, stored: int = 0) -> LangGraphLog:
        """Open a thread."""
        return LangGraphLog(self._saver, session_id)


@contextmanager
def open_langgraph(folder: Path) -> Iterator[Store]:
    """Open the saver on a file."""
    with SqliteSaver.from_conn_string(str(folder / "race.db")) as saver:
        saver.setup()
        yield LangGraphStore(saver)
