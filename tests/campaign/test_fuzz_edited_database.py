"""Files that another program has edited: each call gives what is there, or refuses by name; none hangs or breaks."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import apsw
from hypothesis import example, given
from hypothesis import strategies as st
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager, SQLiteStorage

from .everything import (
    acts_of_manager,
    acts_of_storage,
    reads_of_file,
    reads_of_session,
    refusals,
    snapshot_of,
    writes_of_store,
)
from .folders import lasting_folder, new_folder
from .fuzzing import tries
from .hostile import DEEP, refusal

Edit = Callable[[apsw.Connection], None]
VICTIM, BYSTANDER, KEY = "victim", "bystander", "session/victim/latest.json"
PICTURE: dict[str, Any] = {"image": {"format": "png", "source": {"bytes": bytes(range(256)) * 4}}}
CALL: dict[str, Any] = {"toolUse": {"toolUseId": "t", "name": "look", "input": {"at": "the weather"}}}

COLUMNS = {
    "sessions": "session_id session_type created_at updated_at extra title metadata",
    "agents": "agent_id state conversation_manager_state internal_state created_at updated_at extra",
    "messages": "agent_id message_id message redact_message created_at updated_at extra",
    "multi_agents": "multi_agent_id state created_at updated_at",
    "agent_state_history": "agent_id change_number message_id changes created_at",
    "message_blobs": "agent_id message_id blob_id",
    "session_tags": "tag",
    "session_activity": "last_activity",
}
"""The columns of rows that belong to a session."""

OTHER_COLUMNS = {
    "migrations": "version name",
    "sessions": "change_id",
    "agents": "change_id",
    "messages": "change_id",
    "multi_agents": "change_id",
    "blobs": "blob_id sha256 content",
    "deletions": "change_id session_id deleted_at agent_id first_message_id",
    "objects": "change_id key size content created_at",
    "object_parts": "change_id position first_part last_part skipped content",
    "parts": "part_id hash content",
    "search_scopes": "scope_id prefix indexed_to",
    "search_entries": "entry_id change_id key",
    "watermarks": "name change_id",
    "message_index_data": "id block",
    "message_index_config": "k v",
    "message_index_docsize": "id sz origin",
    "search_index_data": "id block",
    "search_index_idx": "segid term pgno",
}
VALUES = [
    *("NULL", "0", "-1", "1.5", "9223372036854775807", "-9223372036854775808", "x''", "x'ff00'", "zeroblob(100000)"),
    *("''", "'x'", "'[]'", "'{}'", "'null'", "'1'", "'\"x\"'", "'{'", "'NaN'", "'[1,2]'", "CAST(x'ff80' AS TEXT)"),
    *("'a' || char(0) || 'b'", "'a/b'", "'../x'", "'{\"a\":1e999}'", '\'{"role":1,"content":{}}\''),
    *('\'{"content":[1,null,{"text":1},{"toolUse":[]},{"toolResult":{"content":1}}]}\'',),
    *('\'{"role":"\\ud800","content":[{"text":"\\udfff"}]}\'',),
    *('\'{"__bytes_encoded__":true,"data":1}\'', '\'{"__bytes_encoded__":true,"sha256":"0","size":1}\''),
    *(f"replace(hex(zeroblob({DEEP})), '00', '[')", "'[\"x\"]'", '\'{"state":{"set":1}}\'', "'{\"state\":[]}'"),
    *('\'{"removed_message_count":-1,"__name__":3}\'', '\'{"removed_message_count":"many"}\''),
]
SCHEMA = [
    *(f"DROP TABLE {table}" for table in (*COLUMNS, *OTHER_COLUMNS) if "index_" not in table),
    *("DROP TABLE message_index", "DROP TABLE search_index", "DROP VIEW transcript", "DROP INDEX parts_by_hash"),
    *(f"DELETE FROM {table}" for table in (*COLUMNS, *OTHER_COLUMNS)),
    *(f"ALTER TABLE {table} ADD COLUMN more TEXT DEFAULT 'x'" for table in COLUMNS),
    *(f"ALTER TABLE {table} RENAME TO {table}_old" for table in ("sessions", "messages", "objects", "watermarks")),
    "ALTER TABLE messages RENAME COLUMN message TO said",
    "CREATE TRIGGER one BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'no'); END",
    "CREATE TRIGGER one BEFORE INSERT ON messages BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TRIGGER one BEFORE DELETE ON sessions BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
    "CREATE TRIGGER one AFTER INSERT ON messages BEGIN DELETE FROM messages WHERE change_id = new.change_id; END",
    "CREATE TRIGGER one AFTER INSERT ON objects BEGIN DELETE FROM parts; END",
    "CREATE TRIGGER one AFTER UPDATE ON agents BEGIN DELETE FROM sessions; END",
    "CREATE TRIGGER one AFTER INSERT ON messages BEGIN INSERT INTO no_such_table VALUES (1); END",
    "CREATE TRIGGER one BEFORE UPDATE ON sessions BEGIN SELECT no_such_function(1); END",
    "CREATE VIEW more AS SELECT * FROM no_such_table",
    "CREATE TABLE more (a, b GENERATED ALWAYS AS (a || a))",
    "DROP TRIGGER message_leaves_index",
    "PRAGMA user_version = 0",
    "PRAGMA user_version = 1",
    "PRAGMA user_version = 2",
    "PRAGMA user_version = 99",
    "PRAGMA user_version = -1",
    "PRAGMA application_id = 0",
    "PRAGMA journal_mode = DELETE",
    "INSERT INTO message_index (message_index) VALUES ('delete-all')",
    "UPDATE sqlite_sequence SET seq = 9223372036854775807",
]


@lru_cache
def good() -> Path:
    """Return a file in which everything occurs."""
    path = lasting_folder() / "good.db"
    with SessionStore(path) as store, SQLiteStorage(store) as storage:
        for session_id in (BYSTANDER, VICTIM):
            with SQLiteSessionManager(session_id, store) as manager:
                fill(manager, session_id)
            store.set_title(session_id, f"about {session_id}")
            store.add_tags(session_id, "old")
            store.set_metadata(session_id, {"k": 1})
        asyncio.run(storage.write(KEY, snapshot_of(60)))
        asyncio.run(storage.write(KEY, snapshot_of(61)))
        asyncio.run(storage.search("message"))
        store.search_messages("hi")
        store.list_sessions()
        store.fork_session(VICTIM, "gone")
        store.erase(["gone"])
    return path


def fill(manager: SQLiteSessionManager, session_id: str) -> None:
    manager.create_agent(session_id, SessionAgent("a", {"mood": "calm"}, {"removed_message_count": 0}, {}))
    for number, content in enumerate(said(session_id)):
        message: Any = {"role": ("user", "assistant")[number % 2], "content": content}
        manager.create_message(session_id, "a", SessionMessage(message, number))
        manager.update_agent(session_id, SessionAgent("a", {"n": number}, {"removed_message_count": 0}, {}))
    gone: Any = {"role": "user", "content": [{"text": "[gone]"}]}
    manager.update_message(session_id, "a", SessionMessage(message, 4, gone))
    manager.create_multi_agent(session_id, Graph())  # type: ignore[arg-type]  # as far as it is asked


class Graph:
    """What a manager asks of a graph."""

    id = "graph"

    def serialize_state(self) -> dict[str, Any]:
        return {"current_task": "the weather"}


def said(session_id: str) -> list[list[dict[str, Any]]]:
    answer = {"toolResult": {"toolUseId": "t", "status": "success", "content": [{"json": {"rain": True}}]}}
    return [[{"text": f"hi {session_id}"}, PICTURE], [CALL], [answer], [{"text": "bye"}], [{"text": "secret"}]]


def _set(table: str, column: str, value: str, nth: int) -> Edit:
    """Put a value in a row that belongs to the victim, or to nobody."""
    own = f"session_id = '{VICTIM}'" if column in COLUMNS.get(table, "").split() else "TRUE"

    def run(connection: apsw.Connection) -> None:
        without_rowid = connection.execute(f"SELECT count(*) FROM {table} WHERE {own}").get
        if not without_rowid:
            return
        cell = f"CAST({column} AS BLOB)"  # an edit before may have left no UTF-8
        old = connection.execute(f"SELECT {cell} FROM {table} WHERE {own} LIMIT 1 OFFSET ?", (nth % without_rowid,)).get
        connection.execute(f"UPDATE OR IGNORE {table} SET {column} = {value} WHERE {own} AND {cell} IS ?", (old,))

    return run


def _run(sql: str) -> Edit:
    def run(connection: apsw.Connection) -> None:
        connection.execute(sql)

    return run


def _cells(columns: dict[str, str]) -> list[tuple[str, str]]:
    return [(table, column) for table, names in columns.items() for column in names.split()]


def _edits_of(cells: list[tuple[str, str]]) -> st.SearchStrategy[Edit]:
    return st.builds(
        lambda cell, value, nth: _set(*cell, value, nth),
        st.sampled_from(cells),
        st.sampled_from(VALUES),
        st.integers(0, 5),
    )


OWN_EDITS = _edits_of(_cells(COLUMNS))
OTHER_EDITS = _edits_of(_cells(OTHER_COLUMNS))
SCHEMA_EDITS = st.sampled_from(SCHEMA).map(_run)


def edit(path: Path, edits: list[Edit]) -> None:
    """Edit the file as another program would that keeps to no constraint; what SQLite refuses stays as it is."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA foreign_keys = OFF; PRAGMA writable_schema = ON")
    connection.execute(
        "UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'"
    )
    connection.execute("PRAGMA writable_schema = RESET")
    for each in edits:
        try:
            each(connection)
        except apsw.Error:
            continue
    connection.close()


