"""Parts of large objects: each stored once, in runs that many objects share, and freed with the last of them."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from itertools import chain

from ._connection import Connection
from ._versions import INLINE, NEW_FRAME, Run, Version
from .errors import DatabaseCorruptError

SMALLEST_SHARED = 512
"""A new part of at least this many bytes is looked for among all parts; a smaller one is cheaper stored again."""

_FRAME_BIT = 1 << 32
_RANGE = 1 << 33
"""Parts of one folder are numbered in two ranges of their own, so that they follow each other in runs."""

_PARTS_LIKE = "SELECT part_id, content FROM parts WHERE hash = ?"
_LAST_IN_RANGE = "SELECT max(part_id) FROM parts WHERE part_id BETWEEN ? AND ?"
_INSERT_PART = "INSERT INTO parts (part_id, hash, content) VALUES (?, ?, ?)"
_INSERT_RUN = """
INSERT INTO object_parts (change_id, position, first_part, last_part, skipped, content) VALUES (?, ?, ?, ?, ?, ?)
"""
_RUNS = "SELECT first_part, last_part, skipped, content FROM object_parts WHERE change_id = ? ORDER BY position"
_CONTENTS = "SELECT content FROM parts WHERE part_id BETWEEN ? AND ? ORDER BY part_id"
_COVERED_TO = """
SELECT last_part FROM object_parts WHERE first_part BETWEEN ? AND ? AND last_part >= ?
ORDER BY first_part DESC, last_part DESC LIMIT 1
"""
_NEXT_COVERED = "SELECT min(first_part) FROM object_parts WHERE first_part BETWEEN ? AND ?"
_DELETE_PARTS = "DELETE FROM parts WHERE part_id BETWEEN ? AND ?"

Range = tuple[int, int]
"""The first and the last id of parts that follow each other."""


def store(connection: Connection, change_id: int, version: Version, folder: str) -> None:
    """Store the parts of `version` that are new, and note which parts make up the object; ids replace the marks.

    Args:
        connection: In a write transaction that has written the object.
        change_id: The object.
        version: What it holds.
        folder: Where similar objects lie; their parts are numbered together.
    """
    base = int.from_bytes(blake2b(folder.encode(), digest_size=8).digest(), "big") % (1 << 30) * _RANGE
    following: dict[int, int] = {}
    for index, content in version.new_parts():
        first = base + _FRAME_BIT if version.part_ids[index] == NEW_FRAME else base
        version.part_ids[index] = _store_part(connection, content, first, following)
    for position, run in enumerate(version.runs()):
        connection.run(_INSERT_RUN, (change_id, position, *run))


def _store_part(connection: Connection, content: bytes, first: int, following: dict[int, int]) -> int:
    """Return the id of the part that holds `content`; where there is none, it becomes the next one from `first` on."""
    hash_ = None
    if len(content) >= SMALLEST_SHARED:
        hash_ = int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True)
        for part_id, stored in connection.rows(_PARTS_LIKE, (hash_,)):
            if stored == content:
                return int(part_id)
    part_id = following.get(first) or (connection.row(_LAST_IN_RANGE, (first, first + _FRAME_BIT - 1))[0] or first) + 1
    connection.run(_INSERT_PART, (part_id, hash_, content))
    following[first] = part_id + 1
    return part_id


def load(connection: Connection, change_id: int) -> Version:
    """Return the object as it was stored, with its parts.

    Raises:
        DatabaseCorruptError: Parts of it are missing.
    """
    version = Version(b"")
    pieces = []
    for run, contents in _read(connection, change_id):
        pieces.extend(contents)
        for offset, content in enumerate(contents):
            part_id = INLINE if run.first is None else run.first + offset
            version.add(len(content), part_id, 0 if offset else run.skipped)
    version.data = b"".join(pieces)
    return version


def contents(connection: Connection, change_id: int) -> bytes:
    """Return the bytes of the object.

    Raises:
        DatabaseCorruptError: Parts of it are missing.
    """
    return b"".join(chain.from_iterable(pieces for _, pieces in _read(connection, change_id)))


def _read(connection: Connection, change_id: int) -> Iterator[tuple[Run, list[bytes]]]:
    """Yield the object's runs, and the bytes of each of their parts."""
    for row in connection.rows(_RUNS, (change_id,)):
        run = Run(*row)
        if run.first is None or run.last is None:
            yield run, [run.content or b""]
            continue
        pieces = [found[0] for found in connection.rows(_CONTENTS, (run.first, run.last))]
        missing = run.last - run.first + 1 - len(pieces)
        if missing:
            message = f"database=<{connection.filename}> lacks {missing} parts of an object"
            raise DatabaseCorruptError(message)
        pieces[0] = pieces[0][run.skipped :]
        yield run, pieces


def runs_of(connection: Connection, change_id: int) -> list[Range]:
    """Return the runs of parts that the object uses."""
    runs = (Run(*row) for row in connection.rows(_RUNS, (change_id,)))
    return [(run.first, run.last) for run in runs if run.first is not None and run.last is not None]


def free(connection: Connection, runs: list[Range]) -> None:
    """Delete those parts of `runs` that no object uses."""
    for first, last in runs:
        lowest = first - first % _FRAME_BIT  # runs do not reach beyond the range of their folder
        part = first
        while part <= last:
            covered = connection.row(_COVERED_TO, (lowest, part, part))
            if covered is None:
                following = connection.row(_NEXT_COVERED, (part + 1, last))[0]
                end = last if following is None else following - 1
                connection.run(_DELETE_PARTS, (part, end))
            else:
                end = covered[0]
            part = end + 1
