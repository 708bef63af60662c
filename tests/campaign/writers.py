"""Who writes in the campaign of many writers: each reads what it has written, and is told of its own errors only."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from strands import Agent
from strands.agent.conversation_manager import NullConversationManager
from strands.types.session import SessionAgent, SessionMessage

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import (
    ConflictError,
    NotFoundError,
    SessionStore,
    SQLiteSessionManager,
    SQLiteStorage,
)
from strands_sqlite_session_manager.retention import PrunePolicy

from .board import Board
from .readings import line_of
from .sayings import LONGEST, conversation, kept, may_be_redacted, replacement, said, word_at

REGISTER = "register"
"""The key that all storages write."""

_REOPENED_EVERY = 25


def record(session: str, number: int) -> SessionMessage:
    message: Any = said(session, number)
    return SessionMessage(message, number)


class LogWriter:
    """Appends to a conversation through a manager, on the thread that calls."""

    def __init__(self, board: Board, name: str, db: str, chance: random.Random) -> None:
        self._board, self._name, self._db, self._chance = board, name, db, chance
        self._manager: SQLiteSessionManager | None = None
        self._redacted: set[int] = set()
        self._rounds = 0

    def round(self) -> None:
        """Take a step, and look at what is there now."""
        session, messages = conversation(self._name, self._board.begin(self._name))
        if messages == 0:
            self._begin_anew(session)
        else:
            self._open(session).create_message(session, "a", record(session, messages - 1))
        self._board.acknowledge(self._name)
        self._rounds += 1
        if messages and self._chance.random() < 0.3:
            self._change_state(session)
        if messages and self._chance.random() < 0.3:
            self._err(session, messages)
        if messages and may_be_redacted(messages - 1):
            self._redact(session, messages - 1)
        self._read_own(session, messages)
        if self._rounds % _REOPENED_EVERY == 0:
            self.close()

    def close(self) -> None:
        if self._manager is not None:
            self._manager.close()
        self._manager = None

    def _open(self, session: str) -> SQLiteSessionManager:
        if self._manager is None:
            self._manager = SQLiteSessionManager(session, self._db)
        return self._manager

    def _begin_anew(self, session: str) -> None:
        if self._manager is not None:
            self._manager.delete_session(self._manager.session_id)
        elif (number := int(session.rpartition("-")[2])) > 0:
            old = f"{self._name}-{number - 1}"
            with SQLiteSessionManager(old, self._db) as manager:
                manager.delete_session(old)
        self.close()
        self._redacted.clear()
        self._open(session).create_agent(session, SessionAgent("a", {}, {}))

    def _change_state(self, session: str) -> None:
        manager, created_at = self._open(session), f"never {self._name}"
        agent = SessionAgent("a", {"rounds": self._rounds, "who": self._name}, {}, {}, created_at)
        manager.update_agent(session, agent)
        found = manager.read_agent(session, "a")
        assert found is not None
        assert found.state == agent.state, (found.state, agent.state)
        assert found.created_at == agent.created_at != created_at

    def _err(self, session: str, messages: int) -> None:
        """Make mistakes: the error is of this call, whoever is committed together with it."""
        manager, number = self._open(session), self._chance.randrange(messages)
        with pytest.raises(ConflictError, match=f"Message {number} of agent a in session {session} exists"):
            manager.create_message(session, "a", SessionMessage({"role": "user", "content": []}, number))
        with pytest.raises(NotFoundError, match=f"Message {messages + 7} does not exist"):
            manager.update_message(session, "a", record(session, messages + 7))
        with pytest.raises(NotFoundError, match=f"Session {session}-not does not exist"):
            manager.create_message(f"{session}-not", "a", record(session, 0))
        if number not in self._redacted:
            manager.create_message(session, "a", record(session, number))  # a retry

    def _redact(self, session: str, number: int) -> None:
        redacted = record(session, number)
        redacted.redact_message = replacement(session, number)  # type: ignore[assignment]  # a message
        self._open(session).update_message(session, "a", redacted)
        self._redacted.add(number)

    def _read_own(self, session: str, messages: int) -> None:
        found = self._open(session).list_messages(session, "a")
        assert [each.message_id for each in found] == list(range(messages)), session
        for each in found:
            assert each.message == said(session, each.message_id), (session, each.message_id)
            gone = replacement(session, each.message_id) if each.message_id in self._redacted else None
            assert each.redact_message == gone, (session, each.message_id)
        if messages:
            last = self._open(session).list_messages(session, "a", offset=-1)
            assert [each.message_id for each in last] == [messages - 1]


class AgentWriter:
    """Talks with an agent that shares its event loop with others, and resumes its session now and then."""

    def __init__(self, board: Board, name: str, db: str, chance: random.Random) -> None:
        self._board, self._name, self._db, self._chance = board, name, db, chance
        self._agent: Agent | None = None
        self._manager: SQLiteSessionManager | None = None

    async def round(self) -> None:
        """Hold a turn, or begin a new session."""
        session, messages = conversation(self._name, self._board.begun(self._name))
        if self._board.begun(self._name) == 0 or messages == LONGEST:
            self._begin_anew()
            return
        agent = self._agent or self._resume(session, messages)
        agent.state.set("turn", messages // 2)
        self._board.begin(self._name, 2)
        answer = await agent.invoke_async(line_of(session, messages))
        self._board.acknowledge(self._name)
        assert str(answer).strip() == line_of(session, messages + 1)
        if self._chance.random() < 0.1:
            self.close()

    def close(self) -> None:
        self._agent = None
        if self._manager is not None:
            self._manager.close()

    def _begin_anew(self) -> None:
        old, _ = conversation(self._name, self._board.begun(self._name))
        session, _ = conversation(self._name, self._board.begin(self._name))
        self.close()
        if self._board.begun(self._name) > 1:
            with SQLiteSessionManager(old, self._db) as manager:
                manager.delete_session(old)
        self._resume(session, 0)
        self._board.acknowledge(self._name)

    def _resume(self, session: str, messages: int) -> Agent:
        model = ScriptedModel(*[lambda _: self._next_line()] * LONGEST)
        self._manager = SQLiteSessionManager(session, self._db)
        agent = self._agent = Agent(
            model=model,
            session_manager=self._manager,
            conversation_manager=NullConversationManager(),
            callback_handler=None,
        )
        found = [message["content"][0]["text"] for message in agent.messages]
        assert found == [line_of(session, number) for number in range(messages)], (session, found)
        if messages:
            assert agent.state.get("turn") == messages // 2 - 1
        return agent

    def _next_line(self) -> str:
        session, messages = conversation(self._name, self._board.begun(self._name))
        return line_of(session, messages - 1)


class ObjectWriter:
    """Writes and deletes objects of its own in a storage, on a loop with others, and one that all write."""

    def __init__(self, board: Board, names: list[str], storage: SQLiteStorage, chance: random.Random) -> None:
        self._board, self._keys, self._storage, self._chance = board, names[1:], storage, chance
        self._own = names[0]
        self._seen: dict[str, int] = {}

    async def round(self) -> None:
        """Change an object, and look at what is there now."""
        key = self._chance.choice(self._keys)
        version = self._board.begin(key)
        data = kept(key, version)
        await (self._storage.delete(key) if data is None else self._storage.write(key, data))
        self._board.acknowledge(key)
        assert await self._storage.read(key) == data, (key, version)
        if self._chance.random() < 0.3:
            await self._write_register()
        if self._chance.random() < 0.1:
            folder = self._keys[0].rpartition("/")[0] + "/"
            there = sorted(each for each in self._keys if self._is_there(each))
            assert await self._storage.list(folder) == there, folder
        if data is not None and self._chance.random() < 0.1:
            found = [result.key for result in await self._storage.search(word_at(key, version))]
            assert found == [key], (key, version, found)

    def _is_there(self, key: str) -> bool:
        version = self._board.acknowledged(key)
        return version > 0 and kept(key, version) is not None

    async def _write_register(self) -> None:
        """Write what all write: what is read then is nobody's older value."""
        step = self._board.begin(self._own)
        await self._storage.write(REGISTER, json.dumps([self._own, step]).encode())
        self._board.acknowledge(self._own)
        writer, found = json.loads(await self._storage.read(REGISTER) or b"null")
        assert found <= self._board.begun(writer), (writer, found)
        assert found >= self._seen.get(writer, 0), (writer, found, self._seen)
        assert writer != self._own or found == step, (found, step)
        self._seen[writer] = found


