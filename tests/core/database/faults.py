"""A VFS that fails on demand, under a real SQLite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apsw


class FaultyVFS(apsw.VFS):
    """Passes everything on to the default VFS, but for what `fault` raises.

    Attributes:
        fault: Called with the name of a file method and the file's name before each write and sync; None for no fault.
        calls: How often each file method was called.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, "")
        self.name = name
        self.fault: Callable[[str, str], None] | None = None
        self.calls: dict[str, int] = {}

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _FaultyFile(self, name, flags)

    def uri(self, path: Path) -> str:
        """Return a `db_path` that opens `path` through this VFS."""
        return f"{path.as_uri()}?vfs={self.name}"

    def before(self, method: str, file: str) -> None:
        self.calls[method] = self.calls.get(method, 0) + 1
        if self.fault is not None:
            self.fault(method, file)


class _FaultyFile(apsw.VFSFile):
    def __init__(self, vfs: FaultyVFS, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._vfs = vfs
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._vfs.before("write", self._name)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._vfs.before("sync", self._name)
        super().xSync(flags)
