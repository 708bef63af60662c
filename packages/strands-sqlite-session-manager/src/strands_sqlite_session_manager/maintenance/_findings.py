"""What a search for damage says, and what all its checks have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from strands_sqlite_session_manager._connection import Connection

Kind = Literal["sqlite", "foreign key", "id", "json", "tool pair", "index", "parts", "blob"]


@dataclass(frozen=True)
class Finding:
    """Something in the file that is not as it should be.

    Attributes:
        kind: `sqlite` (the file itself), `foreign key` (a row without its parent), `id`, `json` (a value that cannot
            be read, or is of the wrong kind), `tool pair` (a call without result, or the other way round), `index`
            (the search), `parts` (large objects of a storage), or `blob` (attachments of messages).
        where: The session, agent and message, or the table and row.
        problem: What is wrong.
        advice: What to do about it.
    """

    kind: Kind
    where: str
    problem: str
    advice: str


class Batch(NamedTuple):
    """What one step of a check found, in one transaction.

    Attributes:
        findings: What is wrong.
        rows: How many rows were looked at.
        state: What the next step goes on from; None: the check is done.
    """

    findings: list[Finding]
    rows: int
    state: Any


class Check(NamedTuple):
    """A way to look for damage.

    Attributes:
        name: What is looked at, in a few words.
        size: The query that says how many rows that will be, about.
        step: Looks at some rows; gets the state that the step before returned.
        start: The state of the first step.
    """

    name: str
    size: str
    step: Callable[[Connection, Any], Batch]
    start: Any


RESTORE = "restore it from a backup, or delete it"


def place(session_id: object, agent_id: object = None, message_id: object = None) -> str:
    """Say where something is: in a session, an agent of it, a message of the agent."""
    parts = [f"session {session_id}"]
    if agent_id is not None:
        parts.append(f"agent {agent_id}")
    if message_id is not None:
        parts.append(f"message {message_id}")
    return ", ".join(parts)


def json_column(name: str) -> str:
    """Return SQL for a column of JSON: its bytes, as they may not be UTF-8; a number where it is not text."""
    return f"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) WHEN 'null' THEN NULL ELSE 0 END"
