"""What goes where: a temporary database on disk with every object of a push, so that memory stays small.

SQLite deletes the file while it is open: nothing is left of it, however the process ends. It is the one of the standard
library, which must never open a file of sessions; this file is nobody else's.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from ._manifest import Entry
from .errors import LocalDiskError

if TYPE_CHECKING:
    from typing_extensions import Self

_CACHE = 4096
"""KiB of the plan that are kept in memory."""

_TABLES = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -{_CACHE};
BEGIN;
CREATE TABLE bodies (body_id INTEGER PRIMARY KEY, body BLOB NOT NULL);
-- What is to be below the root when the push is done.
CREATE TABLE objects (
    path TEXT PRIMARY KEY, kind TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
    md5 TEXT, -- NULL: not known
    body_id INTEGER, -- NULL: it is copied
    source TEXT, -- the entity tag of the same content in the parent
    etag TEXT -- NULL: not there yet
) WITHOUT ROWID;
-- What is below the root of the parent.
CREATE TABLE parent (
    path TEXT PRIMARY KEY, kind TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL, etag TEXT NOT NULL
) WITHOUT ROWID;
-- What is below the root already, as far as was looked.
CREATE TABLE there (path TEXT PRIMARY KEY, etag TEXT NOT NULL) WITHOUT ROWID;
-- What stays there although it is not in `objects`.
CREATE TABLE kept (path TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_ADD_PARENT = "INSERT INTO parent (path, kind, size, sha256, etag) VALUES (?, ?, ?, ?, ?)"
_COPY_PARENT = """
INSERT INTO objects (path, kind, size, sha256, source) SELECT path, kind, size, sha256, etag FROM parent
"""
_SAME_IN_PARENT = "SELECT etag FROM parent WHERE path = ? AND sha256 = ?"
_ADD_BODY = "INSERT INTO bodies (body) VALUES (?)"
_ADD = """
INSERT OR REPLACE INTO objects (path, kind, size, sha256, md5, body_id, source) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_DROP = "DELETE FROM objects WHERE path = ?"
_DROP_FOLDER = "DELETE FROM objects WHERE path >= ? AND path < ? AND path NOT IN (SELECT path FROM kept)"
_KEEP = "INSERT OR IGNORE INTO kept (path) VALUES (?)"
_IS_THERE = "INSERT OR REPLACE INTO there (path, etag) VALUES (?, ?)"
_SKIP = """
UPDATE objects SET etag = (SELECT etag FROM there WHERE there.path = objects.path)
WHERE EXISTS (SELECT 1 FROM there WHERE there.path = objects.path AND there.etag IN (md5, source))
"""
_EXTRAS = """
SELECT path FROM there WHERE path > ? AND NOT EXISTS (SELECT 1 FROM objects WHERE objects.path = there.path)
AND NOT EXISTS (SELECT 1 FROM kept WHERE kept.path = there.path) ORDER BY path LIMIT 500
"""
_REPLACED_MESSAGES = """
SELECT path, size, sha256 FROM objects JOIN there USING (path)
WHERE path > ? AND objects.etag IS NULL AND kind = 'message' ORDER BY path LIMIT 500
"""
_CHANGED = "SELECT min(path) FROM objects JOIN there USING (path) WHERE objects.etag IS NULL"
# An agent that is there must find its messages there, whenever a push is cut: what others point to comes first.
_STEPS = """
SELECT path, kind, size, body_id, source, (SELECT etag FROM there WHERE there.path = objects.path) FROM objects
WHERE path > ?1 AND etag IS NULL AND (kind IN ('message', 'object')) = ?2 ORDER BY path LIMIT 500
"""
_STATES = """
SELECT path, kind, size, body_id, source, there.etag FROM objects JOIN there USING (path)
WHERE path > ? AND objects.etag IS NULL AND kind IN ('agent', 'sidecar') ORDER BY path LIMIT 500
"""
_TO_DO = "SELECT count(*) FROM objects WHERE etag IS NULL"
_BODY = "SELECT body FROM bodies WHERE body_id = ?"
_DONE = "UPDATE objects SET etag = ? WHERE path = ?"
_ENTRIES = "SELECT path, kind, size, sha256, etag FROM objects WHERE path > ? ORDER BY path LIMIT 500"
_TOTALS = "SELECT kind, count(*), sum(size) FROM objects GROUP BY kind"
_DIFFERENCES = """
SELECT (SELECT count(*) FROM objects WHERE source IS NULL)
    + (SELECT count(*) FROM parent WHERE NOT EXISTS (SELECT 1 FROM objects WHERE objects.path = parent.path))
"""


class Step(NamedTuple):
    """An object that is to be put, or copied.

    Attributes:
        path: Where, below the root.
        kind: What it is.
        size: Its bytes.
        body: What is put; None: it is copied.
        source: The entity tag in the parent of what is copied.
        replaces: The entity tag of what is there already.
    """

    path: str
    kind: str
    size: int
    body: bytes | None
    source: str | None
    replaces: str | None


class Message(NamedTuple):
    """A message as it is to be: where, below the root; its bytes, and their hash."""

    path: str
    size: int
    sha256: str