def require_typed(edits: list[Edit], *, spares: bool = False) -> None:
    """Do everything with an edited file: what is refused is refused by name.

    Args:
        edits: What the other program does.
        spares: Whether it leaves the bystander alone: then nobody else may suffer.
    """
    with new_folder() as folder:
        path = Path(shutil.copy(good(), folder))
        edit(path, edits)
        before = path.read_bytes()
        with_reader(path, spares=spares)
        assert path.read_bytes() == before, "reading has changed the file"
        if refusal(lambda: SessionStore(path).close()) is None:
            with_writer(path, spares=spares)


def with_reader(path: Path, *, spares: bool) -> None:
    if refusal(lambda: SessionStore(path, read_only=True).close()) is None:
        with SessionStore(path, read_only=True) as store:
            refusals(reads_of_file(store))
            refusals(reads_of_session(store, VICTIM, "a"))
            if spares:
                require_bystander(store)


def with_writer(path: Path, *, spares: bool) -> None:
    with SessionStore(path, durability="normal") as store, SQLiteStorage(store, durability="normal") as storage:
        refusals(reads_of_file(store))
        refusals(reads_of_session(store, VICTIM, "a"))
        refusals(acts_of_storage(storage, KEY))
        if spares:
            require_bystander(store)
        manager = SQLiteSessionManager.__new__(SQLiteSessionManager)
        if refusal(lambda: manager.__init__(BYSTANDER, store, durability="normal")) is None:  # type: ignore[misc]  # it may be refused
            with manager:
                refusals(writes_of_store(store, VICTIM, "a"))
                refusals(acts_of_manager(manager, VICTIM, "a"))
                refusals(acts_of_manager(manager, BYSTANDER, "a"))


