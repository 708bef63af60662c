"""One connection to a database file: opened, and set up by one function for each policy."""

from __future__ import annotations

import os
import random
import sys
import time
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

import apsw

from .errors import CannotOpenError, DatabaseReadOnlyError, UnsafeSQLiteError, translated

SAFE_SQLITE = (3, 51, 3)
"""The first SQLite without the WAL-reset bug."""

CHECKPOINT_PAGES = 200
"""Pages in the WAL from which a commit checkpoints: early enough that the WAL is reused instead of growing."""

WAL_BYTES = 4 * 1024 * 1024
"""Size in bytes to which a WAL is cut back once a checkpoint has emptied it."""

READER_CACHE = 64 * 1024
"""KiB of pages that a connection for reading keeps: what is not caught up is looked through more than once."""

ConstraintError = apsw.ConstraintError

_READ_FLAGS = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
_FLAGS = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI
_LONGEST_PAUSE = 0.05


class FileState(NamedTuple):
    """By what a file is seen to have changed, as far as its file system tells.

    Attributes:
        inode: Which file it is.
        size: Its size in bytes.
        mtime_ns: When it was last written.
        has_wal: Whether somebody may have it open for writing.
    """

    inode: int
    size: int
    mtime_ns: int
    has_wal: bool


class Connection(apsw.Connection):
    """A connection that waits for locks as long as its user has patience.

    It is among those that its owner knows from before it is opened until after it was closed, whatever interrupts its
    users meanwhile: one that a fork inherits breaks the locks of the child, and nobody else would close it.

    Attributes:
        patience: How long to wait for another process's lock, in seconds.
        full: Whether a commit waits for the disk; None before it is first set.
        unlocked: Where SQLite reads without locks: the state of the file that this is for; None where it locks.
    """

    def __init__(self, path: str, *, flags: int, known: set[Connection] | None = None) -> None:
        """Open `path`, a file name, `:memory:` or a `file:` URI, as one of those that its owner knows."""
        self._known = set() if known is None else known
        self._known.add(self)
        try:
            super().__init__(path, flags=flags)
        except Exception:
            self._known.discard(self)
            raise
        self.patience = 0.0
        self.full: bool | None = None
        self.unlocked: FileState | None = None
        self._deadline = 0.0
        self._cursor = self.cursor()

    def close(self, force: bool = False) -> None:  # noqa: FBT001, FBT002 - as in APSW
        """Close the connection. Again is fine."""
        super().close(force)
        self._known.discard(self)

    def run(self, sql: str, bindings: tuple[Any, ...] = ()) -> None:
        """Run a statement that has no rows."""
        self._cursor.execute(sql, bindings)

    def rows(self, sql: str, bindings: tuple[Any, ...] = ()) -> list[Any]:
        """Return every row of a query."""
        return self._cursor.execute(sql, bindings).fetchall()

    def row(self, sql: str, bindings: tuple[Any, ...] = ()) -> Any:
        """Return the row of a query that has at most one, or None."""
        rows = self._cursor.execute(sql, bindings).fetchall()
        return rows[0] if rows else None

    def wait_again(self, attempts: int) -> bool:
        """Sleep a little with jitter; return False when patience has run out. SQLite's busy handler."""
        if attempts == 0:
            self._deadline = time.monotonic() + self.patience
        left = self._deadline - time.monotonic()
        if left <= 0:
            return False
        pause = min(_LONGEST_PAUSE, 0.0005 * 2 ** min(attempts, 10))
        time.sleep(min(left, pause * random.uniform(0.5, 1.5)))  # noqa: S311 - jitter, not a secret
        return True

    def is_current(self) -> bool:
        """Tell whether what was read up to now is what the file holds: always, where SQLite locks."""
        return self.unlocked is None or self.unlocked == _state_of(self.filename)

    def sync_commits(self, *, full: bool) -> None:
        """Make commits wait for the disk (`full`) or not, from the next transaction on."""
        self.full = None  # until it is known: an interrupt may come between
        self.run("PRAGMA synchronous = FULL" if full else "PRAGMA synchronous = NORMAL")
        self.full = full


def require_safe_sqlite() -> None:
    """Refuse an SQLite that can corrupt a database in WAL mode (https://sqlite.org/wal.html#walreset).

    Raises:
        UnsafeSQLiteError: APSW carries an SQLite older than 3.51.3.
    """
    version = apsw.sqlite_lib_version()
    if not _is_safe(version):
        message = f"sqlite_version=<{version}> has the WAL-reset bug, which can corrupt the database"
        raise UnsafeSQLiteError(message)


@lru_cache
def _is_safe(version: str) -> bool:
    return tuple(int(part) for part in version.split(".")[:3]) >= SAFE_SQLITE


def connect(
    path: str, *, seconds: float, create: bool, reader: bool = False, known: set[Connection] | None = None
) -> Connection:
    """Open `path`, a file name, `:memory:` or a `file:` URI, and apply every policy that does not change the file.

    Args:
        path: What to open.
        seconds: How long to wait for locks.
        create: Whether SQLite may create the file.
        reader: Whether the connection may only read.
        known: The connections that their owner knows, of which it is one until it is closed.

    Raises:
        SQLiteSessionError: The path cannot be opened; the type says why.
    """
    with translated(path):
        connection = _open(path, create=create, known=known)
        try:
            _require_writable(connection, path)
            connection.set_busy_handler(connection.wait_again)
            connection.patience = seconds
            _distrust_schema(connection)
            _enforce_foreign_keys(connection)
            _wipe_what_is_deleted(connection)
            _keep_plans(connection)
            _bound_wal(connection)
            _flush_drive_cache(connection)
            if reader:
                connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
    return connection


