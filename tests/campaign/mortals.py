"""A crew, as `tests/core/processes/crew.py`, whose workers do the work of the campaign and are killed meanwhile."""

from __future__ import annotations

import os
import random
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(_ROOT / "tests" / "core" / "processes"), str(_ROOT)]

import crew  # noqa: E402 - from the folder above
from reporting import report  # noqa: E402
from strands import Agent  # noqa: E402
from strands.hooks import (  # noqa: E402
    AfterInvocationEvent,
    AfterModelCallEvent,
    AfterToolCallEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    BeforeToolCallEvent,
    HookProvider,
    HookRegistry,
    MessageAddedEvent,
)

from pytest_strands_sqlite import ScriptedModel, ToolCall  # noqa: E402
from strands_sqlite_session_manager import SQLiteSessionError, SQLiteSessionManager  # noqa: E402
from tests.campaign import workloads  # noqa: E402
from tests.campaign.power import Disk  # noqa: E402
from tests.campaign.survivors import message_fact, message_value  # noqa: E402

_HOOKS: tuple[Any, ...] = (
    *(BeforeInvocationEvent, BeforeModelCallEvent, BeforeToolCallEvent, MessageAddedEvent),
    *(AfterToolCallEvent, AfterModelCallEvent, AfterInvocationEvent),
)


class Reporter:
    """Tells the test what is asked for and what was acknowledged."""

    def begin(self, *facts: str) -> None:
        report(begun=facts)

    def acknowledge(self, facts: dict[str, str | None]) -> None:
        report(acknowledged=facts)


def work(*, workload: str, db: str, durability: str, seed: str, at: int, suffix: str) -> None:  # noqa: PLR0913 - an order, field by field
    """Do the work; be killed just before that change or sync of a file whose name ends so, the first is 0."""
    calls = count()

    def die(_method: str, name: str) -> None:
        if name.endswith(suffix) and next(calls) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    disk = Disk(Path(db).parent)
    disk.fault = die
    with workloads.short_wals(), disk.inserted():
        getattr(workloads, workload)(Reporter(), Path(db), durability, random.Random(seed))
    report(calls=next(calls))


class Death(HookProvider):
    """Kills the process at a hook, the first is 0."""

    def __init__(self, at: int) -> None:
        self._at, self._calls = at, count()

    def register_hooks(self, registry: HookRegistry, **_: Any) -> None:
        for kind in _HOOKS:
            registry.add_callback(kind, self._die)

    def _die(self, _event: Any) -> None:
        if next(self._calls) == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def die_at_hook(db: str, durability: Any, at: int, *, first: bool) -> None:
    """Hold two turns with a tool, and be killed at a hook, before or after what else is called there."""
    manager = SQLiteSessionManager("talk", db, durability=durability)
    agent = Agent(
        model=ScriptedModel(ToolCall("look_up", {"order": 1}), "done", ToolCall("look_up", {"order": 2}), "done"),
        tools=[workloads.look_up],
        session_manager=manager,
        callback_handler=None,
    )

    def acknowledge(event: MessageAddedEvent) -> None:
        fact = message_fact("talk", "default", len(agent.messages) - 1)
        report(acknowledged={fact: message_value(event.message)})

    death = Death(at)
    if first:
        agent.hooks.add_hook(death)
    agent.hooks.add_callback(MessageAddedEvent, acknowledge)
    if not first:
        agent.hooks.add_hook(death)
    for turn in range(2):
        agent(f"question {turn}")
    report(survived=True)


def fill(db: str, limit: int) -> None:
    """Write until the operating system lets no file grow any more, as on a full disk; report the error."""
    import resource  # noqa: PLC0415 - not on every system

    with SQLiteSessionManager("s", db) as manager:
        log = workloads.Log(Reporter(), manager, "s")
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            for number in count():
                log.append({"role": "user", "content": [{"text": f"{number} " * 800}]})
        except SQLiteSessionError as error:
            report(error=type(error).__name__)


crew.TASKS |= {task.__name__: task for task in (work, die_at_hook, fill)}

if __name__ == "__main__":
    crew.main()
