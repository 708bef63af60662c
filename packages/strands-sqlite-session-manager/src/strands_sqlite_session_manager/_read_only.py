"""A database that is open for reading only: nothing in the file changes, and no file appears."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NoReturn, TypeVar
from weakref import WeakSet

from ._connection import Connection, connect, connect_for_reading, is_passing, lacks_room_for_files
from ._database import Database, Operation, Options
from ._forks import Held, at_forks
from ._owners import close_all, known_to
from ._readers import MOST_READERS
from ._turns import Turn, Turns
from .errors import (
    CannotOpenError,
    DatabaseBusyError,
    DatabaseClosedError,
    DatabaseCorruptError,
    DatabaseReadOnlyError,
    NotADatabaseError,
    SQLiteSessionError,
    translated,
)

T = TypeVar("T")

_PAUSES = (0.001, 0.004, 0.016, 0.064, 0.256)
"""Seconds before another attempt, where others open, write or close the file at this moment."""

_WHILE_OTHERS_WRITE = (CannotOpenError, DatabaseReadOnlyError, DatabaseCorruptError, NotADatabaseError)
"""What a file can look like without locks: a writer makes and removes the two files of its WAL one after the other."""

_FORKING = threading.RLock()
_OPEN: WeakSet[ReadOnlyDatabase] = WeakSet()
_NEVER_CLOSED: list[Connection] = []
_NONE = -1
"""The process of a database that may not be used in any."""


class ReadOnlyDatabase(Database):
    """A `Database` that refuses to write. What it reads may use TEMP tables, which are in memory.

    An operation may be run again: where SQLite reads without locks, what it reads counts only if the file has not
    changed meanwhile.
    """

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
        self._require_readable = require_readable
        self._turns = Turns(1)
        self._process = os.getpid()
        self._connections = known_to(self)
        self._lent = known_to(self)
        self._lending = Turns(MOST_READERS)
        self._closed = False
        self._was_clean = False
        self._filename = ""
        self._connection: Connection | None = None
        with _FORKING:
            _OPEN.add(self)
        try:
            self.read(_nothing)
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
        self._require_process()
        with translated(self.path):
            return self._turns.run(partial(self._read_in_turn, operation))

    def _read_in_turn(self, operation: Callable[[Connection], T]) -> T:
        for pause in _PAUSES:
            connection = self._open_connection()
            try:
                result = _read_at_once(connection, operation)
            except Exception as error:
                if connection.is_current() and not is_passing(error):
                    raise
            else:
                if connection.is_current():
                    return result
            time.sleep(pause)
        message = f"database=<{self.path}> was changed by others during each of {len(_PAUSES)} attempts to read it"
        raise DatabaseBusyError(message, hint="try again, or let this user write in its folder: then SQLite locks")

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
        self._require_process()
        if self._closed:
            raise self._closed_error()

    def close(self) -> None:
        """Close the connection, and remove the files that SQLite made to read. Again is fine."""
        if self._process != os.getpid():
            return
        self._turns.run(self._close)

    def _close(self) -> None:
        self._closed = True
        self._drop_connections()
        if self._was_clean and os.path.exists(f"{self._filename}-wal"):
            self._remove_wal()
            self._was_clean = False

    def between_forks(self, work: Callable[[], T]) -> T:
        """Return what `work` returns; no fork comes meanwhile."""
        return self._lending.run(work)

    def connect(self) -> Connection:
        """Open a connection; use and close it `between_forks`, for a fork closes it too.

        Raises:
            SQLiteSessionError: It cannot be opened; the type says why.
        """
        self.require_open()
        return connect_for_reading(self.path, seconds=self.options.busy_timeout, known=self._lent)

    def before_fork(self, held: Held) -> None:
        """Wait for the read under way, let nobody begin another, and close the connection: no child may inherit it."""
        held.take(self._turns, Turn())
        held.take(self._lending, Turn(alone=True))
        self._drop_connections()
        close_all(self._lent)

    def after_fork_in_child(self) -> None:
        """Forget the parent's threads; the next read opens a connection of this process."""
        self._turns = Turns(1)
        self._lending = Turns(MOST_READERS)
        if inherited := [*self._connections, *self._lent]:  # not even closed may they be, nor the file be used
            _NEVER_CLOSED.extend(inherited)
            self._process = _NONE
            self._connection = None
            self._connections.clear()
            self._lent.clear()
        elif self._process != _NONE:
            self._process = os.getpid()

    def _require_process(self) -> None:
        """Refuse what is inherited by a fork of which Python was not told: neither the lock nor the connection is ours.

        Raises:
            DatabaseClosedError: This is such a process.
        """
        if self._process != os.getpid():
            raise self._closed_error()

    def _closed_error(self) -> DatabaseClosedError:
        message = f"database=<{self.path}> was closed, or belongs to the process that opened it"
        return DatabaseClosedError(message, hint="open it anew")

    def _open_connection(self) -> Connection:
        """Return the connection, a new one where the file is no longer what the last one takes it for."""
        if self._closed:
            raise self._closed_error()
        if self._connection is not None and not self._connection.is_current():
            self._drop_connections()
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _drop_connections(self) -> None:
        self._connection = None
        close_all(self._connections)

    def _connect(self) -> Connection:
        for pause in _PAUSES:
            try:
                return self._connect_at_once()
            except _WHILE_OTHERS_WRITE:
                if not (os.path.isfile(self.path) and lacks_room_for_files(self.path)):
                    raise
            time.sleep(pause)
        return self._connect_at_once()

    def _connect_at_once(self) -> Connection:
        connection = connect_for_reading(self.path, seconds=self.options.busy_timeout, known=self._connections)
        try:
            if not self._filename:
                self._filename = connection.filename
                self._was_clean = _wal_size(self._filename) == 0
            with translated(self.path):
                self._require_readable(connection, self.path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _remove_wal(self) -> None:
        """Let SQLite remove the WAL, if nobody uses it: a connection that may only read leaves one behind."""
        with suppress(SQLiteSessionError), translated(self._filename):
            connection = connect(self._filename, seconds=0, create=False, known=self._connections)
            try:
                connection.row("PRAGMA schema_version")
            finally:
                connection.close()


def _read_at_once(connection: Connection, operation: Callable[[Connection], T]) -> T:
    """Return what `operation` reads, all of it from one instant."""
    connection.run("BEGIN")
    try:
        return operation(connection)
    finally:
        if connection.in_transaction:
            connection.run("COMMIT")


def _nothing(_connection: Connection) -> None:
    """Stand for whatever another user would write, and read nothing."""


def _wal_size(file: str) -> int:
    """Return how large the WAL is: 0 where there is none, or one that SQLite has just made to read."""
    try:
        return os.path.getsize(f"{file}-wal")
    except FileNotFoundError:
        return 0


def _before_fork(held: Held) -> None:
    held.lock(_FORKING)
    for database in list(_OPEN):
        database.before_fork(held)


def _after_fork_in_child() -> None:
    global _FORKING  # noqa: PLW0603 - the inherited lock belongs to a thread of the parent
    _FORKING = threading.RLock()
    for database in list(_OPEN):
        database.after_fork_in_child()


at_forks(_before_fork, _after_fork_in_child)
