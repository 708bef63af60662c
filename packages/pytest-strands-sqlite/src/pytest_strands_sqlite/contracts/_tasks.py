"""What workers are ordered to do, each with a suite that opens the place and a way to report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from strands import Agent
from strands.agent.conversation_manager import NullConversationManager

from pytest_strands_sqlite.scripted_model import ScriptedModel

from ._records import said, texts


class Report(Protocol):
    """Tell the test something, as JSON."""

    def __call__(self, **values: Any) -> None:
        """Tell it; it has been told when this returns."""


def list_messages(suite: Any, place: Path, report: Report, *, session_id: str) -> None:
    """Report what the messages of an agent say."""
    repository = suite.open(place)
    report(texts=texts(repository.list_messages(session_id, "a")))
    suite.close(repository)


def append_messages(  # noqa: PLR0913 - an order
    suite: Any, place: Path, report: Report, *, session_id: str, count: int, first: int = 0
) -> None:
    """Append messages, and acknowledge each."""
    repository = suite.open(place)
    for number in range(first, first + count):
        repository.create_message(session_id, "a", said(number, f"message {number}"))
        report(stored=number)
    suite.close(repository)


def talk(suite: Any, place: Path, report: Report, *, session_id: str, count: int) -> None:
    """Report with how many messages an agent resumes, let it take turns, and acknowledge each."""
    manager = suite.open(place, session_id)
    model = ScriptedModel(*(lambda call: f"answer {len(call.messages)}" for _ in range(count)))
    keep_all = NullConversationManager()
    agent = Agent(
        model=model, agent_id="a", session_manager=manager, conversation_manager=keep_all, callback_handler=None
    )
    report(resumed=len(agent.messages))
    for _ in range(count):
        agent(f"question {len(agent.messages)}")
        report(stored=[block["text"] for message in agent.messages[-2:] for block in message["content"]])
    suite.close(manager)


def read_values(suite: Any, place: Path, report: Report) -> None:
    """Report the values of a storage, as text."""
    storage = suite.open(place)

    async def read() -> dict[str, str]:
        return {key: (await storage.read(key)).decode() for key in await storage.list("")}

    report(values=asyncio.run(read()))
    suite.close(storage)


def write_values(  # noqa: PLR0913 - an order
    suite: Any, place: Path, report: Report, *, prefix: str, count: int, size: int
) -> None:
    """Write values, the number of each repeated, and acknowledge each."""
    storage = suite.open(place)

    async def write() -> None:
        for number in range(count):
            await storage.write(f"{prefix}-{number:06}", str(number % 10).encode() * size)
            report(stored=number)

    asyncio.run(write())
    suite.close(storage)


TASKS: dict[str, Callable[..., None]] = {
    "repository_list": list_messages,
    "repository_append": append_messages,
    "manager_talk": talk,
    "storage_read": read_values,
    "storage_write": write_values,
}
