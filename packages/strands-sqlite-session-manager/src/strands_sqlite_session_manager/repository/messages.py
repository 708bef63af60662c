"""Rows of messages, in the order of their ids."""

from __future__ import annotations

from typing import Any, NoReturn

import strands.types.session as sdk

from strands_sqlite_session_manager import _blobs
from strands_sqlite_session_manager._codec import dumps_apart, has_bytes, loads, loads_bytes
from strands_sqlite_session_manager._connection import Connection, ConstraintError
from strands_sqlite_session_manager._database import Database, OneStatement
from strands_sqlite_session_manager.errors import ConflictError, InvalidIdError, NotFoundError, SQLiteSessionError
from strands_sqlite_session_manager.repository._records import build, extra_fields, next_change, times
from strands_sqlite_session_manager.repository._sessions import require_session
from strands_sqlite_session_manager.repository._watch import Watch

_LARGEST = 2**63 - 1

_MESSAGE_COLUMNS = frozenset({"message", "message_id", "redact_message", "created_at", "updated_at"})
_INSERT_MESSAGE = f"""
INSERT INTO messages (change_id, session_id, agent_id, message_id, message, redact_message,
    created_at, updated_at, extra)
VALUES ({next_change("messages")}, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session_id, agent_id, message_id) DO NOTHING
"""
# NULL for a message is refused: so nothing is stored where the newest deletion is not the one that is known.
_INSERT_NEXT_MESSAGE = """
INSERT INTO messages (session_id, agent_id, message_id, message, redact_message, created_at, updated_at, extra)
VALUES (?1, ?2, ?3, iif((SELECT max(change_id) FROM deletions) IS ?9, ?4, NULL), ?5, ?6, ?7, ?8)
ON CONFLICT (session_id, agent_id, message_id) DO NOTHING
"""
_UPDATE_MESSAGE = f"""
UPDATE messages SET change_id = {next_change("messages")}, message = ?, redact_message = ?, updated_at = ?,
    extra = ifnull(?, extra)
WHERE session_id = ? AND agent_id = ? AND message_id = ? RETURNING created_at
"""
_SELECT_MESSAGES = """
SELECT message_id, message, redact_message, created_at, updated_at, extra
FROM messages WHERE session_id = ? AND agent_id = ?
"""
_SELECT_MESSAGE = f"{_SELECT_MESSAGES} AND message_id = ?"
_SELECT_PAGE = f"{_SELECT_MESSAGES} ORDER BY message_id LIMIT ? OFFSET ?"
_COUNT_MESSAGES = "SELECT count(*) FROM messages WHERE session_id = ? AND agent_id = ?"
_SELECT_CONTENT = """
SELECT message, redact_message FROM messages WHERE session_id = ? AND agent_id = ? AND message_id = ?
"""

_HAS_AGENT = "SELECT 1 FROM agents WHERE session_id = ? AND agent_id = ?"

_Content = tuple[str, str | None]
_Row = tuple[int, str, str | None, str, str, str | None]
_Found = tuple[list[_Row], dict[int, dict[str, bytes]]]


def require_message_id(message_id: object) -> None:
    """Refuse what is no message id.

    Raises:
        ValueError: It is no integer; the SDK's own words.
        InvalidIdError: It is too large for SQLite.
    """
    if not isinstance(message_id, int):
        message = f"message_id=<{message_id}> | message id must be an integer"
        raise ValueError(message)  # noqa: TRY004 - the SDK raises ValueError
    if not -_LARGEST - 1 <= message_id <= _LARGEST:
        message = f"message_id=<{message_id}> does not fit in 64 bits"
        raise InvalidIdError(message, hint="count messages from zero")


def create_message(
    database: Database, session_id: str, agent_id: str, record: sdk.SessionMessage, watch: Watch | None = None
) -> None:
    """Append a message. The same id with the same content again is a retry, and accepted.

    Raises:
        ConflictError: The id is taken by other content; or, by `watch`, the session was rewound or deleted meanwhile.
        NotFoundError: There is no such session, or no such agent in it.
    """
    content, blobs = _message_texts(record)
    place = (session_id, agent_id, record.message_id)
    row = (*place, *content, *times(record), extra_fields(record, _MESSAGE_COLUMNS))
    if watch is None:
        database.write(_Append(place, content, row, blobs))
        return
    if not watch.settled:
        watch.catch_up(database)
    database.write(_NextAppend(place, content, row, blobs, watch))


class _Append(OneStatement):
    """Appends a message: one statement, unless it has binary values, is a retry, or cannot be stored."""

    __slots__ = ("_blobs", "_content", "_place", "_row")

    def __init__(self, place: _blobs.Place, content: _Content, row: tuple[Any, ...], blobs: dict[str, bytes]) -> None:
        self._place = place
        self._content = content
        self._row = row
        self._blobs = blobs

    def at_once(self, connection: Connection) -> bool:
        if self._blobs:
            return False
        connection.run(_INSERT_MESSAGE, self._row)
        return connection.changes() == 1

    def __call__(self, connection: Connection) -> None:
        try:
            connection.run(_INSERT_MESSAGE, self._row)
        except ConstraintError as error:
            _raise_missing_parent(connection, *self._place[:2], error)
        if not connection.changes():
            _require_same_content(connection, self._place, self._content)
        elif self._blobs:
            _blobs.link(connection, self._place, self._blobs)


