"""Large values that are stored apart: attachments of messages, and the parts of objects."""

from __future__ import annotations

from hashlib import blake2b, sha256
from typing import Any

from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager.maintenance._findings import RESTORE, Batch, Check, Finding

BATCH_ROWS = 500
BATCH_BYTES = 8 * 1024 * 1024

_BLOBS = """
SELECT blob_id, sha256, CAST(content AS BLOB),
    EXISTS (SELECT 1 FROM message_blobs WHERE message_blobs.blob_id = blobs.blob_id)
FROM blobs WHERE blob_id > ? ORDER BY blob_id
"""
_OBJECTS = "SELECT change_id, key, size, length(content) FROM objects WHERE change_id > ? ORDER BY change_id LIMIT ?"
_RUNS = "SELECT first_part, last_part, skipped, length(content) FROM object_parts WHERE change_id = ? ORDER BY position"
_RUN_BYTES = "SELECT count(*), ifnull(sum(length(content)), 0) FROM parts WHERE part_id BETWEEN ? AND ?"
_PART_BYTES = "SELECT length(content) FROM parts WHERE part_id = ?"
_PARTS = "SELECT part_id, hash, CAST(content AS BLOB) FROM parts WHERE part_id > ? ORDER BY part_id"
_NEXT_PART = "SELECT min(part_id) FROM parts WHERE part_id > ?"
_COVERED_TO = """
SELECT last_part FROM object_parts WHERE first_part BETWEEN ?1 - ?1 % ?2 AND ?1 AND last_part >= ?1
ORDER BY first_part DESC, last_part DESC LIMIT 1
"""
_NEXT_COVERED = "SELECT min(first_part) FROM object_parts WHERE first_part > ?"
_COUNT_BETWEEN = "SELECT count(*), max(part_id) FROM parts WHERE part_id BETWEEN ? AND ?"
_RANGE = 1 << 32
_LAST = 2**63 - 1


def _check_blobs(connection: Connection, after: int) -> Batch:
    findings: list[Finding] = []
    rows, size = 0, 0
    for blob_id, digest, content, used in connection.execute(_BLOBS, (after,)):
        where = f"attachment {digest}"
        if sha256(content).hexdigest() != digest:
            findings.append(Finding("blob", where, "the bytes are not those that were stored", RESTORE))
        if not used:
            findings.append(Finding("blob", where, "no message uses it", "it only takes space"))
        rows, size, after = rows + 1, size + len(content), blob_id
        if size >= BATCH_BYTES or rows == BATCH_ROWS:
            return Batch(findings, rows, after)
    return Batch(findings, rows, None)


def _check_objects(connection: Connection, after: int) -> Batch:
    rows = connection.rows(_OBJECTS, (after, BATCH_ROWS))
    runs = _Runs(connection)
    findings = []
    for change_id, key, size, whole in rows:
        stored, problem = runs.measure(change_id)
        if whole is not None:
            problem = "it is stored whole and in parts" if stored is not None else ""
            stored = whole
        if not problem and stored != size:
            problem = f"it has {stored or 0} bytes, it had {size}"
        if problem:
            findings.append(Finding("parts", f"object {key}", problem, "write it anew, restore a backup, or delete it"))
    return Batch(findings, len(rows), rows[-1][0] if len(rows) == BATCH_ROWS else None)


class _Runs:
    """Measures objects in parts. Versions of a conversation begin alike, so each goes on from the one before."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[int, tuple[int, int, int]] = {}

    def measure(self, change_id: int) -> tuple[int | None, str]:
        """Return the bytes of an object, None where it is not in parts, and what is wrong with its parts."""
        total = None
        for first, last, skipped, own in self._connection.rows(_RUNS, (change_id,)):
            total = total or 0
            if first is None or last is None:
                total += own or 0
                continue
            parts, size = self._run(first, last)
            if missing := last - first + 1 - parts:
                return total, f"{missing} of its parts are missing"
            if skipped and skipped > (self._connection.row(_PART_BYTES, (first,)) or (0,))[0]:
                return total, "it begins beyond the end of its first part"
            total += size - skipped
        return total, ""

    def _run(self, first: int, last: int) -> tuple[int, int]:
        to, parts, size = self._known.get(first, (first - 1, 0, 0))
        if to > last:
            to, parts, size = first - 1, 0, 0
        if to < last:
            more, bytes_more = self._connection.row(_RUN_BYTES, (to + 1, last))
            parts, size = parts + more, size + bytes_more
            self._known[first] = (last, parts, size)
        return parts, size


def _check_parts(connection: Connection, after: int) -> Batch:
    findings: list[Finding] = []
    rows, size = 0, 0
    for part_id, hash_, content in connection.execute(_PARTS, (after,)):
        if hash_ is not None and hash_ != int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True):
            problem = "the bytes are not those that were stored"
            findings.append(Finding("parts", f"part {part_id}", problem, "restore a backup, or write its objects anew"))
        rows, size, after = rows + 1, size + len(content), part_id
        if size >= BATCH_BYTES or rows == 10 * BATCH_ROWS:
            return Batch(findings, rows, after)
    return Batch(findings, rows, None)


def _check_unused(connection: Connection, after: int) -> Batch:
    """Look for parts that no object uses, from run to run."""
    findings: list[Finding] = []
    for _ in range(BATCH_ROWS):
        part = connection.row(_NEXT_PART, (after,))[0]
        if part is None:
            return Batch(findings, 0, None)
        covered: Any = connection.row(_COVERED_TO, (part, _RANGE))
        if covered is not None:
            after = covered[0]
            continue
        following = connection.row(_NEXT_COVERED, (part,))[0]
        count, last = connection.row(_COUNT_BETWEEN, (part, _LAST if following is None else following - 1))
        where = f"parts {part} to {last}" if count > 1 else f"part {part}"
        findings.append(Finding("parts", where, "no object uses them", "they only take space"))
        after = last
    return Batch(findings, 0, after)


STORED_APART = (
    Check("attachments", "SELECT count(*) FROM blobs", _check_blobs, -_LAST - 1),
    Check("objects", "SELECT count(*) FROM objects", _check_objects, -_LAST - 1),
    Check("parts", "SELECT count(*) FROM parts", _check_parts, -_LAST - 1),
    Check("parts that nothing uses", "SELECT 0", _check_unused, -_LAST - 1),
)
