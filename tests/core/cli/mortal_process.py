"""Runs the command again and again, each time in a process that is killed at a given write; it does not import the SDK.

Each line of standard input is a JSON list: the arguments of the command, and the number of the write or sync of SQLite
that is not done any more, or null. For each it prints a JSON list: the exit code (-9 after the kill), and how many
writes and syncs there were.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import sys

import apsw

from strands_sqlite_session_manager._standalone import stand_alone

_MODULE = "strands_sqlite_session_manager"
# what commands import when they need it: imported once, before the forks, it need not be imported by each of them
_NEEDED = (
    "cli._app",
    "store",
    *(f"cli._{name}" for name in ("branching", "caring", "catalog", "labels", "moving")),
    "cli._removing",
    "catalog",
    "history",
    "maintenance",
    "message_search",
    "retention",
    "transfer",
)


class MortalVFS(apsw.VFS):
    """Every file of every connection; kills the process just before one of its writes and syncs."""

    def __init__(self, last: int | None) -> None:
        self.base = apsw.vfs_names()[0]
        super().__init__("mortal", self.base, makedefault=True)
        self.last = last
        self.count = 0

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _MortalFile(self, name, flags)

    def step(self) -> None:
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


class _MortalFile(apsw.VFSFile):
    def __init__(self, vfs: MortalVFS, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        super().__init__(vfs.base, name, flags)
        self._vfs = vfs

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._vfs.step()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._vfs.step()
        super().xSync(flags)

    def xLock(self, level: int) -> None:  # noqa: N802
        try:
            super().xLock(level)
        except apsw.IOError as error:
            # a file that is open for reading takes no lock to write; SQLite tries when it closes it, and does not mind
            raise apsw.BusyError from error


def run(arguments: list[str], last: int | None, result: int) -> None:
    """Run the command as `python -m` does, and say how many writes it took."""
    vfs = MortalVFS(last)
    sys.argv = [_MODULE, *arguments]
    os.dup2(2, 1)  # what the command prints is not what the parent reads
    try:
        runpy.run_module(_MODULE, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    sys.stdout.flush()
    os.write(result, json.dumps([code, vfs.count]).encode())


def fork(arguments: list[str], last: int | None) -> list[int]:
    """Run the command in a process of its own; return its exit code, and the number of its writes."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            run(arguments, last, writer)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return json.loads(said) if said else [-os.WTERMSIG(status), last]


def main() -> None:
    """Do what standard input says, until it ends."""
    stand_alone()
    for name in _NEEDED:
        importlib.import_module(f"{_MODULE}.{name}")
    for line in sys.stdin:
        print(json.dumps(fork(*json.loads(line))), flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main()
