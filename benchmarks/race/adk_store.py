"""Google ADK's `SqliteSessionService` as a contestant."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from google.adk.events import Event, EventActions
from google.adk.sessions.base_session_service import GetSessionConfig
from google.adk.sessions.session import Session
from google.adk.sessions.sqlite_session_service import SqliteSessionService
from google.genai import types
from strands.types.content import Message

from benchmarks import material
from benchmarks.race.contest import Action, Store
from benchmarks.race.loops import Loops
from benchmarks.race.settings import settings_of_file

_APP = {"app_name": "race", "user_id": "user"}
_AUTHORS = {"user": "user", "assistant": "agent"}


def to_event(message: Message, state: dict[str, Any] | None = None) -> Event:
    """Return the message as an event, with what it changes in the state."""
    role = "user" if message["role"] == "user" else "model"
    content = types.Content(role=role, parts=[_part(block) for block in message["content"]])
    actions = EventActions(state_delta=state or {})
    return Event(author=_AUTHORS[message["role"]], invocation_id="invocation", content=content, actions=actions)


def _part(block: Any) -> types.Part:
    if "toolUse" in block:
        use = block["toolUse"]
        return types.Part(function_call=types.FunctionCall(id=use["toolUseId"], name=use["name"], args=use["input"]))
    if "toolResult" in block:
        result = block["toolResult"]
        answer = {"result": result["content"][0]["text"]}
        response = types.FunctionResponse(id=result["toolUseId"], name="look_up", response=answer)
        return types.Part(function_response=response)
    if "image" in block:
        return types.Part.from_bytes(data=block["image"]["source"]["bytes"], mime_type="image/png")
    return types.Part(text=block["text"])


class ADKLog:
    """A session of the service."""

    def __init__(self, service: SqliteSessionService, session: Session, loops: Loops) -> None:
        """Append to `session` through `service`, on `loops`."""
        self._service = service
        self._session = session
        self._loops = loops
        self._turns = enumerate(material.turns())

    def fill(self, messages: Sequence[Message]) -> None:
        """Append one event after the other."""
        for message in messages:
            self.storing(message)()

    def storing(self, message: Message) -> Action:
        """Prepare the event of the message."""
        event = to_event(message)
        return lambda: self._loops.run(self._service.append_event(self._session, event))

    def read(self) -> Sequence[object]:
        """Return all events."""
        events: Sequence[object] = self._loops.run(self._get()).events
        return events

    def newest(self, count: int) -> Sequence[object]:
        """Return the newest events."""
        newest = GetSessionConfig(num_recent_events=count)
        events: Sequence[object] = self._loops.run(self._get(newest)).events
        return events

    def cycle(self) -> float:
        """Play turns as its runner does it: it reads the session, then appends an event for each message."""
        turns = len(material.TURN_SIZES)
        played = itertools.islice(self._turns, turns)
        return sum(self._loops.run(self._turn(number, messages)) for number, messages in played) / turns

    async def _turn(self, number: int, messages: Sequence[Message]) -> float:
        events = [
            to_event(message, material.state(number) if message is messages[-1] else None) for message in messages
        ]
        begin = perf_counter()
        session = await self._get()
        for event in events:
            await self._service.append_event(session, event)
        return perf_counter() - begin

    async def _get(self, config: GetSessionConfig | None = None) -> Session:
        session = await self._service.get_session(**_APP, session_id=self._session.id, config=config)
        if session is None:
            raise LookupError(self._session.id)
        return session


class ADKStore:
    """One service, as an application has it."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        """Keep the sessions in the file at `path`, until `stack` ends."""
        self._service = SqliteSessionService(str(path))
        self._loops = stack.enter_context(Loops())
        self.log("settings")
        self.settings = f"{settings_of_file(path)}; a new connection, in a new thread, for each call"

    def log(self, session_id: str, stored: int = 0) -> ADKLog:
        """Open a session, or make it."""
        found = self._loops.run(self._service.get_session(**_APP, session_id=session_id))
        session = found or self._loops.run(self._service.create_session(**_APP, session_id=session_id))
        return ADKLog(self._service, session, self._loops)


@contextmanager
def open_adk(folder: Path) -> Iterator[Store]:
    """Open the service on a file."""
    with ExitStack() as stack:
        yield ADKStore(folder / "race.db", stack)
