"""What a write costs, and what older versions wrote."""

from __future__ import annotations

from pathlib import Path

from pytest_strands_sqlite.contracts._capabilities import StorageCapability, needs

from ._base import StorageSection, contents, read, write


class Cost(StorageSection):
    """Cost per write, and upgrades."""

    def test_a_write_costs_the_same_among_many_values(self, place: Path) -> None:
        """Writing a new key writes about as many bytes, files and whatever `cost` counts behind 25 keys as behind 5."""
        storage = self._handle(place)

        def append(number: int) -> None:
            write(storage, f"session/s/part-{number:04}", f"{number} ".encode().ljust(4000, b"x"))

        self._expect_steady("write at the same cost, however much is stored", place, append)

    @needs(StorageCapability.UPGRADES)
    def test_a_place_of_an_older_version_opens(self, place: Path) -> None:
        """What an older version stored is read, and can be written."""
        values = dict(self.lay_old_place(place))

        storage = self._handle(place)
        self._expect("hold what the older version stored", contents(storage), values)

        write(storage, "new", b"tea")
        self._expect("write beside what the older version stored", read(self._reopened(place), "new"), b"tea")
