"""The contract of storages holds for `SQLiteStorage`; what the SDK's own storages do otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from strands.storage import InMemoryStorage, LocalFileStorage

from pytest_strands_sqlite.contracts import StorageCapability, StorageContract
from strands_sqlite_session_manager import SQLiteStorage
from tests.pytest_plugin.contract_places import OLD_VALUES, lay_schema

KEPT = frozenset(StorageCapability) - {StorageCapability.EPHEMERAL}

KNOWN_OF_FILES = {
    "test_a_key_may_lie_below_a_key": "a key is a file, and nothing lies below a file",
    "test_a_part_of_a_key_is_no_key": "raises StorageError for the name of a folder",
}
"""What `LocalFileStorage` does otherwise; each must keep failing, or this table is out of date."""


class TestSQLite(StorageContract):
    """One database file."""

    capabilities = KEPT

    def open(self, place: Path) -> SQLiteStorage:
        return SQLiteStorage(place / "storage.db")

    def lay_old_place(self, place: Path) -> Mapping[str, bytes]:
        lay_schema(2, place / "storage.db")
        return OLD_VALUES


class TestLocalFiles(StorageContract):
    """A folder of files."""

    capabilities = KEPT - {StorageCapability.UPGRADES}
    known_deviations = KNOWN_OF_FILES

    def open(self, place: Path) -> LocalFileStorage:
        return LocalFileStorage(str(place))


class TestInMemory(StorageContract):
    """A dict for each place."""

    capabilities = frozenset(StorageCapability) - {StorageCapability.OTHER_PROCESSES, StorageCapability.UPGRADES}
    places: ClassVar[dict[Path, InMemoryStorage]] = {}

    def open(self, place: Path) -> InMemoryStorage:
        return self.places.setdefault(place, InMemoryStorage())


def test_known_deviations_are_documented() -> None:
    """What the SDK's own do otherwise stands in the documentation."""
    page = (Path(__file__).parents[2] / "docs" / "contract-suites.md").read_text("utf-8")

    assert [name for name in KNOWN_OF_FILES if f"`{name}`" not in page] == []
