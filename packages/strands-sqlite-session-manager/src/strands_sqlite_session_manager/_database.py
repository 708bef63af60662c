"""One database for each file and process, shared by everyone who opens it."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from ._connection import Connection, connect, create_private, require_safe_sqlite
from ._readers import Readers
from ._writer import OneStatement, Operation, Options, Writer
from .errors import CannotOpenError, DatabaseClosedError, DatabaseMovedError, SQLiteSessionError, translated

__all__ = ["Batch", "Connection", "Database", "OneStatement", "Operation", "Options", "share"]

T = TypeVar("T")
Prepare = Callable[[Connection, str], None]
_Identity = tuple[int, int]
"""Device and inode of a file: what its names and links have in common."""

_LOCK = threading.RLock()
_SHARED: dict[_Identity, _File] = {}
_PRIVATE: weakref.WeakSet[_File] = weakref.WeakSet()
_NEVER_CLOSED: list[Connection] = []
_BATCH: ContextVar[Batch | None] = ContextVar("strands_sqlite_batch", default=None)


class Database:
    """What one user holds of a database: writes, reads, and a `close` that counts.

    Attributes:
        path: The file, `:memory:` or the URI, as errors name it.
        options: How this user's writes behave.
    """

    def __init__(self, file: _File, options: Options) -> None:
        """Join the users of `file`."""
        self.path = file.path
        self.options = options
        self._file = file
        self._closed = False
        file.users.add(self)

    def write(self, operation: Operation) -> None:
        """Run `operation` in a transaction and return after its commit; inside `collect`, leave it to the batch.

        Raises:
            SQLiteSessionError: Nothing was written; the type says why.
            BaseException: Whatever `operation` raised; nothing was written.
        """
        batch = _BATCH.get()
        if batch is not None and batch.database is self:
            batch.operations.append(operation)
        else:
            self._open_file().writer.run(operation, self.options)

    async def write_async(self, operation: Operation) -> None:
        """Run `operation` as `write` does, without holding up the running loop.

        A cancelled caller leaves after the commit; where that failed, the cancellation has the error as its cause.

        Raises:
            SQLiteSessionError: As `write`.
        """
        future = asyncio.wrap_future(self._open_file().writer.submit(operation, self.options))
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            if (error := future.exception()) is not None:
                raise asyncio.CancelledError from error
            raise

    def read(self, operation: Callable[[Connection], T]) -> T:
        """Return what `operation` reads, all of it from one instant; writes of an open batch are not seen.

        Raises:
            SQLiteSessionError: The file cannot be read; the type says why.
        """
        return self._open_file().read(operation, self.options)

    @property
    def collects(self) -> bool:
        """Whether writes are left to a batch here and now."""
        batch = _BATCH.get()
        return batch is not None and batch.database is self

    @contextmanager
    def collect(self) -> Iterator[Batch]:
        """Gather the writes of this database that the block makes, to be committed together afterwards."""
        batch = Batch(self)
        token = _BATCH.set(batch)
        try:
            yield batch
        finally:
            _BATCH.reset(token)

    def close(self) -> None:
        """Leave the database; the last to leave closes the file. Again is fine."""
        self._closed = True
        with _LOCK:
            self._file.users.discard(self)
            if not self._file.users:
                self._file.close()

    def _open_file(self) -> _File:
        if self._closed:
            message = f"database=<{self.path}> was closed"
            raise DatabaseClosedError(message)
        return self._file


class Batch:
    """Writes that wait to be committed in one transaction, in the order in which they were made.

    Attributes:
        committed: Whether they are stored.
    """

    def __init__(self, database: Database) -> None:
        """Build an empty batch."""
        self.database = database
        self.operations: list[Operation] = []
        self.committed = False

    def commit(self) -> None:
        """Write everything gathered, or nothing.

        Raises:
            SQLiteSessionError: As `Database.write`.
        """
        if self.operations:
            self.database.write(self._operation())
        self.committed = True

    async def commit_async(self) -> None:
        """Write everything gathered, or nothing, without holding up the running loop.

        Raises:
            SQLiteSessionError: As `Database.write`.
        """
        if self.operations:
            try:
                await self.database.write_async(self._operation())
            except asyncio.CancelledError as cancelled:
                self.committed = cancelled.__cause__ is None
                raise
        self.committed = True

    def _operation(self) -> Operation:
        return self.operations[0] if len(self.operations) == 1 else self._run

    def _run(self, connection: Connection) -> None:
        for operation in self.operations:
            operation(connection)


class _File:
    """An open database file, or an in-memory database, with its writer and its readers."""

    def __init__(self, path: str, identity: _Identity | None = None) -> None:
        self.path = path
        self._real = None if identity is None else os.path.realpath(path)
        self._identity = identity
        self.users: weakref.WeakSet[Database] = weakref.WeakSet()
        self.opening = threading.Lock()
        self.in_memory = False
        self.lost = ""
        self._opened = False
        self.writer = Writer(path, self._connect_writer, self.require_usable)
        self.readers = Readers(self._connect_reader)

    def open(self, options: Options, prepare: Prepare) -> None:
        """Open the file once: create it where it is missing, and let `prepare` see to its schema."""
        with self.opening:
            if self._opened:
                return
            connection = connect(self.path, seconds=options.busy_timeout)
            try:
                with translated(self.path):
                    prepare(connection, self.path)
                self.in_memory = not connection.filename
            except BaseException:
                connection.close()
                raise
            self.writer.connection = connection
            self._opened = True

    def read(self, operation: Callable[[Connection], T], options: Options) -> T:
        if self.in_memory:
            found: list[T] = []
            self.writer.run(lambda connection: found.append(operation(connection)), options)
            return found[0]
        if self.writer.closed:
            message = f"database=<{self.path}> was closed"
            raise DatabaseClosedError(message)
        self.require_usable()
        with translated(self.path):
            return self.readers.run(operation, options.busy_timeout)

    def moved(self) -> bool:
        """Tell whether the path no longer leads to the file that is open. Looks at the name, opens nothing."""
        if self._real is None:
            return False
        try:
            found = os.stat(self._real)
        except OSError:
            return True
        return (found.st_dev, found.st_ino) != self._identity

    def require_usable(self) -> None:
        """Refuse to go on where a write would be lost.

        Raises:
            DatabaseClosedError: This process is a fork of the one that opened the database.
            DatabaseMovedError: The file no longer has its name.
        """
        if self.lost:
            raise DatabaseClosedError(self.lost, hint="build a new session manager in this process")
        if self.moved():
            message = f"database=<{self.path}> was deleted or replaced while it was open"
            raise DatabaseMovedError(message)

    def close(self) -> None:
        if self._identity is not None and _SHARED.get(self._identity) is self:
            del _SHARED[self._identity]
        if self.lost:
            return
        self.readers.hold()
        self.writer.close()
        self.readers.release()

    def before_fork(self) -> None:
        """Close every connection to a file: a child that inherits one corrupts it, even by closing it."""
        self.opening.acquire()
        self.writer.hold()
        self.readers.hold()
        if not self.in_memory:
            self.writer.drop_connection()

    def after_fork_in_parent(self) -> None:
        self.readers.release()
        self.writer.release()
        self.opening.release()

    def after_fork_in_child(self) -> None:
        self.opening = threading.Lock()
        inherited = self.readers.reset_after_fork()
        self.writer.reset_after_fork()
        if self.writer.connection is not None:
            inherited.append(self.writer.connection)
            self.writer.connection = None
        if inherited:
            _NEVER_CLOSED.extend(inherited)
            self.lost = f"database=<{self.path}> belongs to the process that opened it, of which this one is a fork"

    def _connect_writer(self) -> Connection:
        if self.in_memory:
            message = f"database=<{self.path}> was lost with its connection"
            raise DatabaseClosedError(message)
        return connect(self.path, seconds=Options.busy_timeout)

    def _connect_reader(self) -> Connection:
        return connect(self.path, seconds=Options.busy_timeout, reader=True)


def share(path: str, options: Options, prepare: Prepare) -> Database:
    """Open `path`, or join those who have it open in this process.

    Args:
        path: A file name, `:memory:` (private to the caller) or a `file:` URI.
        options: How writes through the returned database behave.
        prepare: Brings the schema up to date on the first connection; gets the connection and the path.

    Raises:
        SQLiteSessionError: It cannot be opened; the type says why.
    """
    require_safe_sqlite()
    if path == ":memory:" or path.startswith("file:"):
        return _open_private(path, options, prepare)
    identity = _identity(path)
    with _LOCK:
        file = _SHARED.get(identity)
        if file is None or (file.path != path and file.moved()):
            _close_abandoned()
            file = _SHARED[identity] = _File(path, identity)
        database = Database(file, options)
    try:
        file.open(options, prepare)
    except BaseException:
        database.close()
        raise
    return database


def _open_private(path: str, options: Options, prepare: Prepare) -> Database:
    file = _File(path)
    with _LOCK:
        _PRIVATE.add(file)
    file.open(options, prepare)
    return Database(file, options)


def _identity(path: str) -> _Identity:
    """Return what file `path` leads to; create it where it is missing."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        create_private(path)
        found = _stat_new(path)
    return found.st_dev, found.st_ino


def _stat_new(path: str) -> os.stat_result:
    try:
        return os.stat(path)
    except OSError as error:  # a link to nowhere exists, but leads to no file
        message = f"db_path=<{path}> cannot be opened: {error.strerror}"
        raise CannotOpenError(message) from error


def _close_abandoned() -> None:
    """Close the files whose users were all dropped without `close`."""
    for file in [file for file in _SHARED.values() if not file.users]:
        file.close()


def _files() -> list[_File]:
    return [*_SHARED.values(), *_PRIVATE]


def _before_fork() -> None:
    _LOCK.acquire()
    for file in _files():
        file.before_fork()


def _after_fork_in_parent() -> None:
    for file in _files():
        file.after_fork_in_parent()
    _LOCK.release()


def _after_fork_in_child() -> None:
    global _LOCK  # noqa: PLW0603 - the inherited lock may count a thread that does not exist here
    _LOCK = threading.RLock()
    for file in _files():
        file.after_fork_in_child()


@atexit.register
def _close_all() -> None:
    """Checkpoint and close what is still open when the interpreter ends."""
    for file in _files():
        try:
            file.close()
        except SQLiteSessionError:  # the WAL keeps what was committed; the next to open the file recovers it
            continue


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
