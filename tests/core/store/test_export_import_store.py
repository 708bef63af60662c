"""Exports and imports of a `SessionStore`: the same functions, and what they may do to a file opened for reading."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from strands_sqlite_session_manager import DatabaseReadOnlyError, SessionStore
from strands_sqlite_session_manager._schema import open_database

from .transferring import fill


def test_a_store_moves_sessions_both_ways(tmp_path: Path) -> None:
    """Out as lines and as files, and in again: each way counts the same sessions."""
    database = open_database(tmp_path / "sessions.db")
    fill(database)
    database.close()
    with SessionStore(tmp_path / "sessions.db", read_only=True) as store:
        written = store.export_jsonl(tmp_path / "export.jsonl")
        assert store.export_files(tmp_path / "files", ["talk"]).sessions == 1
    assert (written.sessions, written.messages, written.multi_agents) == (4, 35, 2)
    with SessionStore(tmp_path / "copy.db") as copy:
        assert copy.import_files(tmp_path / "files").sessions == 1
        found = copy.import_jsonl(tmp_path / "export.jsonl", on_conflict="fail")
        assert (found.sessions, found.unchanged) == (3, 1)


def test_a_store_for_reading_takes_nothing_in(tmp_path: Path) -> None:
    """What is there already is no matter; what is not is refused."""
    database = open_database(tmp_path / "sessions.db")
    fill(database)
    database.close()
    target = io.BytesIO()
    with SessionStore(tmp_path / "sessions.db", read_only=True) as store:
        store.export_jsonl(target)
        assert store.import_jsonl(io.BytesIO(target.getvalue())).unchanged == 4
    with SessionStore(tmp_path / "empty.db"):
        pass
    with SessionStore(tmp_path / "empty.db", read_only=True) as store, pytest.raises(DatabaseReadOnlyError):
        store.import_jsonl(io.BytesIO(target.getvalue()))
