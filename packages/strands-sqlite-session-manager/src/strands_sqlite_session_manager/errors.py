"""The errors a caller can meet, and the one translation from `apsw.Error` to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import apsw

from ._standalone import stands_alone

if TYPE_CHECKING or not stands_alone():
    from strands.types.exceptions import SessionException, StorageError
else:

    class SessionException(Exception):  # noqa: N818 - the SDK's name
        """In place of the SDK's error, where nobody catches it."""

    class StorageError(Exception):
        """In place of the SDK's error, where nobody catches it."""


__all__ = [
    "AlreadyExistsError",
    "CannotOpenError",
    "CodecError",
    "ConflictError",
    "DatabaseBusyError",
    "DatabaseClosedError",
    "DatabaseCorruptError",
    "DatabaseFullError",
    "DatabaseIOError",
    "DatabaseMovedError",
    "DatabaseReadOnlyError",
    "InvalidIdError",
    "InvalidKeyError",
    "NotADatabaseError",
    "NotFoundError",
    "SQLiteSessionError",
    "SchemaTooNewError",
    "SchemaTooOldError",
    "TransferError",
    "UnsafeSQLiteError",
    "translated",
]


class SQLiteSessionError(SessionException, StorageError):
    """Base of every error of this package.

    A `SessionException` and a `StorageError`, so code written for the SDK's managers and storages catches it.

    Attributes:
        hint: What to do about it, one sentence. Part of the message too, where the SDK has no wording of its own.
    """

    default_hint = ""
    shows_hint = True

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Build the error.

        Args:
            message: What is wrong.
            hint: What to do; the class has a default.
        """
        self.hint = self.default_hint if hint is None else hint
        super().__init__(f"{message} | {self.hint}" if self.hint and self.shows_hint else message)


class DatabaseBusyError(SQLiteSessionError):
    """Another process held the lock past the deadline, or changed a file that is read without locks in every attempt.

    Nothing was written.
    """

    default_hint = "try again, or raise busy_timeout; look for a process that keeps a write transaction open"


class DatabaseClosedError(SQLiteSessionError):
    """A session manager or storage was used after `close()`. Nothing was written."""

    default_hint = "build a new session manager or storage on the same file"


class DatabaseCorruptError(SQLiteSessionError):
    """SQLite found the file damaged."""

    default_hint = "stop writing, copy the file with its -wal and -shm, then restore a backup or use sqlite3's .recover"


class DatabaseReadOnlyError(SQLiteSessionError):
    """The file, its folder or its file system does not allow writing. Nothing was written."""

    default_hint = "make the file and its folder writable for this user, or choose another db_path"


class DatabaseFullError(SQLiteSessionError):
    """The disk, or the quota, is full. Nothing was written; what was there is intact."""

    default_hint = "free some space and try again"


class DatabaseIOError(SQLiteSessionError):
    """The operating system failed to read or write the file."""

    default_hint = "look at the disk and the system log before you go on"


class DatabaseMovedError(SQLiteSessionError):
    """The file was deleted, moved or replaced while it was open. Nothing was written."""

    default_hint = "close every session manager and storage on it, put the file back, and build new ones"


class CannotOpenError(SQLiteSessionError):
    """The path cannot be opened as a database file: a folder, a missing permission, a file system without WAL."""

    default_hint = "choose a db_path that names a file in a folder where this user may write"


class NotADatabaseError(SQLiteSessionError):
    """The file is not an SQLite database, or it belongs to another program. It was not changed."""

    default_hint = "choose another db_path"


class SchemaTooNewError(SQLiteSessionError):
    """A newer version of this package wrote the file. It was not changed."""

    default_hint = "upgrade strands-sqlite-session-manager"


class SchemaTooOldError(SQLiteSessionError):
    """An older version of this package wrote the file, and it was opened for reading only. It was not changed."""

    default_hint = "open it once for writing, with a session manager or SessionStore: that brings it up to date"


class UnsafeSQLiteError(SQLiteSessionError):
    """The installed APSW carries an SQLite that can corrupt a WAL database (the WAL-reset bug, 3.7.0 to 3.51.2)."""

    default_hint = "install apsw>=3.51.3.0"


class NotFoundError(SQLiteSessionError):
    """A session, agent, message or multi-agent state that the call needs does not exist. Nothing was written."""

    default_hint = "list the sessions to see which there are"
    shows_hint = False


class AlreadyExistsError(SQLiteSessionError):
    """The session to be created exists. Nothing was written."""

    default_hint = "read the session instead"
    shows_hint = False


class ConflictError(SQLiteSessionError):
    """The message id is taken by other content, others said what the agent has not seen, or the session was rewound.

    The same where it was deleted under the agent. Somebody else is at work on the session. Nothing was overwritten.
    """

    default_hint = "build a new session manager and agent on this session: they start from what is stored"


class CodecError(SQLiteSessionError, ValueError):
    """A value cannot be stored as JSON text, or a stored value cannot be read back. Nothing was written."""

    default_hint = "store text that UTF-8 can hold, numbers, lists and dicts with text keys"


class InvalidIdError(SQLiteSessionError, ValueError):
    """An id holds NUL, holds a lone surrogate, or is longer than 1,024 bytes of UTF-8. Nothing was written."""

    default_hint = "use an id of at most 1,024 bytes of UTF-8, without NUL"


class InvalidKeyError(SQLiteSessionError, ValueError):
    """A storage key or prefix is empty, climbs with `..`, or holds what a key may not. Nothing was written."""

    default_hint = "use a key of names and slashes, at most 1,024 bytes of UTF-8"


class TransferError(SQLiteSessionError):
    """A copy or an import stopped in the middle. What was done until then stays."""

    default_hint = "look at the error that caused it, then go on where it stopped"


_BY_APSW: tuple[tuple[type[apsw.Error], type[SQLiteSessionError], str], ...] = (
    (apsw.BusyError, DatabaseBusyError, "is locked by another process"),
    (apsw.LockedError, DatabaseBusyError, "is locked by another connection"),
    (apsw.ProtocolError, DatabaseBusyError, "is locked while it is being opened"),
    (apsw.NotADBError, NotADatabaseError, "is not an SQLite database"),
    (apsw.FormatError, NotADatabaseError, "is not an SQLite database"),
    (apsw.CorruptError, DatabaseCorruptError, "is damaged"),
    (apsw.FullError, DatabaseFullError, "could not grow: the disk is full"),
    (apsw.ReadOnlyError, DatabaseReadOnlyError, "cannot be written"),
    (apsw.CantOpenError, CannotOpenError, "cannot be opened"),
    (apsw.PermissionsError, DatabaseReadOnlyError, "cannot be accessed"),
    (apsw.TooBigError, CodecError, "cannot hold a value of this size"),
    (apsw.ConnectionClosedError, DatabaseClosedError, "is closed"),
    (apsw.IOError, DatabaseIOError, "could not be read or written"),
)


RAISED_BY_APSW = (apsw.Error, UnicodeError)
"""What APSW raises: `UnicodeError` where text on its way to SQLite or back is not UTF-8."""


def translate(error: apsw.Error | UnicodeError, path: str) -> SQLiteSessionError:
    """Say in this package's terms what `error` means for the database at `path`."""
    if isinstance(error, UnicodeEncodeError):
        return CodecError(f"text=<{error.object[:40]!a}> holds a lone surrogate, which UTF-8 cannot hold")
    if isinstance(error, UnicodeError):
        message = f"database=<{path}> holds a text that is not UTF-8: {error}"
        return CodecError(message, hint="another program has changed the file; see what `verify` finds")
    for source, target, what in _BY_APSW:
        if isinstance(error, source):
            return target(f"database=<{path}> {what}: {error}")
    message = f"database=<{path}> failed: {type(error).__name__}: {error}"
    return SQLiteSessionError(message, hint="another program may have changed the file; see what `verify` finds")


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Let nothing of what APSW raises out of the block: raise the typed error for the database at `path` instead."""
    try:
        yield
    except RAISED_BY_APSW as error:
        raise translate(error, path) from error
