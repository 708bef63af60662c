"""What exports and imports say of themselves: how far they are, and what they did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Conflict = Literal["fail", "skip", "replace"]
"""What an import does where a session is there already, with other content."""


@dataclass(frozen=True)
class ExportProgress:
    """How far an export has come.

    Attributes:
        session_id: The session that was written last.
        done: How many sessions were looked at.
        total: How many there are to look at.
    """

    session_id: str
    done: int
    total: int


@dataclass(frozen=True)
class ImportProgress:
    """How far an import has come.

    Attributes:
        session_id: The session that was looked at last.
        done: How many sessions were looked at, those that were passed over among them.
        total: How many there are to look at; None where the source does not say.
    """

    session_id: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes:
        sessions: How many sessions.
        messages: How many messages in them.
        multi_agents: How many states of graphs and swarms in them.
    """

    sessions: int
    messages: int
    multi_agents: int


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes:
        sessions: How many sessions were written.
        messages: How many messages in them.
        multi_agents: How many states of graphs and swarms in them.
        skipped: How many sessions were left as they are in the database, with other content than in the source.
        unchanged: How many sessions were there already with the same content.
    """

    sessions: int
    messages: int
    multi_agents: int
    skipped: int
    unchanged: int


def require_conflict(on_conflict: str) -> None:
    """Refuse a word that is none of `Conflict`.

    Raises:
        ValueError: It is not.
    """
    if on_conflict not in get_args(Conflict):
        message = f"on_conflict=<{on_conflict}> | must be 'fail', 'skip' or 'replace'"
        raise ValueError(message)
