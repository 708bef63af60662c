"""Properties: whatever is created, updated, redacted, deleted and opened again, a manager's repository is a dict."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import apsw
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from strands_sqlite_session_manager import (
    AlreadyExistsError,
    ConflictError,
    NotFoundError,
    SessionStore,
    SQLiteSessionManager,
)

from .folders import new_folder
from .fuzzing import tries
from .values import BYTES, JSON, OBJECTS, TEXTS, TIMES, shown

HOME = "home"
"""The session of the managers themselves."""

SESSIONS = st.sampled_from([HOME, "s", "S", "s2", "%", "ü 'x'"])
AGENTS = st.sampled_from(["a", "A", "a%"])
MESSAGE_IDS = st.integers(-1, 6) | st.sampled_from([2**63 - 1, -(2**63)])
BLOCKS = st.one_of(
    st.builds(lambda text: {"text": text}, TEXTS),
    st.builds(lambda data: {"image": {"format": "png", "source": {"bytes": data}}}, BYTES),
    st.builds(lambda value: {"toolResult": {"toolUseId": "t", "content": [{"json": value}]}}, JSON),
)
MESSAGES = st.builds(lambda content: {"role": "user", "content": content}, st.lists(BLOCKS, max_size=2))
OFFSETS = st.integers(-4, 4)
LIMITS = st.none() | st.integers(0, 4)
STRUCTURE = ("sqlite", "foreign key", "index", "parts", "blob")


@dataclass
class Kept:
    """What a session has: agents, their messages, and states of graphs."""

    session: Session
    agents: dict[str, SessionAgent] = field(default_factory=dict)
    messages: dict[str, dict[int, SessionMessage]] = field(default_factory=dict)
    multi_agents: dict[str, Any] = field(default_factory=dict)


class Graph:
    """What the repository asks of a graph or swarm."""

    def __init__(self, id_: str, state: Any) -> None:
        self.id = id_
        self._state = state

    def serialize_state(self) -> Any:
        return self._state


class Repository(RuleBasedStateMachine):
    """Managers on one file, and a dict that is done the same to."""

    tried: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self._folder = new_folder()
        self._db = Path(self._folder.name, "sessions.db")
        self._model: dict[str, Kept] = {}
        self._managers: list[SQLiteSessionManager] = []
        self._open()

    def _open(self) -> None:
        first = SQLiteSessionManager(HOME, self._db, durability="normal")
        self._managers = [first, SQLiteSessionManager(HOME, first)]
        if HOME not in self._model:
            found = first.read_session(HOME)
            assert found is not None
            self._model[HOME] = Kept(found)

    def _manager(self, second: bool) -> SQLiteSessionManager:  # noqa: FBT001 - drawn by Hypothesis
        return self._managers[second]

    @rule()
    def open_again(self) -> None:
        """Close the file and open it again: all of it is still there, and nothing else."""
        for manager in self._managers:
            manager.close()
        self._open()
        manager = self._managers[0]
        for session_id in self._model:
            self._require_session(manager, session_id)

    @rule(second=st.booleans(), session_id=SESSIONS, time=TIMES)
    def create_session(self, *, second: bool, session_id: str, time: str) -> None:
        session = Session(session_id, SessionType.AGENT, time, time)
        if session_id in self._model:
            with pytest.raises(AlreadyExistsError):
                self._manager(second).create_session(session)
        else:
            assert self._manager(second).create_session(session) == session
            self._model[session_id] = Kept(session)

    @rule(second=st.booleans(), session_id=SESSIONS)
    def delete_session(self, *, second: bool, session_id: str) -> None:
        if session_id in self._model:
            self._manager(second).delete_session(session_id)
            del self._model[session_id]
        else:
            with pytest.raises(NotFoundError):
                self._manager(second).delete_session(session_id)
        assert self._manager(not second).read_session(session_id) is None

    @rule(second=st.booleans(), session_id=SESSIONS, agent_id=AGENTS, states=st.tuples(OBJECTS, OBJECTS), time=TIMES)
    def create_agent(self, *, second: bool, session_id: str, agent_id: str, states: Any, time: str) -> None:
        agent = SessionAgent(agent_id, *states, {}, time, time)
        if session_id not in self._model:
            with pytest.raises(NotFoundError):
                self._manager(second).create_agent(session_id, agent)
            return
        self._manager(second).create_agent(session_id, agent)
        self._model[session_id].agents[agent_id] = copy.deepcopy(agent)
        self._model[session_id].messages.setdefault(agent_id, {})

    @rule(second=st.booleans(), session_id=SESSIONS, agent_id=AGENTS, states=st.tuples(OBJECTS, OBJECTS), time=TIMES)
    def update_agent(self, *, second: bool, session_id: str, agent_id: str, states: Any, time: str) -> None:
        agent = SessionAgent(agent_id, *states, {"interrupts": {}}, "never", time)
        old = self._model[session_id].agents.get(agent_id) if session_id in self._model else None
        if old is None:
            with pytest.raises(NotFoundError):
                self._manager(second).update_agent(session_id, agent)
            return
        self._manager(second).update_agent(session_id, agent)
        assert agent.created_at == old.created_at
        self._model[session_id].agents[agent_id] = copy.deepcopy(agent)

    @rule(
        second=st.booleans(),
        session_id=SESSIONS,
        agent_id=AGENTS,
        message_id=MESSAGE_IDS,
        message=MESSAGES,
        redacted=st.none() | MESSAGES,
        time=TIMES,
    )
    def create_message(self, *, second: bool, session_id: str, agent_id: str, message_id: int, **given: Any) -> None:
        record = _record(message_id, **given)
        found = self._messages(session_id, agent_id)
        if found is None:
            with pytest.raises(NotFoundError):
                self._manager(second).create_message(session_id, agent_id, record)
        elif message_id not in found:
            self._manager(second).create_message(session_id, agent_id, record)
            found[message_id] = copy.deepcopy(record)
        elif shown(_content(found[message_id])) == shown(_content(record)):
            self._manager(second).create_message(session_id, agent_id, record)  # a retry: what is there stays
        else:
            with pytest.raises(ConflictError):
                self._manager(second).create_message(session_id, agent_id, record)

    @precondition(lambda self: any(messages for kept in self._model.values() for messages in kept.messages.values()))
    @rule(second=st.booleans(), data=st.data(), message=MESSAGES, redacted=st.none() | MESSAGES, time=TIMES)
    def update_message(self, *, second: bool, data: Any, **given: Any) -> None:
        """Redact a message, or say another in its place."""
        places = [
            (session_id, agent_id, message_id)
            for session_id, kept in self._model.items()
            for agent_id, messages in kept.messages.items()
            for message_id in messages
        ]
        session_id, agent_id, message_id = data.draw(st.sampled_from(places))
        record = _record(message_id, **given)
        self._manager(second).update_message(session_id, agent_id, record)
        old = self._model[session_id].messages[agent_id][message_id]
        assert record.created_at == old.created_at
        self._model[session_id].messages[agent_id][message_id] = copy.deepcopy(record)

    @rule(second=st.booleans(), session_id=SESSIONS, agent_id=AGENTS, message_id=MESSAGE_IDS)
    def update_missing_message(self, *, second: bool, session_id: str, agent_id: str, message_id: int) -> None:
        if message_id not in (self._messages(session_id, agent_id) or {}):
            with pytest.raises(NotFoundError):
                self._manager(second).update_message(session_id, agent_id, _record(message_id, {}, None, "t"))

    @rule(second=st.booleans(), session_id=SESSIONS, agent_id=AGENTS, limit=LIMITS, offset=OFFSETS)
    def list_messages(self, *, second: bool, session_id: str, agent_id: str, limit: int | None, offset: int) -> None:
        """A list is what Python's slice of all messages is, in the order of their ids."""
        found = self._manager(second).list_messages(session_id, agent_id, limit, offset)
        messages = self._messages(session_id, agent_id) or {}
        wanted = [messages[each] for each in sorted(messages)][offset : None if limit is None else offset + limit]
        assert shown(found) == shown(wanted)

    @rule(second=st.booleans(), session_id=SESSIONS, multi_agent_id=AGENTS, state=st.dictionaries(TEXTS, TEXTS))
    def keep_multi_agent(self, *, second: bool, session_id: str, multi_agent_id: str, state: Any) -> None:
        manager, graph = self._manager(second), Graph(multi_agent_id, state)
        kept = self._model.get(session_id)
        if kept is None or multi_agent_id not in kept.multi_agents:
            with pytest.raises(NotFoundError):
                manager.update_multi_agent(session_id, graph)  # type: ignore[arg-type]  # as far as it is asked
            assert manager.read_multi_agent(session_id, multi_agent_id) is None
        if kept is None:
            with pytest.raises(NotFoundError):
                manager.create_multi_agent(session_id, graph)  # type: ignore[arg-type]  # as far as it is asked
            return
        put = manager.update_multi_agent if multi_agent_id in kept.multi_agents else manager.create_multi_agent
        put(session_id, graph)  # type: ignore[arg-type]  # as far as it is asked
        kept.multi_agents[multi_agent_id] = state

    def _messages(self, session_id: str, agent_id: str) -> dict[int, SessionMessage] | None:
        kept = self._model.get(session_id)
        return None if kept is None else kept.messages.get(agent_id)

    def _require_session(self, manager: SQLiteSessionManager, session_id: str) -> None:
        kept = self._model[session_id]
        assert shown(manager.read_session(session_id)) == shown(kept.session)
        for agent_id, agent in kept.agents.items():
            assert shown(manager.read_agent(session_id, agent_id)) == shown(agent)
            messages = kept.messages[agent_id]
            wanted = [messages[each] for each in sorted(messages)]
            assert shown(manager.list_messages(session_id, agent_id)) == shown(wanted)
            for record in wanted:
                assert shown(manager.read_message(session_id, agent_id, record.message_id)) == shown(record)
        for multi_agent_id, state in kept.multi_agents.items():
            assert manager.read_multi_agent(session_id, multi_agent_id) == state

    @invariant()
    def count_steps(self) -> None:
        self.tried["steps of managers"] += 1

    def teardown(self) -> None:
        try:
            self.open_again()
            with SessionStore(self._managers[0]) as store:
                assert {each.session_id for each in store.list_sessions().sessions} == self._model.keys()
                assert [each for each in store.verify() if each.kind in STRUCTURE] == []
            for manager in self._managers:
                manager.close()
            self._require_no_bytes_left()
        finally:
            for manager in self._managers:
                manager.close()
            self._folder.cleanup()

    def _require_no_bytes_left(self) -> None:
        """Hold that attachments are there as long as a message has them, and no longer."""
        contents = [
            _content(record)
            for kept in self._model.values()
            for messages in kept.messages.values()
            for record in messages.values()
        ]
        connection = apsw.Connection(str(self._db))
        stored = {content for (content,) in connection.execute("SELECT content FROM blobs")}
        connection.close()
        assert stored == {data for content in contents for data in _bytes_in(content) if len(data) >= 512}


def _record(message_id: int, message: Any, redacted: Any, time: str) -> SessionMessage:
    return SessionMessage(message, message_id, redacted, time, time)


def _content(record: SessionMessage) -> tuple[Any, Any]:
    return record.message, record.redact_message


def _bytes_in(value: Any) -> list[bytes]:
    if isinstance(value, bytes):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [data for item in inner for data in _bytes_in(item)]


def test_a_repository_is_a_dict_that_outlives_its_process(tried: Counter[str]) -> None:
    """Random calls of all repository methods, through two managers, give what a dict gives, errors included."""
    Repository.tried = tried
    run_state_machine_as_test(Repository, settings=tries(20, 40))  # type: ignore[no-untyped-call]  # Hypothesis has no types for it
