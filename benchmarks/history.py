"""The measurement of forks and rewinds of a long session, beside a copy of its files."""

from __future__ import annotations

import itertools
import shutil
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from strands.session import FileSessionManager, SessionRepository
from strands.types.session import SessionAgent, SessionMessage

from benchmarks import material
from benchmarks.adapters import FILE, OURS
from benchmarks.measure import Result, Subject, interleave, ratio, timed
from benchmarks.scale import FULL, Scale
from benchmarks.stores import settle
from strands_sqlite_session_manager import SQLiteSessionManager
from strands_sqlite_session_manager._database import Database, Options
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.history import fork_session, list_checkpoints, read_checkpoint, rewind_session

_SESSION = "session"
_CHARACTERS = 958  # of text: 1,000 with the JSON around it
_FULL_LENGTH = 10_000
_ROUNDS = 9


class Branches:
    """A long session in a database, and what is branched off from it.

    Attributes:
        length: How many messages the session has.
    """

    def __init__(self, database: Database, length: int) -> None:
        """Branch off from the session of `length` messages in `database`."""
        self._database = database
        self.length = length
        self._names = (f"branch-{number}" for number in itertools.count())

    def fork(self, at: int | None) -> float:
        """Fork the session; return the seconds it took."""
        settle()
        return timed(partial(fork_session, self._database, _SESSION, next(self._names), at=at))

    def rewind(self) -> float:
        """Rewind a fork of the session to its middle; return the seconds it took."""
        name = next(self._names)
        fork_session(self._database, _SESSION, name)
        settle()
        return timed(partial(rewind_session, self._database, name, at=self.length // 2))

    def list_last(self) -> float:
        """List the last fifty checkpoints; return the seconds it took."""
        return timed(partial(list_checkpoints, self._database, _SESSION, offset=-50))

    def read_middle(self) -> float:
        """Read the state in the middle; return the seconds it took."""
        return timed(partial(read_checkpoint, self._database, _SESSION, self.length // 2))


class Copies:
    """The same session as files, and copies of it."""

    def __init__(self, folder: Path) -> None:
        """Copy the session that `FileSessionManager` keeps in `folder`."""
        self._folder = folder
        self._names = (f"session_branch-{number}" for number in itertools.count())

    def __call__(self) -> float:
        """Copy the session; return the seconds it took."""
        settle()
        source, target = self._folder / f"session_{_SESSION}", self._folder / next(self._names)
        return timed(partial(shutil.copytree, source, target))


def history(folder: Path, scale: Scale) -> Result:
    """Measure what is done with the history of a long session, at full."""
    length = max(scale.restore_lengths)
    for name in (OURS, FILE):
        (folder / name).mkdir()
    path = folder / OURS / "sessions.db"
    with SQLiteSessionManager(_SESSION, path, durability="normal") as manager:
        _talk(manager, length)
    _talk(FileSessionManager(_SESSION, storage_dir=str(folder / FILE)), length)
    with ExitStack() as stack:
        database = open_database(path, Options(durability="full"))
        stack.callback(database.close)
        branches = Branches(database, length)
        fork, copy = f"{OURS}: fork", f"{FILE}: copy of the folder"
        subjects = [
            Subject(fork, partial(branches.fork, None)),
            Subject(f"{OURS}: fork at the middle", partial(branches.fork, length // 2)),
            Subject(f"{OURS}: rewind to the middle", branches.rewind),
            Subject(f"{OURS}: list the last 50 checkpoints", branches.list_last, 5),
            Subject(f"{OURS}: read the state in the middle", branches.read_middle, 5),
            Subject(copy, Copies(folder / FILE)),
        ]
        series = interleave(subjects, min(_ROUNDS, scale.turn_rounds))
    title = f"a session of {length:,} messages of 1 KB, its agent's state changed with every turn, at full"
    notes = [f"{FILE} has no fork, and never waits for the disk; a copy of its folder has the latest state, no earlier"]
    if length < _FULL_LENGTH <= max(FULL.restore_lengths):
        notes.append(f"the goal speaks of {_FULL_LENGTH:,} messages: this session is shorter")
    return Result("history", title, "seconds", series, [ratio(series, copy, fork)], notes)


def _talk(repository: SessionRepository, length: int) -> None:
    """Store a conversation whose window moves with every turn, as that of an agent does."""
    manager = {"__name__": "SlidingWindowConversationManager", "removed_message_count": 0}
    repository.create_agent(_SESSION, SessionAgent(material.AGENT, {}, manager))
    for number in range(length):
        message = SessionMessage.from_message(material.text_message(number, _CHARACTERS), number)
        repository.create_message(_SESSION, material.AGENT, message)
        if number % 2:
            removed = {**manager, "removed_message_count": max(0, number - 39)}
            repository.update_agent(_SESSION, SessionAgent(material.AGENT, {"turn": number // 2}, removed))
