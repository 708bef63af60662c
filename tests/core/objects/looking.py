"""What the tables of objects hold, as any other program sees them, and what must be true of them at all times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

_TORN_RUNS = """
SELECT * FROM object_parts AS run WHERE content IS NULL AND last_part - first_part + 1 IS NOT (
    SELECT count(*) FROM parts WHERE part_id BETWEEN run.first_part AND run.last_part
)
"""
_UNUSED_PARTS = """
SELECT part_id FROM parts WHERE NOT EXISTS (
    SELECT 1 FROM object_parts WHERE part_id BETWEEN first_part AND last_part
)
"""
_WITHOUT_OBJECT = "SELECT * FROM object_parts WHERE change_id NOT IN (SELECT change_id FROM objects)"
_BOTH_OR_NEITHER = """
SELECT change_id, 'whole' FROM objects WHERE content IS NULL AND size > 0 AND NOT EXISTS (
    SELECT 1 FROM object_parts WHERE object_parts.change_id = objects.change_id
)
UNION ALL SELECT change_id, 'cut' FROM objects JOIN object_parts USING (change_id) WHERE objects.content IS NOT NULL
UNION ALL SELECT change_id, position FROM object_parts WHERE (content IS NULL) IS NOT (first_part IS NOT NULL)
UNION ALL SELECT change_id, position FROM object_parts WHERE (first_part IS NULL) IS NOT (last_part IS NULL)
"""
_SIZES = """
SELECT key, size, ifnull(length(content), 0) + ifnull((
    SELECT sum(ifnull(length(run.content), (
        SELECT sum(length(parts.content)) FROM parts WHERE part_id BETWEEN run.first_part AND run.last_part
    )) - run.skipped) FROM object_parts AS run WHERE run.change_id = objects.change_id
), 0) FROM objects
"""
_PIECES = """
SELECT ifnull(run.content, substr(parts.content, 1 + iif(part_id = first_part, skipped, 0)))
FROM objects JOIN object_parts AS run USING (change_id)
LEFT JOIN parts ON part_id BETWEEN run.first_part AND run.last_part
WHERE key = ? ORDER BY position, part_id
"""


@contextmanager
def foreign(path: Path) -> Iterator[apsw.Connection]:
    """Open the file as any other program would."""
    connection = apsw.Connection(str(path))
    try:
        yield connection
    finally:
        connection.close()


def assert_sound(path: Path) -> None:
    """Hold that the file is intact, that no object lacks a part, and that there is no part without an object."""
    with foreign(path) as connection, connection:  # one instant
        assert connection.pragma("integrity_check") == "ok"
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        for query in (_TORN_RUNS, _UNUSED_PARTS, _WITHOUT_OBJECT, _BOTH_OR_NEITHER):
            assert connection.execute(query).fetchall() == [], query
        assert [row for row in connection.execute(_SIZES) if row[1] != row[2]] == []


def assert_holds(path: Path, objects: dict[str, bytes]) -> None:
    """Hold that the file is sound, and that its rows alone give these objects and no others."""
    assert_sound(path)
    with foreign(path) as connection:
        found = dict(connection.execute("SELECT key, content FROM objects"))
        for key, content in found.items():
            if content is None:
                found[key] = b"".join(piece for (piece,) in connection.execute(_PIECES, (key,)))
    assert found.keys() == objects.keys()
    assert [key for key in objects if found[key] != objects[key]] == []


def assert_empty(path: Path) -> None:
    """Hold that no object is left, and no part."""
    assert_sound(path)
    assert {table: count(path, table) for table in ("objects", "object_parts", "parts")} == {
        "objects": 0,
        "object_parts": 0,
        "parts": 0,
    }


def count(path: Path, table: str) -> int:
    found: int = value(path, f"SELECT count(*) FROM {table}")
    return found


def value(path: Path, query: str) -> Any:
    """Return the one value that a query gives."""
    with foreign(path) as connection:
        return connection.execute(query).get


def part_bytes(path: Path) -> int:
    """Return how many bytes all parts hold together."""
    found: int = value(path, "SELECT ifnull(sum(length(content)), 0) FROM parts")
    return found


def file_bytes(path: Path) -> int:
    """Return the size of the file, after what waits in the WAL was folded in."""
    with foreign(path) as connection:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        return int(connection.pragma("page_count")) * int(connection.pragma("page_size"))


def compact(path: Path) -> int:
    """Give the free pages of the file back; return how many are left."""
    with foreign(path) as connection:
        connection.execute("VACUUM")
        return int(connection.pragma("page_count"))
