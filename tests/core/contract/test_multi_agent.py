"""Multi-agents, **ours**: errors where one, or its session, is missing."""

from __future__ import annotations

import pytest

from strands_sqlite_session_manager import NotFoundError

from .backends import SQLiteBackend
from .samples import crew


def test_sqlite_missing_multi_agent_has_its_own_error_type(sqlite: SQLiteBackend) -> None:
    """**Ours.** The error has a type that can be caught without looking at its text."""
    with pytest.raises(NotFoundError):
        sqlite.open("s").update_multi_agent("s", crew("missing"))


def test_sqlite_multi_agent_needs_its_session(sqlite: SQLiteBackend) -> None:
    """**Ours.** A multi-agent of a session that does not exist is refused, and the session is named."""
    manager = sqlite.open("s")

    with pytest.raises(NotFoundError, match=r"\bnowhere\b"):
        manager.create_multi_agent("nowhere", crew("m"))

    assert sqlite.rows("SELECT count(*) FROM multi_agents") == [(0,)]
