"""What is done to a database while its disk is recorded; each says what it asks for, and what was acknowledged."""

from __future__ import annotations

import asyncio
import io
import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
from strands import Agent, tool
from strands.agent.conversation_manager import NullConversationManager
from strands.hooks import MessageAddedEvent
from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from pytest_strands_sqlite import ScriptedModel, ToolCall
from strands_sqlite_session_manager import (
    ConflictError,
    PrunePolicy,
    SessionStore,
    SQLiteSessionManager,
    SQLiteStorage,
    _connection,
)
from strands_sqlite_session_manager._turns import Turn
from tests.campaign.survivors import (
    message_fact,
    message_value,
    object_fact,
    object_value,
    session_fact,
    state_fact,
)
from tests.core.objects.conversations import LATEST, Conversation, checkpoint

THREADS = 4

WAL_PAGES = 30
"""Pages in the WAL from which a commit checkpoints here: a short story then goes past several checkpoints."""


class Witness(Protocol):
    """Who is told what is asked for, and what was acknowledged."""

    def begin(self, *facts: str) -> None: ...

    def acknowledge(self, facts: dict[str, str | None]) -> None: ...


Workload = Callable[[Witness, Path, Any, random.Random], None]
"""Gets who is told, the path of the database, the durability, and what decides what is done."""


