"""The tables, their migrations, and `open_database()`: the only door to a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timezone

import apsw

from . import _legacy
from ._connection import Connection, create_private, use_wal
from ._database import Database, Options
from .errors import NotADatabaseError, SchemaTooNewError

APPLICATION_ID = 0x53545253
"""What SQLite files of this package carry in their header: "STRS"."""

_NOW = "(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'))"

VERSION_1 = f"""
CREATE TABLE migrations (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at TEXT NOT NULL DEFAULT {_NOW}
);

-- In every table change_id is the change counter: a row gets a new, higher one whenever it is written.
CREATE TABLE sessions (
    change_id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL UNIQUE,
    session_type TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT {_NOW},
    updated_at TEXT NOT NULL DEFAULT {_NOW},
    extra TEXT -- JSON object: fields of a newer SDK, kept for it
);

CREATE TABLE agents (
    change_id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE,
    agent_id TEXT NOT NULL,
    state TEXT NOT NULL, -- JSON, as the next two
    conversation_manager_state TEXT NOT NULL,
    internal_state TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT {_NOW},
    updated_at TEXT NOT NULL DEFAULT {_NOW},
    extra TEXT,
    UNIQUE (session_id, agent_id)
);

CREATE TABLE messages (
    change_id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    message_id INTEGER NOT NULL, -- its place in the conversation
    message TEXT NOT NULL, -- JSON: role and content
    redact_message TEXT, -- JSON: what a guardrail put in its place
    created_at TEXT NOT NULL DEFAULT {_NOW},
    updated_at TEXT NOT NULL DEFAULT {_NOW},
    extra TEXT,
    UNIQUE (session_id, agent_id, message_id),
    FOREIGN KEY (session_id, agent_id) REFERENCES agents (session_id, agent_id) ON DELETE CASCADE
);

CREATE TABLE multi_agents (
    change_id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE,
    multi_agent_id TEXT NOT NULL,
    state TEXT NOT NULL, -- JSON
    created_at TEXT NOT NULL DEFAULT {_NOW},
    updated_at TEXT NOT NULL DEFAULT {_NOW},
    UNIQUE (session_id, multi_agent_id)
);

-- What changed in an agent's state, and the last message stored by then. Rows may be folded into later ones.
CREATE TABLE agent_state_history (
    session_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    change_number INTEGER NOT NULL, -- counts the changes of this agent
    message_id INTEGER, -- NULL: before the first message
    changes TEXT NOT NULL, -- JSON: by column of agents, top-level values to "set" and "remove", or to "replace" it all
    created_at TEXT NOT NULL DEFAULT {_NOW},
    PRIMARY KEY (session_id, agent_id, change_number),
    FOREIGN KEY (session_id, agent_id) REFERENCES agents (session_id, agent_id) ON DELETE CASCADE
) WITHOUT ROWID;

-- Large binary values of messages, each stored once; the JSON of a message names them by sha256.
CREATE TABLE blobs (
    blob_id INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,
    content BLOB NOT NULL
);

