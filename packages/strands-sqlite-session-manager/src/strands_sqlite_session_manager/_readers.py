"""A bounded pool of connections that only read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

import apsw

from ._connection import Connection
from ._turns import Turn, Turns
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
        self._turns = Turns(MOST_READERS)

    def run(self, operation: Callable[[Connection], T], seconds: float) -> T:
        """Return what `operation` returns; all it reads is from one instant.

        Raises:
            DatabaseClosedError: The pool was closed.
            apsw.Error: What SQLite said.
            BaseException: Whatever `operation` raised.
        """
        mine = Turn()
        try:
            self._turns.take(mine)
            return self._read(operation, seconds)
        finally:
            try:
                self._turns.leave(mine)
            except BaseException:
                self._turns.leave(mine)
                raise

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
            self._idle.append(connection)
            raise
        self._idle.append(connection)
        return result

    def hold(self, mine: Turn) -> None:
        """Wait until nobody reads, let nobody begin before `release`, and close every connection."""
        self._turns.take(mine)
        while self._idle:
            self._idle.pop().close()

    def release(self, mine: Turn) -> None:
        """Let callers read again, also where `hold` failed."""
        self._turns.leave(mine)

    def reset_after_fork(self) -> list[Connection]:
        """Let callers read in a forked child, where no other thread exists; return what it inherited unasked."""
        self._turns = Turns(MOST_READERS)
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
