"""Programs that back a file up or repair it, and are killed meanwhile; they start fast, without the SDK.

`python -m tests.core.store.caring TASK ARGUMENTS…` in the root of the project.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

from strands_sqlite_session_manager import _standalone

_standalone.stand_alone()

from strands_sqlite_session_manager._schema import open_database, open_for_reading  # noqa: E402 - without the SDK
from strands_sqlite_session_manager.errors import SQLiteSessionError  # noqa: E402
from strands_sqlite_session_manager.maintenance import back_up, repair  # noqa: E402
from tests.core.store.disks import EveryFile  # noqa: E402


def say(value: object) -> None:
    os.write(1, f"{json.dumps(value)}\n".encode())


def stop_in_the_middle(db: str, target: str, *overwrite: str) -> None:
    """Back up, tell when the first pages are copied, and go no further until standard input is closed."""

    def progress(done: int, total: int) -> None:
        say([done, total])
        sys.stdin.read()

    with closing(open_database(db)) as database:
        try:
            back_up(database, target, progress=progress, overwrite=bool(overwrite))
            say("made")
        except SQLiteSessionError as error:
            say(type(error).__name__)


def append(db: str) -> None:
    """Write to two agents at once, until standard input is closed."""
    insert = """
    INSERT INTO messages (change_id, session_id, agent_id, message_id, message)
    SELECT (SELECT max(change_id) FROM messages) + 1, 'talk', ?1, (
        SELECT max(message_id) + 1 FROM messages WHERE agent_id = ?1
    ), '{"role":"user","content":[]}'
    """
    with closing(open_database(db)) as database:
        for written in count(1):
            database.write(lambda connection: [connection.run(insert, (agent,)) for agent in ("guide", "eye")])
            if written == 10:
                say("writing")
            if select.select([0], [], [], 0)[0]:
                say(written)
                return


def as_another_user(db: str, folder: str) -> None:
    """Back up into a folder where only its owner may write."""
    with closing(open_for_reading(db)) as database:
        if os.getuid() == 0:
            os.setuid(65534)
        try:
            back_up(database, f"{folder}/copy.db")
        except SQLiteSessionError as error:
            say(type(error).__name__)


def _die_at(call: int, run: Callable[[], object]) -> int:
    """Run in a process that is killed at its nth write or sync; return its exit code."""
    child = os.fork()
    if child == 0:
        vfs = EveryFile("dying")

        def fault(*_: str) -> None:
            if sum(vfs.calls.values()) == call:
                os.kill(os.getpid(), signal.SIGKILL)

        vfs.fault = fault
        run()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_everywhere(task: str, db: str, folder: str) -> None:
    """Do it again and again, killed some writes later each time, until it comes to its end; each in a folder."""
    for call in count(1, 1 if task == "repair" else 7):
        own = Path(folder, str(call))
        own.mkdir()
        copy = str(shutil.copy(db, own / "sessions.db"))

        def run(copy: str = copy, own: Path = own) -> None:
            with closing(open_database(copy)) as database:
                if task == "repair":
                    repair(database)
                else:
                    back_up(database, own / "target.db", overwrite=True)

        shutil.copy(db, own / "target.db")
        if _die_at(call, run) == 0:
            say(call)
            return


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
