"""The contract of storages holds for `SQLiteStorage`; what the SDK's own storages do otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from strands.storage import InMemoryStorage, LocalFileStorage

from pytest_strands_sqlite.contracts import StorageCapability, StorageContract
from pytest_strands_sqlite.contracts._storage._base import contents, fill
from strands_sqlite_session_manager import SQLiteStorage
from tests.core.contract.old_places import OLD_VALUES, lay_schema

KEPT = frozenset(StorageCapability) - {StorageCapability.EPHEMERAL}

NEIGHBOURS = dict.fromkeys(
    ("a", "scope", "in/a", "in/scop", "in/scope", "in/scope-2/a", "in/scope0", "in/SCOPE/a", "in/sc_pe/a", "z"),
    b"Neighbours drink tea, too.",
)

KNOWN_OF_FILES = {
    "test_a_key_may_lie_below_a_key": "a key is a file, and nothing lies below a file",
    "test_a_part_of_a_key_is_no_key": "raises StorageError for the name of a folder",
    "test_the_key_that_a_namespace_is_named_after_lies_outside": "a key is a file, and nothing lies below a file",
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


class TestSQLiteNamespace(StorageContract):
    """A namespace of one database file, beside values whose keys begin alike: they must be as they were afterwards."""

    capabilities = KEPT - {StorageCapability.UPGRADES}

    def open(self, place: Path) -> SQLiteStorage:
        is_new = not (place / "storage.db").exists()
        storage = SQLiteStorage(place / "storage.db")
        if is_new:
            fill(storage, NEIGHBOURS)
        return storage.namespace("in/scope")

    @pytest.fixture(autouse=True)
    def untouched(self, place: Path) -> Iterator[None]:
        """Look at the neighbours when the test is over."""
        yield
        expected = NEIGHBOURS if (place / "storage.db").exists() else {}  # a test may have no need of this place
        with SQLiteStorage(place / "storage.db") as storage:
            found = {key: value for key, value in contents(storage).items() if not key.startswith("in/scope/")}
        assert found == expected


class TestSQLiteInMemory(StorageContract):
    """A database in memory for each place."""

    capabilities = frozenset(StorageCapability) - {StorageCapability.OTHER_PROCESSES, StorageCapability.UPGRADES}
    places: ClassVar[dict[Path, SQLiteStorage]] = {}

    def open(self, place: Path) -> SQLiteStorage:
        if place not in self.places:
            self.places[place] = SQLiteStorage(":memory:")
        return self.places[place]

    def close(self, subject: SQLiteStorage) -> None:
        """Leave it open for whoever opens the place next."""

    @pytest.fixture(autouse=True)
    def closed_at_the_end(self) -> Iterator[None]:
        """Close what the test had open."""
        yield
        while self.places:
            self.places.popitem()[1].close()


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
    page = (Path(__file__).parents[3] / "docs" / "contract-suites.md").read_text("utf-8")

    assert [name for name in KNOWN_OF_FILES if f"`{name}`" not in page] == []
