"""Properties: whatever people and agents do to sessions, in whatever order, a store is a dict of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import AlreadyExistsError, NotFoundError, SessionStore, SQLiteSessionManager
from strands_sqlite_session_manager.catalog import SessionFilter
from strands_sqlite_session_manager.message_search import MessageFilter
from strands_sqlite_session_manager.retention import PrunePolicy

from .folders import new_folder
from .fuzzing import tries
from .sessions_model import ModelAgent, ModelSession, Said

SESSIONS = st.sampled_from(["s", "S", "s2", "%_", "\u00fc 'x'", "fork-1", "fork-2"])
AGENTS = st.sampled_from(["a", "b"])
TAGS = st.sampled_from(["vip", "open", "\u00fcber"])
WORDS = ["zebra", "zeb", "plan", "plant", "zurich", "x1"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
PICTURES = st.none() | st.integers(0, 2).map(lambda number: bytes([number]) * (600 + number))
STATES = st.dictionaries(st.sampled_from(["mood", "n", "list"]), st.sampled_from([1, 1.0, True, None, "x", [1], {}]))
VALUES = st.sampled_from([None, 1, True, 1.5, "x", [1, {"a": None}], {}])
PLACES = st.integers(-1, 12)
START = datetime(2025, 1, 1, tzinfo=timezone.utc)


class Store(RuleBasedStateMachine):
    """A store on a file, and a dict of sessions that is done the same to."""

    tried: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self._folder = new_folder()
        self._files, self._clock = count(), count()
        self._path = self._new_path()
        self._model: dict[str, ModelSession] = {}
        self._store = SessionStore(self._path, durability="normal")

    def _new_path(self) -> Path:
        return Path(self._folder.name, f"{next(self._files)}.db")

    def _now(self) -> str:
        return (START + timedelta(seconds=next(self._clock))).isoformat(timespec="microseconds")

    # What agents do

    @rule(session_id=SESSIONS, agent_id=AGENTS, state=STATES)
    def begin(self, session_id: str, agent_id: str, state: Any) -> None:
        session = self._model.setdefault(session_id, ModelSession())
        now = self._now()
        with SQLiteSessionManager(session_id, self._store) as manager:
            if agent_id not in session.agents:
                manager.create_agent(session_id, SessionAgent(agent_id, state, {}, {}, now, now))
                session.agents[agent_id] = ModelAgent(now, state, state)

    @precondition(lambda self: self._places())
    @rule(data=st.data(), text=TEXTS, picture=PICTURES)
    def say(self, data: Any, text: str, picture: bytes | None) -> None:
        session_id, agent_id = data.draw(st.sampled_from(self._places()))
        agent, now = self._model[session_id].agents[agent_id], self._now()
        content: list[Any] = [{"text": f"{text} m{next(self._files)}m"}]
        if picture is not None:
            content.append({"image": {"format": "png", "source": {"bytes": picture}}})
        message: Any = {"role": "user", "content": content}
        with SQLiteSessionManager(session_id, self._store) as manager:
            record = SessionMessage(message, len(agent.messages), None, now, now)
            manager.create_message(session_id, agent_id, record)
        agent.messages.append(Said(message, now, agent.state))

    @precondition(lambda self: self._places())
    @rule(data=st.data(), state=STATES)
    def change_state(self, data: Any, state: Any) -> None:
        session_id, agent_id = data.draw(st.sampled_from(self._places()))
        with SQLiteSessionManager(session_id, self._store) as manager:
            manager.update_agent(session_id, SessionAgent(agent_id, state, {}, {}, "", self._now()))
        self._model[session_id].agents[agent_id].change_state(state)

    @precondition(lambda self: self._spoken())
    @rule(data=st.data(), text=TEXTS)
    def redact(self, data: Any, text: str) -> None:
        session_id, agent_id = data.draw(st.sampled_from(self._spoken()))
        said = self._model[session_id].agents[agent_id].messages
        number = data.draw(st.integers(0, len(said) - 1))
        replacement: Any = {"role": "user", "content": [{"text": f"gone {text} m{next(self._files)}m"}]}
        message: Any = said[number].message
        with SQLiteSessionManager(session_id, self._store) as manager:
            record = SessionMessage(message, number, replacement, "", self._now())
            manager.update_message(session_id, agent_id, record)
        said[number].redacted = replacement

    # What people do

    @rule(session_id=SESSIONS, title=st.none() | st.sampled_from(["A title", "\u00fc \U0001f600"]))
    def set_title(self, session_id: str, title: str | None) -> None:
        if self._does(session_id, lambda: self._store.set_title(session_id, title)):
            self._model[session_id].title = title

    @rule(session_id=SESSIONS, tags=st.lists(TAGS, max_size=2), adds=st.booleans())
    def tag(self, session_id: str, *, tags: list[str], adds: bool) -> None:
        change = self._store.add_tags if adds else self._store.remove_tags
        if self._does(session_id, lambda: change(session_id, *tags)):
            own = self._model[session_id].tags
            (own.update if adds else own.difference_update)(tags)

    @rule(session_id=SESSIONS, values=st.dictionaries(st.sampled_from(["k", "\u00fc"]), VALUES))
    def note(self, session_id: str, values: dict[str, Any]) -> None:
        if self._does(session_id, lambda: self._store.set_metadata(session_id, values)):
            merged = self._model[session_id].metadata | values
            self._model[session_id].metadata = {key: value for key, value in merged.items() if value is not None}

    @rule(session_id=SESSIONS, new=SESSIONS, at=st.none() | PLACES, agent_id=st.none() | AGENTS)
    def fork(self, session_id: str, new: str, at: int | None, agent_id: str | None) -> None:
        def run() -> Any:
            return self._store.fork_session(session_id, new, at=at, agent_id=agent_id)

        meant = self._meant(session_id, agent_id, run, at=at)
        if meant is None:
            return
        if new in self._model:
            with pytest.raises(AlreadyExistsError):
                run()
            return
        made, session = run(), self._model[session_id].copied()
        if at is not None:
            session.take_back(meant, at)
        origin = {"session_id": session_id, "agent_id": agent_id if at is None else meant, "message_id": at}
        session.metadata["forked_from"] = origin
        self._model[new] = session
        assert (made.session_id, made.agents) == (new, tuple(sorted(session.agents)))
        assert made.messages == session.messages

    @rule(session_id=SESSIONS, at=PLACES, agent_id=st.none() | AGENTS)
    def rewind(self, session_id: str, at: int, agent_id: str | None) -> None:
        def run() -> Any:
            return self._store.rewind_session(session_id, at=at, agent_id=agent_id)

        meant = self._meant(session_id, agent_id, run, at=at)
        if meant is None:
            return
        before = self._model[session_id].messages
        rewound = run()
        self._model[session_id].take_back(meant, at)
        assert rewound.removed_messages == before - self._model[session_id].messages
        assert rewound.agents == tuple(sorted(self._model[session_id].agents))

    @rule(keep_last=st.integers(0, 4), tags=st.lists(TAGS, max_size=1), keep_tags=st.lists(TAGS, max_size=1))
    def prune(self, keep_last: int, tags: list[str], keep_tags: list[str]) -> None:
        listed = self._store.list_sessions(SessionFilter(tags=tuple(tags)), limit=100).sessions
        policy = PrunePolicy(keep_last=keep_last, tags=tuple(tags), keep_tags=tuple(keep_tags), idle=timedelta(days=-0))
        plan = self._store.plan_prune(policy, now=START + timedelta(days=100_000))
        going = [each.session_id for each in listed[keep_last:] if not self._model[each.session_id].tags & {*keep_tags}]
        assert [each.session_id for each in plan.sessions] == going[::-1]
        assert self._store.prune(plan).sessions == len(going)
        for session_id in going:
            del self._model[session_id]

    @rule(session_id=SESSIONS)
    def erase(self, session_id: str) -> None:
        """Not a byte of what only this session said is left in the file."""
        if session_id not in self._model:
            return
        erased = self._model.pop(session_id)
        assert self._store.erase([session_id]).messages == erased.messages
        self._require_no_bytes_of(erased.texts())

    @rule(session_id=st.none() | SESSIONS)
    def erase_redacted(self, session_id: str | None) -> None:
        ids = None if session_id is None else [session_id]
        if session_id is not None and session_id not in self._model:
            with pytest.raises(NotFoundError):
                self._store.erase_redacted(ids)
            return
        sessions = self._model.values() if session_id is None else [self._model[session_id]]
        gone: list[str] = []
        for said in [each for one in sessions for agent in one.agents.values() for each in agent.messages]:
            if said.redacted is not None:
                gone.append(said.message["content"][0]["text"])
                said.message, said.redacted = said.redacted, None
        assert self._store.erase_redacted(ids) == len(gone)
        self._require_no_bytes_of(gone)

    @rule()
    def compact(self) -> None:
        self._store.compact()

    @rule(read_only=st.booleans())
    def open_again(self, *, read_only: bool) -> None:
        """Close the file, and look at everything in it."""
        self._store.close()
        with SessionStore(self._path, read_only=read_only) as store:
            self._require_everything(store)
        self._store = SessionStore(self._path, durability="normal")

    @rule(way=st.sampled_from(["jsonl", "files", "backup"]))
    def move(self, way: str) -> None:
        """Take everything to another file, and go on with that."""
        path, exported = self._new_path(), Path(self._folder.name, f"export-{next(self._files)}")
        if way == "backup":
            self._store.back_up(path)
        else:
            with SessionStore(path, durability="normal") as other:
                if way == "jsonl":
                    self._store.export_jsonl(exported)
                    moved = other.import_jsonl(exported)
                    again = other.import_jsonl(exported)
                else:
                    self._store.export_files(exported)
                    moved = other.import_files(exported)
                    again = other.import_files(exported)
                assert (moved.sessions, again.unchanged) == (len(self._model), len(self._model))
        self._store.close()
        self._path = path
        self._store = SessionStore(path, durability="normal")

    @rule(
        words=st.lists(st.sampled_from([*WORDS, "zu", "pla", "gone"]), min_size=1, max_size=2), one=st.none() | SESSIONS
    )
    def search(self, words: list[str], one: str | None) -> None:
        """What is found is what has all the words, or words that begin with them."""
        where = MessageFilter(session_id=one)
        found = self._store.search_messages(" ".join(words), where, limit=1000)
        wanted = {
            (session_id, agent_id, number)
            for session_id, session in self._model.items()
            for agent_id, agent in session.agents.items()
            for number, said in enumerate(agent.messages)
            if one in (None, session_id) and _has(said.shown["content"][0]["text"], words)
        }
        assert {(hit.session_id, hit.agent_id, hit.message_id) for hit in found} == wanted
        assert len(found) == len(wanted)

    @rule(
        tags=st.lists(TAGS, max_size=2),
        agent_id=st.none() | AGENTS,
        sort=st.sampled_from(["activity", "created", "id"]),
        limit=st.integers(1, 3),
    )
    def list_sessions(self, tags: list[str], agent_id: str | None, sort: Any, limit: int) -> None:
        """Page by page every session comes once that fits, and no other."""
        where, found, after = SessionFilter(tags=tuple(tags), agent_id=agent_id), [], None
        while True:
            page = self._store.list_sessions(where, sort=sort, limit=limit, after=after)
            found += [info.session_id for info in page.sessions]
            if (after := page.after) is None:
                break
        fitting = [
            session_id
            for session_id, session in self._model.items()
            if session.tags >= {*tags} and (agent_id is None or agent_id in session.agents)
        ]
        assert sorted(found) == sorted(fitting)
        assert sort != "id" or found == sorted(found)

    # What must be true

    @invariant()
    def count_steps(self) -> None:
        self.tried["steps of stores"] += 1

    def teardown(self) -> None:
        try:
            self._require_everything(self._store)
            assert self._store.verify() == []
        finally:
            self._store.close()
            self._folder.cleanup()

    def _places(self) -> list[tuple[str, str]]:
        return [(session_id, agent_id) for session_id, session in self._model.items() for agent_id in session.agents]

    def _spoken(self) -> list[tuple[str, str]]:
        return [place for place in self._places() if self._model[place[0]].agents[place[1]].messages]

    def _does(self, session_id: str, run: Callable[[], None]) -> bool:
        """Run what needs the session, and return True; where there is none, hold that it is refused."""
        if session_id in self._model:
            run()
            return True
        with pytest.raises(NotFoundError):
            run()
        return False

    def _meant(self, session_id: str, agent_id: str | None, run: Callable[[], object], *, at: int | None) -> str | None:
        """Return the agent that is meant; None where that must be refused, and is."""
        session = self._model.get(session_id)
        if session is None:
            expected: type[Exception] = NotFoundError
        elif at is None and agent_id is None:
            return ""
        elif agent_id is None and len(session.agents) > 1:
            expected = ValueError
        else:
            meant = agent_id if agent_id is not None else next(iter(session.agents), None)
            agent = None if meant is None else session.agents.get(meant)
            if agent is not None and (at is None or at < len(agent.messages)):
                return meant
            expected = NotFoundError
        with pytest.raises(expected):
            run()
        return None

    def _require_everything(self, store: SessionStore) -> None:
        assert {info.session_id for info in store.list_sessions(limit=100).sessions} == self._model.keys()
        for session_id, session in self._model.items():
            summary = store.summarize_session(session_id)
            assert summary.info.title == session.title
            assert summary.info.tags == tuple(sorted(session.tags))
            assert repr(sorted(summary.info.metadata.items())) == repr(sorted(session.metadata.items()))
            counts = {agent.agent_id: agent.messages for agent in summary.agents}
            assert counts == {agent_id: len(agent.messages) for agent_id, agent in session.agents.items()}
            for agent_id, agent in session.agents.items():
                _require_agent(store, session_id, agent_id, agent)

    def _require_no_bytes_of(self, texts: list[str]) -> None:
        """Hold that these texts are nowhere in the file, but for what other sessions say."""
        self._store.close()  # while it is open, nobody but SQLite may touch the file
        left = {text for session in self._model.values() for text in session.texts()}
        held = b"".join(path.read_bytes() for path in self._path.parent.glob(f"{self._path.name}*"))
        assert [text for text in texts if text not in left and text.encode() in held] == []
        self._store = SessionStore(self._path, durability="normal")


def _has(text: str, words: list[str]) -> bool:
    there = text.split()
    return all(word in there or (len(word) >= 3 and any(each.startswith(word) for each in there)) for word in words)


def _require_agent(store: SessionStore, session_id: str, agent_id: str, agent: ModelAgent) -> None:
    found = store.read_messages(session_id, agent_id)
    assert [each.message_id for each in found] == list(range(len(agent.messages)))
    assert [each.message for each in found] == [said.shown for said in agent.messages]
    assert [each.redacted for each in found] == [said.redacted is not None for said in agent.messages]
    points = store.list_checkpoints(session_id, agent_id)
    assert [point.message_id for point in points] == list(range(len(agent.messages)))
    for at in range(-1, len(agent.messages)):
        moment = store.read_checkpoint(session_id, at, agent_id)
        found_state, state = (repr(sorted(each.items())) for each in (moment.state, agent.state_at(at)))
        assert found_state == state, (session_id, agent_id, at)
        assert moment.messages == at + 1


def test_a_store_is_a_dict_of_sessions_that_outlives_its_process(tried: Counter[str]) -> None:
    """Random calls of all public methods, with moves to other files in between, give what a dict of sessions gives."""
    Store.tried = tried
    run_state_machine_as_test(Store, settings=tries(8, 40))  # type: ignore[no-untyped-call]  # Hypothesis has no types for it
