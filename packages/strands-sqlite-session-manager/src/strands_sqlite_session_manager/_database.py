"""What one user holds of a database: writes one by one or in batches, reads, and a `close` that counts."""

from __future__ import annotations

import copy
import json
import os
import threading
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from ._connection import Connection
from ._files import OpenFile, Prepare, join, leave, share, users_of
from ._requests import OneStatement, Operation, Options
from ._tables import NULLABLE
from .errors import CodecError, DatabaseClosedError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Batch", "Database", "DatabaseUser", "OneStatement", "Operation", "Options"]

T = TypeVar("T")

# %w is the name with quotes in it doubled; what another program calls its columns is its own affair.
_FIND_FOREIGN = """
SELECT format('SELECT %Q FROM "%w" WHERE typeof("%w") NOT IN (%Q, %Q) LIMIT 1',
    tables.name || '.' || columns.name, tables.name, columns.name, lower(columns.type),
    iif(tables.name || '.' || columns.name IN (SELECT value FROM json_each(?)), 'null', 'no other'))
FROM sqlite_schema AS tables JOIN pragma_table_info(tables.name) AS columns
WHERE tables.type = 'table' AND columns.type IN ('TEXT', 'INTEGER', 'BLOB')
"""

_BATCH: ContextVar[Batch | None] = ContextVar("strands_sqlite_batch", default=None)


class Database:
    """What one user holds of a database: writes, reads, and a `close` that counts.

    Attributes:
        path: The file, `:memory:` or the URI, as errors name it.
        options: How this user's writes behave.
        read_only: Whether it refuses to write.
        session_id: The session that a session manager has open with it, if it is a session manager's.
    """

    read_only = False
    session_id: str | None = None

    def __init__(self, path: str, options: Options, prepare: Prepare) -> None:
        """Open `path`, or join those who have it open in this process.

        Args:
            path: A file name, `:memory:` (private) or a `file:` URI (private).
            options: How writes behave.
            prepare: Brings the schema up to date on the first connection; gets the connection and the path.

        Raises:
            SQLiteSessionError: It cannot be opened; the type says why.
        """
        self.path = path
        self.options = options
        self._closed = False
        self._file = join(path, self, options, prepare)

    def shared(self, options: Options) -> Database:
        """Return the same database for another user, who closes it for itself.

        Raises:
            DatabaseClosedError: It was closed.
        """
        other = copy.copy(self)
        other.options = options
        other.session_id = None
        share(self._open_file(), other)
        return other

    def write(self, operation: Operation) -> None:
        """Run `operation` in a transaction and return after its commit; inside `collect`, leave it to the batch.

        Raises:
            SQLiteSessionError: Nothing was written; the type says why.
            BaseException: Whatever `operation` raised; nothing was written. After an interrupt nobody knows.
        """
        batch = _BATCH.get()
        if batch is not None and batch.gathers_for(self):
            batch.operations.append(operation)
        else:
            try:
                self._open_file().writer.run(operation, self.options)
            except (TypeError, AttributeError) as error:
                self._blame_rows(error)
                raise

    async def write_async(self, operation: Operation) -> None:
        """Run `operation` as `write` does, without holding up the running loop.

        A cancelled caller leaves after the commit; where that failed, the cancellation has the error as its cause.

        Raises:
            SQLiteSessionError: As `write`.
        """
        import asyncio  # noqa: PLC0415 - a command has no loop, and has listed its sessions before this is imported

        future = self._open_file().writer.submit(operation, self.options, asyncio.get_running_loop())
        cancelled = None
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled from future.exception()
        try:
            future.result()
        except (TypeError, AttributeError) as error:
            self._blame_rows(error)
            raise

    def run_alone(self, operation: Operation) -> None:
        """Run `operation` outside of any transaction, while nobody else in this process writes: `VACUUM`, for example.

        Raises:
            SQLiteSessionError: SQLite refused; the type says why.
            BaseException: Whatever `operation` raised.
        """
        self._open_file().writer.run_alone(operation, self.options)

    def read(self, operation: Callable[[Connection], T]) -> T:
        """Return what `operation` reads, all of it from one instant; writes of an open batch are not seen.

        Raises:
            SQLiteSessionError: The file cannot be read; the type says why.
        """
        try:
            return self._read(operation)
        except (TypeError, AttributeError) as error:
            self._blame_rows(error)
            raise

    def _read(self, operation: Callable[[Connection], T]) -> T:
        return self._open_file().read(operation, self.options)

    def between_forks(self, work: Callable[[], T]) -> T:
        """Return what `work` returns; no fork comes meanwhile."""
        return self._file.lending.run(work)

    def connect(self) -> Connection:
        """Open a connection that reads the file; use and close it `between_forks`, for a fork closes it too.

        Raises:
            SQLiteSessionError: It cannot be opened; the type says why.
        """
        return self._open_file().lend(self.options.busy_timeout)

    def _blame_rows(self, error: Exception) -> None:
        """Raise a typed error in place of `error` where another program has left values of types that no column has.

        To look for them takes a while, and is worth it only once something has gone wrong that cannot otherwise.

        Raises:
            CodecError: There is one.
        """
        where = self._read(_foreign_column)
        if where is not None:
            message = f"database=<{self.path}> holds a value of another type in {where}: {error}"
            raise CodecError(message, hint="another program has changed the file; see what `verify` finds") from error

    @property
    def in_memory(self) -> bool:
        """Whether the database is gone when it is closed."""
        return self._file.in_memory

    @property
    def open_sessions(self) -> set[str]:
        """The sessions that session managers in this process have open in the same file; not to be asked in a write."""
        users = [] if self.read_only else users_of(self._file)
        return {user.session_id for user in users if isinstance(user, Database) and user.session_id is not None}

    @property
    def collects(self) -> bool:
        """Whether writes are left to a batch here and now."""
        batch = _BATCH.get()
        return batch is not None and batch.gathers_for(self)

    def collect(self, work: Callable[[], object]) -> Batch:
        """Gather the writes of this database that `work` makes, to be committed together afterwards."""
        batch, token = Batch(self), None
        try:
            token = _BATCH.set(batch)
            batch.gathers = True
            work()
        finally:
            batch.gathers = False  # no call that an interrupt could prevent: later writes would be lost in the batch
            if token is not None:
                _BATCH.reset(token)
        return batch

    def require_open(self) -> None:
        """Refuse to go on after `close`.

        Raises:
            DatabaseClosedError: The database was closed.
        """
        self._open_file()

    def close(self) -> None:
        """Leave the database; the last to leave closes the file. Again is fine."""
        self._closed = True
        leave(self._file, self)

    def _open_file(self) -> OpenFile:
        if self._closed:
            message = f"database=<{self.path}> was closed"
            raise DatabaseClosedError(message)
        return self._file


