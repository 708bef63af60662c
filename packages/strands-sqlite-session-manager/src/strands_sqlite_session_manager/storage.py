"""`SQLiteStorage`: the SDK's storage on one SQLite file."""

from __future__ import annotations

import asyncio
import builtins
import copy
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from . import _objects, _search
from ._bases import Bases
from ._connection import Connection
from ._database import DatabasePath, DatabaseUser, Operation, Options
from ._keys import normalized_key, normalized_prefix
from ._schema import open_database
from ._sdk import EPHEMERAL, NAMESPACED, loop_may_wait

if TYPE_CHECKING:
    from strands.storage.storage import StorageSearchResult
    from typing_extensions import Self

    from ._requests import Durability

T = TypeVar("T")


class SQLiteStorage(DatabaseUser):
    """Keeps bytes under keys in one SQLite file: snapshots of agents, offloaded context, memories.

    A `strands.storage.Storage`, to be used wherever the SDK takes one.

    ```python
    from strands import Agent
    from strands.session import SnapshotSessionManager
    from strands_sqlite_session_manager import SQLiteStorage

    storage = SQLiteStorage()
    agent = Agent(session_manager=SnapshotSessionManager("support-42", storage=storage))
    agent("My order never arrived.")
    ```

    What two objects have in common is stored once: a snapshot costs what changed since the one before. Any number of
    storages, session managers, threads, event loops and processes may use one file. No call holds up an event loop.

    Attributes:
        db_path: The file, `:memory:` or URI in use.
    """

    def __init__(
        self,
        db_path: DatabasePath = None,
        *,
        durability: Durability = "full",
        busy_timeout: float = 30.0,
    ) -> None:
        """Open the database; create what is missing.

        Args:
            db_path: The database file; `~` is expanded, missing folders are made. `:memory:` is a database of this
                storage alone, a `file:` URI goes to SQLite, its path made absolute. None takes the environment variable
                `STRANDS_SQLITE_DB_PATH`, else `./sessions.db`. A session manager, storage or store: the database that
                it uses, in memory too.
            durability: `"full"`: what was written survives power loss. `"normal"`: it survives a crash of the process.
            busy_timeout: How long to wait for another process's lock, in seconds.

        Raises:
            SQLiteSessionError: The database cannot be opened; the type says why, `hint` what to do.
            ValueError: An option has no such value.
        """
        self._database = open_database(db_path, Options(durability=durability, busy_timeout=busy_timeout))
        self._bases = Bases()
        self._prefix = ""
        if self._database.in_memory:
            self._ephemeral = EPHEMERAL

    async def write(self, key: str, data: bytes) -> None:
        """Store `data` under `key`, over what is there.

        Args:
            key: Names separated by `/`; runs of `/` count as one, those at the ends do not count.
            data: The bytes.

        Raises:
            InvalidKeyError: The key is empty, has a `..` segment, or holds what a key may not.
            SQLiteSessionError: Nothing was written; the type says why.
            TypeError: `data` is no bytes.
        """
        operation = _objects.WriteObject(normalized_key(key, self._prefix), _as_bytes(data), self._bases)
        await self._write(operation)
        operation.remember()

    async def read(self, key: str) -> bytes | None:
        """Return the bytes under `key`, or None where there are none.

        Raises:
            InvalidKeyError: As `write`.
            SQLiteSessionError: The file cannot be read; the type says why.
        """
        return await self._read(_objects.read_object(normalized_key(key, self._prefix)))

    async def delete(self, key: str) -> None:
        """Delete what is under `key`, if anything is.

        Raises:
            InvalidKeyError: As `write`.
            SQLiteSessionError: Nothing was deleted; the type says why.
        """
        await self._write(_objects.delete_object(normalized_key(key, self._prefix)))

    async def list(self, query: str = "") -> builtins.list[str]:
        """Return every key that begins with `query`, in the order of code points; all of them without one.

        Raises:
            InvalidKeyError: The prefix has a `..` segment, or holds what a key may not.
            SQLiteSessionError: The file cannot be read; the type says why.
        """
        keys = await self._read(_objects.list_keys(normalized_prefix(query, self._prefix)))
        return [key[len(self._prefix) :] for key in keys] if self._prefix else keys

    async def search(self, query: str) -> builtins.list[StorageSearchResult]:
        """Return the objects that have words of `query` in their bytes or their keys, the best first.

        Words are matched from their beginning (`plant` finds `plants`), without regard to case and accents; Chinese,
        Japanese, Korean and Thai text is found wherever it stands. The SDK's stop words do not count. The order is that
        of BM25. What was written since the last search is indexed first; a first search indexes everything below this
        storage's namespace.

        Args:
            query: Words, in any language; nothing in it is syntax.

        Returns:
            The best, at most 1,000, with the score between 0 and 1, higher is better; `data` is not filled in.

        Raises:
            SQLiteSessionError: The file cannot be read, or the index not written; the type says why.
            TypeError: The query is no text.
        """
        _require_text(query)
        database, prefix = self._database, self._prefix
        if loop_may_wait():
            return _search.search(database, prefix, query)
        return await asyncio.to_thread(_search.search, database, prefix, query)

    def namespace(self, prefix: str) -> Self:
        """Return this storage as seen from `prefix`: all its keys are below that.

        Both share the database: closing one closes the other.

        Args:
            prefix: The folder; that of this storage comes before it.

        Raises:
            InvalidKeyError: The prefix has a `..` segment, or holds what a key may not.
        """
        folder = normalized_prefix(prefix).rstrip("/")
        scoped = copy.copy(self)
        vars(scoped)["_namespaced"] = NAMESPACED  # only scoped storages have it
        if folder:
            vars(scoped)["_prefix"] = normalized_prefix(f"{folder}/", self._prefix)
        return scoped

    async def __aenter__(self) -> Self:
        """Return the storage, to be closed at the end of the `async with` block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the storage off the loop."""
        await asyncio.to_thread(self.close)

    async def _write(self, operation: Operation) -> None:
        if loop_may_wait():
            self._database.write(operation)
        else:
            await self._database.write_async(operation)

    async def _read(self, operation: Callable[[Connection], T]) -> T:
        if loop_may_wait():
            return self._database.read(operation)
        return await asyncio.to_thread(self._database.read, operation)


def _require_text(query: object) -> None:
    if not isinstance(query, str):
        message = f"a query must be str, not {type(query).__name__}"
        raise TypeError(message)


def _as_bytes(data: object) -> bytes:
    if isinstance(data, bytes):
        return data
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    message = f"data must be bytes, not {type(data).__name__}"
    raise TypeError(message)
