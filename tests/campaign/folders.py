"""Where databases are broken: folders in memory, where there is one, which are gone when their process is."""

from __future__ import annotations

import atexit
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of a random name is made in it
_PREFIX = "strands-sqlite-campaign-"


def new_folder() -> TemporaryDirectory[str]:
    """Return a folder, in memory where there is one: thousands of examples need not wait for the disk."""
    return TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", dir=MEMORY if MEMORY.is_dir() else None)


def lasting_folder() -> Path:
    """Return a folder that is there until this process ends."""
    folder = new_folder()
    atexit.register(folder.cleanup)
    return Path(folder.name)


def remove_left_over() -> None:
    """Remove the folders of processes that were killed."""
    for folder in MEMORY.glob(f"{_PREFIX}*"):
        try:
            os.kill(int(folder.name.removeprefix(_PREFIX).partition("-")[0]), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)  # others that begin now remove it too
        except PermissionError:
            continue  # another user's, and alive