def require_bystander(store: SessionStore) -> None:
    """Hold that a session that nobody has touched is as it was."""
    found = [each.message["content"] for each in store.read_messages(BYSTANDER)]
    assert found == [*said(BYSTANDER)[:4], [{"text": "[gone]"}]]
    assert [point.message_id for point in store.list_checkpoints(BYSTANDER)] == [0, 1, 2, 3, 4]
    assert store.read_checkpoint(BYSTANDER, 1).state == {"n": 1}


SURROGATES = """'{"role":"\\ud800","content":[{"text":"\\udfff"}]}'"""


@tries(25)
@given(edits=st.lists(OWN_EDITS, min_size=1, max_size=3))
@example(edits=[_set("messages", "message", SURROGATES, 0)])  # as files it cannot be written
@example(edits=[_set("messages", "message", "CAST(x'ff80' AS TEXT)", 0)])
@example(edits=[_set("messages", "redact_message", "-1", 0)])
@example(edits=[_set("messages", "message_id", "x''", 0)])
@example(edits=[_set("messages", "created_at", "x'ff00'", 0)])
@example(edits=[_set("sessions", "title", "x''", 0)])
@example(edits=[_set("session_tags", "tag", "x''", 0)])
@example(edits=[_set("session_activity", "last_activity", "x''", 0)])
@example(edits=[_set("session_activity", "last_activity", "NULL", 0)])
@example(edits=[_set("sessions", "session_type", value, 0) for value in ("CAST(x'ff80' AS TEXT)", "NULL")])
@example(edits=[_set("agents", "agent_id", "NULL", 0)])
@example(edits=[_set("agent_state_history", "changes", "'[1,2]'", 1)])
@example(edits=[_set("multi_agents", "updated_at", "x'ff00'", 0)])
@example(edits=[_set("multi_agents", "state", "NULL", 0)])
@example(edits=[_set("message_blobs", "blob_id", "'NaN'", 0)])
def test_rows_of_a_session_with_anything_in_them_harm_no_other_session(tried: Counter[str], edits: list[Edit]) -> None:
    """Wrong types, NULL, bytes, no UTF-8, no JSON, or JSON of another shape, in any column of a session.

    Each call answers or refuses by name, those that read change nothing, and other sessions are as they were.
    """
    tried["edited sessions"] += 1
    require_typed(edits, spares=True)


@tries(25)
@given(edits=st.lists(OTHER_EDITS | OWN_EDITS, min_size=1, max_size=3))
@example(edits=[_set("watermarks", "change_id", "'[1,2]'", 0), _set("watermarks", "change_id", "'[1,2]'", 1)])
@example(edits=[_set("parts", "content", "'x'", 0)])
@example(edits=[_set("object_parts", "first_part", "''", 0)])
@example(edits=[_set("object_parts", "skipped", "'a/b'", 0)])
@example(edits=[_set("deletions", "session_id", "x''", 0)])
@example(edits=[_set("search_scopes", "indexed_to", "'x'", 0)])
@example(edits=[_set("message_index_config", "k", "1.5", 0)])
def test_rows_with_anything_in_them_are_answered_or_refused_by_name(tried: Counter[str], edits: list[Edit]) -> None:
    """The same in counters, attachments, objects, indexes and what follows them."""
    tried["edited rows"] += 1
    require_typed(edits)


@tries(25)
@given(edits=st.lists(SCHEMA_EDITS, min_size=1, max_size=2))
@example(edits=[])
@example(edits=[_run("CREATE TRIGGER one BEFORE INSERT ON messages BEGIN SELECT RAISE(IGNORE); END")])
def test_a_schema_that_somebody_changed_is_served_or_refused_by_name(tried: Counter[str], edits: list[Edit]) -> None:
    """Tables that are missing, renamed or empty, more columns, triggers and views, other versions."""
    tried["edited schemas"] += 1
    require_typed(edits)
