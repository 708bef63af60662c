"""Lines to rows: a session becomes visible whole, in one transaction, or not at all.

The records are read from a `Spool`, checked and cut into columns: the transaction may have to be run again, others wait
for it, and it must wait for nobody's pipe.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Literal

from strands_sqlite_session_manager import _blobs
from strands_sqlite_session_manager._codec import decode_bytes_values, dumps_apart, has_bytes
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._state_history import FIELDS
from strands_sqlite_session_manager.errors import AlreadyExistsError, CodecError, TransferError
from strands_sqlite_session_manager.repository import _statements as sql
from strands_sqlite_session_manager.repository._sessions import remove_session

from ._reading import has_session, session_lines, whole_text
from ._records import Record, RecordError, json_text, parse
from ._spool import Fingerprint, Spool
from ._values import Conflict

_LOOSE_MARK = re.compile(r'"__bytes_encoded__"[ \t]+:')

Outcome = Literal["imported", "skipped", "unchanged"]


def store_session(database: Database, session_id: str, spool: Spool, on_conflict: Conflict) -> Outcome:
    """Write the session whose lines are in `spool`, unless its content is there already.

    Raises:
        AlreadyExistsError: There is one with other content, and `on_conflict` is `"fail"`; it is as it was.
        SQLiteSessionError: It could not be written; nothing of it was.
    """
    stored = database.read(lambda connection: _stored_fingerprint(connection, session_id))
    if stored == spool.fingerprint:
        return "unchanged"
    if stored is not None and on_conflict != "replace":
        return _passed_over(session_id, on_conflict)
    outcome: Outcome = "imported"

    def put(connection: Connection) -> None:
        nonlocal outcome
        outcome = "imported"
        if has_session(connection, session_id):
            if on_conflict != "replace":  # somebody was quicker
                same = _stored_fingerprint(connection, session_id) == spool.fingerprint
                outcome = "unchanged" if same else _passed_over(session_id, on_conflict)
                return
            remove_session(connection, session_id)
        _add_session(connection, session_id, spool.records())

    database.write(put)
    return outcome


def _passed_over(session_id: str, on_conflict: Conflict) -> Outcome:
    if on_conflict == "skip":
        return "skipped"
    message = f"Session {session_id} already exists with other content"
    raise AlreadyExistsError(message, hint="choose on_conflict='skip' or 'replace'")


def _stored_fingerprint(connection: Connection, session_id: str) -> str | None:
    """Return the fingerprint of the stored session; None where there is none, "" where it is damaged."""
    if not has_session(connection, session_id):
        return None
    fingerprint = Fingerprint()
    try:
        for _, line in session_lines(connection, session_id):
            fingerprint.add(parse(line))
    except (TransferError, RecordError):
        return ""
    return fingerprint.hexdigest()


def _add_session(connection: Connection, session_id: str, records: Iterable[Record]) -> None:
    agent_id = ""
    for record in records:
        values, texts = record.values, record.texts
        if record.kind == "session":
            _add_notes(connection, session_id, record)
        elif record.kind == "agent":
            agent_id = values["agent_id"]
            states = (_findable(record, name) for name in FIELDS)
            connection.run(sql.ADD_AGENT, (session_id, agent_id, *states, *_times(values), texts.get("extra")))
        elif record.kind == "message":
            _add_message(connection, (session_id, agent_id, values["message_id"]), record)
        elif record.kind == "state_change":
            change = (values["change_number"], values.get("message_id"), texts["changes"], values["created_at"])
            connection.run(sql.ADD_HISTORY, (session_id, agent_id, *change))
        else:
            row = (session_id, values["multi_agent_id"], texts["state"], *_times(values))
            connection.run(sql.ADD_MULTI_AGENT, row)


def _add_notes(connection: Connection, session_id: str, record: Record) -> None:
    values, texts = record.values, record.texts
    notes = (texts.get("extra"), values.get("title"), texts.get("metadata"))
    connection.run(sql.ADD_SESSION, (session_id, values["session_type"], *_times(values), *notes))
    for tag in values.get("tags", ()):
        connection.run(sql.ADD_TAG, (session_id, tag))


def _add_message(connection: Connection, place: _blobs.Place, record: Record) -> None:
    texts, blobs = apart(record)
    times_and_extra = (*_times(record.values), record.texts.get("extra"))
    connection.run(sql.ADD_MESSAGE, (*place, texts["message"], texts.get("redact_message"), *times_and_extra))
    _blobs.link(connection, place, blobs)


def _times(values: dict[str, Any]) -> tuple[str, str]:
    return values["created_at"], values["updated_at"]


def require_bytes(record: Record) -> None:
    """Refuse a message or an agent that holds bytes which nobody could decode.

    Raises:
        CodecError: It does.
    """
    if record.kind == "message":
        apart(record)
    elif record.kind == "agent":
        for name in FIELDS:
            if has_bytes(_findable(record, name)):
                _decoded(record.texts[name])


def _findable(record: Record, name: str) -> str:
    """Return the JSON text of a field; marks of bytes are written as they are looked for when the row is read."""
    text = record.texts[name]
    return json_text(json.loads(text)) if _LOOSE_MARK.search(text) else text


def _decoded(text: str) -> Any:
    try:
        return decode_bytes_values(json.loads(text))
    except (TypeError, ValueError, RecursionError) as error:
        message = f"holds bytes that cannot be decoded: {error}"
        raise CodecError(message, hint="mend them where they come from") from error


def apart(record: Record) -> tuple[dict[str, str], dict[str, bytes]]:
    """Return the JSON texts of a message as they are stored, and the large binary values that are stored apart.

    They are stored apart only where the very same text comes out again when they are put back.

    Raises:
        CodecError: The message holds bytes that cannot be decoded.
    """
    given: dict[str, str] = {
        name: _findable(record, name) for name in ("message", "redact_message") if name in record.texts
    }
    if not any(map(has_bytes, given.values())):
        return given, {}
    found, blobs = dumps_apart(*map(_decoded, given.values()))
    texts = {name: text if has_bytes(given[name]) else given[name] for name, text in zip(given, found, strict=True)}
    if all(whole_text(text, blobs) == given[name] for name, text in texts.items()):
        return texts, blobs
    return given, {}
