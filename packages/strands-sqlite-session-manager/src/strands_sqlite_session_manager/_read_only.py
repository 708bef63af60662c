"""A database that is open for reading only: nothing in the file changes, and no file appears."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, TypeVar

from ._connection import Connection, connect, connect_for_reading
from ._database import Database, Operation, Options
from .errors import DatabaseClosedError, DatabaseReadOnlyError, SQLiteSessionError, translated

T = TypeVar("T")


class ReadOnlyDatabase(Database):
    """A `Database` that refuses to write. What it reads may use TEMP tables, which are in memory."""

    read_only = True

    def __init__(self, path: str, options: Options, require_readable: Callable[[Connection, str], None]) -> None:
        """Open the file at `path`, which must exist.

        Args:
            path: A file name, or a `file:` URI.
            options: The timeout.
            require_readable: Refuses a file of another schema; gets the connection and the path.

        Raises:
            SQLiteSessionError: It cannot be opened; the type says why.
        """
        self.path = path
        self.options = options
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._was_clean = False
        self._connection: Connection | None = connect_for_reading(path, seconds=options.busy_timeout)
        try:
            self._filename = self._connection.filename
            self._was_clean = _wal_size(self._filename) == 0
            with translated(path):
                require_readable(self._connection, path)
        except BaseException:
            self.close()
            raise

    def write(self, operation: Operation) -> NoReturn:
        """Refuse to write.

        Raises:
            DatabaseReadOnlyError: Always.
        """
        message = f"database=<{self.path}> was opened for reading only"
        raise DatabaseReadOnlyError(message, hint="open it without read_only")

    async def write_async(self, operation: Operation) -> NoReturn:
        """Refuse to write.

        Raises:
            DatabaseReadOnlyError: Always.
        """
        self.write(operation)

    def run_alone(self, operation: Operation) -> NoReturn:
        """Refuse to change the file.

        Raises:
            DatabaseReadOnlyError: Always.
        """
        self.write(operation)

    def _read(self, operation: Callable[[Connection], T]) -> T:
        with self._lock, translated(self.path):
            connection = self._open_connection()
            connection.run("BEGIN")
            try:
                return operation(connection)
            finally:
                if connection.in_transaction:
                    connection.run("COMMIT")

    def shared(self, options: Options) -> NoReturn:
        """Refuse: who would join may want to write.

        Raises:
            DatabaseReadOnlyError: Always.
        """
        self.write(_nothing)

    @property
    def in_memory(self) -> bool:
        """Whether the database is gone when it is closed: never."""
        return False

    def require_open(self) -> None:
        """Refuse to go on after `close`.

        Raises:
            DatabaseClosedError: The database was closed, or this is a fork of the process that opened it.
        """
        self._open_connection()

    def close(self) -> None:
        """Close the connection, and remove the files that SQLite made to read. Again is fine."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None and self._process == os.getpid():
            connection.close()
            if self._was_clean and os.path.exists(f"{self._filename}-wal"):
                _remove_wal(self._filename)

    def _open_connection(self) -> Connection:
        if self._connection is None or self._process != os.getpid():
            message = f"database=<{self.path}> was closed, or belongs to the process that opened it"
            raise DatabaseClosedError(message, hint="open it anew")
        return self._connection


def _nothing(_connection: Connection) -> None:
    """Stand for whatever another user would write."""


def _wal_size(file: str) -> int:
    """Return how large the WAL is: 0 where there is none, or one that SQLite has just made to read."""
    try:
        return os.path.getsize(f"{file}-wal")
    except FileNotFoundError:
        return 0


def _remove_wal(path: str) -> None:
    """Let SQLite remove the WAL, if nobody uses it: a connection that may only read leaves one behind."""
    with suppress(SQLiteSessionError), translated(path):
        connection = connect(path, seconds=0, create=False)
        try:
            connection.row("PRAGMA schema_version")
        finally:
            connection.close()
