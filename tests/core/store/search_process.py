"""A process that writes messages or indexes them; it does not import the SDK, so it starts at once.

`search_process.py FILE append SESSION` appends messages with the words "drop" and their number, each printed when it is
stored, and ends when its standard input does.
`search_process.py FILE overwrite SESSION` writes the message 0 anew again and again, always with the word "constant".
`search_process.py FILE search` searches, and says how many messages have "common".
`search_process.py FILE kill STEPS` indexes, and kills itself after so many hundred steps of SQLite's machine.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from typing import Any

from strands_sqlite_session_manager._standalone import stand_alone

stand_alone()

from strands_sqlite_session_manager._codec import dumps  # noqa: E402 - see above
from strands_sqlite_session_manager._database import Database, Options  # noqa: E402
from strands_sqlite_session_manager._schema import open_database  # noqa: E402
from strands_sqlite_session_manager.message_search import search_messages  # noqa: E402
from strands_sqlite_session_manager.repository._records import next_change  # noqa: E402

_STEPS = 100
_APPEND = f"""
INSERT INTO messages (change_id, session_id, agent_id, message_id, message)
SELECT {next_change("messages")}, ?1, 'agent', 1 + ifnull(max(message_id), -1), ?2 FROM messages WHERE session_id = ?1
"""
_OVERWRITE = f"""
UPDATE messages SET change_id = {next_change("messages")}, message = ? WHERE session_id = ? AND message_id = 0
"""


def user(text: str) -> str:
    """Return a message of the user."""
    return dumps({"role": "user", "content": [{"text": text}]})


def write(database: Database, session_id: str, *, overwrite: bool) -> None:
    """Write messages until standard input ends."""
    number = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        text = user(f"drop constant {number}")
        sql, values = (_OVERWRITE, (text, session_id)) if overwrite else (_APPEND, (session_id, text))
        database.write(lambda connection, sql=sql, values=values: connection.run(sql, values))
        print(number, flush=True)  # noqa: T201 - the parent reads it
        number += 1


def kill_after(database: Database, steps: int) -> None:
    """Let the process be killed in the middle of what it writes next."""
    left = [steps]

    def count() -> bool:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    def watch(connection: Any) -> None:
        connection.set_progress_handler(count, _STEPS)

    database.write(watch)


def main() -> None:
    """Do as the arguments say."""
    path, task, *rest = sys.argv[1:]
    database = open_database(path, Options(durability="normal"))
    if task in ("append", "overwrite"):
        write(database, rest[0], overwrite=task == "overwrite")
        return
    if task == "kill":
        kill_after(database, int(rest[0]))
    print(len(search_messages(database, "common", limit=100_000)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
