"""The storages under test, each behind the same few calls, and what each of them is known not to do."""

from __future__ import annotations

import asyncio
import builtins
import itertools
from collections.abc import Iterable
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import Any

import apsw
import pytest
from strands.storage import InMemoryStorage, LocalFileStorage
from strands.storage.storage import StorageSearchResult

from strands_sqlite_session_manager import SQLiteStorage

SDK = tuple(int(part) for part in version("strands-agents").split(".")[:3])

OURS = ("sqlite", "sqlite-memory", "sqlite-namespace")
ORACLES = ("memory", "file")
NAMES = OURS + ORACLES


class Can(Enum):
    """What is asked of a storage, and not kept by every one of those that are compared here."""

    HOLD_A_KEY_BELOW_A_KEY = "hold values under `a` and `a/b` at once"
    HOLD_LONG_SEGMENTS = "hold a key with a part of more than 255 bytes"
    TAKE_DOTS_AS_TEXT = "take `.` as a name like any other, so that `a/./b` is another key than `a/b`"
    LIST_EVERY_NAME = "list a key whatever its name begins with"
    TAKE_ANY_BUFFER = "take a buffer whose bytes do not lie side by side"
    REFUSE_UNSTORABLE_KEYS = "refuse keys with NUL or with a lone surrogate, and keys of more than 1,024 bytes"
    REFUSE_BACKSLASHES = "refuse keys, prefixes and namespaces with a backslash"
    CHECK_KEYS_IN_A_NAMESPACE = "refuse an empty key in a namespace"
    LEAVE_OUT_STOP_WORDS = "leave words such as `the` out of a query"
    LEAVE_OUT_EXTENSIONS = "leave the file extension of a key out of the words by which it is found"
    LEAVE_OUT_THE_NAMESPACE = "leave the words of the namespace out of those by which a key in it is found"


BEFORE_1_55 = {Can.REFUSE_BACKSLASHES: "before 1.55, a backslash is a character like any other"}
BEFORE_1_62 = {
    Can.LEAVE_OUT_STOP_WORDS: "before 1.62, the SDK's keyword search matches every word of the query",
    Can.LEAVE_OUT_EXTENSIONS: "before 1.62, the SDK's keyword search matches the whole key",
}
IN_MEMORY_BEFORE_1_62 = {
    Can.CHECK_KEYS_IN_A_NAMESPACE: "before 1.62, the namespace itself becomes the key",
    Can.LEAVE_OUT_THE_NAMESPACE: "before 1.62, a namespace searches its parent, and filters what that found",
}
OLD = (BEFORE_1_55 if SDK < (1, 55) else {}) | (BEFORE_1_62 if SDK < (1, 62) else {})

CANNOT: dict[str, dict[Can, str]] = {
    "memory": OLD
    | (IN_MEMORY_BEFORE_1_62 if SDK < (1, 62) else {})
    | {Can.REFUSE_UNSTORABLE_KEYS: "the key of a dict may be any text"},
    "file": OLD
    | {
        Can.HOLD_A_KEY_BELOW_A_KEY: "a key is a file, and nothing lies below a file",
        Can.HOLD_LONG_SEGMENTS: "a part of a key is the name of a file or folder, at most 255 bytes long",
        Can.TAKE_DOTS_AS_TEXT: "the file system reads `.` as the folder itself",
        Can.LIST_EVERY_NAME: "names that begin with `.__strands_tmp` are its own, for files that are being written",
        Can.TAKE_ANY_BUFFER: "a file is written from bytes that lie side by side",
    },
}
"""What the SDK's storages cannot do, and why. `SQLiteStorage` can do all of it, with every SDK."""


def on(names: Iterable[str]) -> pytest.MarkDecorator:
    """Run a test on these backends only."""
    return pytest.mark.parametrize("backend", list(names), indirect=True)


def can(name: str, capability: Can) -> bool:
    """Tell whether a backend can do this."""
    return capability not in CANNOT.get(name, {})


def having(capability: Can) -> pytest.MarkDecorator:
    """Run a test on every backend that can do this."""
    return on(name for name in NAMES if can(name, capability))


def lacking(capability: Can) -> pytest.MarkDecorator:
    """Run a test on every backend that cannot do this."""
    return on(name for name in NAMES if not can(name, capability))


ours = on(OURS)
oracles = on(ORACLES)


