"""A second process on a database; it does not import the SDK, so it starts at once.

`retention_process.py open FILE` has it open, and writes a session when it gets a line; `read FILE` and `write FILE`
stay in a transaction until then. Each prints `ready` before, and `done` after.
`retention_process.py append FILE SESSION` appends until its standard input ends, and prints what is stored.
`retention_process.py die FILE TASK TIMES` does the task that often, each time on a copy of the file, and is killed at
another of its writes; it prints the names of the copies.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys

from strands_sqlite_session_manager._standalone import stand_alone

stand_alone()

import apsw  # noqa: E402 - see above
from retained import PLAN, add_message_now, add_session, lengths, text  # noqa: E402

from strands_sqlite_session_manager._connection import Connection  # noqa: E402
from strands_sqlite_session_manager._database import Options  # noqa: E402
from strands_sqlite_session_manager._schema import open_database  # noqa: E402
from strands_sqlite_session_manager.retention import (  # noqa: E402
    _pruning,
    compact,
    erase,
    erase_redacted,
    plan_prune,
    prune,
)

_pruning.ALONE = _pruning.Pace(0, 0)  # one session in a transaction, however fast the machine is

TASKS = {
    "prune": lambda database: prune(database, plan_prune(database, PLAN)),
    "erase": lambda database: erase(database, ["a"]),
    "erase_redacted": erase_redacted,
    "compact": compact,
}


def say(line: object) -> None:
    print(line, flush=True)  # noqa: T201 - how the test hears of it


def wait(connection: Connection) -> None:
    connection.row("SELECT count(*) FROM messages")
    say("ready")
    sys.stdin.readline()


def hold(path: str, task: str) -> None:
    database = open_database(path, Options(durability="normal"))
    if task == "read":
        database.read(wait)
    elif task == "write":
        database.write(wait)
    else:
        lengths(database)
        say("ready")
        if sys.stdin.readline():
            add_session(database, "holder", text("still here"))
    say("done")
    sys.stdin.read()
    database.close()


def append(path: str, session_id: str) -> None:
    database = open_database(path, Options(durability="normal"))
    number = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        add_message_now(database, session_id, text(f"message {number}"))
        say(number)
        number += 1
    database.close()


class MortalVFS(apsw.VFS):
    """Kills its process just before a write or sync; counts them where there is none to die at."""

    def __init__(self, last: int | None) -> None:
        self.name = "mortal"
        super().__init__(self.name, "")
        self.last = last
        self.count = 0
        self.armed = False

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _MortalFile(self, name, flags)

    def step(self) -> None:
        if self.armed:
            if self.count == self.last:
                os.kill(os.getpid(), signal.SIGKILL)
            self.count += 1


class _MortalFile(apsw.VFSFile):
    def __init__(self, vfs: MortalVFS, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._vfs = vfs

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._vfs.step()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._vfs.step()
        super().xSync(flags)


def run_mortal(path: str, task: str, last: int | None) -> int:
    """Do the task; return how many writes and syncs it took."""
    vfs = MortalVFS(last)
    database = open_database(f"file:{path}?vfs={vfs.name}")
    vfs.armed = True
    TASKS[task](database)
    vfs.armed = False
    database.close()
    return vfs.count


def fork(path: str, task: str, last: int | None) -> int:
    """Do the task in a process of its own; return how many writes it took, if it was not killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str(run_mortal(path, task, last)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        count = pipe.read()
    _, status = os.waitpid(child, 0)
    assert (os.WTERMSIG(status) == signal.SIGKILL) if last is not None else status == 0, (status, last)
    return int(count or 0)


def die(path: str, task: str, times: str) -> None:
    whole = shutil.copy(path, f"{path}.whole")
    writes = fork(whole, task, None)
    for number in range(int(times)):
        copy = shutil.copy(path, f"{path}.{number}")
        fork(copy, task, writes * number // int(times))
        say(copy)


def main(task: str, path: str, *rest: str) -> None:
    if task == "die":
        die(path, *rest)
    elif task == "append":
        append(path, *rest)
    else:
        hold(path, task)


main(*sys.argv[1:])
