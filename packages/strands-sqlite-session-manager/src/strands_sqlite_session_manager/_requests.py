"""Operations on a database, how they are to be run, and the requests in which they wait for their turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ._connection import Connection
from ._turns import Turn

if TYPE_CHECKING:
    import asyncio  # a command has no loop, and has listed its sessions before this would be imported

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


class Request(Turn):
    """An operation that waits for its turn, then for its commit, on a thread of the caller."""

    __slots__ = ("deadline", "error", "operation", "options")

    def __init__(self, operation: Operation, options: Options) -> None:
        super().__init__()
        self.operation = operation
        self.options = options
        self.deadline = time.monotonic() + options.busy_timeout
        self.error: BaseException | None = None


class AsyncRequest(Request):
    """An operation whose caller awaits a future of its loop; a thread of the writer leads for it."""

    __slots__ = ("_lead", "_loop", "future")

    def __init__(
        self,
        operation: Operation,
        options: Options,
        loop: asyncio.AbstractEventLoop,
        lead: Callable[[AsyncRequest], None],
    ) -> None:
        super().__init__(operation, options)
        self._loop = loop
        self._lead = lead
        self.future: asyncio.Future[None] = loop.create_future()

    def prepare(self) -> None:
        """Need nothing: the future is what the caller waits for."""

    def wake(self) -> None:
        """Have a thread lead, or the loop finish the future. Again is fine."""
        if not self.done:
            self._lead(self)
            return
        try:
            self._loop.call_soon_threadsafe(self._finish)
        except RuntimeError:
            if not self._loop.is_closed():
                raise

    def _finish(self) -> None:
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(self.error)
