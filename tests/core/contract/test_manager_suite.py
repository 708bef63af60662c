"""The contract of session managers holds for `SQLiteSessionManager`; what `FileSessionManager` does otherwise."""

from __future__ import annotations

import shutil
from pathlib import Path

from strands.session.file_session_manager import FileSessionManager

from pytest_strands_sqlite.contracts import ManagerCapability, SessionManagerContract
from strands_sqlite_session_manager import SQLiteSessionManager
from tests.core.contract.old_places import DATA

LEGACY = [
    "It was lost on 2 November. Do you want a refund or a replacement?",
    "A refund. Here is the receipt.|image",
    "Thank you. Refunded 49.90 €. 👍",
    "[redacted]",
    "I removed the card number from our conversation.",
]
"""What is left of a conversation whose first messages were trimmed."""


class TestSQLite(SessionManagerContract):
    """One database file."""

    capabilities = frozenset(ManagerCapability)

    def open(self, place: Path, session_id: str) -> SQLiteSessionManager:
        return SQLiteSessionManager(session_id, place / "sessions.db")

    def delete(self, place: Path, session_id: str) -> None:
        with SQLiteSessionManager(session_id, place / "sessions.db") as manager:
            manager.delete_session(session_id)

    def lay_old_place(self, place: Path) -> tuple[str, str, list[str]]:
        shutil.copyfile(DATA / "legacy_0_1_0.db", place / "sessions.db")
        return "support-42", "default", LEGACY


class TestFiles(SessionManagerContract):
    """A folder of JSON files."""

    capabilities = frozenset(ManagerCapability) - {ManagerCapability.UPGRADES}

    def open(self, place: Path, session_id: str) -> FileSessionManager:
        return FileSessionManager(session_id, str(place))

    def delete(self, place: Path, session_id: str) -> None:
        FileSessionManager("another", str(place)).delete_session(session_id)
