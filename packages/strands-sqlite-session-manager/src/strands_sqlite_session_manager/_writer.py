"""The one writer of a database: transactions one after the other, those that had to wait committed together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice, takewhile
from typing import TYPE_CHECKING

import apsw

from ._background import Background
from ._connection import Connection, ConstraintError
from ._requests import AsyncRequest, OneStatement, Operation, Options, Request
from ._turns import Turn, Turns
from .errors import RAISED_BY_APSW, DatabaseClosedError, SQLiteSessionError, translate

if TYPE_CHECKING:
    import asyncio

LARGEST_GROUP = 256
"""How many waiting operations one commit may carry."""


class Writer:
    """Runs operations in transactions on one connection.

    A caller that finds the writer free runs at once, on its own thread. Callers that find it busy queue up; the one
    in front then leads: it runs everything that waits in one transaction, so that they share one wait for the disk.
    Where an operation of a group fails, the group is rolled back and each one runs in a transaction of its own.
    """

    def __init__(self, path: str, connect: Callable[[], Connection], check: Callable[[], None]) -> None:
        """Build a writer.

        Args:
            path: The database, as errors name it.
            connect: Opens the connection when it is first needed.
            check: Raises when the database must not be written, before each transaction.
        """
        self._path = path
        self._connect = connect
        self._check = check
        self.connection: Connection | None = None
        self.closed = False
        self.turns = Turns(1)
        self._background: Background | None = None

    def run(self, operation: Operation, options: Options) -> None:
        """Run `operation` in a transaction; return after the commit that holds it.

        Raises:
            SQLiteSessionError: What SQLite said, in this package's terms; nothing was written.
            BaseException: Whatever `operation` raised; nothing was written. After an interrupt nobody knows.
        """
        mine = Request(operation, options)
        try:
            if self.turns.enter(mine):
                self._run_at_once(operation, options)
            else:
                self._run_in_turn(mine)
        finally:
            try:
                self.turns.leave(mine)
            except BaseException:
                self.turns.leave(mine)
                raise
            while not mine.done:  # an interrupt came while another caller was committing it
                mine.wait()
                self.turns.leave(mine)

    def submit(self, operation: Operation, options: Options, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """Run `operation` as `run` does, on another thread; the future of `loop` is done after the commit."""
        request = AsyncRequest(operation, options, loop, self._lead_in_thread)
        try:
            if self.turns.enter(request):
                self._lead_in_thread(request)
        except BaseException:
            self.turns.leave(request)
            raise
        return request.future

    def run_alone(self, operation: Operation, options: Options) -> None:
        """Run `operation` while no transaction runs and outside of any, for what SQLite does not do within one.

        Raises:
            SQLiteSessionError: What SQLite said, in this package's terms.
            BaseException: Whatever `operation` raised.
        """

        def run() -> None:
            connection = self._ready_connection(options.busy_timeout, full=options.durability == "full")
            try:
                operation(connection)
            except BaseException as error:
                self._roll_back(connection, error)
                raise

        try:
            self.turns.run(run)
        except RAISED_BY_APSW as error:
            raise translate(error, self._path) from error

    def close(self) -> None:
        """Refuse new operations, let those under way finish, and close the connection."""

        def close() -> None:
            self.closed = True
            background, self._background = self._background, None
            if background is not None:
                background.close()
            self.drop_connection()

        self.turns.run(close)

    def reset_after_fork(self) -> None:
        """Forget, in a forked child, the callers and the connection, which belong to the parent."""
        self.connection = None
        self._background = None
        self.turns = Turns(1)

    def drop_connection(self) -> None:
        """Close the connection; the next operation opens another. Only while the writer is held or busy."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    def _lead_in_thread(self, request: AsyncRequest) -> None:
        """Lead for a caller that has no thread to spend."""
        background = self._background
        try:
            if background is None:
                background = self._background = Background("strands-sqlite-writer")
        except RuntimeError:
            self._lead_for(request)
        else:
            background.run(partial(self._lead_for, request))

    def _run_at_once(self, operation: Operation, options: Options) -> None:
        full = options.durability == "full"
        try:
            connection = self._ready_connection(options.busy_timeout, full=full)
            if not (isinstance(operation, OneStatement) and self._statement(connection, operation)):
                self._begin(connection)
                self._finish(connection, (operation,))
        except RAISED_BY_APSW as error:
            raise translate(error, self._path) from error

    def _run_in_turn(self, request: Request) -> None:
        request.wait()
        if not request.done:
            self._lead(request)
        if request.error is not None:
            raise request.error

    def _lead_for(self, request: AsyncRequest) -> None:
        mine = Turn()
        try:
            if not self.turns.pass_on(request, mine):
                return  # its caller was interrupted while it asked
            self._lead(request)
        except BaseException as error:  # noqa: BLE001 - nobody else tells the one who awaits it
            request.error, request.done = error, True
        finally:
            try:
                self.turns.leave(mine)
            except BaseException:
                self.turns.leave(mine)
                raise
        request.wake()

    def _lead(self, request: Request) -> None:
        """Serve `request` together with those that wait behind it, up to the next one that wants to hold.

        The main thread serves nobody else: what a signal's handler raises there would come out of their operations.
        """
        group = [request]
        if threading.current_thread() is not threading.main_thread():
            with self.turns.mutex:
                group += self._serve_waiting()
        try:
            self._commit_together(group)
        finally:
            try:
                _wake(group)
            except BaseException:
                _wake(group)
                raise

    def _serve_waiting(self) -> list[Request]:
        """Return those who wait in front, who are served from here on."""
        in_front = takewhile(_is_request, islice(self.turns.waiting, LARGEST_GROUP - 1))
        group = [each for each in in_front if isinstance(each, Request) and not each.done]
        for each in group:
            each.served = True
        return group

    def _commit_together(self, group: list[Request]) -> None:
        """Commit the whole group; where an operation fails, commit each alone, so that each gets its own error."""
        for request in group:
            request.error = None  # of an attempt that an interrupt ended
        operations = [request.operation for request in group]
        patience = max(request.deadline for request in group) - time.monotonic()
        full = any(request.options.durability == "full" for request in group)
        try:
            connection = self._ready_connection(patience, full=full)
            self._begin(connection)
        except (SQLiteSessionError, *RAISED_BY_APSW) as error:  # nothing has begun: it is everybody's error
            for request in group:
                request.error = self._typed(error)
        else:
            self._finish_together(connection, operations, group)
        _mark_done(group)

    def _finish_together(self, connection: Connection, operations: list[Operation], group: list[Request]) -> None:
        try:
            self._finish(connection, operations, group)
        except Exception as error:
            if group[0].done:
                raise
            if len(group) > 1:
                for request in group:
                    self._commit_together([request])
            else:
                group[0].error = self._typed(error)

    def _typed(self, error: Exception) -> Exception:
        if not isinstance(error, RAISED_BY_APSW):
            return error
        typed = translate(error, self._path)
        typed.__cause__ = error
        return typed

    def _statement(self, connection: Connection, operation: OneStatement) -> bool:
        """Run `operation` as a single statement if it is one; return whether it was."""
        try:
            return operation.at_once(connection)
        except ConstraintError:
            return False
        except BaseException as error:
            self._roll_back(connection, error)
            raise

    def _begin(self, connection: Connection) -> None:
        try:
            connection.run("BEGIN IMMEDIATE")
        except BaseException as error:
            self._roll_back(connection, error)
            raise

    def _finish(self, connection: Connection, operations: Sequence[Operation], group: Sequence[Request] = ()) -> None:
        """Run `operations` in the transaction that has begun, and commit: all of them are stored, or none."""
        commits = False
        try:
            for operation in operations:
                operation(connection)
            commits = True
            connection.run("COMMIT")
            _mark_done(group)
        except BaseException as error:
            if commits and not (connection.in_transaction or isinstance(error, apsw.Error)):
                _mark_done(group)  # all is stored: an interrupt came afterwards, the affair of who leads
            self._roll_back(connection, error)
            raise

    def _ready_connection(self, patience: float, *, full: bool) -> Connection:
        if self.closed:
            message = f"database=<{self._path}> is closed"
            raise DatabaseClosedError(message)
        self._check()
        if self.connection is None:
            self.connection = self._connect()
        connection = self.connection
        if connection.in_transaction:  # an interrupt came between a statement and what was to follow it
            connection.run("ROLLBACK")
        connection.patience = patience
        if connection.full is not full:
            connection.sync_commits(full=full)
        return connection

    def _roll_back(self, connection: Connection, error: BaseException) -> None:
        """End the transaction; give the connection up where it cannot be trusted after `error`."""
        given_up = isinstance(error, (apsw.IOError, apsw.CorruptError))
        try:
            if connection.in_transaction:
                connection.run("ROLLBACK")
        except apsw.Error:
            given_up = True
            raise
        finally:
            if given_up:
                self.drop_connection()


def _is_request(turn: Turn) -> bool:
    return isinstance(turn, Request)


def _mark_done(group: Sequence[Request]) -> None:
    for request in group:
        request.done = True


def _wake(group: list[Request]) -> None:
    """Wake those who were served; the first leads, and does not wait."""
    for request in group[1:]:
        if request.done:
            request.wake()
