"""A disk under a real SQLite that remembers what was synced, so that its power can be cut at any moment afterwards."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import apsw

_NUMBERS = count()
_FRAME_HEADER = 24
_SIZE_AFTER_COMMIT = slice(4, 8)


class Write(NamedTuple):
    """Bytes that were given to the operating system."""

    file: int
    offset: int
    data: bytes


class Truncate(NamedTuple):
    """A new size."""

    file: int
    size: int


class Sync(NamedTuple):
    """A sync that returned; it covers what was written before it began. One that failed covers nobody knows what."""

    file: int
    began: int
    failed: bool


class Names(NamedTuple):
    """Which file each name in the folder leads to now."""

    files: dict[str, int]


class SyncNames(NamedTuple):
    """A sync of the folder."""


class Begin(NamedTuple):
    """Something was asked for that may change these facts."""

    facts: tuple[str, ...]


class Acknowledge(NamedTuple):
    """What was asked for returned: from now on these facts are so, where None stands for what is gone."""

    facts: dict[str, str | None]


Event = Write | Truncate | Sync | Names | SyncNames | Begin | Acknowledge


class Recording:
    """All that happened to the files of a folder.

    Attributes:
        names: Which file each name led to in the beginning.
        contents: What these files held, all of it synced.
        events: What happened, in order.
        commits: How many events there were when each commit was complete in the WAL.
        wals: How often a WAL was begun, in a new file or at the front of one that a checkpoint had emptied.
    """

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.contents: dict[int, bytes] = {}
        self.events: list[Event] = []
        self.commits: list[int] = []
        self.wals = 0

    def first_acknowledgment(self) -> int:
        """Return the place of the first acknowledgment in the events."""
        return next(place for place, event in enumerate(self.events) if isinstance(event, Acknowledge))

    def syncs(self) -> list[int]:
        """Return the places of all syncs in the events."""
        return [place for place, event in enumerate(self.events) if isinstance(event, (Sync, SyncNames))]


class Disk:
    """The disk below one folder, for every connection of this process that names no other VFS.

    Attributes:
        recording: What happened so far.
        fault: Called with a method (`write`, `truncate`, `sync` or `delete`) and the name of the file before each; what
            it raises, SQLite sees. A sync that fails here has failed as on Linux: its pages count as written.
        deaf: Names that end so are not synced any more, which nobody is told.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = os.path.realpath(folder)
        self.recording = Recording()
        self.fault: Callable[[str, str], None] | None = None
        self.deaf: tuple[str, ...] = ()
        self._lock = threading.RLock()
        self._known: dict[int, int] = {}
        self._commit_begun = False
        self._files = count()
        self._remember()

    @contextmanager
    def inserted(self) -> Iterator[Recording]:
        """Let SQLite and `os.fsync` go through this disk for the `with` block, in which all connections are closed."""
        vfs, fsync = _VFS(self), os.fsync
        os.fsync = self._fsync_of(fsync)  # type: ignore[assignment]  # backups are synced past SQLite
        try:
            yield self.recording
        finally:
            os.fsync = fsync
            self.fault = None
            vfs.unregister()

    def begin(self, *facts: str) -> None:
        """Say that these facts may change from now on."""
        self._note(Begin(facts))

    def acknowledge(self, facts: dict[str, str | None]) -> None:
        """Say that what was asked for returned, and what is so from now on."""
        self._note(Acknowledge(facts))

    def holds(self, name: str) -> bool:
        """Tell whether a file lies on this disk."""
        return name.rpartition(os.sep)[0] == self.folder

    def before(self, method: str, name: str) -> None:
        """Fail where it is to fail."""
        if self.fault is not None:
            self.fault(method, name)

    def number(self, name: str) -> int:
        """Return the number of the file that `name` leads to, and notice which names there are."""
        with self._lock:
            self._look()
            return self._known[Path(name).stat().st_ino]

    def wrote(self, file: int, name: str, offset: int, data: bytes) -> None:
        """Note a write, and whether it completes a commit."""
        with self._lock:
            self.recording.events.append(Write(file, offset, data))
            if name.endswith("-wal"):
                self.recording.wals += offset == 0
                if self._commit_begun:
                    self.recording.commits.append(len(self.recording.events))
                self._commit_begun = len(data) == _FRAME_HEADER and any(data[_SIZE_AFTER_COMMIT])

    def truncated(self, file: int, size: int) -> None:
        """Note a new size."""
        self._note(Truncate(file, size))

    def moment(self) -> int:
        """Return how much happened so far."""
        with self._lock:
            return len(self.recording.events)

    def synced(self, file: int, began: int, *, failed: bool = False) -> None:
        """Note a sync that began at that moment."""
        self._note(Sync(file, began, failed))

    def synced_names(self) -> None:
        """Note a sync of the folder."""
        with self._lock:
            self._look()
            self.recording.events.append(SyncNames())

    def deleted(self, name: str, inode: int) -> None:
        """Note that a file has gone; its inode may be given to another."""
        with self._lock:
            self._known.pop(inode, None)
            self._look()

    def _note(self, event: Event) -> None:
        with self._lock:
            self.recording.events.append(event)

    def _remember(self) -> None:
        """Take what is there for what was synced long ago. Nobody may have the files open."""
        self._last_names = self.recording.names = self._names()
        for entry in os.scandir(self.folder):
            if entry.name in self.recording.names:
                self.recording.contents[self.recording.names[entry.name]] = Path(entry.path).read_bytes()

    def _names(self) -> dict[str, int]:
        found = {}
        for entry in os.scandir(self.folder):
            if entry.is_file() and not entry.name.endswith("-shm"):
                inode = entry.inode()
                if inode not in self._known:
                    self._known[inode] = next(self._files)
                found[entry.name] = self._known[inode]
        return found

    def _look(self) -> None:
        names = self._names()
        if names != self._last_names:
            self._last_names = names
            self.recording.events.append(Names(names))

    def _fsync_of(self, fsync: Callable[[Any], None]) -> Callable[[Any], None]:
        def recorded(descriptor: Any) -> None:
            began, status = self.moment(), os.fstat(descriptor)
            fsync(descriptor)
            if os.path.samestat(status, Path(self.folder).stat()):
                self.synced_names()
            elif status.st_ino in self._known:
                self.synced(self._known[status.st_ino], began)

        return recorded


