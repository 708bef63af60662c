"""The contract of session repositories holds for `SQLiteSessionManager`; what `FileSessionManager` does otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import apsw
from strands.session.file_session_manager import FileSessionManager

from pytest_strands_sqlite.contracts import RepositoryCapability, SessionRepositoryContract
from strands_sqlite_session_manager import SQLiteSessionManager
from tests.core.contract.old_places import lay_schema

KNOWN_OF_THE_SDK = {
    "test_a_stored_message_is_not_overwritten": "writes over the stored message without a word",
    "test_a_message_without_its_agent_is_refused": "stores a message below an agent that nobody created",
    "test_a_multi_agent_without_its_session_is_refused": "stores a multi-agent below a session that nobody created",
    "test_an_agent_without_its_session_is_refused": "stores an agent below a session that nobody created",
    "test_a_field_of_a_newer_sdk_outlives_an_update_by_an_older_one": "drops the fields that it does not know",
}
"""What the SDK's own managers do otherwise; each must keep failing, or this table is out of date."""

KNOWN_OF_FILES = KNOWN_OF_THE_SDK | {
    "test_an_unknown_agent_has_no_messages": "raises SessionException",
}


class TestSQLite(SessionRepositoryContract):
    """One database file."""

    capabilities = frozenset(RepositoryCapability)

    def open(self, place: Path) -> SQLiteSessionManager:
        return SQLiteSessionManager("contract", place / "sessions.db")

    def stored_fields(self, place: Path, session_id: str, agent_id: str, message_id: int) -> set[str]:
        connection = apsw.Connection(str(place / "sessions.db"))
        sql = "SELECT extra FROM messages WHERE session_id = ? AND agent_id = ? AND message_id = ?"
        found = list(connection.execute(sql, (session_id, agent_id, message_id)))
        connection.close()
        return set(json.loads(cast("str", found[0][0])))

    def lay_old_place(self, place: Path) -> tuple[str, str, list[str]]:
        lay_schema(1, place / "sessions.db")
        return "golden", "default", ["hello", "(no text)", "secret"]


class TestFiles(SessionRepositoryContract):
    """A folder of JSON files; two that create a session race between their look and their write."""

    capabilities = frozenset(RepositoryCapability) - {
        RepositoryCapability.ATOMIC_CREATE,
        RepositoryCapability.UPGRADES,
    }
    known_deviations = KNOWN_OF_FILES

    def open(self, place: Path) -> FileSessionManager:
        return FileSessionManager("contract", str(place))

    def stored_fields(self, place: Path, session_id: str, agent_id: str, message_id: int) -> set[str]:
        messages = place / f"session_{session_id}" / "agents" / f"agent_{agent_id}" / "messages"
        return set(json.loads((messages / f"message_{message_id}.json").read_text("utf-8")))


def test_known_deviations_are_documented() -> None:
    """What the SDK's own do otherwise stands in the documentation."""
    page = (Path(__file__).parents[3] / "docs" / "contract-suites.md").read_text("utf-8")

    assert [name for name in KNOWN_OF_FILES if f"`{name}`" not in page] == []
