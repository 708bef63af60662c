"""Results of tools that the SDK's `ContextOffloader` keeps outside the folders of sessions, under the ids of calls."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from strands_sqlite_session_manager._codec import loads
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._keys import end_of, normalized_key, normalized_prefix
from strands_sqlite_session_manager._objects import read_object
from strands_sqlite_session_manager.errors import CodecError, DatabaseCorruptError, InvalidKeyError

USUAL = "offloader"
"""Below this the plugin keeps a result as `<id of the call>_<number of the block>`, unless it got a namespace."""

_FIRST_FROM = "SELECT ifnull(min(key), '') FROM objects WHERE key >= ?"
_KEYS = "SELECT key FROM objects WHERE key >= ? AND key < ?"
_BLOCKS = """
SELECT session_id, coalesce(block.value ->> '$.toolUse.toolUseId', block.value ->> '$.toolResult.toolUseId') AS call_id,
    CAST(block.value -> '$.toolResult' AS BLOB) AS result
FROM messages, json_each(iif(json_valid(message, 2), message, '{}'), '$.content') AS block
WHERE block.type = 'object'
"""
_AS_BYTES = "CAST(call_id AS BLOB)"
"""A text that is none, which another program has written, keeps no session from being erased."""

_CALLS = f"SELECT DISTINCT {_AS_BYTES} FROM ({_BLOCKS} AND session_id = ?) WHERE typeof(call_id) = 'text'"
_RESULTS = f"""
SELECT DISTINCT {_AS_BYTES}, result
FROM ({_BLOCKS} AND instr(message, '"toolResult"') AND session_id IN (SELECT value FROM json_each(?)))
WHERE typeof(call_id) = 'text' AND result IS NOT NULL
"""
_RESULTS_ELSEWHERE = f"""
SELECT {_AS_BYTES}, result
FROM ({_BLOCKS} AND instr(message, '"toolResult"') AND session_id NOT IN (SELECT value FROM json_each(?1)))
WHERE call_id IN (SELECT value FROM json_each(?2)) AND result IS NOT NULL
"""


class Offloaded(NamedTuple):
    """Where results lie that may have to go.

    Attributes:
        folders: The prefixes of their keys.
        kept: Ids of calls whose results other sessions have too, as forks do: these stay.
    """

    folders: tuple[str, ...]
    kept: frozenset[str]

    def keys(self, connection: Connection, session_id: str, own: Iterable[str]) -> list[str]:
        """Return the keys of the results of a session's calls: those in its message log, and in its objects.

        Args:
            connection: The connection.
            session_id: The session.
            own: The keys of the session's objects, its snapshots among them.
        """
        if not self.folders:
            return []
        calls = {_text(call) for (call,) in connection.rows(_CALLS, (session_id,))}
        calls.update(call for key in own if key.endswith(".json") for call in _calls_in_object(connection, key))
        return _keys(connection, self.folders, calls - self.kept)


def offloaded(connection: Connection, session_ids: Iterable[str], namespaces: Iterable[str]) -> Offloaded:
    """Return where results of the sessions lie, and what of them the other sessions have too.

    Raises:
        InvalidKeyError: A namespace can be part of no key.
    """
    above = [normalized_prefix(namespace).rstrip("/") for namespace in (USUAL, *namespaces)]
    folders = tuple(dict.fromkeys(f"{folder}/".lstrip("/") for folder in above))
    folders = tuple(each for each in folders if connection.row(_FIRST_FROM, (each,))[0].startswith(each))
    if not folders:
        return Offloaded((), frozenset())
    ids = json.dumps(list(session_ids))
    rows = connection.rows(_RESULTS, (ids,))
    results = {(call, result) for call, result in rows if _keys(connection, folders, [_text(call)])}
    if not results:
        return Offloaded(folders, frozenset())
    calls = json.dumps(sorted({_text(call) for call, _ in results}))
    elsewhere = results.intersection(connection.rows(_RESULTS_ELSEWHERE, (ids, calls)))
    return Offloaded(folders, frozenset(_text(call) for call, _ in elsewhere))


def _keys(connection: Connection, folders: Iterable[str], calls: Iterable[str]) -> list[str]:
    """Return the keys under which results of the calls are stored."""
    beginnings = sorted(folder + name for name in filter(None, map(_beginning, calls)) for folder in folders)
    found: list[str] = []
    for beginning in beginnings:
        rows = connection.rows(_KEYS, (beginning, end_of(beginning)))
        found += [key for (key,) in rows if key[len(beginning) :].isdecimal()]
    return found


def _text(call: bytes) -> str:
    return call.decode(errors="replace")


def _beginning(call: str) -> str:
    """Return how the keys of a call's results begin; nothing where the call can have none."""
    try:
        return normalized_key(f"{call}_")
    except InvalidKeyError:
        return ""


def _calls_in_object(connection: Connection, key: str) -> Iterator[str]:
    """Yield the ids of the calls in a snapshot, or in what a conversion keeps beside it."""
    try:
        value = loads((read_object(key)(connection) or b"").decode())
    except (CodecError, DatabaseCorruptError, UnicodeDecodeError):  # it is to go, so nobody needs it to be whole
        return
    for place in (value, _field(value, "data")):
        for message in _items(_field(place, "messages")):
            for block in _items(_field(message, "content")):
                for kind in ("toolUse", "toolResult"):
                    call = _field(_field(block, kind), "toolUseId")
                    if isinstance(call, str):
                        yield call


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
