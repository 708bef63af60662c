"""The tables, their migrations, and `open_database()`: the only door to a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timezone

import apsw

from . import _legacy
from ._connection import Connection, use_wal
from ._database import Database, DatabasePath, DatabaseUser, Options
from ._new_files import create_private
from ._read_only import ReadOnlyDatabase
from ._tables import VERSION_1, VERSION_2, VERSION_3, VERSION_4
from ._uris import absolute_uri
from .errors import NotADatabaseError, SchemaTooNewError, SchemaTooOldError

APPLICATION_ID = 0x53545253
"""What SQLite files of this package carry in their header: "STRS"."""


def _create_tables(connection: Connection) -> None:
    connection.execute(VERSION_1)


def _add_objects(connection: Connection) -> None:
    connection.execute(VERSION_2)


def _add_what_people_ask_for(connection: Connection) -> None:
    connection.execute(VERSION_3)


def _add_what_mirrors_need(connection: Connection) -> None:
    connection.execute(VERSION_4)


MIGRATIONS: tuple[tuple[str, Callable[[Connection], None]], ...] = (
    ("create the tables", _create_tables),
    ("add the objects of storages", _add_objects),
    ("add titles, tags and what finds sessions", _add_what_people_ask_for),
    ("add what copies elsewhere go on from", _add_what_mirrors_need),
)
"""The steps in order; step n brings a file from `user_version` n - 1 to n."""

VERSION = len(MIGRATIONS)


def open_database(db_path: DatabasePath = None, options: Options | None = None) -> Database:
    """Open the database, create it where it is missing, and bring an older schema up to date.

    Args:
        db_path: A file name (`~` is expanded), `:memory:`, or a `file:` URI. None takes the environment variable
            `STRANDS_SQLITE_DB_PATH`, else `./sessions.db`. Another user of a database: that database.
        options: Durability and timeout.

    Raises:
        SQLiteSessionError: It cannot be opened; the type says why, and what was there is unchanged.
        ValueError: `db_path` is empty.
    """
    if isinstance(db_path, DatabaseUser):
        return db_path.share_database(options or Options())
    return Database(_path(db_path), options or Options(), bring_up_to_date)


def open_for_reading(db_path: DatabasePath = None, options: Options | None = None) -> Database:
    """Open the database so that nothing in it can change; it must exist, with the schema of today.

    Args:
        db_path: A file name (`~` is expanded) or a `file:` URI; None as for `open_database`.
        options: The timeout.

    Raises:
        CannotOpenError: There is no such file.
        SchemaTooOldError: An older version of this package wrote it.
        SQLiteSessionError: It cannot be opened; the type says why.
        ValueError: `db_path` is empty, `:memory:`, or a user of a database, who may write.
    """
    if isinstance(db_path, DatabaseUser):
        message = f"db_path=<{type(db_path).__name__}> | reading only needs the path of a file"
        raise ValueError(message)  # noqa: TRY004 - it has the right type elsewhere
    path = _path(db_path)
    if path == ":memory:":
        message = "db_path=<:memory:> | is new and empty, there is nothing to read"
        raise ValueError(message)
    return ReadOnlyDatabase(path, options or Options(), _require_version)


def _require_version(connection: Connection, path: str) -> None:
    """Refuse what is not a database with the schema of today.

    Raises:
        NotADatabaseError: The file is another program's.
        SchemaTooNewError: A newer version of this package wrote it.
        SchemaTooOldError: An older version did.
    """
    version = _recognized_version(connection, path)
    if version != VERSION:
        message = f"database=<{path}> has schema version {version}, this package reads {VERSION}"
        raise SchemaTooOldError(message)


def _path(db_path: str | os.PathLike[str] | None) -> str:
    if db_path is None:
        db_path = os.environ.get("STRANDS_SQLITE_DB_PATH") or "sessions.db"
    path = os.fsdecode(db_path)
    if not path:
        message = "db_path=<> | must name a file"
        raise ValueError(message)
    if path.startswith("file:"):
        return absolute_uri(path)
    if path == ":memory:":
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
