"""The measurement of appends while another process deletes a great many sessions."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from pydantic_core import to_json
from strands.types.session import SessionMessage
from typing_extensions import Self

from benchmarks import material
from benchmarks.adapters import OURS, open_ours
from benchmarks.measure import Figure, Result, Series, single, timed
from benchmarks.scale import FULL, Scale
from strands_sqlite_session_manager import _message_index
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.retention import PrunePolicy, plan_prune, prune

MESSAGES = 20
SIDE_BY_SIDE = 100
PACES = {"at full speed": 0.0, "every 10 ms": 0.01}

_LONG_AGO = "2020-01-01T00:00:00.000000+00:00"
_PATIENCE = 300.0
_FEWEST = 2
"""Appends that percentiles are made of at least, should all be pruned before the appender hears of it."""

_ADD_SESSION = "INSERT INTO sessions (session_id, session_type, created_at, updated_at) VALUES (?1, 'AGENT', ?2, ?2)"
_ADD_AGENT = """
INSERT INTO agents (session_id, agent_id, state, conversation_manager_state, internal_state, created_at, updated_at)
VALUES (?1, ?2, '{}', '{}', '{}', ?3, ?3)
"""
_ADD_MESSAGE = """
INSERT INTO messages (session_id, agent_id, message_id, message, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
"""


def prune_sessions(folder: Path, scale: Scale) -> Result:
    """Measure the appends of another process, by itself and while old sessions are pruned."""
    sessions = scale.large_sessions
    series: list[Series] = []
    figures: list[Figure] = []
    with ExitStack() as stack:
        database = open_database(folder / f"{OURS}.db")
        stack.callback(database.close)
        _fill(database, sessions)
        appender = stack.enter_context(_Appender(folder))
        plan = plan_prune(database, PrunePolicy(older_than=timedelta(days=30)))
        for number, (pace, pause) in enumerate(PACES.items()):
            part = replace(plan, sessions=plan.sessions[number :: len(PACES)])
            quiet = appender.append(pause, scale.append_rounds * scale.append_batch)
            during, seconds = appender.append_while(pause, partial(prune, database, part))
            series += [Series(f"{pace}, quiet", (quiet,)), Series(f"{pace}, while pruned", (during,))]
            figures += _figures(pace, quiet, during, len(part.sessions) / seconds)
    title = f"append at full while another process prunes {sessions:,} sessions of {MESSAGES} messages"
    notes = ["a part of the sessions goes at each pace; their messages lie side by side, and all are indexed"]
    if sessions < FULL.large_sessions:
        notes.append(f"the goal speaks of {FULL.large_sessions:,} sessions: this file has fewer")
    return Result("prune", title, "seconds", series, figures, notes)


def _figures(pace: str, quiet: Sequence[float], during: Sequence[float], rate: float) -> list[Figure]:
    return [
        single(f"{pace}: p99 while pruned / quiet", _p99(during) / _p99(quiet), "times"),
        single(f"{pace}: p99 quiet", _p99(quiet), "seconds"),
        single(f"{pace}: p99 while pruned", _p99(during), "seconds"),
        single(f"{pace}: longest while pruned", max(during), "seconds"),
        single(f"{pace}: sessions pruned", rate, "per second"),
    ]


def _p99(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[-1]


class _Appender:
    """Another process that appends to a session of its own, and tells how long each append took."""

    def __init__(self, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(folder, theirs))
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.join(_PATIENCE)

    def append(self, pause: float, number: int) -> tuple[float, ...]:
        """Let it append that often; return the seconds of each."""
        self._pipe.send((pause, number))
        seconds: tuple[float, ...] = self._pipe.recv()
        return seconds

    def append_while(self, pause: float, action: Callable[[], object]) -> tuple[tuple[float, ...], float]:
        """Let it append as long as `action` takes; return the seconds of each append, and of the action."""
        self._pipe.send((pause, None))
        took = timed(action)
        self._pipe.send(None)
        return self._pipe.recv(), took


def _work(folder: Path, pipe: Pipe) -> None:
    """Append in this process as told, until the pipe is closed."""
    numbers = count()
    with open_ours(folder, "appender", "full") as repository:
        material.create_agent(repository, "appender")
        while True:
            try:
                pause, most = pipe.recv()
            except EOFError:
                return
            seconds: list[float] = []
            while len(seconds) != most and not (most is None and len(seconds) >= _FEWEST and pipe.poll()):
                number = next(numbers)
                message = SessionMessage.from_message(material.text_message(number), number)
                seconds.append(timed(partial(repository.create_message, "appender", material.AGENT, message)))
                time.sleep(pause)
            if most is None:
                pipe.recv()
            pipe.send(tuple(seconds))


def _fill(database: Database, sessions: int) -> None:
    """Write sessions of long ago, so many at a time side by side, and index their messages."""
    for first in range(0, sessions, SIDE_BY_SIDE):
        database.write(partial(_add, names=[f"old-{first + number}" for number in range(SIDE_BY_SIDE)]))
    _message_index.catch_up(database)


def _add(connection: Connection, names: Sequence[str]) -> None:
    for name in names:
        connection.run(_ADD_SESSION, (name, _LONG_AGO))
        connection.run(_ADD_AGENT, (name, material.AGENT, _LONG_AGO))
    for number in range(MESSAGES):
        text = to_json(material.text_message(number)).decode()
        for name in names:
            connection.run(_ADD_MESSAGE, (name, material.AGENT, number, text, _LONG_AGO))
