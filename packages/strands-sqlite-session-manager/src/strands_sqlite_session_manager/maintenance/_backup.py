"""Copies of a database that is in use, checked before they get their name."""

from __future__ import annotations

import errno
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from glob import escape, iglob

import apsw

from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._new_files import create_private
from strands_sqlite_session_manager.errors import (
    AlreadyExistsError,
    CannotOpenError,
    DatabaseCorruptError,
    DatabaseFullError,
    DatabaseIOError,
    DatabaseReadOnlyError,
    SQLiteSessionError,
    translated,
)
from strands_sqlite_session_manager.maintenance._copying import Progress, copy_pages

ABANDONED_SECONDS = 3600
"""A partial file that nobody has written to for so long, and that nobody has locked, is of a process that is gone."""

_SIDECARS = ("-wal", "-journal")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_COUNTS = "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM messages)"


@dataclass(frozen=True)
class Backup:
    """A copy of the database that was checked.

    Attributes:
        path: Where it is.
        bytes: How large it is.
        sessions: How many sessions it holds.
        messages: How many messages it holds.
    """

    path: str
    bytes: int
    sessions: int
    messages: int


def back_up(
    database: Database, target: str | os.PathLike[str], *, progress: Progress | None = None, overwrite: bool = False
) -> Backup:
    """Copy the database to `target`, as it is at one instant, while others go on writing to it.

    The copy is made in a file of its own, `<target>.<random>.partial` (readable for this user only), checked with
    `integrity_check` and `foreign_key_check`, synced to disk, and only then gets its name. What was there before is
    whole until that moment, whatever happens; after a failure the partial file is gone. A process that is killed leaves
    it behind; a backup to the same target removes it once it is an hour old. Of several backups to one target at once,
    the last to end stays with `overwrite`, and the first without it. The copy is one file, without a WAL, and opens
    like any other database.

    A database in memory can be backed up too.

    ```python
    from strands_sqlite_session_manager import SessionStore

    with SessionStore("sessions.db") as store:
        backup = store.back_up("sessions-copy.db", overwrite=True)
        print(backup.sessions, "sessions,", backup.bytes, "bytes")
    ```

    Args:
        database: What to copy.
        target: The file to make; missing folders are made too. A link is followed.
        progress: Called with the pages copied and the pages there are, while nothing is locked. Where others write all
            the time, the number falls back a few times, and the rest comes at once.
        overwrite: Whether `target` may exist, and is then replaced.

    Returns:
        What was copied.

    Raises:
        AlreadyExistsError: `target` exists and may not be overwritten, or is a database that is open.
        DatabaseCorruptError: The copy did not pass the checks, because the database is damaged.
        DatabaseBusyError: The database is locked.
        SQLiteSessionError: The copy could not be written; the type says why, such as a full disk.
        ValueError: `target` is the database itself, or one of the files that SQLite keeps beside it.
    """
    database.require_open()
    path = _resolved(target)
    partial = f"{path}.{secrets.token_hex(8)}.partial"
    _require_another_file(database, path)
    _require_free(path, overwrite=overwrite)
    _remove_abandoned(path)
    with _claimed(partial) as copy:
        with translated(f"{database.path} -> {path}"):
            sessions, messages = _fill(database, copy, path, progress)
        copy.close()
        with _system_errors(path):
            size = _publish(partial, path, overwrite=overwrite)
    return Backup(path, size, sessions, messages)


def _fill(database: Database, copy: apsw.Connection, path: str, progress: Progress | None) -> tuple[int, int]:
    """Copy the database, make one file of it, and check it; return how many sessions and messages it holds."""
    copy_pages(database, copy, progress)
    copy.execute("PRAGMA journal_mode = DELETE")
    _require_sound(copy, path)
    sessions, messages = next(copy.execute(_COUNTS))
    return sessions, messages


def _publish(partial: str, path: str, *, overwrite: bool) -> int:
    """Let the copy have its name when it is on disk; return its size."""
    _sync(partial)
    size = os.path.getsize(partial)
    _put_in_place(partial, path, overwrite=overwrite)
    _sync_folder(path)
    return size


def _resolved(target: str | os.PathLike[str]) -> str:
    name = os.fsdecode(target)
    if not name:
        message = "target=<> | must name a file"
        raise ValueError(message)
    path = os.path.realpath(os.path.expanduser(name))
    if os.path.isdir(path):
        message = f"target=<{path}> is a folder"
        raise CannotOpenError(message, hint="name the file that the backup is to be")
    return path


def _require_another_file(database: Database, path: str) -> None:
    """Refuse to write to the live file or to what SQLite keeps beside it, by whatever name.

    Raises:
        ValueError: `path` leads there.
    """
    live = os.path.realpath(database.read(lambda connection: connection.filename) or "")
    if database.in_memory:
        return
    for own in (live, *(f"{live}{suffix}" for suffix in ("-wal", "-shm", "-journal"))):
        if path == own or (os.path.exists(path) and os.path.exists(own) and os.path.samefile(path, own)):
            message = f"target=<{path}> | is the database itself: choose another file for its backup"
            raise ValueError(message)


