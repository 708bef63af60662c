"""A process that writes to a session, or forks or rewinds one; it does not import the SDK, so it starts at once.

`history_process.py FILE append SESSION` appends a message and a state to "agent" again and again, each pair in one
transaction, and prints the id of the message when it is stored; it ends when its standard input does.
`history_process.py FILE fork|rewind SESSION STEPS` kills itself after so many thousand steps of SQLite's machine.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from typing import Any

from strands_sqlite_session_manager._standalone import stand_alone

stand_alone()

from strands_sqlite_session_manager import _state_history  # noqa: E402 - see above
from strands_sqlite_session_manager._codec import dumps  # noqa: E402
from strands_sqlite_session_manager._database import Database, Options  # noqa: E402
from strands_sqlite_session_manager._schema import open_database  # noqa: E402
from strands_sqlite_session_manager.history import fork_session, rewind_session  # noqa: E402
from strands_sqlite_session_manager.repository._records import next_change  # noqa: E402

KEPT = 99
"""The last message that a rewind leaves."""

_STEPS = 1000
_APPEND = f"""
INSERT INTO messages (change_id, session_id, agent_id, message_id, message, created_at)
SELECT {next_change("messages")}, ?1, 'agent', 1 + ifnull(max(message_id), -1), ?2,
    strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')
FROM messages WHERE session_id = ?1 RETURNING message_id
"""
_STATE = "SELECT state, conversation_manager_state, internal_state FROM agents WHERE session_id = ?"
_CHANGE = "UPDATE agents SET state = ? WHERE session_id = ?"


def append(database: Database, session_id: str) -> int:
    """Append a message, and note its id in the agent's state."""
    stored = []
    message = dumps({"role": "user", "content": [{"text": "x" * 500}]})

    def put(connection: Any) -> None:
        number = connection.rows(_APPEND, (session_id, message))[0][0]
        before = connection.row(_STATE, (session_id,))
        after = (dumps({"last": number}), *before[1:])
        connection.run(_CHANGE, (after[0], session_id))
        _state_history.record(connection, session_id, "agent", before, after)
        stored.append(number)

    database.write(put)
    return int(stored[-1])


def kill_after(database: Database, steps: int) -> None:
    """Let the process be killed in the middle of what it writes next."""
    left = [steps]

    def count() -> bool:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    database.write(lambda connection: connection.set_progress_handler(count, _STEPS))


def main() -> None:
    """Do as the arguments say."""
    path, task, session_id, *steps = sys.argv[1:]
    database = open_database(path, Options(durability="normal"))
    if task == "append":
        while not select.select([sys.stdin], [], [], 0)[0]:
            print(append(database, session_id), flush=True)  # noqa: T201 - the parent reads it
        return
    kill_after(database, int(steps[0]))
    if task == "fork":
        fork_session(database, session_id, "fork")
    else:
        rewind_session(database, session_id, at=KEPT)
    print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
