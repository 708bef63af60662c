"""What a conversion to snapshots leaves beside them in a storage: whose it is, and which originals are in it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ._bases import Bases
from ._codec import loads
from ._connection import Connection
from ._objects import WriteObject, list_keys, read_object
from .errors import CodecError

OF_SESSION = "message_log.json"
"""Where the archive of a session lies in its folder."""

SCOPES = "scopes/"
"""Where the SDK keeps the snapshots of agents, graphs and swarms in the folder of a session."""

OF_AGENT = "snapshots/message_log.json"
"""Where the archive of an agent lies in its folder."""

ORIGINALS = "redacted"
"""Under this name the archive of an agent has the originals of redacted messages, by their place in the log."""

_ENDING = "SELECT key FROM objects WHERE substr('/' || key, -length(?1)) = ?1 ORDER BY key"


def prefixes(connection: Connection, session_ids: Iterable[str]) -> dict[str, list[str]]:
    """Return the prefixes of what conversions wrote of each of the sessions, whatever their namespace.

    The folder of a session `session` above all namespaces is that of a namespace too: so not all in it is taken.
    """
    found: dict[str, list[str]] = {session_id: [] for session_id in session_ids}
    for (key,) in connection.rows(_ENDING, (f"/{OF_SESSION}",)):
        folder = key.removesuffix(OF_SESSION)
        session_id = folder[:-1].rpartition("/")[2]
        if folder and session_id in found and "session" in _fields(connection, key):
            found[session_id] += [key, f"{folder}{SCOPES}"]
    return found


def agent_archives(connection: Connection, folder: str | None = None) -> list[str]:
    """Return the keys that archives of agents have, below `folder` or anywhere; others may have them too."""
    if folder is None:
        return [key for (key,) in connection.rows(_ENDING, (f"/{OF_AGENT}",))]
    return [key for key in list_keys(folder)(connection) if key.endswith(f"/{OF_AGENT}")]


def count_originals(connection: Connection, key: str) -> int:
    """Return how many originals of redacted messages the object has; none where it is no archive of an agent."""
    return len(_originals(_fields(connection, key)))


def drop_originals(connection: Connection, key: str) -> int:
    """Leave of redacted messages what stands in their place; return how many originals there were."""
    archive = _fields(connection, key)
    count = len(_originals(archive))
    if count:
        text = json.dumps({**archive, ORIGINALS: {}}, ensure_ascii=False)  # as it was spelled: what is left is shared
        WriteObject(key, text.encode(), Bases())(connection)
    return count


def _originals(archive: dict[str, Any]) -> dict[str, Any]:
    originals = archive.get(ORIGINALS)
    return originals if "messages" in archive and isinstance(originals, dict) else {}


def _fields(connection: Connection, key: str) -> dict[str, Any]:
    """Return the JSON object that a stored object is; an empty one where it is none."""
    content = read_object(key)(connection) or b""
    try:
        value = loads(content.decode())
    except (CodecError, UnicodeDecodeError):
        return {}
    return value if isinstance(value, dict) else {}
