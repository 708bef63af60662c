"""Objects of a storage: bytes under a key, small ones whole, large ones in parts that are stored once."""

from __future__ import annotations

from collections.abc import Callable

from . import _index, _parts
from ._bases import Base, Bases
from ._connection import Connection
from ._cut import Cuts
from ._keys import end_of
from ._versions import Version, compare

CHECKPOINTS = "/immutable_history"
"""The folder in which the SDK keeps an agent's checkpoints; its latest snapshot lies one folder above."""

LARGEST_WHOLE = 2048
"""Objects of up to this many bytes are stored whole."""

_FIND = "SELECT change_id, created_at, content IS NULL FROM objects WHERE key = ?"
_READ = "SELECT change_id, content FROM objects WHERE key = ?"
_IS_STORED = "SELECT 1 FROM objects WHERE change_id = ? AND key = ? AND updated_at = ?"
_INSERT = """
INSERT INTO objects (key, size, content, created_at)
VALUES (?, ?, ?, ifnull(?, strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'))) RETURNING change_id, updated_at
"""
_DELETE = "DELETE FROM objects WHERE change_id = ?"
_RECORD_DELETION = "INSERT INTO object_deletions (key) VALUES (?)"
# To SQLite every text is below x'', so the range of the index has two ends also where the prefix has none.
_KEYS = "SELECT key FROM objects WHERE key >= ?1 AND key < ifnull(?2, x'') ORDER BY key"
_NEWEST_BELOW = "SELECT max(+change_id) FROM objects WHERE key >= ? AND key < ?"
_IS_IN_PARTS = "SELECT 1 FROM objects WHERE change_id = ? AND content IS NULL"

_Stored = tuple[int, str, int]
"""Change id, time of creation, and whether it is in parts."""


class WriteObject:
    """The operation that stores an object, over the one that has its key."""

    def __init__(self, key: str, data: bytes, bases: Bases) -> None:
        """Prepare to store `data` under `key`, sharing what the version in `bases` has in common with it."""
        self._key = key
        self._data = data
        self._bases = bases
        self._folder = _folder_of(key)
        self._base = bases.get(self._folder) if len(data) > LARGEST_WHOLE else None
        self._written: Base | None = None

    def __call__(self, connection: Connection) -> None:
        """Store the object, and free what only the one before it used."""
        old: _Stored | None = connection.row(_FIND, (self._key,))
        version = self._version(connection, old) if len(self._data) > LARGEST_WHOLE else None
        runs = _remove(connection, old)
        whole = self._data if version is None else None
        change_id, updated_at = connection.row(_INSERT, (self._key, len(self._data), whole, old and old[1]))
        self._written = None
        if version is not None:
            _parts.store(connection, change_id, version, self._folder)
            self._written = Base(change_id, self._key, updated_at, version)
        _parts.free(connection, runs)

    def remember(self) -> None:
        """Keep what was written for the next version to be compared with; call it after the commit."""
        if self._written is not None:
            self._bases.put(self._folder, self._written)

    def _version(self, connection: Connection, old: _Stored | None) -> Version:
        cuts = Cuts(self._data)
        base = self._base
        if base is not None and connection.row(_IS_STORED, (base.change_id, base.key, base.updated_at)) is not None:
            return compare(self._data, cuts, base.version)
        change_id = old[0] if old is not None and old[2] else None
        if change_id is None and cuts.has_messages:
            change_id = _newest_in(connection, self._folder)
        return compare(self._data, cuts, None if change_id is None else _parts.load(connection, change_id))


def delete_object(key: str) -> Callable[[Connection], None]:
    """Return the operation that deletes the object under `key`, where there is one, and frees what only it used."""

    def delete(connection: Connection) -> None:
        old: _Stored | None = connection.row(_FIND, (key,))
        if old is not None:
            _index.forget(connection, old[0])
            _parts.free(connection, _remove(connection, old))
            connection.run(_RECORD_DELETION, (key,))

    return delete


def read_object(key: str) -> Callable[[Connection], bytes | None]:
    """Return the operation that reads the object under `key`; None where there is none."""

    def read(connection: Connection) -> bytes | None:
        found = connection.row(_READ, (key,))
        if found is None or found[1] is not None:
            return None if found is None else found[1]
        return _parts.contents(connection, found[0])

    return read


def list_keys(prefix: str) -> Callable[[Connection], list[str]]:
    """Return the operation that lists every key that begins with `prefix`, in the order of code points."""
    return lambda connection: [row[0] for row in connection.rows(_KEYS, (prefix, end_of(prefix)))]


def _remove(connection: Connection, old: _Stored | None) -> list[_parts.Range]:
    """Delete a stored object, and return the runs of parts that it used."""
    if old is None:
        return []
    runs = _parts.runs_of(connection, old[0]) if old[2] else []
    connection.run(_DELETE, (old[0],))
    return runs


def _newest_in(connection: Connection, folder: str) -> int | None:
    """Return the object in `folder`, or below it, that was written last, if it is in parts."""
    prefix = f"{folder}/" if folder else ""
    change_id = connection.row(_NEWEST_BELOW, (prefix, end_of(prefix)))[0]
    return change_id if connection.row(_IS_IN_PARTS, (change_id,)) is not None else None


def _folder_of(key: str) -> str:
    """Return where objects lie that are much like the one at `key`: its folder; for a checkpoint, its agent's."""
    return key.rpartition("/")[0].removesuffix(CHECKPOINTS)