class Plan:
    """The objects of one push; to be used in a `with` block, by one thread."""

    def __init__(self) -> None:
        """Build an empty one, in the folder for temporary files (`SQLITE_TMPDIR`, `TMPDIR`).

        Raises:
            LocalDiskError: There is no room for it.
        """
        with _on_disk():
            self._connection = sqlite3.connect("", isolation_level=None)
            self._connection.executescript(_TABLES)

    def add_parent(self, entries: Iterable[Entry]) -> None:
        """Take what is below the root of the parent: what has the same content is copied from there."""
        for entry in entries:
            self._run(_ADD_PARENT, (entry.path, entry.kind, entry.size, entry.sha256, entry.etag))

    def begin_with_parent(self) -> None:
        """Begin with everything that is in the parent."""
        self._run(_COPY_PARENT)

    def add(self, path: str, kind: str, body: bytes) -> None:
        """Let this object be there, with this content."""
        sha256 = hashlib.sha256(body).hexdigest()
        same = self._row(_SAME_IN_PARENT, (path, sha256))
        source = None if same is None else same[0]
        body_id = self._run(_ADD_BODY, (body,)).lastrowid if source is None else None
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        self._run(_ADD, (path, kind, len(body), sha256, md5, body_id, source))

    def drop(self, path: str) -> None:
        """Let this object not be there."""
        self._run(_DROP, (path,))

    def keep(self, paths: Iterable[str]) -> None:
        """Let these stay, whether or not they are given to `add`."""
        for path in paths:
            self._run(_KEEP, (path,))

    def drop_folder(self, folder: str) -> None:
        """Let nothing be there whose path begins with `folder`, which ends with a slash, but what is to be kept."""
        self._run(_DROP_FOLDER, (folder, folder[:-1] + chr(ord("/") + 1)))

    def found(self, path: str, etag: str) -> None:
        """Take note of what is below the root already."""
        self._run(_IS_THERE, (path, etag))

    def skip_unchanged(self) -> int:
        """Leave out what is there already with the same content; return how many objects that are."""
        return self._run(_SKIP).rowcount

    def first_clash(self) -> str | None:
        """Return the path of an object that was found and is not as it is to be, if there is one."""
        changed: str | None = self._row(_CHANGED)[0]
        return next(self.extras(), None) if changed is None else changed

    def left(self) -> int:
        """Return how many objects are to be put or copied."""
        return int(self._row(_TO_DO)[0])

    def steps(self, *, first: bool) -> Iterator[Step]:
        """Give what is to be put or copied: messages and objects `first`, or the rest, which points to them."""
        return self._each_step(_STEPS, int(first))

    def states(self) -> Iterator[Step]:
        """Give the states of agents, and what belongs to them, that were found and are to have other content."""
        return self._each_step(_STATES)

    def done(self, path: str, etag: str) -> None:
        """Take note of what S3 answered."""
        self._run(_DONE, (etag, path))

    def extras(self) -> Iterator[str]:
        """Give the path of what was found and is not to be there."""
        for (path,) in self._pages(_EXTRAS):
            yield path

    def replaced_messages(self) -> Iterator[Message]:
        """Give each message that was found and is to have other content, as far as its entity tag tells."""
        for row in self._pages(_REPLACED_MESSAGES):
            yield Message(*row)

    def entries(self) -> Iterator[Entry]:
        """Give every object, sorted by path; all must be done."""
        for row in self._pages(_ENTRIES):
            yield Entry(*row)

    def totals(self) -> tuple[Counter[str], int]:
        """Return how many objects there are by kind, and all their bytes."""
        rows = self._rows(_TOTALS)
        return Counter({kind: count for kind, count, _ in rows}), sum(size for _, _, size in rows)

    def differences(self) -> int:
        """Return how many objects are other than in the parent, or are in one of the two only."""
        return int(self._row(_DIFFERENCES)[0])

    def _each_step(self, sql: str, *bindings: Any) -> Iterator[Step]:
        for path, kind, size, body_id, source, replaces in self._pages(sql, *bindings):
            body = None if body_id is None else self._row(_BODY, (body_id,))[0]
            yield Step(path, kind, size, body, source, replaces)

    def _pages(self, sql: str, *bindings: Any) -> Iterator[Any]:
        """Give the rows of a query, page after page, by path: what was given may be changed meanwhile."""
        last = ""
        while rows := self._rows(sql, (last, *bindings)):
            yield from rows
            last = rows[-1][0]

    def _run(self, sql: str, bindings: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        with _on_disk():
            return self._connection.execute(sql, bindings)

    def _rows(self, sql: str, bindings: tuple[Any, ...] = ()) -> list[Any]:
        with _on_disk():
            return self._connection.execute(sql, bindings).fetchall()

    def _row(self, sql: str, bindings: tuple[Any, ...] = ()) -> Any:
        with _on_disk():
            return self._connection.execute(sql, bindings).fetchone()

    def __enter__(self) -> Self:
        """Return this, to be thrown away at the end of the `with` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Throw it away."""
        self._connection.close()


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
        message = f"the temporary file of this push could not be written or read: {error}"
        raise LocalDiskError(message) from error