class Store:
    """A storage behind plain calls, each on an event loop of its own, as a synchronous agent makes them.

    Attributes:
        storage: The storage, for tests that call it on a loop of theirs.
    """

    def __init__(self, storage: Any) -> None:
        self.storage = storage

    def write(self, key: str, data: Any) -> None:
        assert asyncio.run(self.storage.write(key, data)) is None

    def fill(self, values: dict[str, bytes]) -> None:
        """Write all of these on one loop, one after the other."""

        async def write_all() -> None:
            for key, data in values.items():
                await self.storage.write(key, data)

        asyncio.run(write_all())

    def fill_at_once(self, values: dict[str, bytes], tasks: int = 100) -> None:
        """Write all of these on one loop, as many at once as the SDK itself has under way at most."""

        async def write_all() -> None:
            items = iter(values.items())
            while some := list(itertools.islice(items, tasks)):
                await asyncio.gather(*(self.storage.write(key, data) for key, data in some))

        asyncio.run(write_all())

    def read(self, key: str) -> bytes | None:
        found: bytes | None = asyncio.run(self.storage.read(key))
        return found

    def delete(self, key: str) -> None:
        assert asyncio.run(self.storage.delete(key)) is None

    def list(self, query: str = "") -> builtins.list[str]:
        found: builtins.list[str] = asyncio.run(self.storage.list(query))
        return found

    def search(self, query: str) -> builtins.list[StorageSearchResult]:
        found: builtins.list[StorageSearchResult] = asyncio.run(self.storage.search(query))
        return found

    def found(self, query: str) -> set[str]:
        """Return the keys that a search finds, each of them once."""
        keys = [result.key for result in self.search(query)]
        assert len(keys) == len(set(keys))
        return set(keys)

    def contents(self) -> dict[str, bytes | None]:
        """Return everything that is stored, by key."""
        return {key: self.read(key) for key in self.list()}

    def namespace(self, prefix: str) -> Store:
        return Store(self.storage.namespace(prefix))


class Backend:
    """One place where values are kept.

    Attributes:
        name: As in `NAMES`.
        prefix: What stands in front of every key, in the same database.
        is_ephemeral: Whether the values go with the process.
    """

    def __init__(self, name: str, *, prefix: str = "", is_ephemeral: bool = False) -> None:
        self.name = name
        self.prefix = prefix
        self.is_ephemeral = is_ephemeral

    def open(self) -> Store:
        """Open the place once more, as another part of the program would; the same storage where it has no name."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what was opened."""


class MemoryBackend(Backend):
    """A dict, kept by `InMemoryStorage`."""

    def __init__(self) -> None:
        super().__init__("memory", is_ephemeral=True)
        self._storage = InMemoryStorage()

    def open(self) -> Store:
        return Store(self._storage)


class FileBackend(Backend):
    """A folder, kept by `LocalFileStorage`."""

    def __init__(self, folder: Path) -> None:
        super().__init__("file")
        self.folder = folder / "values"

    def open(self) -> Store:
        return Store(LocalFileStorage(str(self.folder)))


class SQLiteBackend(Backend):
    """One database file, kept by `SQLiteStorage`."""

    def __init__(self, folder: Path) -> None:
        super().__init__("sqlite")
        self.path = folder / "storage.db"
        self._opened: list[SQLiteStorage] = []
        self._connections: list[apsw.Connection] = []

    def open(self, *, busy_timeout: float = 30.0) -> Store:
        storage = SQLiteStorage(self.path, busy_timeout=busy_timeout)
        self._opened.append(storage)
        return Store(storage)

    def foreign(self) -> apsw.Connection:
        """Open the file as any other program would, without patience for locks."""
        connection = apsw.Connection(str(self.path))
        self._connections.append(connection)
        return connection

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
        for storage in self._opened:
            storage.close()


class SQLiteMemoryBackend(Backend):
    """A database in memory, kept by `SQLiteStorage`."""

    def __init__(self) -> None:
        super().__init__("sqlite-memory", is_ephemeral=True)
        self._storage = SQLiteStorage(":memory:")

    def open(self) -> Store:
        return Store(self._storage)

    def close(self) -> None:
        self._storage.close()


class SQLiteNamespaceBackend(Backend):
    """A namespace of a `SQLiteStorage`, among neighbours with similar names that no test may see or touch."""

    NEIGHBOURS = dict.fromkeys(
        ("a", "scope", "in/a", "in/scop", "in/scope", "in/scope-2/a", "in/scope0", "in/SCOPE/a", "in/sc_pe/a", "z"),
        b"Neighbours drink tea, too.",
    )

    def __init__(self, folder: Path) -> None:
        super().__init__("sqlite-namespace", prefix="in/scope/")
        self.path = folder / "namespaces.db"
        self._opened: list[SQLiteStorage] = []
        self._parent = Store(self._open_parent())
        self._parent.fill(self.NEIGHBOURS)

    def open(self) -> Store:
        return Store(self._open_parent().namespace("in/scope"))

    def neighbours(self) -> dict[str, bytes | None]:
        """Return what is stored outside of the namespace."""
        keys = [key for key in self._parent.list() if not key.startswith(self.prefix)]
        return {key: self._parent.read(key) for key in keys}

    def close(self) -> None:
        for storage in self._opened:
            storage.close()

    def _open_parent(self) -> SQLiteStorage:
        self._opened.append(SQLiteStorage(self.path, durability="normal"))
        return self._opened[-1]
