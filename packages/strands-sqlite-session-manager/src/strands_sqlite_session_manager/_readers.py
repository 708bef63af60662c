"""A bounded pool of connections that only read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import apsw

from ._connection import Connection
from ._turns import Turns
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
        self.idle: deque[Connection] = deque()
        self.turns = Turns(MOST_READERS)

    def run(self, operation: Callable[[Connection], T], seconds: float) -> T:
        """Return what `operation` returns; all it reads is from one instant.

        Raises:
            DatabaseClosedError: The pool was closed.
            apsw.Error: What SQLite said.
            BaseException: Whatever `operation` raised.
        """
        return self.turns.run(partial(self._read, operation, seconds))

    def _read(self, operation: Callable[[Connection], T], seconds: float) -> T:
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
            self.idle.append(connection)
            raise
        self.idle.append(connection)
        return result

    def reset_after_fork(self) -> None:
        """Let callers read in a forked child, where no other thread exists, on connections of its own."""
        self.idle = deque()
        self.turns = Turns(MOST_READERS)

    def _take(self) -> Connection:
        if self.closed:
            message = f"database=<{self._path}> was closed"
            raise DatabaseClosedError(message)
        try:
            return self.idle.pop()
        except IndexError:
            return self._connect()
