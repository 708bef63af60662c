"""What can go wrong with a disk, under a real session manager: SQLite runs, and its file fails it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import apsw

from . import _failures

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_NUMBERS = count(1)
_FRAME_HEADER = 24
_SIZE_AFTER_COMMIT = slice(4, 8)
_SMALLEST_PAGE = 512
_IN_USE: list[_FailingVFS] = []
"""Those that somebody has not closed: SQLite must not lose them."""


class SessionFaults:
    """Lets the next write of the session managers of a test fail, as a disk or another process would.

    Ask for the fixture `session_faults` beside those of the sessions: their database is then a file below `tmp_path`
    that goes through it, their writes wait for a lock no longer than 0.2 seconds, and their durability is `"full"`, so
    that there are syncs. A fault stays until `clear()`; `restart()` of the factory clears it too.

    ```python
    def test_a_full_disk_is_said(session_faults, agent_factory):
        agent = agent_factory("Hello!", "Again!")
        agent("Hi")
        session_faults.full_disk()
        with pytest.raises(DatabaseFullError):
            agent("Are you there?")
    ```

    Every fault raises a `RuntimeError` where no database would meet it.

    Attributes:
        writes: How many writes and syncs failed, or were slowed down.
    """

    def __init__(self) -> None:
        """Register a VFS of its own, that passes everything on."""
        self.writes = 0
        self._vfs = _FailingVFS(self, f"strands-faults-{next(_NUMBERS)}")
        self._files: list[Path] = []
        self._error: type[apsw.Error] | None = None
        self._crash: Literal["", "before", "after", "dead"] = ""
        self._seconds = 0.0
        self._damaged = False
        self._commits = False
        self._suspended = False

    def uri(self, file: Path) -> str:
        """Return the `db_path` that opens `file` so that it can fail."""
        if file not in self._files:
            self._files.append(file)
        return f"{file.absolute().as_uri()}?vfs={self._vfs.name}"

    def full_disk(self) -> None:
        """Let every write find the disk full: `DatabaseFullError`."""
        self._require_file()
        self._error = apsw.FullError

    def read_only(self) -> None:
        """Let every write find a file that may only be read: `DatabaseReadOnlyError`."""
        self._require_file()
        self._error = apsw.ReadOnlyError

    def broken_disk(self) -> None:
        """Let every write fail: `DatabaseIOError`."""
        self._require_file()
        self._error = apsw.IOError

    def crash_before_commit(self) -> None:
        """Let the process die, as far as the file can tell, before the next commit is on the disk.

        The write raises `DatabaseIOError`. After `restart()` it never happened.
        """
        self._require_file()
        self._crash = "before"

    def crash_after_commit(self) -> None:
        """Let the process die, as far as the file can tell, when the next commit is on the disk and nobody knows.

        The write raises `DatabaseIOError`. After `restart()` it is there all the same.
        """
        self._require_file()
        self._crash = "after"

    def damaged_page(self) -> None:
        """Let every page but the first be damaged when it is read from the file: `DatabaseCorruptError`.

        The file itself is not damaged: after `clear()` it is read as it is.
        """
        self._require_file()
        for file in self._files:
            if file.exists():
                _forget_pages(file)
        self._damaged = True

    def slow_fsync(self, seconds: float) -> None:
        """Let every sync take so many seconds more; with the durability `"normal"` a commit does not sync.

        Raises:
            ValueError: The time is negative.
        """
        self._require_file()
        if not 0 <= seconds < math.inf:
            raise ValueError(_failures.slow_by(seconds))
        self._seconds = seconds

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock that every write needs, as another process would, for the `with` block: `DatabaseBusyError`.

        Raises:
            RuntimeError: No session manager of the test has made its database yet.
        """
        self._require_file()
        files = [file for file in self._files if file.exists()]
        if not files:
            raise RuntimeError(_failures.nothing_to_lock())
        with ExitStack() as others:
            for file in files:
                others.enter_context(_writing(file))
            yield

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Let everything work in the `with` block; afterwards it fails as before."""
        before, self._suspended = self._suspended, True
        try:
            yield
        finally:
            self._suspended = before

    @property
    def crashed(self) -> bool:
        """Whether the process is dead, as far as the file can tell."""
        return self._crash == "dead"

    def clear(self) -> None:
        """Let everything work again."""
        self._error, self._crash, self._seconds, self._damaged, self._commits = None, "", 0.0, False, False

    def __enter__(self) -> Self:
        """Return this, to be taken away at the end of the `with` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the VFS away; nothing may be open on it any more."""
        self.clear()
        if self._vfs.opened:  # by somebody who did not close it: without the VFS, SQLite would end the process
            _IN_USE.append(self._vfs)
        else:
            self._vfs.unregister()

    def before_write(self, name: str, data: bytes) -> None:
        """Fail a write that is to fail; `data` goes to the file `name`."""
        if self._suspended:
            return
        if self._error is not None and not _is_checkpoint(name):
            self._fail(self._error)
        if self._crash in ("before", "dead"):
            self._die()
        if name.endswith("-wal") and len(data) == _FRAME_HEADER:
            self._commits = any(data[_SIZE_AFTER_COMMIT])

    def after_write(self, name: str, data: bytes) -> None:
        """Die after the page that completes a commit."""
        if self._suspended:
            return
        if self._crash == "after" and self._commits and name.endswith("-wal") and len(data) > _FRAME_HEADER:
            self._die()

    def before_sync(self) -> None:
        """Fail a sync that is to fail, or take time."""
        self.before_change()
        if self._seconds and not self._suspended:
            self.writes += 1
            time.sleep(self._seconds)

    def before_change(self) -> None:
        """Fail what a process that is dead does not do any more."""
        if self.crashed and not self._suspended:
            self._die()

    def read(self, name: str, data: bytes, offset: int) -> bytes:
        """Return what a read of the file `name` gives instead of `data`."""
        page = offset and len(data) >= _SMALLEST_PAGE and not name.endswith("-wal")
        return b"\xff" * len(data) if page and self._damaged and not self._suspended else data

    def _require_file(self) -> None:
        if not self._files:
            raise RuntimeError(_failures.no_file_to_fail())

    def _die(self) -> None:
        self._crash = "dead"
        self._fail(apsw.IOError)

    def _fail(self, error: type[apsw.Error]) -> None:
        self.writes += 1
        message = "a fault of the test"
        raise error(message)


class _FailingVFS(apsw.VFS):
    def __init__(self, faults: SessionFaults, name: str) -> None:
        super().__init__(name, "")
        self.name = name
        self.faults = faults
        self.opened = 0

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - APSW's name
        return _FailingFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001, N802 - APSW's name
        self.faults.before_change()
        super().xDelete(filename, syncdir)


class _FailingFile(apsw.VFSFile):
    def __init__(self, vfs: _FailingVFS, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._vfs = vfs
        self._faults = vfs.faults
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        vfs.opened += 1

    def xClose(self) -> None:  # noqa: N802 - APSW's name
        self._vfs.opened -= 1
        super().xClose()

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - APSW's name
        self._faults.before_write(self._name, data)
        super().xWrite(data, offset)
        self._faults.after_write(self._name, data)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - APSW's name
        self._faults.before_change()
        super().xTruncate(newsize)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - APSW's name
        return self._faults.read(self._name, super().xRead(amount, offset), offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - APSW's name
        self._faults.before_sync()
        super().xSync(flags)


def _is_checkpoint(name: str) -> bool:
    """Tell whether a write of the file `name` moves what is committed: SQLite tells nobody where that fails."""
    return not name.endswith(("-journal", "-wal"))


@contextmanager
def _writing(file: Path) -> Iterator[apsw.Connection]:
    """Give another connection to `file`, with a transaction of its own that writes nothing."""
    other = apsw.Connection(str(file))
    try:
        other.execute("BEGIN IMMEDIATE")
        yield other
    finally:
        other.close()


def _forget_pages(file: Path) -> None:
    """Let every connection to `file` read its pages anew, from the file and not from its WAL."""
    with _writing(file) as other:
        version = other.pragma("user_version")
        other.pragma("user_version", version)  # a commit makes the pages that others remember worthless
        other.execute("COMMIT")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