CREATE TABLE message_blobs (
    session_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    message_id INTEGER NOT NULL,
    blob_id INTEGER NOT NULL REFERENCES blobs (blob_id),
    PRIMARY KEY (session_id, agent_id, message_id, blob_id),
    FOREIGN KEY (session_id, agent_id, message_id)
        REFERENCES messages (session_id, agent_id, message_id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX message_blobs_by_blob ON message_blobs (blob_id);

-- Sessions that were deleted; their change_id is above every other, so that no counter is given twice.
CREATE TABLE deletions (
    change_id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    deleted_at TEXT NOT NULL DEFAULT {_NOW}
);

CREATE VIEW transcript AS
SELECT
    session_id,
    agent_id,
    message_id,
    json_extract(shown, '$.role') AS role,
    (
        SELECT group_concat(
            CASE
                WHEN block.type <> 'object' THEN block.value
                WHEN json_extract(block.value, '$.text') IS NOT NULL THEN json_extract(block.value, '$.text')
                WHEN json_extract(block.value, '$.toolUse') IS NOT NULL THEN '[calls '
                    || ifnull(json_extract(block.value, '$.toolUse.name'), '?') || ' '
                    || ifnull(json_extract(block.value, '$.toolUse.input'), '') || ']'
                WHEN json_extract(block.value, '$.toolResult') IS NOT NULL THEN '[result '
                    || ifnull(json_extract(block.value, '$.toolResult.content'), '') || ']'
                ELSE '[' || ifnull((SELECT kind.key FROM json_each(block.value) AS kind LIMIT 1), '') || ']'
            END,
            char(10)
        )
        FROM json_each(shown, '$.content') AS block
    ) AS said,
    created_at
FROM (SELECT *, coalesce(redact_message, message) AS shown FROM messages);
"""


VERSION_2 = f"""
-- What SQLiteStorage keeps: bytes under a key. A row is never changed but written anew: a change_id stands for bytes.
CREATE TABLE objects (
    change_id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL, -- in bytes
    content BLOB, -- NULL: in parts
    created_at TEXT NOT NULL DEFAULT {_NOW},
    updated_at TEXT NOT NULL DEFAULT {_NOW}
);

-- An object in parts is, in the order of position, runs of parts whose ids follow each other, and bytes of its own.
CREATE TABLE object_parts (
    change_id INTEGER NOT NULL REFERENCES objects (change_id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    first_part INTEGER,
    last_part INTEGER,
    skipped INTEGER NOT NULL DEFAULT 0, -- so many bytes at the beginning of first_part do not belong to the object
    content BLOB,
    PRIMARY KEY (change_id, position)
) WITHOUT ROWID;
CREATE INDEX object_parts_by_part ON object_parts (first_part, last_part) WHERE first_part IS NOT NULL;

CREATE TABLE parts (
    part_id INTEGER PRIMARY KEY,
    hash INTEGER, -- of the content; NULL: too small to be looked for
    content BLOB NOT NULL
);
CREATE INDEX parts_by_hash ON parts (hash) WHERE hash IS NOT NULL;

-- What has been searched is indexed, from change to change, whenever it is searched again.
CREATE TABLE search_scopes (
    scope_id INTEGER PRIMARY KEY,
    prefix TEXT NOT NULL UNIQUE, -- of the keys
    indexed_to INTEGER NOT NULL DEFAULT 0 -- the last change_id that was looked at
);

CREATE TABLE search_entries (
    entry_id INTEGER PRIMARY KEY, -- the rowid in search_index
    change_id INTEGER REFERENCES objects (change_id) ON DELETE SET NULL, -- NULL: to be taken out of the index
    key TEXT NOT NULL -- of the object, below the prefix
);
CREATE INDEX search_entries_by_object ON search_entries (change_id);

-- Every word has the mark of its scope in front: what is rare in one may be common in another.
CREATE VIRTUAL TABLE search_index USING fts5 (
    words, content = '', contentless_delete = 1,
    tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
);
"""


def _create_tables(connection: Connection) -> None:
    connection.execute(VERSION_1)


def _add_objects(connection: Connection) -> None:
    connection.execute(VERSION_2)


MIGRATIONS: tuple[tuple[str, Callable[[Connection], None]], ...] = (
    ("create the tables", _create_tables),
    ("add the objects of storages", _add_objects),
)
"""The steps in order; step n brings a file from `user_version` n - 1 to n."""

VERSION = len(MIGRATIONS)


def open_database(db_path: str | os.PathLike[str] | None = None, options: Options | None = None) -> Database:
    """Open the database, create it where it is missing, and bring an older schema up to date.

    Args:
        db_path: A file name (`~` is expanded), `:memory:`, or a `file:` URI. None takes the environment variable
            `STRANDS_SQLITE_DB_PATH`, else `./sessions.db`.
        options: Durability and timeout.

    Raises:
        SQLiteSessionError: It cannot be opened; the type says why, and what was there is unchanged.
        ValueError: `db_path` is empty.
    """
    return Database(_path(db_path), options or Options(), bring_up_to_date)


def _path(db_path: str | os.PathLike[str] | None) -> str:
    if db_path is None:
        db_path = os.environ.get("STRANDS_SQLITE_DB_PATH") or "sessions.db"
    path = os.fsdecode(db_path)
    if not path:
        message = "db_path=<> | must name a file"
        raise ValueError(message)
    if path == ":memory:" or path.startswith("file:"):
        return path
    return os.path.abspath(os.path.expanduser(path))


def bring_up_to_date(connection: Connection, path: str) -> None:
    """Look at what the file is before anything in it changes, then run the migrations that it lacks.

    Raises:
        NotADatabaseError: The file is another program's.
        SchemaTooNewError: A newer version of this package wrote it.
    """
    connection.execute("BEGIN")  # one instant: another process may be creating the tables
    try:
        version = _recognized_version(connection, path)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    use_wal(connection)
    if version < VERSION:
        _migrate(connection, path)


def _recognized_version(connection: Connection, path: str) -> int:
    """Return the schema version of the file, 0 where it is empty or was written by 0.1.0."""
    application_id = connection.pragma("application_id")
    version = int(connection.pragma("user_version"))
    if application_id == APPLICATION_ID:
        if version > VERSION:
            message = f"database=<{path}> has schema version {version}, this package knows {VERSION}"
            raise SchemaTooNewError(message)
        return version
    if application_id == 0 and version == 0 and (_is_empty(connection) or _legacy.is_legacy(connection)):
        return 0
    message = f"database=<{path}> is an SQLite database of another program (application_id {application_id})"
    raise NotADatabaseError(message)


def _is_empty(connection: Connection) -> bool:
    return connection.row("SELECT 1 FROM sqlite_schema LIMIT 1") is None


def _migrate(connection: Connection, path: str) -> None:
    """Run the missing migrations, each in a transaction with its record, after a backup where there is something."""
    first = True
    while _migrate_once(connection, path, back_up=first):
        first = False


def _migrate_once(connection: Connection, path: str, *, back_up: bool) -> bool:
    """Run the next migration; return False where there is none."""
    connection.execute("BEGIN IMMEDIATE")
    backup = None
    try:
        version = _recognized_version(connection, path)
        if version == VERSION:
            connection.execute("ROLLBACK")
            return False
        if back_up and connection.filename and not _is_empty(connection):
            backup = _back_up(path, f"{connection.filename}.v{version}")
        _step(connection, version)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if backup is not None:  # the file is as it was
            os.remove(backup)
        raise
    return True


def _step(connection: Connection, version: int) -> None:
    name, migrate = MIGRATIONS[version]
    legacy = version == 0 and not _is_empty(connection)
    if legacy:
        _legacy.set_aside(connection)
    migrate(connection)
    if legacy:
        _legacy.take_over(connection)
        name += ", take over those of 0.1.0"
    connection.execute("INSERT INTO migrations (version, name) VALUES (?, ?)", (version + 1, name))
    connection.execute(f"PRAGMA user_version = {version + 1}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _back_up(path: str, name: str) -> str:
    """Copy the database at `path` through SQLite before it is migrated; return the copy, `name` with the time."""
    copy = f"{name}-{datetime.now(timezone.utc).strftime('%Y%m%dT%H%M%S.%fZ')}.backup"
    partial = f"{copy}.partial"
    create_private(partial)
    try:
        _copy(path, partial)
        os.rename(partial, copy)
    except BaseException:
        os.remove(partial)
        raise
    return copy


def _copy(path: str, copy: str) -> None:
    source = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    target = apsw.Connection(copy)
    try:
        with target.backup("main", source, "main") as backup:
            while not backup.done:
                backup.step(1000)
        target.execute("PRAGMA journal_mode = DELETE")
    finally:
        target.close()
        source.close()
