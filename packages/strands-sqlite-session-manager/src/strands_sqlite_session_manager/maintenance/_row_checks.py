"""Sessions, agents, graphs and histories: their ids and their JSON."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._state_history import FIELDS, changes_problem
from strands_sqlite_session_manager.maintenance._findings import RESTORE, Batch, Check, Finding, json_column, place
from strands_sqlite_session_manager.maintenance._shape import object_problem, read

BATCH_ROWS = 500
LONGEST_ID = 1024


class _Table(NamedTuple):
    """What is checked of a table.

    Attributes:
        name: What its rows are called.
        table: The table.
        key: The columns that tell its rows apart; the first two are shown.
        fields: The columns of JSON, with what they are called and what they must be.
        ids: Whether the last column of the key is an id, to be checked.
    """

    name: str
    table: str
    key: tuple[str, ...]
    fields: tuple[tuple[str, str, Callable[[Any], str]], ...]
    ids: bool = True

    def select(self, after: tuple[Any, ...]) -> str:
        """Return the query for the rows beyond a place, or the first rows."""
        key = ", ".join(self.key)
        columns = ", ".join(json_column(column) for column, _, _ in self.fields)
        beyond = f"WHERE ({key}) > ({', '.join('?' * len(self.key))})" if after else ""
        return f"SELECT {key}, {columns} FROM {self.table} {beyond} ORDER BY {key} LIMIT ?"


_NEWER = "the fields of a newer SDK"
_TABLES = (
    _Table(
        "sessions",
        "sessions",
        ("session_id",),
        (("extra", _NEWER, object_problem), ("metadata", "metadata", object_problem)),
    ),
    _Table(
        "agents",
        "agents",
        ("session_id", "agent_id"),
        (*((field, field, object_problem) for field in FIELDS), ("extra", _NEWER, object_problem)),
    ),
    _Table(
        "graphs and swarms",
        "multi_agents",
        ("session_id", "multi_agent_id"),
        (("state", "state", object_problem),),
    ),
    _Table(
        "histories",
        "agent_state_history",
        ("session_id", "agent_id", "change_number"),
        (("changes", "a change of its state", changes_problem),),
        ids=False,
    ),
)


def _step(connection: Connection, state: tuple[Any, ...], table: _Table) -> Batch:
    rows = connection.rows(table.select(state), (*state, BATCH_ROWS))
    findings: list[Finding] = []
    size = len(table.key)
    for row in rows:
        where = place(*row[: min(size, 2)])
        if table.ids and (problem := _id_problem(row[size - 1])):
            advice = "the SDK refuses it; restore the session from a backup, or export it and rename it there"
            findings.append(Finding("id", where, problem, advice))
        for (_, name, problem_of), text in zip(table.fields, row[size:], strict=True):
            value, problem = (None, "") if text is None else read(text)
            if text is not None and (problem := problem or problem_of(value)):
                findings.append(Finding("json", where, f"{name} {problem}", RESTORE))
    return Batch(findings, len(rows), rows[-1][:size] if len(rows) == BATCH_ROWS else None)


def _id_problem(id_: object) -> str:
    """Say why the SDK or this package would refuse an id; empty where they would not."""
    if not isinstance(id_, str):
        return f"the id is not text but {type(id_).__name__}"
    if os.path.basename(id_) != id_:
        return "the id holds a path separator"
    if "\0" in id_ or len(id_.encode(errors="surrogatepass")) > LONGEST_ID:
        return f"the id holds NUL, or is longer than {LONGEST_ID} bytes"
    return ""


ROWS = tuple(
    Check(table.name, f"SELECT count(*) FROM {table.table}", partial(_step, table=table), ()) for table in _TABLES
)
