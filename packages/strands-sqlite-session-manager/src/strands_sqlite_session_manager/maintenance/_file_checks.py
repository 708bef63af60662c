"""The file as a whole: what SQLite says of it, the change counters, and the search indexes."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import Any

from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager.maintenance._findings import Batch, Check, Finding, Kind, place

MOST_ROWS = 1000
"""A check notes at most so many rows of one kind."""

_ONE = "SELECT 1"
_DAMAGED = "stop writing; copy the file with its -wal and -shm, then restore a backup, or use sqlite3's .recover"
_REBUILD = "`repair` the whole file: the index is built anew from what is stored"
_COUNTER = "restore a backup: what follows the change counters, such as a mirror, may have missed rows"

_REUSED_BY_SESSION = """
SELECT sessions.session_id, NULL, NULL FROM sessions JOIN deletions USING (session_id)
WHERE deletions.agent_id IS NULL AND sessions.change_id <= deletions.change_id LIMIT ?
"""
_REUSED_BY_MESSAGE = """
SELECT messages.session_id, messages.agent_id, messages.message_id
FROM deletions JOIN messages ON messages.session_id = deletions.session_id
    AND (deletions.agent_id IS NULL
        OR messages.agent_id = deletions.agent_id AND messages.message_id >= deletions.first_message_id)
WHERE messages.change_id <= deletions.change_id LIMIT ?
"""
_OBJECTS_BEYOND = """
SELECT max(change_id) FROM objects
HAVING max(change_id) > ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'objects'), 0)
"""

_NEWEST = " UNION ALL ".join(
    f"SELECT 'activity.{table}' AS name, max(ifnull((SELECT max(change_id) FROM {table}), 0), "
    "ifnull((SELECT max(change_id) FROM deletions), 0)) AS newest"
    for table in ("sessions", "agents", "messages", "multi_agents", "deletions")
)
_ACTIVITY_BEYOND = f"""
SELECT name, change_id FROM watermarks JOIN ({_NEWEST}) USING (name) WHERE change_id > newest LIMIT ?
"""
_INDEX_BEYOND = """
SELECT name, change_id FROM watermarks
WHERE name = 'message_index' AND change_id > max(
    ifnull((SELECT max(change_id) FROM messages), 0), ifnull((SELECT max(change_id) FROM deletions), 0)
) LIMIT ?
"""
_SCOPES_BEYOND = """
SELECT prefix, indexed_to FROM search_scopes
WHERE indexed_to > ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'objects'), 0) LIMIT ?
"""
_WORDS_WITHOUT_MESSAGE = """
SELECT id, '' FROM message_index_docsize WHERE NOT EXISTS (SELECT 1 FROM messages WHERE change_id = id) LIMIT ?
"""
_WORDS_WITHOUT_ENTRY = """
SELECT id, '' FROM search_index_docsize WHERE NOT EXISTS (SELECT 1 FROM search_entries WHERE entry_id = id) LIMIT ?
"""
_ENTRIES_WITHOUT_WORDS = """
SELECT entry_id, key FROM search_entries
WHERE NOT EXISTS (SELECT 1 FROM search_index_docsize WHERE id = entry_id) LIMIT ?
"""
_MESSAGES_WITHOUT_WORDS = """
SELECT session_id || ', agent ' || agent_id || ', message ' || message_id, '' FROM messages
WHERE change_id <= (SELECT change_id FROM watermarks WHERE name = 'message_index')
    AND NOT EXISTS (SELECT 1 FROM message_index_docsize WHERE id = change_id) LIMIT ?
"""
MESSAGE_INDEX = "message_index"
SEARCH_INDEX = "search_index"
ACTIVITY = "session_activity"

_INDEX_ROWS = (
    (_ACTIVITY_BEYOND, ACTIVITY, "{} was followed to change {}, which was never given"),
    (_INDEX_BEYOND, MESSAGE_INDEX, "{} was followed to change {}, which was never given"),
    (_WORDS_WITHOUT_MESSAGE, MESSAGE_INDEX, "it finds entry {}, which is no message"),
    (_MESSAGES_WITHOUT_WORDS, MESSAGE_INDEX, "it does not find session {}"),
    (_SCOPES_BEYOND, SEARCH_INDEX, "<{}> was followed to change {}, which was never given"),
    (_WORDS_WITHOUT_ENTRY, SEARCH_INDEX, "it finds entry {}, which is no object"),
    (_ENTRIES_WITHOUT_WORDS, SEARCH_INDEX, "it does not find entry {}, the object {}"),
)


def _check_file(connection: Connection, _: None) -> Batch:
    rows = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    return Batch([_file_finding(row) for row in rows if row != "ok"], 1, None)


def _file_finding(row: str) -> Finding:
    if "fts5" in row.lower():
        index = next((name for name in (MESSAGE_INDEX, SEARCH_INDEX) if name in row), SEARCH_INDEX)
        return Finding("index", index, row, _REBUILD)
    return Finding("sqlite", "the file", row, _DAMAGED)


def _check_foreign_keys(connection: Connection, _: None) -> Batch:
    rows = islice(connection.execute("PRAGMA foreign_key_check"), MOST_ROWS)
    found = [
        Finding(
            "foreign key", f"{table} row {rowid}", f"its row in {parent} is missing", "restore a backup, or delete it"
        )
        for table, rowid, parent, _ in rows
    ]
    return Batch(found, 1, None)


def _check_counters(connection: Connection, _: None) -> Batch:
    findings = []
    for sql in (_REUSED_BY_SESSION, _REUSED_BY_MESSAGE):
        for where in connection.rows(sql, (MOST_ROWS,)):
            problem = "it has a change counter from before a deletion that it came after"
            findings.append(Finding("id", place(*where), problem, _COUNTER))
    for (newest,) in connection.rows(_OBJECTS_BEYOND):
        problem = f"their change counter stands below {newest}, which was given already"
        findings.append(Finding("id", "objects", problem, _COUNTER))
    return Batch(findings, 1, None)


def _check_index(connection: Connection, _: None, sql: str, index: str, problem: str) -> Batch:
    kind: Kind = "index"
    rows: list[tuple[Any, ...]] = connection.rows(sql, (MOST_ROWS,))
    return Batch([Finding(kind, index, problem.format(*row), _REBUILD) for row in rows], 1, None)


FILE = (
    Check("the file", _ONE, _check_file, None),
    Check("foreign keys", _ONE, _check_foreign_keys, None),
)
DERIVED = (
    Check("change counters", _ONE, _check_counters, None),
    *(
        Check(index, _ONE, partial(_check_index, sql=sql, index=index, problem=problem), None)
        for sql, index, problem in _INDEX_ROWS
    ),
)


def damaged_indexes(connection: Connection) -> list[str]:
    """Return the names of the tables that follow others and are to be built anew."""
    found = {index for sql, index, _ in _INDEX_ROWS if connection.row(f"SELECT 1 FROM ({sql})", (1,)) is not None}
    for index in (MESSAGE_INDEX, SEARCH_INDEX):
        if connection.row(f"SELECT 1 FROM pragma_integrity_check('{index}') WHERE integrity_check <> 'ok'") is not None:
            found.add(index)
    return sorted(found)
