"""A second process on a database; it does not import the SDK, so it starts at once.

`meanwhile_process.py FILE SESSION` appends messages to a session, a transaction each, prints the id of each when it is
stored, and ends when its standard input does.
"""

from __future__ import annotations

import select
import sys
from typing import Any

from strands_sqlite_session_manager._standalone import stand_alone

stand_alone()

from retained import add_message, text  # noqa: E402 - what it imports must know that it stands alone

from strands_sqlite_session_manager._database import Options  # noqa: E402
from strands_sqlite_session_manager._schema import open_database  # noqa: E402

_PACE = 0.005
"""Seconds between two messages: a session that grows without bound would make everything else slow."""
_LAST = "SELECT max(message_id) FROM messages WHERE session_id = ?"


def main(path: str, session_id: str) -> None:
    """Append until standard input ends."""
    database = open_database(path, Options(durability="normal"))
    stored: list[int] = []

    def append(connection: Any) -> None:
        add_message(connection, session_id, text("meanwhile"))
        stored[:] = connection.row(_LAST, (session_id,))

    while not select.select([sys.stdin], [], [], _PACE)[0]:
        database.write(append)
        print(stored[0], flush=True)  # noqa: T201 - the parent reads it
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
