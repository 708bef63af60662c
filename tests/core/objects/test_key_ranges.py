"""A list of keys reads what it lists, and nothing of what lies behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from strands_sqlite_session_manager import SQLiteStorage, _objects, _search
from strands_sqlite_session_manager._schema import open_database

from .doing import write


@pytest.mark.parametrize("sql", [_objects._KEYS, _search._CHANGED_IN_SCOPE])
def test_the_range_of_the_index_has_two_ends(db: Path, sql: str) -> None:
    """However many objects there are behind a prefix, SQLite stops where it ends."""
    database = open_database(db)
    places = [None] * sql.count("?1") + [None] * sql.count("?2") + [None] * sql.count("?3")
    (plan,) = database.read(lambda connection: connection.rows(f"EXPLAIN QUERY PLAN {sql}", tuple(places)))
    assert "(key>? AND key<?)" in plan[3]
    database.close()


def test_a_prefix_without_an_end_lists_to_the_last_key(storage: SQLiteStorage, db: Path) -> None:
    """No text is above the last character of Unicode, and that one is listed too."""
    keys = ["a", "b/1", "b/2", "\U0010ffff", "\U0010ffff\U0010ffff"]
    for key in keys:
        write(storage, key, b"x")
    database = open_database(db)
    assert database.read(_objects.list_keys("")) == keys
    assert database.read(_objects.list_keys("b/")) == keys[1:3]
    assert database.read(_objects.list_keys("\U0010ffff")) == keys[3:]
    database.close()
