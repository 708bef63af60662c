"""Interrupted turns completed in the stored log, and search indexes built anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from strands_sqlite_session_manager import _message_index
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.maintenance._file_checks import ACTIVITY, MESSAGE_INDEX, damaged_indexes
from strands_sqlite_session_manager.maintenance._plans import Repair, Step, plan
from strands_sqlite_session_manager.repository._sessions import require_session

_FIRST_SESSIONS = "SELECT session_id FROM sessions ORDER BY session_id LIMIT 500"
_NEXT_SESSIONS = "SELECT session_id FROM sessions WHERE session_id > ? ORDER BY session_id LIMIT 500"
_EMPTY_ACTIVITY = ("DELETE FROM session_activity", "DELETE FROM watermarks WHERE name GLOB 'activity.*'")
_EMPTY_SEARCH_INDEX = (
    "INSERT INTO search_index (search_index) VALUES ('delete-all')",
    "DELETE FROM search_entries",
    "UPDATE search_scopes SET indexed_to = 0",
)


def repair(database: Database, session_id: str | None = None, *, dry_run: bool = False) -> list[Repair]:
    """Complete interrupted turns in the stored log, as the SDK does in memory whenever it restores a session.

    A process that ends while tools run leaves calls without results. The SDK gives such calls an error as result, in
    memory, each time. This writes the same, so that whoever reads the log finds a whole conversation: an agent that
    resumes gets the messages that it would have got anyway. Messages keep their ids:

    - Calls at the end: a message with error results is appended. A turn that has been completed so cannot be finished
      any more by calling the agent without a prompt, which would have run the tools again.
    - Calls that the next message answers in part, or with results of others: its results become one for each call.
    - Calls that the next message does not answer: the error results are put in front of what the user said there. The
      SDK would give them to the agent as a message of their own, for which the log has no place.
    - Results without a call are taken out of their message. Where the agent is given nothing before it, and nothing
      else is in it, the agent's conversation manager counts it as removed.
    - What takes more than that is reported, and stays as it is.

    An agent whose interrupt waits for an answer is left alone. The history of agents stays. Every session is repaired
    in one transaction. For a whole file, search indexes that are damaged are built anew too. Do this while no agent is
    at work on these sessions: a turn whose tools are running looks like an interrupted one.

    ```python
    from strands_sqlite_session_manager import SessionStore

    with SessionStore("sessions.db") as store:
        for repair in store.repair(dry_run=True):
            print(repair.session_id, repair.agent_id, repair.message_id, repair.what)
    ```

    Args:
        database: Where to repair.
        session_id: Which session; every session and the search indexes without one.
        dry_run: Return what would be done, and write nothing.

    Returns:
        What was done, and what had to stay as it is.

    Raises:
        NotFoundError: There is no such session.
        SQLiteSessionError: It could not be written; sessions repaired before stay so.
    """
    if session_id is not None:
        database.read(partial(require_session, session_id=session_id))
        return _repair_session(database, session_id, dry_run=dry_run)
    repairs = []
    for each in _sessions(database):
        repairs += _repair_session(database, each, dry_run=dry_run)
    return repairs + _repair_indexes(database, dry_run=dry_run)


def _sessions(database: Database) -> Iterator[str]:
    page = database.read(lambda connection: connection.rows(_FIRST_SESSIONS))
    while page:
        for (session_id,) in page:
            yield session_id
        page = database.read(partial(_page, after=page[-1][0]))


def _page(connection: Connection, after: str) -> list[tuple[str]]:
    return connection.rows(_NEXT_SESSIONS, (after,))


def _repair_session(database: Database, session_id: str, *, dry_run: bool) -> list[Repair]:
    steps = database.read(partial(plan, session_id=session_id))
    if dry_run or not any(step.run for step in steps):
        return [step.repair for step in steps]
    done: list[list[Step]] = []

    def run(connection: Connection) -> None:
        steps = plan(connection, session_id)  # somebody may have written since
        for step in steps:
            if step.run is not None:
                step.run(connection)
        done.append(steps)

    database.write(run)
    return [step.repair for step in done[-1]]  # where the operation was run again, the last run is the one that counts


def _repair_indexes(database: Database, *, dry_run: bool) -> list[Repair]:
    damaged = database.read(damaged_indexes)
    if not dry_run:
        for index in damaged:
            if index == MESSAGE_INDEX:
                _message_index.rebuild(database)
            else:  # these follow by themselves, when somebody asks
                database.write(_emptying(_EMPTY_ACTIVITY if index == ACTIVITY else _EMPTY_SEARCH_INDEX))
    return [Repair(None, None, None, f"build {index} anew") for index in damaged]


def _emptying(statements: tuple[str, ...]) -> Callable[[Connection], None]:
    def run(connection: Connection) -> None:
        for statement in statements:
            connection.run(statement)

    return run
