"""Where the objects of sessions lie, and which sessions there are."""

from __future__ import annotations

from collections.abc import Iterable

from strands_sqlite_session_manager._archives import prefixes
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._keys import normalized_prefix
from strands_sqlite_session_manager._objects import list_keys
from strands_sqlite_session_manager.errors import NotFoundError

USUAL = ("session", "context")
"""Below these the SDK keeps the snapshots and the offloaded context of sessions."""

_HAS_SESSION = "SELECT 1 FROM sessions WHERE session_id = ?"
_WAS_DELETED = "SELECT 1 FROM deletions WHERE session_id = ? AND agent_id IS NULL LIMIT 1"


def distinct(name: str, texts: Iterable[str]) -> list[str]:
    """Return each of the texts once.

    Raises:
        TypeError: They are one text.
    """
    if isinstance(texts, str):
        message = f"{name} must be several texts, not one"
        raise TypeError(message)
    return list(dict.fromkeys(texts))


def folders_of(
    connection: Connection, session_ids: Iterable[str], namespaces: Iterable[str] = ()
) -> dict[str, list[str]]:
    """Return the prefixes of the keys that each session's objects have; for that, all keys are looked through once.

    An id with a slash would lead into the folders of another session; the SDK allows none.

    Raises:
        InvalidKeyError: A namespace can be part of no key.
    """
    above = [normalized_prefix(namespace).rstrip("/") for namespace in (*USUAL, *namespaces)]
    found = prefixes(connection, session_ids)
    for session_id, folders in found.items():
        if session_id and "/" not in session_id:
            folders += [f"{folder}/{session_id}/".lstrip("/") for folder in above]
    return {session_id: outermost(folders) for session_id, folders in found.items()}


def outermost(folders: Iterable[str]) -> list[str]:
    """Return those of the folders that do not lie below another."""
    found: list[str] = []
    for folder in sorted(folders):
        if not found or not folder.startswith(found[-1]):
            found.append(folder)
    return found


def keys_below(connection: Connection, folders: Iterable[str]) -> list[str]:
    """Return the keys of the objects in folders that do not overlap."""
    return [key for folder in folders for key in list_keys(folder)(connection)]


def is_there(connection: Connection, session_id: str, folders: Iterable[str]) -> bool:
    """Tell whether there is such a session, of a session manager or as objects of a storage."""
    return connection.row(_HAS_SESSION, (session_id,)) is not None or bool(keys_below(connection, folders))


def require_known(connection: Connection, session_id: str, folders: Iterable[str]) -> bool:
    """Tell whether the session is there, or was until it was deleted.

    Raises:
        NotFoundError: It never was.
    """
    if is_there(connection, session_id, folders):
        return True
    if connection.row(_WAS_DELETED, (session_id,)) is None:
        raise not_found(session_id)
    return False


def not_found(session_id: str) -> NotFoundError:
    """Return the error that says so."""
    return NotFoundError(f"Session {session_id} does not exist")
