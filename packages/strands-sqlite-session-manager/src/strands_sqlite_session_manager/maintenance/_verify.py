"""The search for damage: all checks, one after the other, each in steps."""

from __future__ import annotations

from collections.abc import Callable

from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import (
    CodecError,
    DatabaseCorruptError,
    DatabaseIOError,
    NotADatabaseError,
    SQLiteSessionError,
)
from strands_sqlite_session_manager.maintenance._file_checks import DERIVED, FILE
from strands_sqlite_session_manager.maintenance._findings import Batch, Check, Finding
from strands_sqlite_session_manager.maintenance._message_checks import MESSAGES
from strands_sqlite_session_manager.maintenance._object_checks import STORED_APART
from strands_sqlite_session_manager.maintenance._row_checks import ROWS

MOST_FINDINGS = 1000
"""A check stops after so many findings: what is wrong is plain by then."""

_CHECKS = (*FILE, *ROWS, MESSAGES, *STORED_APART, *DERIVED)
_DAMAGE = (CodecError, DatabaseCorruptError, DatabaseIOError, NotADatabaseError)
_ADVICE = "stop writing; copy the file with its -wal and -shm, then restore a backup, or use sqlite3's .recover"


def verify(database: Database, *, progress: Callable[[int, int], None] | None = None) -> list[Finding]:
    """Look for damage of every kind, and change nothing.

    Everything in the file is read: SQLite's own checks, foreign keys, ids, JSON, tool calls with their results,
    attachments, objects in parts, change counters and search indexes. Others may write meanwhile; each step of a check
    sees one instant. What an agent does at this moment can be found too, such as a tool call whose tool is running.
    Conversations are judged by what their agents are given, without what a conversation manager has removed; an
    interrupt that waits for a person is no finding.

    Args:
        database: Where to look.
        progress: Called with the rows looked at and the rows there are, about, while nothing is locked.

    Returns:
        What was found, in the order of the checks; empty where all is well. Where a check finds very much, it stops.

    Raises:
        SQLiteSessionError: The file cannot be read at all, such as one that is locked. Damage is a finding.
    """
    findings: list[Finding] = []
    total = sum(_size(database, check) for check in _CHECKS)
    done = 0
    for check in _CHECKS:
        before, state, more = len(findings), check.start, True
        while more and len(findings) - before < MOST_FINDINGS:
            batch = _step(database, check, state)
            findings += batch.findings
            done, state, more = done + batch.rows, batch.state, batch.state is not None
            if progress is not None:
                progress(min(done, total), total)
    return findings


def _step(database: Database, check: Check, state: object) -> Batch:
    """Return what a step of a check found; damage that keeps it from reading ends the check."""
    try:
        return database.read(lambda connection: check.step(connection, state))
    except SQLiteSessionError as error:
        if not _is_damage(error):
            raise
        return Batch([Finding("sqlite", check.name, str(error), error.hint or _ADVICE)], 0, None)


def _size(database: Database, check: Check) -> int:
    try:
        return int(database.read(lambda connection: connection.row(check.size))[0])
    except SQLiteSessionError as error:
        if not _is_damage(error):
            raise
        return 0


def _is_damage(error: SQLiteSessionError) -> bool:
    """Tell whether `error` speaks of the file; the bare type is what SQLite says where a table is missing."""
    return isinstance(error, _DAMAGE) or type(error) is SQLiteSessionError
