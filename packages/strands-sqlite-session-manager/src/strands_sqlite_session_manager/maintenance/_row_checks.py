"""Sessions, agents, graphs and histories: their ids and their JSON."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager.maintenance._findings import RESTORE, Batch, Check, Finding, json_column, place
from strands_sqlite_session_manager.maintenance._shape import changes_problem, object_problem, read

BATCH_ROWS = 500
LONGEST_ID = 1024


class _Table(NamedTuple):
    """What is checked of a table.

    Attributes:
        name: What its rows are called.
        size: How many rows there are.
        select: Rows beyond a place: the place, the parts of an id that are shown, and JSON texts.
        ids: How many columns of the place are ids, to be checked.
        start: Before the first place.
        fields: What the JSON texts are called, and what they must be.
    """

    name: str
    size: str
    select: str
    ids: int
    start: tuple[Any, ...]
    fields: tuple[tuple[str, Callable[[Any], str]], ...]


_TABLES = (
    _Table(
        "sessions",
        "SELECT count(*) FROM sessions",
        f"""
        SELECT session_id, {json_column("extra")}, {json_column("metadata")} FROM sessions
        WHERE session_id > ? ORDER BY session_id LIMIT ?
        """,
        1,
        ("",),
        (("the fields of a newer SDK", object_problem), ("metadata", object_problem)),
    ),
    _Table(
        "agents",
        "SELECT count(*) FROM agents",
        f"""
        SELECT session_id, agent_id, {json_column("state")}, {json_column("conversation_manager_state")},
            {json_column("internal_state")}, {json_column("extra")}
        FROM agents
        WHERE (session_id, agent_id) > (?, ?) ORDER BY session_id, agent_id LIMIT ?
        """,
        2,
        ("", ""),
        (
            ("state", object_problem),
            ("conversation_manager_state", object_problem),
            ("internal_state", object_problem),
            ("the fields of a newer SDK", object_problem),
        ),
    ),
    _Table(
        "graphs and swarms",
        "SELECT count(*) FROM multi_agents",
        f"""
        SELECT session_id, multi_agent_id, {json_column("state")} FROM multi_agents
        WHERE (session_id, multi_agent_id) > (?, ?) ORDER BY session_id, multi_agent_id LIMIT ?
        """,
        2,
        ("", ""),
        (("state", object_problem),),
    ),
    _Table(
        "histories",
        "SELECT count(*) FROM agent_state_history",
        f"""
        SELECT session_id, agent_id, change_number, {json_column("changes")} FROM agent_state_history
        WHERE (session_id, agent_id, change_number) > (?, ?, ?) ORDER BY session_id, agent_id, change_number LIMIT ?
        """,
        0,
        ("", "", -(2**63)),
        (("a change of its state", changes_problem),),
    ),
)


def _step(connection: Connection, state: tuple[Any, ...], table: _Table) -> Batch:
    rows = connection.rows(table.select, (*state, BATCH_ROWS))
    findings: list[Finding] = []
    size = len(state)
    for row in rows:
        where = place(*row[: min(size, 2)])
        if table.ids and (problem := _id_problem(row[table.ids - 1])):
            advice = "the SDK refuses it; restore the session from a backup, or export it and rename it there"
            findings.append(Finding("id", where, problem, advice))
        for (name, problem_of), text in zip(table.fields, row[size:], strict=True):
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


ROWS = tuple(Check(table.name, table.size, partial(_step, table=table), table.start) for table in _TABLES)
