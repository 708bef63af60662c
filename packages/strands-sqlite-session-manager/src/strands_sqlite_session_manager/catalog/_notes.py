"""What people note about a session: its title, its tags and its metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.catalog._details import noted
from strands_sqlite_session_manager.repository._records import next_change
from strands_sqlite_session_manager.repository._sessions import require_session

LONGEST_TITLE = 500
"""A title has at most so many characters."""

LONGEST_TAG = 100
"""A tag has at most so many characters."""

MOST_TAGS = 100
"""A session has at most so many tags."""

LARGEST_METADATA = 64 * 1024
"""The metadata of a session has at most so many bytes as JSON."""

_DEEPEST = 100
_LARGEST_INTEGER = 2**63

_CHANGED = f"UPDATE sessions SET change_id = {next_change('sessions')} WHERE session_id = ?"
_SET_TITLE = f"""
UPDATE sessions SET change_id = {next_change("sessions")}, title = ?1 WHERE session_id = ?2 AND title IS NOT ?1
"""
_METADATA = "SELECT metadata FROM sessions WHERE session_id = ?"
_SET_METADATA = f"""
UPDATE sessions SET change_id = {next_change("sessions")}, metadata = ?1 WHERE session_id = ?2 AND metadata IS NOT ?1
"""
_COUNT_TAGS = "SELECT count(*) FROM session_tags WHERE session_id = ?"
_ADD_TAG = "INSERT INTO session_tags (session_id, tag) VALUES (?, ?) ON CONFLICT (tag, session_id) DO NOTHING"
_REMOVE_TAG = "DELETE FROM session_tags WHERE session_id = ? AND tag = ?"


def set_title(database: Database, session_id: str, title: str | None) -> None:
    """Give a session a title, or take it away. That is no activity: the times of the session stay.

    Args:
        database: Where the session is.
        session_id: Which.
        title: One line of at most 500 characters; None takes the title away.

    Raises:
        NotFoundError: There is no such session.
        TypeError: `title` is no text.
        ValueError: It is blank, too long, or holds what is no text: line breaks, NUL, lone surrogates.
    """
    if title is not None:
        _require_line("title", title, LONGEST_TITLE)

    def put(connection: Connection) -> None:
        require_session(connection, session_id)
        connection.run(_SET_TITLE, (title, session_id))

    database.write(put)


def add_tags(database: Database, session_id: str, *tags: str) -> None:
    """Tag a session; what it is tagged with already stays.

    Args:
        database: Where the session is.
        session_id: Which.
        tags: Each one line of at most 100 characters, without space around it. A session has at most 100.

    Raises:
        NotFoundError: There is no such session.
        TypeError: A tag is no text.
        ValueError: A tag is blank, too long, or holds what is no text, or there would be too many. None was added.
    """
    change_labels(database, session_id, add=tags, values={})


def remove_tags(database: Database, session_id: str, *tags: str) -> None:
    """Take tags away; those that the session does not have are no error.

    Raises:
        NotFoundError: There is no such session.
        TypeError: A tag is no text.
        ValueError: A tag could be nobody's: see `add_tags`.
    """
    change_labels(database, session_id, remove=tags, values={})


def _change_tags(connection: Connection, session_id: str, sql: str, tags: tuple[str, ...]) -> None:
    changed = 0
    for tag in tags:
        connection.run(sql, (session_id, tag))
        changed += connection.changes()
    if not changed:
        return
    count = connection.row(_COUNT_TAGS, (session_id,))[0]
    if sql == _ADD_TAG and count > MOST_TAGS:
        message = f"session_id=<{session_id}> would have {count} tags | at most {MOST_TAGS}"
        raise ValueError(message)
    connection.run(_CHANGED, (session_id,))


def set_metadata(database: Database, session_id: str, values: Mapping[str, Any]) -> None:
    """Note values about a session, over those with the same keys; the others stay.

    ```python
    from strands_sqlite_session_manager import SessionStore

    with SessionStore() as store:
        for session in store.list_sessions(limit=1).sessions:
            store.set_metadata(session.session_id, {"customer": 42, "reviewed": None})  # None removes a key
    ```

    Args:
        database: Where the session is.
        session_id: Which.
        values: JSON values by their keys; None removes a key. All together have at most 64 KiB as JSON.

    Raises:
        NotFoundError: There is no such session.
        TypeError: A key is no text, or a value is nothing that JSON has.
        ValueError: A key is blank, a text holds NUL or a lone surrogate, a number is not finite or an integer beyond 64
            bits, or all together are too large or nested too deeply. Nothing was changed.
    """
    change_labels(database, session_id, values=values)


def change_labels(
    database: Database,
    session_id: str,
    *,
    add: tuple[str, ...] = (),
    remove: tuple[str, ...] = (),
    values: Mapping[str, Any],
) -> None:
    """Add tags, take tags away and note values about a session, all of it or nothing.

    Raises:
        NotFoundError: There is no such session.
        TypeError: As for `add_tags` and `set_metadata`.
        ValueError: As for `add_tags` and `set_metadata`. Nothing was changed.
    """
    values = dict(values)
    _require_tags((*add, *remove))
    for key in values:
        _require_line("key", key, LONGEST_TITLE)
    _require_json(values)

    def change(connection: Connection) -> None:
        require_session(connection, session_id)
        _change_tags(connection, session_id, _ADD_TAG, add)
        _change_tags(connection, session_id, _REMOVE_TAG, remove)
        _merge(connection, session_id, values)

    database.write(change)


def _merge(connection: Connection, session_id: str, values: dict[str, Any]) -> None:
    """Note `values` over those that are there."""
    if not values:
        return
    merged = noted(connection.row(_METADATA, (session_id,))[0]) | values
    kept = {key: value for key, value in merged.items() if value is not None}
    text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"), sort_keys=True) if kept else None
    if text is not None and len(text.encode()) > LARGEST_METADATA:
        size = len(text.encode())
        message = f"session_id=<{session_id}> would have {size} bytes of metadata | at most {LARGEST_METADATA}"
        raise ValueError(message)
    connection.run(_SET_METADATA, (text, session_id))


def _require_tags(tags: tuple[str, ...]) -> None:
    for tag in tags:
        _require_line("tag", tag, LONGEST_TAG)
        if tag != tag.strip():
            message = f"tag=<{tag}> | has space around it"
            raise ValueError(message)


def _require_line(name: str, text: object, longest: int) -> None:
    """Refuse what is not one line of text.

    Raises:
        TypeError: It is no text.
        ValueError: It is blank, too long, or has line breaks, control characters or lone surrogates.
    """
    if not isinstance(text, str):
        message = f"{name}=<{text!r}> | must be text"
        raise TypeError(message)
    _require_text(text)
    if not text.strip() or len(text) > longest or any(ord(character) < ord(" ") for character in text):
        message = f"{name}=<{text!r}> | must be one line of 1 to {longest} characters"
        raise ValueError(message)


def _require_text(text: str) -> None:
    """Refuse text that SQLite or UTF-8 cannot hold.

    Raises:
        ValueError: It holds NUL or a lone surrogate.
    """
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        message = f"text=<{text!r}> | holds NUL or a lone surrogate"
        raise ValueError(message)


def _require_json(value: object, depth: int = 0) -> None:
    """Refuse what JSON, or SQLite's JSON, would not give back as it is.

    Raises:
        TypeError: A value is nothing that JSON has, or a key is no text.
        ValueError: A text or number cannot be held, or the values are nested too deeply.
    """
    if depth > _DEEPEST:
        message = f"the values are nested more than {_DEEPEST} levels deep, or contain themselves"
        raise ValueError(message)
    if isinstance(value, str):
        _require_text(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            _require_json_key(key)
            _require_json(item, depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _require_json(item, depth + 1)
    elif isinstance(value, (int, float)):
        _require_number(value)
    elif value is not None:
        message = f"value=<{value!r}> | a {type(value).__name__} is nothing that JSON has"
        raise TypeError(message)


def _require_json_key(key: object) -> None:
    if not isinstance(key, str):
        message = f"key=<{key!r}> | must be text"
        raise TypeError(message)
    _require_text(key)


def _require_number(value: float) -> None:
    if type(value) is float and not isfinite(value):
        message = f"value=<{value}> | must be finite"
        raise ValueError(message)
    if type(value) is not float and not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
        message = f"value=<{value}> does not fit in 64 bits"
        raise ValueError(message)
