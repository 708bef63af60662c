"""The measurements of lists of sessions: pages at any depth, and the command that prints one."""

from __future__ import annotations

import itertools
import os
import resource
import subprocess
import sys
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

from pydantic_core import to_json

from benchmarks import material
from benchmarks.adapters import OURS
from benchmarks.measure import Result, Series, Subject, interleave, single, timed
from benchmarks.scale import FULL, Scale
from strands_sqlite_session_manager import _activity
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database, Options
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.catalog import Sort, list_sessions

MESSAGES = 10
PAGE = 50
COMMAND = "strands-sqlite list, CPU"

_SESSIONS_FOR_EACH = 10
_BATCH = 20
_BEHIND = 1_000

_BEGIN = datetime(2026, 1, 1, tzinfo=timezone.utc)
_SIDE_BY_SIDE = 50
_STATE = to_json({"notes": "as a man sows, " * 10}).decode()

_SESSION = "INSERT INTO sessions (session_id, session_type, created_at, updated_at) VALUES (?, 'AGENT', ?, ?)"
_AGENT = """
INSERT INTO agents (session_id, agent_id, state, conversation_manager_state, internal_state, created_at, updated_at)
VALUES (?, ?, ?, '{}', '{}', ?, ?)
"""
_MESSAGE = """
INSERT INTO messages (session_id, agent_id, message_id, message, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)
"""
_TALK = """
INSERT INTO messages (session_id, agent_id, message_id, message)
SELECT session_id, agent_id, 1 + max(message_id), '{"role":"user","content":[{"text":"one more"}]}'
FROM messages
WHERE session_id IN (SELECT session_id FROM sessions WHERE change_id % (SELECT max(1, count(*) / ?1) FROM sessions) = 0)
GROUP BY session_id, agent_id
"""
_POSITIONS: tuple[tuple[str, float], ...] = (("the first page", 0), ("in the middle", 0.5), ("the last page", 1))


def list_pages(folder: Path, scale: Scale) -> Result:
    """Measure pages of a list, and the command on the same file."""
    sessions = scale.large_sessions * _SESSIONS_FOR_EACH
    path = folder / f"{OURS}.db"
    with ExitStack() as stack:
        database = open_database(path, Options(durability="normal"))
        stack.callback(database.close)
        _fill(database, sessions)
        never = Series(f"{COMMAND}: never listed before", ((_cpu_of_command(path),),))
        first = timed(partial(_activity.catch_up, database))
        subjects = [
            Subject(f"{name}, by {sort}", partial(_timed_page, database, sort, after), _BATCH)
            for sort in ("activity", "id")
            for name, after in _cursors(database, sort, sessions)
        ]
        subjects.append(Subject(COMMAND, partial(_cpu_of_command, path)))
        series = interleave(subjects, scale.open_rounds)
        database.write(lambda connection: connection.run(_TALK, (_BEHIND,)))
        catching_up = Subject(f"{COMMAND}: {_BEHIND:,} sessions behind", partial(_cpu_of_command, path))
        behind = interleave([catching_up], min(3, scale.open_rounds))
    figures = [single(f"{OURS}: the first list, which looks at all", first, "seconds")]
    title = f"a page of {PAGE} among {sessions:,} sessions of {MESSAGES} messages, with previews and counts"
    notes = ["the command reads only, so it looks again at what nobody noted"]
    if scale.large_sessions < FULL.large_sessions:
        notes.append(f"the goal speaks of {FULL.large_sessions * _SESSIONS_FOR_EACH:,} sessions: this file has fewer")
    return Result("list", title, "seconds", [*series, *behind, never], figures, notes)


def _fill(database: Database, sessions: int) -> None:
    """Write sessions whose ids have no order, and whose messages lie among each other as when many talk at once."""
    for first in range(0, sessions, _SIDE_BY_SIDE):
        database.write(partial(_fill_some, numbers=range(first, min(first + _SIDE_BY_SIDE, sessions))))


def _fill_some(connection: Connection, numbers: range) -> None:
    ids = {number: uuid5(NAMESPACE_OID, str(number)).hex for number in numbers}
    for number, session_id in ids.items():
        created, updated = _time(number, 0), _time(number, MESSAGES)
        connection.run(_SESSION, (session_id, created, created))
        connection.run(_AGENT, (session_id, material.AGENT, _STATE, created, updated))
    for place in range(MESSAGES):
        for number, session_id in ids.items():
            text = to_json(material.text_message(MESSAGES * number + place, 300)).decode()
            time = _time(number, place)
            connection.run(_MESSAGE, (session_id, material.AGENT, place, text, time, time))


def _time(number: int, place: int) -> str:
    return (_BEGIN + timedelta(seconds=200 * number + 20 * place, microseconds=number)).isoformat()


def _cursors(database: Database, sort: Sort, sessions: int) -> list[tuple[str, str | None]]:
    """Return where some pages begin."""
    steps = [int((sessions - PAGE) * part) for _, part in _POSITIONS]
    cursors: list[str | None] = [None]
    for before, step in itertools.pairwise(steps):
        cursors.append(list_sessions(database, sort=sort, limit=step - before, after=cursors[-1]).after)
    return [(name, cursor) for (name, _), cursor in zip(_POSITIONS, cursors, strict=True)]


def _timed_page(database: Database, sort: Sort, after: str | None) -> float:
    return timed(partial(list_sessions, database, sort=sort, limit=PAGE, after=after))


def _cpu_of_command(path: Path) -> float:
    """Return what the command takes of the processor from its start to its end, in seconds, everything compiled."""
    bytecode = path.with_name("bytecode")
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": os.fspath(bytecode)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "strands_sqlite_session_manager", "--db", os.fspath(path), "list"]
    if not bytecode.exists():
        subprocess.run([*command, "--help"], check=True, stdout=subprocess.DEVNULL, env=environment)  # noqa: S603 - as below
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)  # noqa: S603 - a command of ours
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
