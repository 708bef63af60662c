"""The database files that are open in this process, each once, whoever uses them and whatever they call them."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from ._connection import Connection, connect, require_safe_sqlite
from ._forks import Held, at_forks
from ._guards import GUARDS
from ._new_files import create_private
from ._owners import close_all, close_orphans, known_to
from ._readers import MOST_READERS, Readers
from ._requests import Options
from ._turns import Turn, Turns
from ._uris import create_file_of
from ._writer import Writer
from .errors import CannotOpenError, DatabaseClosedError, DatabaseMovedError, SQLiteSessionError, translated

T = TypeVar("T")
Prepare = Callable[[Connection, str], None]
_Identity = tuple[int, int]
"""Device and inode of a file: what its names and links have in common."""

_LOCK = threading.RLock()
_SHARED: dict[_Identity, OpenFile] = {}
_PRIVATE: weakref.WeakSet[OpenFile] = weakref.WeakSet()
_NEVER_CLOSED: list[Connection] = []


class OpenFile:
    """An open database file, or an in-memory database, with its writer and its readers.

    Attributes:
        path: The file, `:memory:` or the URI, as errors name it.
        users: Who uses it; who was dropped without `close` is no user any more.
        opening: The turn at opening it.
        connections: Those of its writer and readers, and what interrupts left open of them.
        lent: Connections that others use, such as a backup, in a turn of `lending`.
        lending: The turns at these.
        in_memory: Whether it is gone with its connection.
        lost: Why this process may not use it, if it may not.
        writer: Who writes.
        readers: Who reads.
    """

    def __init__(self, path: str, identity: _Identity | None = None) -> None:
        self.path = path
        self._real = None if identity is None else os.path.realpath(path)
        self._identity = identity
        self.users: weakref.WeakSet[object] = weakref.WeakSet()
        self.opening = Turns(1)
        self.connections = known_to(self)
        self.lent = known_to(self)
        self.lending = Turns(MOST_READERS)
        self.in_memory = False
        self.lost = ""
        self._opened = False
        self.writer = Writer(path, self._connect_writer, self.require_usable)
        self.readers = Readers(path, self._connect_reader)

    def open(self, options: Options, prepare: Prepare) -> None:
        """Open the file once: create it where it is missing, and let `prepare` see to its schema."""
        self.opening.run(partial(self._open, options, prepare))

    def _open(self, options: Options, prepare: Prepare) -> None:
        if self._opened:
            return
        new = self._real is None
        connection = connect(self.path, seconds=options.busy_timeout, create=new, known=self.connections)
        try:
            with translated(self.path):
                prepare(connection, self.path)
            self.in_memory = not connection.filename
            if new and not self.in_memory:
                self._recognize(connection.filename)
        except BaseException:
            with translated(self.path):  # closing writes the WAL into the file, which may fail too
                connection.close()
            raise
        self.writer.connection = connection
        self._opened = True

    def read(self, operation: Callable[[Connection], T], options: Options) -> T:
        """Return what `operation` reads, all of it from one instant."""
        if self.in_memory:
            found: list[T] = []
            self.writer.run(lambda connection: found.append(operation(connection)), options)
            return found[-1]  # where the group was run again, the last run is the one that counts
        self.require_usable()
        with translated(self.path):
            return self.readers.run(operation, options.busy_timeout)

    def lend(self, seconds: float) -> Connection:
        """Open a connection that reads, for a caller who uses it in turns of `lending`, and closes it in one.

        Raises:
            SQLiteSessionError: It cannot be opened; the type says why.
        """
        if self.readers.closed:
            message = f"database=<{self.path}> was closed"
            raise DatabaseClosedError(message)
        return connect(self.path, seconds=seconds, create=False, reader=True, known=self.lent)

    def _recognize(self, name: str) -> None:
        """Know the file of a URI again; one that is no file for the operating system cannot be known."""
        with suppress(OSError):
            found = os.stat(name)
            self._real, self._identity = os.path.realpath(name), (found.st_dev, found.st_ino)

    def moved(self) -> bool:
        """Tell whether the path no longer leads to the file that is open. Looks at the name, opens nothing."""
        if self._real is None:
            return False
        try:
            found = os.stat(self._real)
        except OSError as error:
            if error.errno is None:  # not of the operating system: TimeoutError, from the handler of a signal
                raise
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
        """Close every connection; the file may be opened anew afterwards."""
        if self._identity is not None and _SHARED.get(self._identity) is self:
            _PRIVATE.add(self)  # where closing fails, forks and the interpreter's end must know of it
            del _SHARED[self._identity]
        if not self.lost:
            with translated(self.path):
                self.readers.turns.run(self._close_connections, alone=True)
        if not self.lent:  # else forks must know of these
            _PRIVATE.discard(self)

    def _close_connections(self) -> None:
        self.readers.closed = True
        self.readers.idle.clear()
        self.writer.close()
        close_all(self.connections)

    def before_fork(self, held: Held) -> None:
        """Close every connection to a file: a child that inherits one corrupts it, even by closing it."""
        held.take(self.opening, Turn())
        held.take(self.writer.turns, Turn())
        held.take(self.readers.turns, Turn(alone=True))
        held.take(self.lending, Turn(alone=True))
        if not self.in_memory:
            self.writer.connection = None
            self.readers.idle.clear()
            close_all(self.connections)
            close_all(self.lent)

    def after_fork_in_child(self) -> None:
        """Forget the parent's threads, and give up what was inherited all the same, such as a private database."""
        if inherited := [*self.connections, *self.lent]:
            _NEVER_CLOSED.extend(inherited)
            self.lost = f"database=<{self.path}> belongs to the process that opened it, of which this one is a fork"
            self.connections.clear()
            self.lent.clear()
        self.opening = Turns(1)
        self.lending = Turns(MOST_READERS)
        self.readers.reset_after_fork()
        self.writer.reset_after_fork()

    def _connect_writer(self) -> Connection:
        if self.in_memory:
            message = f"database=<{self.path}> was lost with its connection"
            raise DatabaseClosedError(message)
        return connect(self.path, seconds=Options.busy_timeout, create=False, known=self.connections)

    def _connect_reader(self) -> Connection:
        return connect(self.path, seconds=Options.busy_timeout, create=False, reader=True, known=self.connections)


