"""The entries of the full-text index, and how they leave it."""

from __future__ import annotations

from ._connection import Connection

BATCH_ENTRIES = 256
"""How many entries leave the index in one transaction."""

_OF_OBJECT = "SELECT entry_id FROM search_entries WHERE change_id = ?"
_STALE = "SELECT entry_id FROM search_entries WHERE change_id IS NULL LIMIT ?"
_ADD_ENTRY = "INSERT INTO search_entries (entry_id, change_id, key) VALUES (?, ?, ?)"
_ADD_WORDS = "INSERT INTO search_index (rowid, words) VALUES (?, ?)"
_DROP_ENTRY = "DELETE FROM search_entries WHERE entry_id = ?"
_DROP_WORDS = "DELETE FROM search_index WHERE rowid = ?"
_HAS_ENTRIES = "SELECT 1 FROM search_entries LIMIT 1"
_DROP_ALL_WORDS = "INSERT INTO search_index (search_index) VALUES ('delete-all')"


def add(connection: Connection, entry_id: int, change_id: int, key: str, words: str) -> None:
    """Index an object under an entry of its own."""
    connection.run(_ADD_ENTRY, (entry_id, change_id, key))
    connection.run(_ADD_WORDS, (entry_id, words))


def forget(connection: Connection, change_id: int) -> None:
    """Take an object out of the index that is about to be deleted."""
    _drop(connection, connection.rows(_OF_OBJECT, (change_id,)))


def is_stale(connection: Connection) -> bool:
    """Tell whether the index knows objects that were written anew."""
    return connection.row(_STALE, (1,)) is not None


def drop_stale(connection: Connection) -> None:
    """Take some of the objects out of the index that were written anew."""
    _drop(connection, connection.rows(_STALE, (BATCH_ENTRIES,)))


def _drop(connection: Connection, entries: list[tuple[int]]) -> None:
    for (entry_id,) in entries:
        connection.run(_DROP_WORDS, (entry_id,))
        connection.run(_DROP_ENTRY, (entry_id,))
    if entries and connection.row(_HAS_ENTRIES) is None:  # FTS5 would keep their words until it merges the index
        connection.run(_DROP_ALL_WORDS)