class _NextAppend(_Append):
    """Appends what an agent at work says next, unless something was deleted that it goes on from."""

    __slots__ = ("_watch",)

    def __init__(
        self, place: _blobs.Place, content: _Content, row: tuple[Any, ...], blobs: dict[str, bytes], watch: Watch
    ) -> None:
        self._place = place
        self._content = content
        self._row = row
        self._blobs = blobs
        self._watch = watch

    def at_once(self, connection: Connection) -> bool:
        watch = self._watch
        if self._blobs or not watch.settled:
            return False
        connection.run(_INSERT_NEXT_MESSAGE, (*self._row, watch.newest))
        return connection.changes() == 1

    def __call__(self, connection: Connection) -> None:
        try:
            stored = self.at_once(connection)
        except ConstraintError:
            stored = False
        if not stored:
            self._watch.check(connection)
            super().__call__(connection)


def update_message(
    database: Database, session_id: str, agent_id: str, record: sdk.SessionMessage, watch: Watch | None = None
) -> None:
    """Store a message over the one with its id; the `created_at` of that one stays, and is set on `record`.

    Raises:
        ConflictError: By `watch`, the session was rewound or deleted meanwhile: it may be another message.
        NotFoundError: There is no such message.
    """
    place = (session_id, agent_id, record.message_id)
    content, blobs = _message_texts(record)
    _, updated_at = times(record)
    extra = extra_fields(record, _MESSAGE_COLUMNS)

    def put(connection: Connection) -> None:
        rows = connection.rows(_UPDATE_MESSAGE, (*content, updated_at, extra, *place))
        if not rows:
            message = f"Message {record.message_id} does not exist"
            raise NotFoundError(message, hint="create the message first")
        if watch is not None:
            watch.check(connection)
        record.created_at = rows[0][0]
        _blobs.relink(connection, place, blobs)

    database.write(put)


def read_message(database: Database, session_id: str, agent_id: str, message_id: int) -> sdk.SessionMessage | None:
    """Return the message, or None where there is none."""

    def fetch(connection: Connection) -> _Found:
        rows = connection.rows(_SELECT_MESSAGE, (session_id, agent_id, message_id))
        return rows, _blobs_of(connection, session_id, agent_id, rows)

    found = _messages(database.read(fetch))
    return found[0] if found else None


def list_messages(
    database: Database, session_id: str, agent_id: str, limit: int | None, offset: int
) -> list[sdk.SessionMessage]:
    """Return the agent's messages in the order of their ids, `[offset:offset + limit]` of them as Python slices."""
    part = slice(offset, None if limit is None else offset + limit)
    from_the_end = any(place is not None and place < 0 for place in (part.start, part.stop))

    def fetch(connection: Connection) -> _Found:
        count = connection.rows(_COUNT_MESSAGES, (session_id, agent_id))[0][0] if from_the_end else _LARGEST
        start, stop, _ = part.indices(count)
        rows = connection.rows(_SELECT_PAGE, (session_id, agent_id, max(0, stop - start), start))
        return rows, _blobs_of(connection, session_id, agent_id, rows)

    return _messages(database.read(fetch))


def _message_texts(record: sdk.SessionMessage) -> tuple[_Content, dict[str, bytes]]:
    if record.redact_message is None:
        texts, blobs = dumps_apart(record.message)
        return (texts[0], None), blobs
    texts, blobs = dumps_apart(record.message, record.redact_message)
    return (texts[0], texts[1]), blobs


def _raise_missing_parent(connection: Connection, session_id: str, agent_id: str, error: ConstraintError) -> NoReturn:
    if connection.row(_HAS_AGENT, (session_id, agent_id)) is not None:
        raise error
    require_session(connection, session_id)
    message = f"Agent {agent_id} in session {session_id} does not exist"
    raise NotFoundError(message, hint="create the agent first") from error


def _require_same_content(connection: Connection, place: _blobs.Place, content: _Content) -> None:
    stored = connection.row(_SELECT_CONTENT, place)
    session_id, agent_id, message_id = place
    if stored is None:
        message = f"Message {message_id} of agent {agent_id} in session {session_id} was kept out of the table"
        raise SQLiteSessionError(message, hint="look for triggers that another program has put into the file")
    if stored != content:
        message = f"Message {message_id} of agent {agent_id} in session {session_id} exists with other content"
        raise ConflictError(message)


def _blobs_of(connection: Connection, session_id: str, agent_id: str, rows: list[_Row]) -> dict[int, dict[str, bytes]]:
    """Return, for those of `rows` that hold binary values, the ones that are stored apart."""
    ids = [row[0] for row in rows if has_bytes(row[1]) or (row[2] is not None and has_bytes(row[2]))]
    if not ids:
        return {}
    stored_apart = _blobs.load(connection, session_id, agent_id, ids[0], ids[-1])
    return {message_id: stored_apart.get(message_id, {}) for message_id in ids}


def _messages(found: _Found) -> list[sdk.SessionMessage]:
    rows, blobs = found
    messages = []
    for row in rows:
        message_id, message, redacted, created_at, updated_at, extra = row
        if redacted is None and extra is None and message_id not in blobs:
            messages.append(sdk.SessionMessage(loads(message), message_id, None, created_at, updated_at))
        else:
            messages.append(_message(row, blobs.get(message_id)))
    return messages


def _message(row: _Row, blobs: dict[str, bytes] | None) -> sdk.SessionMessage:
    message_id, message, redacted, created_at, updated_at, extra = row
    return build(
        sdk.SessionMessage,
        extra,
        message=loads_bytes(message, blobs),
        message_id=message_id,
        redact_message=None if redacted is None else loads_bytes(redacted, blobs),
        created_at=created_at,
        updated_at=updated_at,
    )
