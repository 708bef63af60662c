"""Bidirectional agents on snapshots: a conversation over a live connection is there after a restart."""

import asyncio
from collections.abc import AsyncIterable, Callable
from typing import Any

import pytest
from strands.bidi import BidiAgent
from strands.bidi.models import BidiModel
from strands.bidi.types.events import (
    BidiOutputEvent,
    BidiResponseStartEvent,
    BidiResponseStopEvent,
    BidiTextDeltaEvent,
    BidiTextStartEvent,
    BidiTextStopEvent,
)
from strands.session import SnapshotSessionManager
from strands.types.content import Messages

from tests.core.talking import said

OpenSession = Callable[..., SnapshotSessionManager]
Stored = Callable[..., Any]


class Line(BidiModel):
    """A connection that answers each message with the next of its texts."""

    def __init__(self, *replies: str) -> None:
        self._replies = list(replies)
        self._events: asyncio.Queue[BidiOutputEvent]
        self.started_with: Messages = []

    def get_config(self) -> Any:
        """Return the configuration."""
        return {"model_id": "line"}

    def update_config(self, **_: Any) -> None:
        """Keep the configuration."""

    async def start(self, *_: Any, messages: Messages | None = None, **__: Any) -> None:
        """Open the connection."""
        self._events = asyncio.Queue()
        self.started_with = list(messages or [])

    async def stop(self) -> None:
        """Close the connection."""

    async def send(self, content: Any) -> None:
        """Answer."""
        text = self._replies.pop(0)
        for event in (
            BidiResponseStartEvent(text),
            BidiTextStartEvent(text),
            BidiTextDeltaEvent(text, text),
            BidiTextStopEvent(text),
            BidiResponseStopEvent(text),
        ):
            self._events.put_nowait(event)

    async def receive(self) -> AsyncIterable[BidiOutputEvent]:
        """Give what the other end says."""
        while True:
            yield await self._events.get()


async def talk(agent: BidiAgent, prompt: str) -> None:
    """Say something, and listen to the end of the answer."""
    await agent.send(prompt)
    async for event in agent.receive():
        if isinstance(event, BidiResponseStopEvent):
            return


@pytest.mark.parametrize("strategy", ["message", "stop"])
def test_a_conversation_is_there_after_a_restart(
    open_session: OpenSession, restart: OpenSession, stored: Stored, strategy: Any
) -> None:
    """What was said is in the file at once or when the agent stops; a new connection starts with it and goes on."""
    open_while_talking: list[Any] = []

    async def hold(manager: SnapshotSessionManager, line: Line, prompt: str) -> BidiAgent:
        agent = BidiAgent(model=line, session_manager=manager, agent_id="voice")
        await agent.start()
        await talk(agent, prompt)
        open_while_talking.append(stored(agent_id="voice"))
        agent.state.set("last", prompt)
        await agent.stop()
        return agent

    asyncio.run(hold(open_session(bidi_agent_save_latest_on=strategy), Line("Hello."), "Hi."))
    line = Line("Fine.")
    agent = asyncio.run(hold(restart(bidi_agent_save_latest_on=strategy), line, "How are you?"))

    first = open_while_talking[0]
    assert (first and said(first["data"]["messages"])) == (["Hi.", "Hello."] if strategy == "message" else None)
    assert said(line.started_with) == ["Hi.", "Hello."]
    restored = BidiAgent(model=Line(), session_manager=restart(), agent_id="voice")
    assert restored.messages == agent.messages
    assert said(restored.messages) == ["Hi.", "Hello.", "How are you?", "Fine."]
    assert restored.state.get() == {"last": "How are you?"}
