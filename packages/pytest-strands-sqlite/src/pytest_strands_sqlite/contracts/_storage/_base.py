"""How the sections of the storage contract open what they test, and call it as synchronous agents do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pytest_strands_sqlite.contracts._capabilities import Capability, StorageCapability
from pytest_strands_sqlite.contracts._contract import Contract, not_overridden


class StorageSection(Contract[Any]):
    """What every section of the storage contract has: the hooks of its author, and plain calls."""

    kind: ClassVar[type[Capability]] = StorageCapability

    def open(self, place: Path) -> Any:
        """Open the storage at `place`, as a new process would; the same place again must hold what was stored.

        Args:
            place: A folder that is fresh for each test, or a name for what is not kept in files: a storage that holds
                its values in memory is the same object for the same place. With `OTHER_PROCESSES` this is called in
                other processes, on a new object of your class: use no fixtures.
        """
        raise not_overridden(self, "open(self, place)")

    def lay_old_place(self, place: Path) -> Mapping[str, bytes]:
        """Put what an older version wrote at `place`, and return its values by their keys; for `UPGRADES`."""
        raise not_overridden(self, "lay_old_place(self, place)")

    def _handle(self, place: Path) -> Any:
        return self._keep(self.open(place))

    def _reopened(self, place: Path) -> Any:
        self._close_all()
        return self._handle(place)

    def _filled(self, place: Path, values: Mapping[str, bytes]) -> Any:
        storage = self._handle(place)
        fill(storage, values)
        return storage


def fill(storage: Any, values: Mapping[str, bytes]) -> None:
    """Write these, one after the other."""

    async def write() -> None:
        for key, data in values.items():
            await storage.write(key, data)

    asyncio.run(write())


def write(storage: Any, key: str, data: bytes | bytearray | memoryview) -> None:
    """Write on an event loop of its own."""
    asyncio.run(storage.write(key, data))


def read(storage: Any, key: str) -> bytes | None:
    """Read on an event loop of its own."""
    found: bytes | None = asyncio.run(storage.read(key))
    return found


def delete(storage: Any, key: str) -> None:
    """Delete on an event loop of its own."""
    asyncio.run(storage.delete(key))


def keys(storage: Any, prefix: str = "") -> list[str]:
    """List on an event loop of its own."""
    found: list[str] = asyncio.run(storage.list(prefix))
    return found


def contents(storage: Any) -> dict[str, bytes | None]:
    """Return everything that is stored."""

    async def read_all() -> dict[str, bytes | None]:
        return {key: await storage.read(key) for key in await storage.list("")}

    return asyncio.run(read_all())
