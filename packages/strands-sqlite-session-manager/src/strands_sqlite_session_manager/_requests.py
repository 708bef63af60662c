"""Operations on a database, how they are to be run, and the requests in which they wait for their turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal

from ._connection import Connection

Durability = Literal["full", "normal"]
Operation = Callable[[Connection], None]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How writes behave.

    Attributes:
        durability: `"full"`: a write that returned survives power loss. `"normal"`: it survives a crash of the
            process; power loss may take the last commits, never the consistency of the file.
        busy_timeout: How long to wait for another process's lock, in seconds.
    """

    durability: Durability = "full"
    busy_timeout: float = 30.0

    def __post_init__(self) -> None:
        """Refuse what SQLite would misread.

        Raises:
            ValueError: An unknown durability, or a negative timeout.
        """
        if self.durability not in ("full", "normal"):
            message = f"durability=<{self.durability}> | must be 'full' or 'normal'"
            raise ValueError(message)
        if not self.busy_timeout >= 0:
            message = f"busy_timeout=<{self.busy_timeout}> | must be a number of seconds, zero or more"
            raise ValueError(message)


class OneStatement:
    """An operation that usually is a single statement, which SQLite commits by itself."""

    def __call__(self, connection: Connection) -> None:
        """Run the operation inside a transaction, whatever it takes."""
        raise NotImplementedError

    def at_once(self, connection: Connection) -> bool:
        """Run the statement outside of a transaction; return whether that was all, else nothing was written."""
        raise NotImplementedError


class Request:
    """An operation that waits for its turn, then for its commit, on a thread of the caller."""

    __slots__ = ("deadline", "done", "error", "leads", "operation", "options", "turn")

    def __init__(self, operation: Operation | None, options: Options) -> None:
        self.operation = operation
        self.options = options
        self.deadline = time.monotonic() + options.busy_timeout
        self.error: BaseException | None = None
        self.leads = False
        self.done = False
        self.turn: threading.Lock | None = None

    def queued(self) -> None:
        """Get ready to wait."""
        self.turn = threading.Lock()
        self.turn.acquire()

    def wake(self) -> None:
        """Let the caller go on: to lead, or with what came of its operation."""
        if self.turn is not None:
            self.turn.release()

    def wait(self) -> None:
        """Wait for `wake`."""
        if self.turn is not None:
            self.turn.acquire()


class AsyncRequest(Request):
    """An operation whose caller awaits a future; a thread of the writer leads for it."""

    __slots__ = ("_lead", "future")

    def __init__(self, operation: Operation, options: Options, lead: Callable[[Request], None]) -> None:
        super().__init__(operation, options)
        self.future: Future[None] = Future()
        self.future.set_running_or_notify_cancel()
        self._lead = lead

    def queued(self) -> None:
        """Need nothing: the future is what the caller waits for."""

    def wake(self) -> None:
        """Have a thread lead, or finish the future."""
        if self.leads:
            self._lead(self)
        elif self.error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(self.error)
