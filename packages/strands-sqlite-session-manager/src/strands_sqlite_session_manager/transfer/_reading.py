"""Sessions as lines, one row after the other.

A session must come out as of one instant, however long it is and whoever writes to it meanwhile, while no read
transaction may stay open when user code runs: the target of an export may be a pipe that nobody empties for hours, and
SQLite could not cut its WAL back until then. So a session is read in one transaction into a temporary file (`Spool`),
and handed on afterwards. To page through it and begin again whenever it has changed needs no file, but never comes to
an end where an agent talks all the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from strands_sqlite_session_manager import _blobs
from strands_sqlite_session_manager._codec import encode_bytes_values, has_bytes, loads, loads_bytes
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import CodecError, NotFoundError, TransferError
from strands_sqlite_session_manager.repository import _statements as sql

from ._records import json_text, render
from ._spool import Spool

_PAGE = 500
_COUNT = "SELECT count(*) FROM sessions"
_HAS_SESSION = "SELECT 1 FROM sessions WHERE session_id = ?"
_FIRST_IDS = "SELECT session_id FROM sessions ORDER BY session_id LIMIT ?"
_NEXT_IDS = "SELECT session_id FROM sessions WHERE session_id > ? ORDER BY session_id LIMIT ?"

Line = tuple[str, str]
"""The kind of a record, and the line in which it stands."""


def has_session(connection: Connection, session_id: str) -> bool:
    """Tell whether there is such a session."""
    return connection.row(_HAS_SESSION, (session_id,)) is not None


def named_ids(database: Database, session_ids: Iterable[str]) -> list[str]:
    """Return each of `session_ids` once, in their order.

    Raises:
        NotFoundError: There is no such session.
        TypeError: It is one text, which would be taken for a list of its letters.
    """
    if isinstance(session_ids, str):
        message = "session_ids must be a list of ids, not str"
        raise TypeError(message)
    ids = list(dict.fromkeys(session_ids))
    for session_id in ids:
        _require_session(database, session_id)
    return ids


def _require_session(database: Database, session_id: str) -> None:
    if not database.read(lambda connection: has_session(connection, session_id)):
        raise _missing(session_id)


def count_sessions(database: Database) -> int:
    """Return how many sessions there are."""
    return int(database.read(lambda connection: connection.row(_COUNT)[0]))


def all_ids(database: Database) -> Iterator[str]:
    """Give the id of every session, in order, read page by page."""
    page = _ids(database, _FIRST_IDS)
    while page:
        yield from page
        page = _ids(database, _NEXT_IDS, page[-1])


def _ids(database: Database, sql: str, *after: str) -> list[str]:
    rows = database.read(lambda connection: connection.rows(sql, (*after, _PAGE)))
    return [session_id for (session_id,) in rows]


def spool_session(database: Database, session_id: str, spool: Spool) -> None:
    """Put the lines of the session, as of one instant, into `spool`, in place of what is there.

    Raises:
        NotFoundError: There is no such session.
        TransferError: A row of it holds what is not JSON.
    """

    def copy(connection: Connection) -> None:
        spool.clear()
        for kind, line in session_lines(connection, session_id):
            spool.add(kind, line)

    database.read(copy)


def session_lines(connection: Connection, session_id: str, *, messages: bool = True) -> Iterator[Line]:
    """Give the lines of the session, those of its messages only where they are wanted; in a transaction.

    Raises:
        NotFoundError: There is no such session.
        TransferError: A row of it holds what is not JSON.
    """
    yield "session", _session_line(connection, session_id)
    for agent_id, *states, created_at, updated_at, extra in each_row(connection, sql.AGENTS, (session_id,)):
        where = f"session=<{session_id}>, agent=<{agent_id}>"
        yield (
            "agent",
            _line(
                "agent",
                where,
                {"agent_id": agent_id, "created_at": created_at, "updated_at": updated_at},
                {**dict(zip(_STATES, states, strict=True)), "extra": extra},
            ),
        )
        if messages:
            yield from _message_lines(connection, session_id, agent_id)
        yield from _history_lines(connection, session_id, agent_id)
    for multi_agent_id, state, created_at, updated_at in each_row(connection, sql.MULTI_AGENTS, (session_id,)):
        where = f"session=<{session_id}>, multi_agent=<{multi_agent_id}>"
        values = {"multi_agent_id": multi_agent_id, "created_at": created_at, "updated_at": updated_at}
        yield "multi_agent", _line("multi_agent", where, values, {"state": state})


_STATES = ("state", "conversation_manager_state", "internal_state")


def _session_line(connection: Connection, session_id: str) -> str:
    row = connection.row(sql.SESSION, (session_id,))
    if row is None:
        raise _missing(session_id)
    session_type, created_at, updated_at, extra, title, metadata = row
    values = {
        "session_id": session_id,
        "session_type": session_type,
        "created_at": created_at,
        "updated_at": updated_at,
        "title": title,
        "tags": [tag for (tag,) in connection.rows(sql.TAGS, (session_id,))] or None,
    }
    return _line("session", f"session=<{session_id}>", values, {"metadata": metadata, "extra": extra})


def _message_lines(connection: Connection, session_id: str, agent_id: str) -> Iterator[Line]:
    for message_id, message, redacted, created_at, updated_at, extra in each_row(
        connection, sql.MESSAGES, (session_id, agent_id)
    ):
        where = f"session=<{session_id}>, agent=<{agent_id}>, message=<{message_id}>"
        texts = {"message": message, "redact_message": redacted}
        if has_bytes(message) or (redacted is not None and has_bytes(redacted)):
            blobs = _blobs.load(connection, session_id, agent_id, message_id, message_id).get(message_id, {})
            texts = {name: _with_bytes(text, blobs, where) for name, text in texts.items()}
        values = {"message_id": message_id, "created_at": created_at, "updated_at": updated_at}
        yield "message", _line("message", where, values, {**texts, "extra": extra})


def _history_lines(connection: Connection, session_id: str, agent_id: str) -> Iterator[Line]:
    where = f"session=<{session_id}>, agent=<{agent_id}>, history"
    for number, message_id, changes, created_at in each_row(connection, sql.HISTORY, (session_id, agent_id)):
        values = {"change_number": number, "message_id": message_id, "created_at": created_at}
        yield "state_change", _line("state_change", where, values, {"changes": changes})


def whole_text(text: str, blobs: dict[str, bytes]) -> str:
    """Return the JSON text of a message with the bytes in it that are stored apart.

    Raises:
        CodecError: It cannot be read.
    """
    if not blobs or not has_bytes(text):
        return text
    return json_text(encode_bytes_values(loads_bytes(text, blobs)))


def _with_bytes(text: str | None, blobs: dict[str, bytes], where: str) -> str | None:
    try:
        return None if text is None else whole_text(text, blobs)
    except CodecError as error:
        raise unreadable(where, error) from error


def _line(kind: str, where: str, values: dict[str, Any], stored: dict[str, str | None]) -> str:
    """Return the line of a record of plain `values` and JSON texts as they are `stored`."""
    texts: dict[str, str | None] = {name: None if value is None else json_text(value) for name, value in values.items()}
    return render(kind, texts | {name: _on_one_line(text, where) for name, text in stored.items()})


def _on_one_line(text: str | None, where: str) -> str | None:
    """Return JSON text without line ends; only another program stores any, and only between values."""
    if text is None:
        return None
    try:
        loads(text)
    except CodecError as error:
        raise unreadable(where, error) from error
    return text.strip(" \t\r\n").replace("\n", " ").replace("\r", " ")


def each_row(connection: Connection, sql: str, bindings: tuple[Any, ...]) -> Iterator[Any]:
    """Give one row after the other: a list of them would hold all messages of an agent."""
    cursor = connection.cursor()
    try:
        yield from cursor.execute(sql, bindings)
    finally:
        cursor.close()


def _missing(session_id: str) -> NotFoundError:
    message = f"Session {session_id} does not exist"
    return NotFoundError(message, hint="list the sessions to see which there are")


def unreadable(where: str, error: CodecError) -> TransferError:
    """Return the error that says where a value was met that cannot be read."""
    message = f"{where} holds a value that cannot be read: {error}"
    return TransferError(message, hint="see what `verify` finds, then repair the session or export the others by name")