class _VFS(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self.base = apsw.vfs_names()[0]
        self.disk = disk
        super().__init__(f"disk-{next(_NUMBERS)}", self.base, makedefault=True)

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - APSW's name
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None or not self.disk.holds(path):
            return apsw.VFSFile(self.base, name, flags)
        return _File(self, name, path, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001, N802 - APSW's name
        if not self.disk.holds(filename):
            return super().xDelete(filename, syncdir)
        self.disk.before("delete", filename)
        inode = Path(filename).stat().st_ino if Path(filename).exists() else 0
        super().xDelete(filename, syncdir)
        self.disk.deleted(filename, inode)
        if syncdir:
            self.disk.synced_names()
        return None


class _File(apsw.VFSFile):
    def __init__(self, vfs: _VFS, name: apsw.URIFilename | str | None, path: str, flags: list[int]) -> None:
        super().__init__(vfs.base, name, flags)
        self._disk, self._name = vfs.disk, path
        self._number = vfs.disk.number(path)
        creates = flags[0] & apsw.SQLITE_OPEN_CREATE
        journal = flags[0] & (apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL)
        self._syncs_names = bool(creates and journal)  # as SQLite's unix VFS does, with the first sync of the file

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - APSW's name
        try:
            self._disk.before("write", self._name)
        except apsw.FullError:  # what there is room for is written
            data = data[: len(data) // 2]
            super().xWrite(data, offset)
            self._disk.wrote(self._number, self._name, offset, bytes(data))
            raise
        super().xWrite(data, offset)
        self._disk.wrote(self._number, self._name, offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - APSW's name
        self._disk.before("truncate", self._name)
        super().xTruncate(newsize)
        self._disk.truncated(self._number, newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - APSW's name
        if self._name.endswith(self._disk.deaf):
            return
        began = self._disk.moment()
        try:
            self._disk.before("sync", self._name)
        except apsw.Error:
            self._disk.synced(self._number, began, failed=True)
            raise
        super().xSync(flags)
        self._disk.synced(self._number, began)
        if self._syncs_names:
            self._syncs_names = False
            self._disk.synced_names()
