"""A VFS that keeps what a crash would leave on the disk, at whatever write or sync it comes."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import apsw

from tests.core.database.faults import FaultyVFS


class CrashingVFS(FaultyVFS):
    """Copies a database just before one of its writes or syncs: that is all a process leaves that is killed there.

    The files are read through SQLite's own descriptors: to open and close one more would drop SQLite's locks.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._opened: dict[str, list[apsw.VFSFile]] = {}

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        file = super().xOpen(name, flags)
        self._opened.setdefault(name.filename() if isinstance(name, apsw.URIFilename) else str(name), []).append(file)
        return file

    def copy_before(self, call: int, path: Path, copy: Path) -> None:
        """Copy the database `path` to `copy` before that write or sync from now on, the first being 0."""
        calls = count()

        def fault(_method: str, _file: str) -> None:
            if next(calls) == call:
                self.copy(path, copy)

        self.fault = fault

    def copy_before_each(self, path: Path, folder: Path) -> list[Path]:
        """Copy the database `path` into `folder` before every write or sync from now on; give the list of copies."""
        copies: list[Path] = []

        def fault(_method: str, _file: str) -> None:
            copies.append(folder / f"{len(copies)}.db")
            self.copy(path, copies[-1])

        self.fault = fault
        return copies

    def copy(self, path: Path, copy: Path) -> None:
        """Copy the database and its WAL as they are."""
        for suffix in ("", "-wal"):
            Path(f"{copy}{suffix}").write_bytes(self._content(f"{path}{suffix}"))

    def _content(self, name: str) -> bytes:
        opened = self._opened.get(name, [])
        while opened:
            try:
                return opened[-1].xRead(opened[-1].xFileSize(), 0)
            except apsw.VFSFileClosedError:
                opened.pop()
        return b""
