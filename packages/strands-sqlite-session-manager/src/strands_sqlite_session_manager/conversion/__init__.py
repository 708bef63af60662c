"""Conversion of sessions between the SDK's two models: a log of messages, and snapshots of agents."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strands_sqlite_session_manager._codec import dumps, loads
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import DatabasePath, Options
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager._sdk import session_key
from strands_sqlite_session_manager.conversion import _snapshots
from strands_sqlite_session_manager.errors import AlreadyExistsError, NotFoundError, SQLiteSessionError
from strands_sqlite_session_manager.repository._sessions import remove_session
from strands_sqlite_session_manager.repository.logs import SessionLog, read_log, write_log

if TYPE_CHECKING:
    from strands_sqlite_session_manager._requests import Durability

__all__ = ["Conversion", "convert_to_message_log", "convert_to_snapshots"]


@dataclass(frozen=True)
class Conversion:
    """What a conversion wrote.

    Attributes:
        session_id: The session that was written.
        agents: How many agents are in it.
        messages: How many messages they have together, trimmed ones included.
        multi_agents: How many states of graphs and swarms are in it.
    """

    session_id: str
    agents: int
    messages: int
    multi_agents: int


def convert_to_snapshots(  # noqa: PLR0913 - options, each with a default
    session_id: str,
    db_path: DatabasePath = None,
    *,
    new_session_id: str | None = None,
    namespace: str = "session",
    overwrite: bool = False,
    durability: Durability = "full",
    busy_timeout: float = 30.0,
) -> Conversion:
    """Give a session of `SQLiteSessionManager` to `SnapshotSessionManager` on a `SQLiteStorage` of the same file.

    Every agent gets the latest snapshot that a restored agent would have saved. What a snapshot has no place for, such
    as the messages that a conversation manager trimmed, is kept beside it for the way back. The message log stays as it
    is; delete it with `SQLiteSessionManager.delete_session` when you no longer need it.

    ```python
    from strands_sqlite_session_manager import convert_to_snapshots

    print(convert_to_snapshots("support-42"))
    ```

    Args:
        session_id: The session to read.
        db_path: The database file, as for `SQLiteSessionManager`.
        new_session_id: The session to write; the same id without it.
        namespace: Below which folder `SnapshotSessionManager` keeps its sessions.
        overwrite: Whether snapshots that the session has already may be replaced; its checkpoints stay.
        durability: As for `SQLiteSessionManager`.
        busy_timeout: How long to wait for another process's lock, in seconds.

    Raises:
        NotFoundError: There is no such session.
        AlreadyExistsError: The session to write has snapshots.
        SQLiteSessionError: Nothing was written; the type says why.
    """
    source, target = _ids(session_id, new_session_id)
    folder = _snapshots.session_folder(namespace, target)

    def convert(connection: Connection) -> SessionLog:
        log = read_log(connection, source)
        if log is None:
            message = f"Session {source} does not exist"
            raise NotFoundError(message)
        if _snapshots.exist(connection, folder):
            if not overwrite:
                message = f"Session {target} already exists as snapshots"
                raise AlreadyExistsError(message, hint="pass overwrite=True, or a new_session_id")
            _snapshots.remove(connection, folder)
        _snapshots.write(connection, folder, log)
        return log

    return _run(db_path, Options(durability=durability, busy_timeout=busy_timeout), convert, target)


def convert_to_message_log(  # noqa: PLR0913 - options, each with a default
    session_id: str,
    db_path: DatabasePath = None,
    *,
    new_session_id: str | None = None,
    namespace: str = "session",
    overwrite: bool = False,
    durability: Durability = "full",
    busy_timeout: float = 30.0,
) -> Conversion:
    """Give a session of `SnapshotSessionManager` to `SQLiteSessionManager`, in the same file.

    The log has every message that is still known: those of the latest snapshot, those that an earlier conversion kept,
    and trimmed ones that stand in a checkpoint. The snapshots stay as they are; delete them with
    `SnapshotSessionManager.delete_session` when you no longer need them.

    Args:
        session_id: The session to read.
        db_path: The database file, as for `SQLiteStorage`.
        new_session_id: The session to write; the same id without it.
        namespace: Below which folder `SnapshotSessionManager` keeps its sessions.
        overwrite: Whether a message log that has the id already may be replaced. Its title, tags and metadata stay;
            where it is another session than the one that was converted, what the snapshots know of these is added.
        durability: As for `SQLiteSessionManager`.
        busy_timeout: How long to wait for another process's lock, in seconds.

    Raises:
        NotFoundError: There is no such session.
        AlreadyExistsError: There is a message log with the id to write.
        CodecError: An object among the snapshots is none.
        SQLiteSessionError: Nothing was written; the type says why.
    """
    source, target = _ids(session_id, new_session_id)
    folder = _snapshots.session_folder(namespace, source)

    def convert(connection: Connection) -> SessionLog:
        log = _snapshots.read(connection, folder)
        if log is None:
            message = f"Session {source} does not exist as snapshots"
            raise NotFoundError(message)
        replaced = read_log(connection, target)
        if replaced is not None:
            if not overwrite:
                message = f"Session {target} already exists"
                raise AlreadyExistsError(message, hint="pass overwrite=True, or a new_session_id")
            _keep_notes(log, replaced)
            remove_session(connection, target)
        write_log(connection, target, log)
        return log

    return _run(db_path, Options(durability=durability, busy_timeout=busy_timeout), convert, target)


def _keep_notes(log: SessionLog, replaced: SessionLog) -> None:
    """Keep what people have noted about a session that is replaced: snapshots know only what was noted before them."""
    if log.created_at == replaced.created_at:
        log.title, log.metadata, log.tags = replaced.title, replaced.metadata, replaced.tags
        return
    log.title = replaced.title or log.title
    log.tags = sorted({*log.tags, *replaced.tags})
    before, now = (loads(each.metadata) if each.metadata else {} for each in (log, replaced))
    if isinstance(before, dict) and isinstance(now, dict) and before | now:
        log.metadata = dumps(before | now)
    else:
        log.metadata = replaced.metadata or log.metadata


def _ids(session_id: str, new_session_id: str | None) -> tuple[str, str]:
    """Return the ids of the session to read and of the session to write, if they can be ids."""
    return session_key(session_id), session_key(session_id if new_session_id is None else new_session_id)


def _run(
    db_path: DatabasePath,
    options: Options,
    convert: Callable[[Connection], SessionLog],
    session_id: str,
) -> Conversion:
    """Run `convert` in a transaction, and count what it wrote."""
    logs: list[SessionLog] = []
    database = open_database(db_path, options)
    try:
        database.write(lambda connection: logs.append(convert(connection)))
    except BaseException:
        database.close()
        raise
    with suppress(SQLiteSessionError):  # what was committed stands; the next to open the file moves it out of the WAL
        database.close()
    log = logs[-1]  # where the operation was run again, the last run is the one that counts
    messages = sum(len(agent.messages) for agent in log.agents)
    return Conversion(session_id, len(log.agents), messages, len(log.multi_agents))