def _require_free(path: str, *, overwrite: bool) -> None:
    """Refuse a target that exists, and one with a journal beside it: SQLite would play that back into the copy.

    Raises:
        AlreadyExistsError: It is not free.
    """
    if not overwrite and os.path.lexists(path):
        message = f"target=<{path}> exists"
        raise AlreadyExistsError(message, hint="choose another target, or overwrite it")
    for suffix in _SIDECARS:
        if os.path.exists(f"{path}{suffix}"):
            message = f"target=<{path}> has a file {os.path.basename(path)}{suffix}: it is open, or was not closed"
            raise AlreadyExistsError(message, hint="close the database there, or choose another target")


@contextmanager
def _claimed(partial: str) -> Iterator[apsw.Connection]:
    """Make the file for the copy, and keep it locked; on any failure it is removed."""
    create_private(partial)
    with translated(partial):
        copy = apsw.Connection(partial, flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            _lock(copy)
        except BaseException:
            copy.close()
            _remove(partial)
            raise
    try:
        yield copy
    except BaseException:
        copy.close()
        _remove(partial)
        raise


def _lock(copy: apsw.Connection) -> None:
    """Show that the file is in use, until it is closed; what is half written is never read, so it needs no journal.

    The checks of the copy call no function that the schema of a foreign file names.
    """
    copy.execute("PRAGMA trusted_schema = OFF")
    copy.execute("PRAGMA locking_mode = EXCLUSIVE")
    copy.execute("PRAGMA journal_mode = OFF")
    copy.execute("PRAGMA synchronous = OFF")
    copy.execute("BEGIN EXCLUSIVE; COMMIT")


def _remove_abandoned(path: str) -> None:
    """Remove what killed processes left behind: a backup that lives has its lock, or has written a moment ago."""
    for name in iglob(f"{escape(path)}.{'[0-9a-f]' * 16}.partial"):
        with suppress(OSError):
            if time.time() - os.path.getmtime(name) > ABANDONED_SECONDS and not _is_locked(name):
                _remove(name)


def _is_locked(partial: str) -> bool:
    """Tell whether a process holds the file, or may hold it."""
    try:
        other = apsw.Connection(partial, flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            other.execute("BEGIN EXCLUSIVE; ROLLBACK")
        finally:
            other.close()
    except (apsw.NotADBError, apsw.CorruptError):  # half a database: nobody will read it
        return False
    except apsw.Error:
        return True
    return False


def _remove(partial: str) -> None:
    for path in (partial, *(f"{partial}{suffix}" for suffix in (*_SIDECARS, "-shm"))):
        with suppress(FileNotFoundError):
            os.remove(path)


def _require_sound(copy: apsw.Connection, path: str) -> None:
    problems = [str(row[0]) for row in copy.execute("PRAGMA integrity_check(1)")]
    if problems == ["ok"]:
        problems = [f"a row of {row[0]} lacks its {row[2]}" for row in copy.execute("PRAGMA foreign_key_check")]
    if problems:
        message = f"target=<{path}> was not made, the copy is damaged: {problems[0]}"
        raise DatabaseCorruptError(message, hint="run `verify` on the database: it says what is wrong, and what to do")


def _put_in_place(partial: str, path: str, *, overwrite: bool) -> None:
    _require_free(path, overwrite=overwrite)  # somebody may have been quicker
    if overwrite:
        os.replace(partial, path)
        return
    try:
        os.link(partial, path)  # where a rename would replace what is there
    except FileExistsError:
        _require_free(path, overwrite=False)
        raise
    except OSError:  # a file system without links
        os.rename(partial, path)
    else:
        os.remove(partial)


@contextmanager
def _system_errors(path: str) -> Iterator[None]:
    """Let no `OSError` out of the block, but the typed error."""
    try:
        yield
    except PermissionError as error:
        message = f"target=<{path}> cannot be written: {error.strerror}"
        raise DatabaseReadOnlyError(message) from error
    except OSError as error:
        kind: type[SQLiteSessionError] = DatabaseFullError if error.errno in _FULL else DatabaseIOError
        message = f"target=<{path}> cannot be written: {error}"
        raise kind(message) from error


def _sync(partial: str) -> None:
    descriptor = os.open(partial, os.O_RDWR)
    try:
        os.fsync(descriptor)
        if sys.platform == "darwin":  # there fsync leaves the data in the drive's own cache
            import fcntl  # noqa: PLC0415 - not on every system

            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    finally:
        os.close(descriptor)


def _sync_folder(path: str) -> None:
    """Let the name be on disk too; Windows does that by itself."""
    if os.name == "nt":
        return
    descriptor = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