@contextmanager
def short_wals() -> Iterator[None]:
    """Let whoever opens a database in the `with` block checkpoint after `WAL_PAGES`, not after the usual 200."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_connection, "CHECKPOINT_PAGES", WAL_PAGES)
        yield


@tool
def look_up(order: int) -> str:
    """Look an order up."""
    return f"order {order} is on its way"


def some_text(chance: random.Random, most: int = 4000) -> str:
    """Return a text, most often a short one."""
    return f"{chance.random()} " * chance.choice((1, 3, chance.randrange(1, most // 20)))


def some_message(chance: random.Random, role: str = "user") -> dict[str, Any]:
    """Return a message, at times with an image that is stored apart."""
    content: list[dict[str, Any]] = [{"text": some_text(chance)}]
    if chance.random() < 0.2:
        image = chance.choice((b"shared" * 500, chance.randbytes(chance.randrange(2000, 12000))))
        content.append({"image": {"format": "png", "source": {"bytes": image}}})
    return {"role": role, "content": content}


class Nobody:
    """In place of a disk, where it does not matter what was acknowledged."""

    def begin(self, *facts: str) -> None:
        """Take no notice."""

    def acknowledge(self, facts: dict[str, str | None]) -> None:
        """Take no notice."""


class Log:
    """A session with one agent, written through the methods of the repository; every call is acknowledged.

    Attributes:
        length: How many messages it has.
    """

    def __init__(self, disk: Witness, manager: SQLiteSessionManager, name: str, agent: str = "a") -> None:
        self._disk, self._manager = disk, manager
        self.name, self.agent, self.length = name, agent, 0
        with self._acknowledged({session_fact(name): ""}):
            if manager.read_session(name) is None:
                manager.create_session(Session(name, SessionType.AGENT))
        self.change_state({}, new=True)

    def append(self, message: dict[str, Any]) -> None:
        """Store the next message."""
        with self._acknowledged({message_fact(self.name, self.agent, self.length): message_value(message)}):
            self._manager.create_message(self.name, self.agent, SessionMessage(message, self.length))  # type: ignore[arg-type]
        self.length += 1

    def redact(self, number: int) -> None:
        """Put something in the place of a message."""
        replacement: Any = {"role": "user", "content": [{"text": "[redacted]"}]}
        record = self._manager.read_message(self.name, self.agent, number)
        assert record is not None
        record.redact_message = replacement
        with self._acknowledged({message_fact(self.name, self.agent, number): message_value(replacement)}):
            self._manager.update_message(self.name, self.agent, record)

    def change_state(self, state: dict[str, Any], *, new: bool = False) -> None:
        """Store the state of the agent."""
        write = self._manager.create_agent if new else self._manager.update_agent
        text = "{" + ",".join(f'"{key}":{value}' for key, value in state.items()) + "}"
        with self._acknowledged({state_fact(self.name, self.agent): text}):
            write(self.name, SessionAgent(self.agent, state, {}))

    def delete(self) -> None:
        """Delete it all."""
        facts = [message_fact(self.name, self.agent, number) for number in range(self.length)]
        with self._acknowledged(dict.fromkeys([session_fact(self.name), state_fact(self.name, self.agent), *facts])):
            self._manager.delete_session(self.name)

    def _acknowledged(self, facts: dict[str, str | None]) -> acknowledged:
        return acknowledged(self._disk, facts)


class acknowledged:  # noqa: N801 - used like a function
    """Say that the `with` block asks for some facts, and that they are so when it ends well."""

    def __init__(self, disk: Witness, facts: dict[str, str | None]) -> None:
        self._disk, self._facts = disk, facts

    def __enter__(self) -> None:
        self._disk.begin(*self._facts)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._disk.acknowledge(self._facts)


def appends(disk: Witness, db: Path, durability: Any, chance: random.Random) -> None:
    """Write sessions through the methods of the repository."""
    with SQLiteSessionManager("main", db, durability=durability) as manager:
        main = Log(disk, manager, "main")
        for turn in range(18):
            main.append(some_message(chance))
            main.append(some_message(chance, "assistant"))
            main.change_state({"turn": turn})
            if chance.random() < 0.2:
                main.redact(chance.randrange(main.length))
            if turn % 8 == 3:
                other = Log(disk, manager, f"other {turn}")
                for _ in range(3):
                    other.append(some_message(chance))
                other.delete()


def talks(disk: Witness, db: Path, durability: Any, chance: random.Random) -> None:
    """Let an agent talk and use a tool; each message is acknowledged when the hooks of the manager have returned."""
    turns = 6
    steps = [step for turn in range(turns) for step in (ToolCall("look_up", {"order": turn}), f"done {turn}")]
    with SQLiteSessionManager("talk", db, durability=durability) as manager:
        keep_all = NullConversationManager()
        agent = Agent(
            model=ScriptedModel(*steps),
            tools=[look_up],
            session_manager=manager,
            conversation_manager=keep_all,
            callback_handler=None,
        )

        def acknowledge(event: MessageAddedEvent) -> None:
            number = len(event.agent.messages) - 1
            disk.acknowledge({message_fact("talk", "default", number): message_value(event.message)})

        agent.hooks.add_callback(MessageAddedEvent, acknowledge)
        for turn in range(turns):
            agent.state.set("turn", turn)
            disk.begin(state_fact("talk", "default"))
            agent(some_text(chance, 8000))
            disk.acknowledge({state_fact("talk", "default"): f'{{"turn":{turn}}}'})


def objects(disk: Witness, db: Path, durability: Any, chance: random.Random) -> None:
    """Write, overwrite, search and delete the objects of a storage as the SDK's snapshots do."""
    conversation = Conversation(f"{chance.random()}", 2500)
    kept: list[str] = []

    async def work(storage: SQLiteStorage) -> None:
        for number in range(14):
            conversation.turn()
            if chance.random() < 0.3:
                conversation.slide(6)
            for key in (checkpoint(number), LATEST, f"memory/{chance.randrange(3)}"):
                data = conversation.snapshot() if key.endswith("json") else some_text(chance).encode()
                with acknowledged(disk, {object_fact(key): object_value(data)}):
                    await storage.write(key, data)
            kept.append(checkpoint(number))
            if number % 4 == 3:
                await storage.search("order noon rain")
                key = kept.pop(chance.randrange(len(kept)))
                with acknowledged(disk, {object_fact(key): None}):
                    await storage.delete(key)

    with SQLiteStorage(db, durability=durability) as storage:
        asyncio.run(work(storage))


