"""The OpenAI Agents SDK's `SQLiteSession` as a contestant."""

from __future__ import annotations

import itertools
import json
import uuid
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from agents import SQLiteSession
from strands.types.content import Message

from benchmarks import material
from benchmarks.race.contest import Action, Store
from benchmarks.race.loops import Loops
from benchmarks.race.settings import settings_of_file


def to_items(message: Message) -> list[Any]:
    """Return the message as items of the Responses API."""
    return [_item(message["role"], block) for block in message["content"]]


def _item(role: str, block: Any) -> dict[str, Any]:
    if "toolUse" in block:
        use = block["toolUse"]
        arguments = json.dumps(use["input"])
        return {"type": "function_call", "call_id": use["toolUseId"], "name": use["name"], "arguments": arguments}
    if "toolResult" in block:
        result = block["toolResult"]
        output = result["content"][0]["text"]
        return {"type": "function_call_output", "call_id": result["toolUseId"], "output": output}
    if "image" in block:
        data = b64encode(block["image"]["source"]["bytes"]).decode()
        return {"role": role, "content": [{"type": "input_image", "image_url": f"data:image/png;base64,{data}"}]}
    if role == "user":
        return {"role": role, "content": block["text"]}
    said = {"type": "output_text", "text": block["text"], "annotations": []}
    return {"type": "message", "id": f"msg_{uuid.uuid4().hex}", "role": role, "status": "completed", "content": [said]}


class OpenAILog:
    """A session; every call goes through a thread of the event loop, as the session does it."""

    def __init__(self, session: SQLiteSession, loops: Loops) -> None:
        """Run the session on `loops`."""
        self._session = session
        self._loops = loops
        self._turns = material.turns()

    def fill(self, messages: Sequence[Message]) -> None:
        """Add all items in one call."""
        items = [item for message in messages for item in to_items(message)]
        self._loops.run(self._session.add_items(items))

    def storing(self, message: Message) -> Action:
        """Prepare the items of the message."""
        items = to_items(message)
        return lambda: self._loops.run(self._session.add_items(items))

    def read(self) -> Sequence[object]:
        """Return all items."""
        return self._loops.run(self._session.get_items())

    def newest(self, count: int) -> Sequence[object]:
        """Return the newest items."""
        return self._loops.run(self._session.get_items(limit=count))

    def cycle(self) -> float:
        """Play turns as the SDK's runner does it: it reads the session, adds what was asked, then each answer."""
        turns = len(material.TURN_SIZES)
        return sum(self._loops.run(self._turn(next(self._turns))) for _ in range(turns)) / turns

    async def _turn(self, messages: Sequence[Message]) -> float:
        ask, *answers = [to_items(message) for message in messages]
        steps = [ask, *(list(itertools.chain(*answers[at : at + 2])) for at in range(0, len(answers), 2))]
        begin = perf_counter()
        await self._session.get_items()
        for items in steps:
            await self._session.add_items(items)
        return perf_counter() - begin


class OpenAIStore:
    """Sessions that share one file."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        """Keep the sessions in the file at `path`, until `stack` ends."""
        self._path = path
        self._stack = stack
        self._loops = stack.enter_context(Loops())
        self.log("settings")
        self.settings = f"{settings_of_file(path)}; a connection for each thread, behind a lock for each file"

    def log(self, session_id: str, stored: int = 0) -> OpenAILog:
        """Open a session."""
        session = SQLiteSession(session_id, self._path)
        self._stack.callback(session.close)
        return OpenAILog(session, self._loops)


@contextmanager
def open_openai(folder: Path) -> Iterator[Store]:
    """Open a file for sessions."""
    with ExitStack() as stack:
        yield OpenAIStore(folder / "race.db", stack)