def _foreign_column(connection: Connection) -> str | None:
    """Return a column with a value of a type that it never has, or None."""
    for (sql,) in connection.rows(_FIND_FOREIGN, (json.dumps(sorted(NULLABLE)),)):
        row = connection.row(sql)
        if row is not None:
            return str(row[0])
    return None


class DatabaseUser:
    """What those who use a database have in common: its path, and that they leave it at the end."""

    _database: Database

    @property
    def db_path(self) -> str:
        """The file, `:memory:` or URI in use."""
        return self._database.path

    def share_database(self, options: Options) -> Database:
        """Return the same database for another user.

        Raises:
            DatabaseClosedError: This one was closed.
        """
        return self._database.shared(options)

    def close(self) -> None:
        """Leave the database; the last user to leave closes the file. Again is fine."""
        self._database.close()

    def __enter__(self) -> Self:
        """Return this, to be closed at the end of the `with` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close this."""
        self.close()


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
        self.gathers = False
        self._thread = threading.get_ident()

    def gathers_for(self, database: Database) -> bool:
        """Tell whether a write of `database` belongs here: tasks and threads inherit the batch, but do not join it."""
        return self.gathers and self.database is database and self._thread == threading.get_ident()

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
        from asyncio import CancelledError  # noqa: PLC0415 - as in `Database.write_async`

        if self.operations:
            try:
                await self.database.write_async(self._operation())
            except CancelledError as cancelled:
                self.committed = cancelled.__cause__ is None
                raise
        self.committed = True

    def _operation(self) -> Operation:
        return self.operations[0] if len(self.operations) == 1 else self._run

    def _run(self, connection: Connection) -> None:
        for operation in self.operations:
            operation(connection)


DatabasePath: TypeAlias = "str | os.PathLike[str] | DatabaseUser | None"
"""What names a database: a path, or whoever uses it already; None: where it is by default."""