class Keeper:
    """Does what people do with sessions while agents write: titles, forks of what others say, rewinds, and prunes."""

    def __init__(self, board: Board, name: str, db: str, chance: random.Random) -> None:
        self._board, self._name, self._chance = board, name, chance
        self.store = SessionStore(db)
        self._log = SQLiteSessionManager(name, self.store)
        self._log.create_agent(name, SessionAgent("a", {}, {}))
        self._said = 0
        self._forks: list[str] = []
        self._number = 0

    def round(self) -> None:
        """Do one of these things."""
        self._chance.choice([self._set_title, self._set_title, self._fork, self._fork, self._say, self._rewind])()
        if len(self._forks) >= 5:
            self.prune()

    def close(self) -> None:
        self.prune()
        self._log.close()
        self.store.close()

    def prune(self) -> None:
        """Delete all forks."""
        plan = self.store.plan_prune(PrunePolicy(tags=(f"of {self._name}",), idle=timedelta()))
        assert {each.session_id for each in plan.sessions} == set(self._forks)
        pruned = self.store.prune(plan)
        assert pruned.sessions == len(self._forks), (pruned, self._forks)
        for fork in self._forks:
            with pytest.raises(NotFoundError):
                self.store.read_messages(fork)
        self._forks.clear()

    def _set_title(self) -> None:
        step = self._board.begin(self._name)
        self.store.set_title(self._name, f"title {step}")
        self._board.acknowledge(self._name)
        assert self.store.summarize_session(self._name).info.title == f"title {step}"

    def _say(self) -> None:
        self._log.create_message(self._name, "a", record(self._name, self._said))
        self._said += 1
        self._read_own()

    def _rewind(self) -> None:
        if self._said == 0:
            return
        at = self._chance.randrange(-1, self._said)
        rewound = self.store.rewind_session(self._name, at=at)
        assert (rewound.session_id, rewound.removed_messages) == (self._name, self._said - at - 1)
        self._said = at + 1
        self._read_own()

    def _read_own(self) -> None:
        found = [each.message for each in self.store.read_messages(self._name)]
        assert found == [said(self._name, number) for number in range(self._said)]

    def _fork(self) -> None:
        """Fork what somebody says at this moment: the fork has that and no more, whatever is said meanwhile."""
        name = self._chance.choice([each for each in self._board.names if each.startswith("log")])
        low = self._board.acknowledged(name)
        session, messages = conversation(name, max(1, low))
        self._number += 1
        fork = f"fork-{self._name}-{self._number}"
        at = self._chance.randrange(messages) if messages else -1
        try:
            made = self.store.fork_session(session, fork, at=at)
        except NotFoundError:
            gone = conversation(name, self._board.begun(name))[0] != session
            assert low == 0 or gone, session  # it may be there without its agent before anything is acknowledged
            return
        assert (made.session_id, made.messages) == (fork, at + 1)
        self.store.add_tags(fork, f"of {self._name}")
        self._forks.append(fork)
        found = self.store.read_messages(fork)
        assert [each.message_id for each in found] == list(range(at + 1))
        for each in found:
            make = replacement if each.redacted else said
            assert each.message == make(session, each.message_id), (fork, each.message_id)


async def together(rounds: list[Callable[[], Any]], goes_on: Callable[[], bool]) -> int:
    """Let asynchronous writers share this loop; return how many rounds they had."""

    async def work(one_round: Callable[[], Any]) -> int:
        count = 0
        while not count or goes_on():
            await one_round()
            count += 1
        return count

    return sum(await asyncio.gather(*map(work, rounds)))
