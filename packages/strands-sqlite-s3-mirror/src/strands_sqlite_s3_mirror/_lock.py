"""One push at a time from one database to one place: two at once would mix older objects with newer ones."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import LocalDiskError, MirrorConflictError

if TYPE_CHECKING:
    from strands_sqlite_session_manager._database import Database

if os.name == "nt":
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]

else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_HELD = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}


class PushUnderWayError(MirrorConflictError):
    """Another push of this database to the same place is under way: it will end."""


@contextmanager
def one_push(database: Database, place: str) -> Iterator[None]:
    """Keep every other push of `database` to `place` out, in this process and in others, while the block runs.

    The lock is on a file beside the database, which is gone afterwards. Where the process is killed, the operating
    system gives the lock back, and the next push takes the file over.

    Raises:
        PushUnderWayError: Another one is under way.
        LocalDiskError: The file cannot be made or locked.
    """
    name = database.read(lambda connection: connection.filename)
    if not name:  # in memory: nobody else has it
        yield
        return
    path = f"{os.path.realpath(name)}-mirror-{hashlib.sha256(place.encode()).hexdigest()[:8]}"
    descriptor = _take(path, place)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows deletes no file that is open; then it stays, empty
            Path(path).unlink()
        os.close(descriptor)


def _take(path: str, place: str) -> int:
    """Return the descriptor of the file at `path`, locked."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            message = f"file=<{path}> cannot be made: {error.strerror}"
            raise LocalDiskError(message, hint="let this user write in the folder of the database") from error
        try:
            _try_lock(descriptor)
            if _is_at(descriptor, path):
                return descriptor
        except OSError as error:
            os.close(descriptor)
            if error.errno not in _HELD:
                message = f"file=<{path}> cannot be locked: {error.strerror}"
                hint = "keep the database where files can be locked: on a local disk"
                raise LocalDiskError(message, hint=hint) from error
            message = f"place=<{place}> | another push of this database is under way"
            raise PushUnderWayError(message, hint="wait until it is done, then run it again") from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # whoever had the lock has deleted the file


def _is_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), Path(path).stat())
    except FileNotFoundError:
        return False
