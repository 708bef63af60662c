"""A second process: it moves sessions, or writes to one without a pause, until it is told to stop or killed."""

from __future__ import annotations

import sys
import threading

from strands_sqlite_session_manager._standalone import stand_alone

stand_alone()

from strands_sqlite_session_manager import transfer  # noqa: E402 - what it imports must know that it stands alone
from strands_sqlite_session_manager._connection import Connection  # noqa: E402
from strands_sqlite_session_manager._database import Database, Options  # noqa: E402
from strands_sqlite_session_manager._schema import open_database  # noqa: E402

ADD_MESSAGE = """
INSERT INTO messages (session_id, agent_id, message_id, message)
SELECT 'busy', 'a', count(*), '{"role":"user","content":[]}' FROM messages WHERE session_id = 'busy'
"""
ADD_CHANGE = """
INSERT INTO agent_state_history (session_id, agent_id, change_number, message_id, changes)
SELECT 'busy', 'a', count(*), count(*) - 1, '{}' FROM messages WHERE session_id = 'busy'
"""
SET_STATE = """
UPDATE agents SET state = (SELECT json_object('messages', count(*)) FROM messages WHERE session_id = 'busy')
WHERE session_id = 'busy'
"""


def say(connection: Connection) -> None:
    """Append a message, with the state that counts it."""
    for sql in (ADD_MESSAGE, ADD_CHANGE, SET_STATE):
        connection.run(sql)


def talk(database: Database) -> None:
    """Append messages, each with the state that counts them in the same transaction, until told to stop."""
    stopped = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), stopped.set()), daemon=True).start()
    first = True
    while not stopped.is_set():
        database.write(say)
        if first:
            print("talking")  # noqa: T201 - how it reports
            first = False


def main() -> None:
    """Do what the arguments say."""
    task, db_path, *arguments = sys.argv[1:]
    database = open_database(db_path, Options(durability="normal"))
    if task == "talk":
        talk(database)
    else:
        done = getattr(transfer, task)(database, *arguments, progress=lambda progress: print(progress.session_id))  # noqa: T201
        print(done)  # noqa: T201
    database.close()


if __name__ == "__main__":
    main()
