"""The measurement of appends to a file that already holds a great many sessions."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random

import apsw
from strands.session import SessionRepository
from strands.types.session import SessionMessage

from benchmarks import material
from benchmarks.adapters import Durability, open_ours
from benchmarks.measure import Result, Series, Subject, interleave, ratio, timed
from benchmarks.scale import FULL, Scale

MESSAGES = 100
LARGE, SPREAD, EMPTY = "large file", "large file, another session each time", "empty file"

_TABLES = """
SELECT tables.name FROM pragma_table_list AS tables
WHERE tables.schema = 'main' AND tables.type = 'table'
    AND EXISTS (SELECT 1 FROM pragma_table_info(tables.name) AS columns WHERE columns.name = 'session_id')
"""
_COLUMNS = "SELECT name FROM pragma_table_info(?) WHERE name <> 'session_id' AND NOT (pk = 1 AND type = 'INTEGER')"


def large(folder: Path, scale: Scale) -> Result:
    """Measure appends to a file of many sessions, and to one that is empty at first."""
    for name in ("large", "empty"):
        (folder / name).mkdir()
    size = _build(folder / "large", scale.large_sessions)
    untouched = iter(Random(0).sample(range(scale.large_sessions), scale.large_sessions))  # noqa: S311 - not a secret
    series: list[Series] = []
    for durability in ("full", "normal"):
        series += _append(folder, scale, durability, untouched)
    figures = [ratio(series, f"{LARGE} at {each}", f"{EMPTY} at {each}") for each in ("full", "normal")]
    notes = [f"the large file holds {size / 1e6:,.0f} MB; each round goes on with sessions that none has touched"]
    if scale.large_sessions < FULL.large_sessions:
        notes.append(f"the goal speaks of {FULL.large_sessions:,} sessions: this file is smaller")
    title = f"append to a file of {scale.large_sessions:,} sessions of {MESSAGES} messages"
    return Result("large", title, "seconds", series, figures, notes)


def _append(folder: Path, scale: Scale, durability: Durability, untouched: Iterator[int]) -> list[Series]:
    with ExitStack() as stack:
        big = stack.enter_context(open_ours(folder / "large", _session(0), durability))
        small = stack.enter_context(open_ours(folder / "empty", _session(0), durability))
        sessions = _fresh_sessions(small, durability)
        batch = scale.append_batch
        subjects = [
            Subject(f"{LARGE} at {durability}", _Rounds(big, map(_session, untouched), MESSAGES, batch), batch),
            Subject(f"{EMPTY} at {durability}", _Rounds(small, sessions, 0, batch), batch),
            Subject(f"{SPREAD} at {durability}", _Rounds(big, map(_session, untouched), MESSAGES, 1), batch),
        ]
        return interleave(subjects, scale.large_rounds)


class _Rounds:
    """Appends `batch` messages to one session, then goes on with the next."""

    def __init__(self, repository: SessionRepository, sessions: Iterator[str], first: int, batch: int) -> None:
        self._repository = repository
        self._places = ((session, first + step) for session in sessions for step in range(batch))

    def __call__(self) -> float:
        session, number = next(self._places)
        message = SessionMessage.from_message(material.text_message(number), number)
        return timed(partial(self._repository.create_message, session, material.AGENT, message))


def _fresh_sessions(repository: SessionRepository, durability: Durability) -> Iterator[str]:
    number = 0
    while True:
        session = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{durability} {number}"))
        material.create_agent(repository, session)
        yield session
        number += 1


def _session(number: int) -> str:
    """Return the id of a session: ids are spread over the index as those of real sessions are."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))


def _build(folder: Path, sessions: int) -> int:
    """Let the manager write one session, copy its rows for the others, and return the bytes of the file."""
    template = _session(0)
    with open_ours(folder, template, "normal") as manager:
        material.create_agent(manager, template)
        for number in range(MESSAGES):
            message = SessionMessage.from_message(material.text_message(number), number)
            manager.create_message(template, material.AGENT, message)
    path = next(folder.glob("*.db"))
    connection = apsw.Connection(str(path))
    try:
        _copy_session(connection, template, [_session(number) for number in range(1, sessions)])
    finally:
        connection.close()
    return path.stat().st_size


def _copy_session(connection: apsw.Connection, template: str, copies: list[str]) -> None:
    """Copy every row of `template`, whatever the tables are; the file has no journal meanwhile."""
    connection.pragma("journal_mode", "off")
    connection.pragma("synchronous", "off")
    with connection:
        for (table,) in list(connection.execute(_TABLES)):
            columns = ", ".join(f'"{name}"' for (name,) in connection.execute(_COLUMNS, (table,)))
            connection.executemany(
                f'INSERT INTO "{table}" (session_id, {columns})'  # noqa: S608 - names from the schema itself
                f' SELECT ?, {columns} FROM "{table}" WHERE session_id = ?',
                ((copy, template) for copy in copies),
            )
    connection.pragma("journal_mode", "wal")
