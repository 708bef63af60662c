"""Storage objects into the database: some at once, in one transaction, and never over others unless told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from strands_sqlite_session_manager._bases import Bases
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._keys import normalized_key
from strands_sqlite_session_manager._objects import WriteObject, read_object
from strands_sqlite_session_manager.errors import AlreadyExistsError, InvalidKeyError

from ._storing import Outcome
from ._values import Conflict


def is_object_key(key: str) -> bool:
    """Tell whether a storage can have an object under this very key."""
    try:
        return normalized_key(key) == key
    except InvalidKeyError:
        return False


def store_objects(database: Database, objects: Sequence[tuple[str, bytes]], on_conflict: Conflict) -> Counter[Outcome]:
    """Write objects, in their order, unless they are there already: all of them, or none.

    Args:
        database: Where to put them.
        objects: Each key, as `is_object_key` wants it, with its bytes.
        on_conflict: What to do where a key has other bytes.

    Returns:
        How many were written, skipped, and there already.

    Raises:
        AlreadyExistsError: A key has other bytes, and `on_conflict` is `"fail"`; nothing was written.
        SQLiteSessionError: They could not be written; none was.
    """
    tally: Counter[Outcome] = Counter()

    def put(connection: Connection) -> None:
        tally.clear()
        for key, data in objects:
            tally[_put(connection, key, data, on_conflict)] += 1

    database.write(put)
    return tally


def _put(connection: Connection, key: str, data: bytes, on_conflict: Conflict) -> Outcome:
    stored = read_object(key)(connection)
    if stored == data:
        return "unchanged"
    if stored is not None and on_conflict == "skip":
        return "skipped"
    if stored is not None and on_conflict == "fail":
        message = f"Object {key} already exists with other content"
        raise AlreadyExistsError(message, hint="choose on_conflict='skip' or 'replace'")
    WriteObject(key, data, Bases())(connection)  # without a base: it looks for the newest in the database itself
    return "imported"
