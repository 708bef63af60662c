"""Forks of the test's own process."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from .waiting import PATIENCE


def descriptors(path: Path) -> list[str]:
    """Return what this process has open of a database: the file, its WAL, its index."""
    found = []
    for descriptor in list(Path("/proc/self/fd").iterdir()):
        try:
            name = str(descriptor.readlink())
        except FileNotFoundError:
            continue
        if name.removesuffix(" (deleted)").removesuffix("-wal").removesuffix("-shm") == str(path):
            found.append(name)
    return found


def fork(path: Path, work: Callable[[], object] = lambda: None, *, inherits: bool = False) -> None:
    """Fork; the child must have nothing of the database open, or something if it `inherits`, and does `work`."""
    if (child := os.fork()) == 0:
        status = 1
        try:
            sys.settrace(None)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(int(PATIENCE))
            if bool(descriptors(path)) is not inherits:
                status = 2
            else:
                work()
                status = 0
        finally:
            os._exit(status)
    sys.settrace(None)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