def connect_for_reading(path: str, *, seconds: float, known: set[Connection]) -> Connection:
    """Open the file `path`, or a `file:` URI, so that nothing in it can be changed; TEMP tables are in memory.

    In a folder where SQLite cannot make the files of a WAL it may read without locks: what was read is right if the
    connection `is_current` afterwards.

    Args:
        path: What to open.
        seconds: How long to wait for locks.
        known: The connections that their owner knows, of which it is one until it is closed.

    Raises:
        SQLiteSessionError: The path cannot be opened; the type says why.
    """
    require_safe_sqlite()
    if not path.startswith("file:") and not os.path.isfile(path):
        message = f"database=<{path}> does not exist"
        raise CannotOpenError(message, hint="name the file of your sessions; reading creates none")
    state = _state_of(path) if lacks_room_for_files(path) else None
    with translated(path):
        if state is None or state.has_wal:
            connection = Connection(path, flags=_READ_FLAGS, known=known)
        else:
            connection = Connection(f"file:{quote(path)}?immutable=1", flags=_READ_FLAGS, known=known)
            connection.unlocked = state
        try:
            connection.set_busy_handler(connection.wait_again)
            connection.patience = seconds
            _distrust_schema(connection)
            _keep_plans(connection)
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute(f"PRAGMA cache_size = -{READER_CACHE}")
        except BaseException:
            connection.close()
            raise
    return connection


def lacks_room_for_files(path: str) -> bool:
    """Tell whether SQLite cannot make the files of a WAL beside the file `path`, such as in a folder of another user.

    Then it reads without them and without locks while there is no WAL: nobody has the file open for writing.
    """
    return not path.startswith("file:") and not os.access(os.path.dirname(os.path.realpath(path)), os.W_OK)


def is_passing(error: Exception) -> bool:
    """Tell whether a reader that may not write met a writer that was just writing down what it has committed.

    SQLite takes that for what a killed writer left, which the reader would have to put right.
    """
    code = getattr(error, "extendedresult", None)  # APSW's type stubs do not know it
    return code == apsw.SQLITE_READONLY_RECOVERY


def _state_of(path: str) -> FileState | None:
    """Return the state of a file, None where there is none. Looks at names, opens nothing."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return FileState(
        found.st_ino, found.st_size, found.st_mtime_ns, has_wal=os.path.exists(f"{os.path.realpath(path)}-wal")
    )


def _open(path: str, *, create: bool, known: set[Connection] | None) -> Connection:
    try:
        return Connection(path, flags=_FLAGS | (apsw.SQLITE_OPEN_CREATE if create else 0), known=known)
    except apsw.CantOpenError as error:
        if os.path.isdir(path):
            message = f"db_path=<{path}> is a folder"
            raise CannotOpenError(message) from error
        raise


def _require_writable(connection: Connection, path: str) -> None:
    """Refuse a file that SQLite could open for reading only: a manager that cannot write loses messages."""
    if connection.readonly("main"):
        message = f"db_path=<{path}> may be read, not written"
        raise DatabaseReadOnlyError(message)


def use_wal(connection: Connection) -> None:
    """Put the file in WAL mode; SQLite does not wait for other connections here, so wait in its place.

    Raises:
        CannotOpenError: The file system or VFS has no shared memory, which WAL needs.
    """
    mode = _switch_to_wal(connection)
    if mode not in ("wal", "memory"):
        message = f"database=<{connection.filename}> cannot use WAL, its journal_mode stays <{mode}>"
        hint = "keep the file on a local file system; for several machines use S3SessionManager"
        raise CannotOpenError(message, hint=hint)


def _switch_to_wal(connection: Connection) -> object:
    attempts = 0
    while True:
        try:
            return connection.pragma("journal_mode", "wal")
        except apsw.BusyError:
            if not connection.wait_again(attempts):
                raise
        attempts += 1


def _distrust_schema(connection: Connection) -> None:
    """Let no view or trigger of a foreign file call a function with side effects, and notice damaged cells early."""
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)


def _enforce_foreign_keys(connection: Connection) -> None:
    """Switch foreign keys on: SQLite has them off for each new connection."""
    connection.execute("PRAGMA foreign_keys = ON")


def _wipe_what_is_deleted(connection: Connection) -> None:
    """Overwrite deleted content with zeros, where SQLite would leave it in the file until the space is used again."""
    connection.execute("PRAGMA secure_delete = ON")


def _keep_plans(connection: Connection) -> None:
    """Let a statement keep its plan: with STAT4 SQLite compiles many anew whenever other values are bound to them."""
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


def _bound_wal(connection: Connection) -> None:
    """Checkpoint early, and cut the WAL back when something kept it from being reused."""
    connection.wal_autocheckpoint(CHECKPOINT_PAGES)
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")


def _flush_drive_cache(connection: Connection) -> None:
    """Ask macOS for F_FULLFSYNC: there fsync alone leaves the data in the drive's own cache."""
    if sys.platform == "darwin":
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
