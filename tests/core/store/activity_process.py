"""A second process: it brings activities up to date, alone or while it writes, until it is told to stop or killed."""

from __future__ import annotations

import sys
import threading

from strands_sqlite_session_manager._standalone import stand_alone

stand_alone()

from cataloged import at, put_message  # noqa: E402 - what it imports must know that it stands alone

from strands_sqlite_session_manager import _activity, catalog  # noqa: E402
from strands_sqlite_session_manager._schema import open_database  # noqa: E402


def write_and_follow(path: str) -> None:
    """Append messages to ten sessions, and bring activities up to date between them."""
    stopped = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), stopped.set()), daemon=True).start()
    database = open_database(path)
    number = 0
    while not stopped.is_set():
        session_id, time = f"s{number % 10:05}", at(100_000 + number)
        database.write(lambda connection, s=session_id, t=time: put_message(connection, s, "a", time=t))  # type: ignore[misc]
        if number % 5 == 0:
            _activity.catch_up(database)
        if number == 0:
            print("writing", flush=True)  # noqa: T201 - how it reports
        number += 1
    database.close()


def follow_slowly(path: str) -> None:
    """Bring activities up to date in many small transactions; say so after the first."""
    _activity.BATCH_SESSIONS = 2
    database = open_database(path)
    write = database.write

    def telling(operation: object) -> None:
        write(operation)  # type: ignore[arg-type]
        print("wrote", flush=True)  # noqa: T201 - how it reports

    database.write = telling  # type: ignore[assignment,method-assign]
    _activity.catch_up(database)
    database.close()


def note(path: str) -> None:
    """Note values about a session, one transaction each, without an end."""
    database = open_database(path)
    number = 0
    while True:
        catalog.set_metadata(database, "s00000", {"a": number, "b": number})
        if number == 3:
            print("noting", flush=True)  # noqa: T201 - how it reports
        number += 1


if __name__ == "__main__":
    {"write": write_and_follow, "follow": follow_slowly, "note": note}[sys.argv[1]](sys.argv[2])
