"""The one writer of a database: transactions one after the other, those that had to wait committed together."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import apsw

from ._connection import Connection, ConstraintError
from ._requests import AsyncRequest, OneStatement, Operation, Options, Request
from .errors import RAISED_BY_APSW, DatabaseClosedError, translate

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
        self._mutex = threading.Lock()
        self._busy = False
        self._queue: deque[Request] = deque()
        self._threads: ThreadPoolExecutor | None = None

    def run(self, operation: Operation, options: Options) -> None:
        """Run `operation` in a transaction; return after the commit that holds it.

        Raises:
            SQLiteSessionError: What SQLite said, in this package's terms; nothing was written.
            BaseException: Whatever `operation` raised; nothing was written.
        """
        request, mine = None, False
        try:
            with self._mutex:
                if self._busy:
                    request = Request(operation, options)
                    request.queued()
                    self._queue.append(request)
                else:
                    mine = self._busy = True
            if mine:
                self._run_at_once(operation, options)
        finally:
            if mine:
                self.release()
        if request is not None:
            self._run_in_turn(request)

    def submit(self, operation: Operation, options: Options) -> Future[None]:
        """Run `operation` as `run` does, on another thread; the future is done after the commit."""
        request = AsyncRequest(operation, options, self._lead_in_thread)
        if self._enter(request):
            self._lead_in_thread(request)
        return request.future

    def run_alone(self, operation: Operation, options: Options) -> None:
        """Run `operation` while no transaction runs and outside of any, for what SQLite does not do within one.

        Raises:
            SQLiteSessionError: What SQLite said, in this package's terms.
            BaseException: Whatever `operation` raised.
        """
        self.hold()
        try:
            connection = self._ready_connection(options.busy_timeout, full=options.durability == "full")
            try:
                operation(connection)
            except BaseException as error:
                self._roll_back(connection, error)
                raise
        except RAISED_BY_APSW as error:
            raise translate(error, self._path) from error
        finally:
            self.release()

    def hold(self) -> None:
        """Wait until no transaction runs, and let none begin before `release`."""
        request = Request(None, Options())
        if not self._enter(request):
            self._await_turn(request)

    def release(self) -> None:
        """Let the next in the queue go on."""
        with self._mutex:
            request = self._queue.popleft() if self._queue else None
            self._busy = request is not None
        if request is not None:
            request.leads = True
            request.wake()

    def close(self) -> None:
        """Refuse new operations, let those under way finish, and close the connection."""
        self.hold()
        try:
            self.closed = True
            self.drop_connection()
        finally:
            self.release()
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    def reset_after_fork(self) -> None:
        """Forget, in a forked child, the callers that exist in the parent only. Call it while held."""
        self._mutex = threading.Lock()
        self._busy = False
        self._queue.clear()
        self._threads = None

    def drop_connection(self) -> None:
        """Close the connection; the next operation opens another. Only while the writer is held or busy."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    def _lead_in_thread(self, request: Request) -> None:
        """Lead for a caller that has no thread to spend."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="strands-sqlite-writer")
        try:
            self._threads.submit(self._lead_and_wake, request)
        except RuntimeError:  # no thread can be started: the interpreter is shutting down, or a limit is reached
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None
            self._lead_and_wake(request)

    def _enter(self, request: Request) -> bool:
        """Take the writer if it is free; else queue `request` and return False."""
        with self._mutex:
            if not self._busy:
                self._busy = True
                return True
            request.queued()
            self._queue.append(request)
            return False

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
        self._await_turn(request)
        if request.leads:
            self._lead(request)
        if request.error is not None:
            raise request.error

    def _await_turn(self, request: Request) -> None:
        """Wait for `request` to be served or to lead; a caller that is interrupted meanwhile leaves the queue."""
        try:
            request.wait()
        except BaseException:
            with self._mutex:
                waits = request in self._queue
                if waits:
                    self._queue.remove(request)
            if not waits:
                if not (request.done or request.leads):
                    request.wait()
                if request.leads:
                    self.release()
            raise

    def _lead_and_wake(self, request: Request) -> None:
        try:
            self._lead(request)
        except BaseException as error:  # noqa: BLE001 - nobody else tells the one who awaits it
            request.error = error
        request.leads = False
        request.wake()

    def _lead(self, request: Request) -> None:
        """Serve `request` together with those that wait behind it, up to the next one that wants to hold."""
        group = [request]
        with self._mutex:
            while self._queue and len(group) < LARGEST_GROUP and self._queue[0].operation is not None:
                group.append(self._queue.popleft())
        self._serve(group)

    def _serve(self, group: list[Request]) -> None:
        """Run the operations of `group`, whose first is the caller's, wake the others, and pass the writer on."""
        try:
            self._commit_together(group)
        except BaseException:
            with self._mutex:
                self._queue.extendleft([request for request in reversed(group[1:]) if not request.done])
            raise
        finally:
            for request in group[1:]:
                if request.done:
                    request.wake()
            self.release()

    def _commit_together(self, group: list[Request]) -> None:
        """Commit the whole group; where an operation fails, commit each alone, so that each gets its own error."""
        operations = [request.operation for request in group if request.operation is not None]
        patience = max(request.deadline for request in group) - time.monotonic()
        full = any(request.options.durability == "full" for request in group)
        try:
            connection = self._ready_connection(patience, full=full)
            self._begin(connection)
        except Exception as error:  # noqa: BLE001 - nothing has begun: it is everybody's error
            for request in group:
                request.error = self._typed(error)
        else:
            self._finish_together(connection, operations, group)
        for request in group:
            request.done = True

    def _finish_together(self, connection: Connection, operations: list[Operation], group: list[Request]) -> None:
        try:
            self._finish(connection, operations)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever asked
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

    def _finish(self, connection: Connection, operations: Sequence[Operation]) -> None:
        """Run `operations` in the transaction that has begun, and commit: all of them are stored, or none."""
        try:
            for operation in operations:
                operation(connection)
            connection.run("COMMIT")
        except BaseException as error:
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
        try:
            if connection.in_transaction:
                connection.run("ROLLBACK")
        finally:
            if isinstance(error, (apsw.IOError, apsw.CorruptError)) or connection.in_transaction:
                self.drop_connection()
