"""A bounded pool of connections that only read."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import apsw

from ._connection import Connection
from .errors import DatabaseClosedError

T = TypeVar("T")

MOST_READERS = 8
"""How many connections may read one database at once; further callers wait for one."""


class Readers:
    """Lends connections to callers on any thread, one read transaction at a time each."""

    def __init__(self, path: str, connect: Callable[[], Connection]) -> None:
        """Build an empty pool that opens connections to `path` with `connect` as they are needed."""
        self.closed = False
        self._path = path
        self._connect = connect
        self._idle: deque[Connection] = deque()
        self._places = threading.BoundedSemaphore(MOST_READERS)

    def run(self, operation: Callable[[Connection], T], seconds: float) -> T:
        """Return what `operation` returns; all it reads is from one instant.

        Raises:
            DatabaseClosedError: The pool was closed.
            apsw.Error: What SQLite said.
            BaseException: Whatever `operation` raised.
        """
        with self._places:
            connection = self._take()
            connection.patience = seconds
            try:
                connection.run("BEGIN")
                result = operation(connection)
                connection.run("COMMIT")
            except apsw.Error:
                connection.close()
                raise
            except BaseException:
                if connection.in_transaction:
                    connection.run("ROLLBACK")
                self._idle.append(connection)
                raise
            self._idle.append(connection)
            return result

    def hold(self) -> None:
        """Wait until nobody reads, let nobody begin before `release`, and close every connection."""
        for _ in range(MOST_READERS):
            self._places.acquire()
        try:
            while self._idle:
                self._idle.pop().close()
        except BaseException:  # the last to close a file writes its WAL into it, which may fail
            self.release()
            raise

    def release(self) -> None:
        """Let callers read again."""
        for _ in range(MOST_READERS):
            self._places.release()

    def reset_after_fork(self) -> list[Connection]:
        """Let callers read in a forked child, where no other thread exists; return what it inherited unasked."""
        self._places = threading.BoundedSemaphore(MOST_READERS)
        inherited, self._idle = self._idle, deque()
        return list(inherited)

    def _take(self) -> Connection:
        if self.closed:
            message = f"database=<{self._path}> was closed"
            raise DatabaseClosedError(message)
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()
