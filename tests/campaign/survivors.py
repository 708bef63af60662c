"""What must hold of a database that outlived a loss of power, and of what was acknowledged before."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from contextlib import closing
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from strands_sqlite_session_manager import SessionStore, SQLiteStorage
from strands_sqlite_session_manager._schema import VERSION
from tests.campaign.cuts import Rest, left_over, put
from tests.campaign.power import Acknowledge, Begin, Recording

DB = "sessions.db"
_NUMBERS = count()
_TABLES = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name"
_SESSIONS = "SELECT session_id FROM sessions"
_STATES = "SELECT session_id, agent_id, state FROM agents"
_VALUES = "SELECT session_id, multi_agent_id, state FROM multi_agents"


class State(NamedTuple):
    """What a database holds: a digest of every row of every table, and the version of its schema."""

    digest: str
    version: int


class Trial:
    """A recording, and the states that its database went through.

    Attributes:
        recording: What happened.
        full: Whether an acknowledged write must be there.
        serial: Whether one thread wrote: then what was committed before the last acknowledgment must be there too.
        kept: Facts of the file from before the recording, which nothing in it changes.
    """

    def __init__(
        self,
        recording: Recording,
        folder: Path,
        *,
        full: bool,
        serial: bool = True,
        kept: Mapping[str, str] | None = None,
    ) -> None:
        self.recording = recording
        self.full = full
        self.serial = serial
        self.kept = kept or {}
        self._folder = folder
        self._facts: dict[str, dict[str, str]] = {}
        self._states: dict[int, State] = {}
        self._with_schema = next(number for number in count() if self.state(number).version == VERSION)

    def cut(self, until: int, chance: random.Random, rest: Rest) -> State:
        """Cut the power after so many events; hold that what is left is sound and as new as it must be.

        Returns:
            What is left.
        """
        with _new(self._folder) as folder:
            put(left_over(self.recording, until, chance, rest), folder)
            oldest, newest = self._bounds(until)
            db = folder / DB
            first = look(db) if oldest < self._with_schema else None  # before a migration changes it
            found = open_again(db) if first is None else first
            known = any(found == self.state(number) for number in range(newest, oldest - 1, -1))
            assert known, f"what is left was not there after any of the commits {oldest} to {newest}"
            opened = found if first is None else open_again(db)
            if opened.digest not in self._facts:
                self._facts[opened.digest] = facts_of(db)
            facts = self._facts[opened.digest]
            hold_kept(self.kept, facts)
            if self.full:
                hold_facts(self.recording.events[:until], facts)
            go_on(db)
        return found

    def state(self, number: int) -> State:
        """Return what the database held after so many commits."""
        if number not in self._states:
            until = self.recording.commits[number - 1] if number else 0
            with _new(self._folder) as folder:
                put(left_over(self.recording, until, random.Random(0), "everything"), folder)
                self._states[number] = look(folder / DB)
        return self._states[number]

    def _bounds(self, until: int) -> tuple[int, int]:
        """Return the numbers of the oldest and the newest state that may be left."""
        commits = self.recording.commits
        newest = bisect_right(commits, until)
        if not (self.full and self.serial):
            return 0, newest
        acknowledged = [
            place for place, event in enumerate(self.recording.events[:until]) if isinstance(event, Acknowledge)
        ]
        return (bisect_right(commits, acknowledged[-1]) if acknowledged else 0), newest


class _new:  # noqa: N801 - used like a function
    """A folder for the `with` block."""

    def __init__(self, parent: Path) -> None:
        self._path = parent / f"left {next(_NUMBERS)}"

    def __enter__(self) -> Path:
        self._path.mkdir()
        return self._path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._path)


def look(db: Path) -> State:
    """Return what a file holds, as any other program sees it; hold that SQLite finds nothing wrong with it."""
    if not db.exists():
        return State(sha256().hexdigest(), 0)
    with closing(apsw.Connection(str(db))) as connection:
        assert connection.pragma("integrity_check") == "ok"
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        return _state(connection)


def open_again(db: Path) -> State:
    """Open what is left as a user would, and return what it holds; hold that `verify` finds no damage.

    A turn that the cut has interrupted may wait for the results of its tools, which `repair` gives it.
    """
    with SessionStore(db, durability="normal") as store:
        state = store._database.read(_state)
        assert store._database.read(lambda connection: connection.pragma("integrity_check")) == "ok"
        assert store._database.read(lambda connection: connection.rows("PRAGMA foreign_key_check")) == []
        findings = store.verify()
        assert [finding for finding in findings if finding.kind != "tool pair"] == []
        if findings:
            store.repair()
            assert store.verify() == []
    return state


def _state(connection: apsw.Connection) -> State:
    digest = sha256()
    for name, sql in connection.execute(_TABLES).fetchall():
        digest.update(f"{name} {sql}".encode())
        for row in connection.execute(f'SELECT * FROM "{name}"'):
            digest.update(repr(row).encode())
    return State(digest.hexdigest(), int(connection.pragma("user_version")))


def facts_of(db: Path) -> dict[str, str]:
    """Return everything that users can read in a file, each thing as a line of text."""
    with SessionStore(db) as store, SQLiteStorage(store) as storage:
        found: dict[str, str] = {}
        found.update({session_fact(session): "" for (session,) in _rows(store, _SESSIONS)})
        for session, agent, state in _rows(store, _STATES):
            found[state_fact(session, agent)] = state
            for stored in store.read_messages(session, agent):
                found[message_fact(session, agent, stored.message_id)] = message_value(stored.message)
        found.update({f"multi-agent {row[0]} {row[1]}": row[2] for row in _rows(store, _VALUES)})
        found.update({object_fact(key): object_value(data) for key, data in asyncio.run(_objects(storage)).items()})
    return found


def _rows(store: SessionStore, sql: str) -> list[Any]:
    return store._database.read(lambda connection: connection.rows(sql))


async def _objects(storage: SQLiteStorage) -> dict[str, bytes]:
    return {key: await storage.read(key) or b"" for key in await storage.list("")}


def hold_facts(events: Iterable[object], found: dict[str, str]) -> None:
    """Hold that each acknowledged fact is so, unless something was under way that may change it."""
    acknowledged: dict[str, str | None] = {}
    under_way: set[str] = set()
    for event in events:
        if isinstance(event, Begin):
            under_way.update(event.facts)
        elif isinstance(event, Acknowledge):
            acknowledged.update(event.facts)
            under_way.difference_update(event.facts)
    wrong = {
        fact: (value, found.get(fact))
        for fact, value in acknowledged.items()
        if fact not in under_way and found.get(fact) != value
    }
    assert not wrong, f"acknowledged, and not so: {wrong}"


def hold_kept(kept: Mapping[str, str], found: dict[str, str]) -> None:
    """Hold that each fact from before is still so."""
    lost = {fact: (value, found.get(fact)) for fact, value in kept.items() if found.get(fact) != value}
    assert not lost, f"there before, and no more: {lost}"


def session_fact(session: str) -> str:
    return f"session {session}"


def message_fact(session: str, agent: str, number: int) -> str:
    return f"message {session} {agent} {number}"


def message_value(message: Any) -> str:
    """Return what stands for a message."""
    return sha256(json.dumps(message, sort_keys=True, default=lambda data: data.hex()).encode()).hexdigest()


def state_fact(session: str, agent: str) -> str:
    return f"state {session} {agent}"


def object_fact(key: str) -> str:
    return f"object {key}"


def object_value(data: bytes) -> str:
    """Return what stands for the bytes of an object."""
    return sha256(data).hexdigest()


def go_on(db: Path) -> None:
    """Hold that what is left takes another write and keeps it."""
    with SessionStore(db, durability="normal") as store, SQLiteStorage(store) as storage:
        asyncio.run(storage.write("after the cut", b"still here"))
    with SessionStore(db, read_only=True) as store:
        assert _rows(store, "SELECT content FROM objects WHERE key = 'after the cut'") == [(b"still here",)]