def care(disk: Witness, db: Path, durability: Any, chance: random.Random) -> None:
    """Fork, rewind, search, prune, erase and compact; what is deleted stays deleted."""
    with (
        SQLiteSessionManager("s0", db, durability=durability) as manager,
        SessionStore(manager, durability=durability) as store,
    ):
        sessions = [Log(disk, manager, f"s{number}") for number in range(4)]
        for session in sessions:
            for number in range(6):
                session.append(some_message(chance))
                session.change_state({"n": number})
        store.set_title("s0", "kept")
        store.add_tags("s1", "old")
        store.search_messages("redacted")
        store.list_sessions()
        with acknowledged(disk, {session_fact("fork"): ""}):
            store.fork_session("s0", "fork", at=chance.randrange(6))
        at = chance.randrange(5)
        rewound = {message_fact("s2", "a", number): None for number in range(at + 1, 6)}
        with acknowledged(disk, {**rewound, state_fact("s2", "a"): f'{{"n":{at}}}'}):
            store.rewind_session("s2", at=at)
        with acknowledged(disk, _gone("s1")):
            store.prune(store.plan_prune(PrunePolicy(tags=("old",), idle=timedelta(0))))
        store.compact()
        with acknowledged(disk, _gone("s3")):
            store.erase(["s3"])


def _gone(session: str) -> dict[str, str | None]:
    messages = [message_fact(session, "a", number) for number in range(6)]
    return dict.fromkeys([session_fact(session), state_fact(session, "a"), *messages])


def imports(disk: Witness, db: Path, durability: Any, chance: random.Random) -> None:
    """Import sessions from JSON Lines into a file that holds others."""
    exported = io.BytesIO()
    with SQLiteSessionManager("one", ":memory:") as manager, SessionStore(manager) as store:
        nowhere = Nobody()
        for name in ("one", "two", "three"):
            session = Log(nowhere, manager, name)
            for _ in range(8):
                session.append(some_message(chance))
        store.export_jsonl(exported)
    exported.seek(0)
    with (
        SQLiteSessionManager("here", db, durability=durability) as manager,
        SessionStore(manager, durability=durability) as store,
    ):
        here = Log(disk, manager, "here")
        here.append(some_message(chance))
        with acknowledged(disk, {session_fact(name): "" for name in ("one", "two", "three")}):
            store.import_jsonl(exported)
        here.append(some_message(chance))


def opens(disk: Witness, db: Path, durability: Any, chance: random.Random) -> None:
    """Open what is there, which may be old or left over from a cut, and write a little; then again."""
    for _ in range(2):
        with SQLiteSessionManager(f"new {chance.random()}", db, durability=durability) as manager:
            session = Log(disk, manager, manager.session_id)
            session.append(some_message(chance))


def groups(disk: Witness, db: Path, durability: Any, chance: random.Random) -> None:
    """Write from several threads that must wait, so that their commits are shared; some calls fail, and fail alone."""
    seeds = [chance.random() for _ in range(THREADS)]
    with SQLiteSessionManager("s", db, durability=durability) as manager, ThreadPoolExecutor(THREADS) as pool:
        logs = [Log(disk, manager, f"thread {number}") for number in range(THREADS)]
        chances = [random.Random(seed) for seed in seeds]
        writer = manager._database._file.writer

        def work(number: int, place: int) -> None:
            if place % (2 * THREADS) == number + 1:
                _fail(manager, logs[number])
            else:
                logs[number].append(some_message(chances[number]))

        for place in range(15):
            turn = Turn()
            writer.turns.take(turn)
            calls = [pool.submit(work, number, place) for number in range(THREADS)]
            while len(writer.turns.waiting) < THREADS and not any(call.done() for call in calls):
                os.sched_yield()
            writer.turns.leave(turn)
            for call in calls:
                call.result()


def _fail(manager: SQLiteSessionManager, session: Log) -> None:
    """Ask for what is refused: a message under an id that is taken."""
    other: Any = {"role": "user", "content": [{"text": "never to be stored"}]}
    try:
        manager.create_message(session.name, session.agent, SessionMessage(other, 0))
    except ConflictError:
        return
    raise AssertionError("a message was stored over another")  # noqa: EM101, TRY003 - what the test says


def mixed(disk: Witness, db: Path, _durability: Any, chance: random.Random) -> None:
    """Write at both durabilities through one connection; only what was written with "full" is acknowledged."""
    nowhere = Nobody()
    with (
        SQLiteSessionManager("full", db, durability="full") as safe,
        SQLiteSessionManager("normal", db, durability="normal") as quick,
    ):
        sessions = [Log(disk, safe, "full"), Log(nowhere, quick, "normal")]
        for _ in range(40):
            chance.choice(sessions).append(some_message(chance))