def join(path: str, user: object, options: Options, prepare: Prepare) -> OpenFile:
    """Open `path` for `user`, or let `user` join those who have it open in this process.

    Args:
        path: A file name, `:memory:` (private to the user) or a `file:` URI (private too).
        user: Counted as long as it lives, or until it leaves.
        options: The timeout.
        prepare: Brings the schema up to date on the first connection; gets the connection and the path.

    Raises:
        SQLiteSessionError: It cannot be opened; the type says why.
    """
    require_safe_sqlite()
    _ask_guards(path, user)
    private = path == ":memory:" or path.startswith("file:")
    with _LOCK:  # a new file is created under it: closing its descriptor later would drop the locks of who opened it
        if private:
            create_file_of(path)
        file = _registered(path, None if private else _identity(path))
        file.users.add(user)
    try:
        file.open(options, prepare)
    except BaseException:
        leave(file, user)
        raise
    return file


def share(file: OpenFile, user: object) -> None:
    """Let `user` use a file that is open.

    Raises:
        DatabaseClosedError: It was closed.
    """
    with _LOCK:
        if not file.users:
            message = f"database=<{file.path}> was closed"
            raise DatabaseClosedError(message)
        _ask_guards(file.path, user)
        file.users.add(user)


def leave(file: OpenFile, user: object) -> None:
    """Let `user` leave the file; the last to leave closes it."""
    with _LOCK:
        file.users.discard(user)
        if not file.users:
            file.close()


def users_of(file: OpenFile) -> list[object]:
    """Return who uses the file."""
    with _LOCK:
        return list(file.users)


def _ask_guards(path: str, user: object) -> None:
    for guard in GUARDS:
        guard(path, user)


def _registered(path: str, identity: _Identity | None) -> OpenFile:
    """Return the file that is registered for `identity`, or register a new one."""
    if identity is None:
        file = OpenFile(path)
        _PRIVATE.add(file)
        return file
    known = _SHARED.get(identity)
    if known is not None and (known.path == path or not known.moved()):
        return known
    if known is not None:
        _PRIVATE.add(known)  # its managers still hold it; forks and the interpreter's end must know
    close_abandoned()
    file = _SHARED[identity] = OpenFile(path, identity)
    return file


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


def close_abandoned() -> None:
    """Close the files whose users were all dropped without `close`."""
    for file in [file for file in _SHARED.values() if not file.users]:
        file.close()


def _files() -> list[OpenFile]:
    return [*{*_SHARED.values(), *_PRIVATE}]


def _before_fork(held: Held) -> None:
    held.lock(_LOCK)
    for file in _files():
        file.before_fork(held)
    close_orphans()


def _after_fork_in_child() -> None:
    global _LOCK  # noqa: PLW0603 - the inherited lock may count a thread that does not exist here
    _LOCK = threading.RLock()
    for file in _files():
        file.after_fork_in_child()


@atexit.register
def _close_all() -> None:
    """Checkpoint and close what is still open when the interpreter ends."""
    with _LOCK:
        _close_each()


def _close_each() -> None:
    for file in _files():
        try:
            file.close()
        except SQLiteSessionError:  # the WAL keeps what was committed; the next to open the file recovers it
            continue


at_forks(_before_fork, _after_fork_in_child)
