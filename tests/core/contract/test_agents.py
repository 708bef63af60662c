"""Agents, **ours**: errors where one, or its session, is missing."""

from __future__ import annotations

import pytest

from strands_sqlite_session_manager import NotFoundError

from .backends import SQLiteBackend
from .samples import agent


def test_sqlite_missing_agent_has_its_own_error_type(sqlite: SQLiteBackend) -> None:
    """**Ours.** The error has a type that can be caught without looking at its text."""
    with pytest.raises(NotFoundError):
        sqlite.open("s").update_agent("s", agent("missing"))


def test_sqlite_agent_needs_its_session(sqlite: SQLiteBackend) -> None:
    """**Ours.** An agent of a session that does not exist is refused, the session is named, nothing is written."""
    manager = sqlite.open("s")

    with pytest.raises(NotFoundError, match=r"\bnowhere\b"):
        manager.create_agent("nowhere", agent("a"))

    assert manager.read_agent("nowhere", "a") is None
    assert sqlite.rows("SELECT count(*) FROM agents") == [(0,)]
