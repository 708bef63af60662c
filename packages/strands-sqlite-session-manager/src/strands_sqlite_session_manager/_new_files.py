"""New files and folders, for this user only."""

from __future__ import annotations

import os
from contextlib import suppress

from .errors import CannotOpenError, DatabaseReadOnlyError


def create_private(path: str) -> None:
    """Create the file `path` and its missing folders for this user only (0600, 0700); leave an existing file alone.

    An existing file is not opened here: closing a descriptor of a live database would drop this process's locks.

    Raises:
        CannotOpenError: A folder cannot be made, or a part of the path is a file.
        DatabaseReadOnlyError: The folder does not allow a new file.
    """
    try:
        _make_folder(os.path.dirname(path))
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if os.path.isdir(os.path.dirname(path) or "."):
            return
        message = f"db_path=<{path}> lies in a folder that is a file"
        raise CannotOpenError(message) from None
    except PermissionError as error:
        message = f"db_path=<{path}> cannot be created: {error.strerror}"
        raise DatabaseReadOnlyError(message) from error
    except (OSError, ValueError) as error:
        message = f"db_path=<{path}> cannot be created: {error}"
        raise CannotOpenError(message) from error


def _make_folder(folder: str) -> None:
    """Make a folder and those above it that are missing, and put their names on the disk: SQLite does that for files.

    As in SQLite, a file system that cannot sync folders is no error.
    """
    if os.path.isdir(folder or "."):
        return
    above = os.path.dirname(folder)
    _make_folder(above)
    with suppress(FileExistsError):  # another process was quicker; a file in its place is noticed when it is opened
        os.mkdir(folder, mode=0o700)
    if os.name != "nt":
        with suppress(OSError):
            descriptor = os.open(above or ".", os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
