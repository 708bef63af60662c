"""A disk that fails on demand, under every connection of the process."""

from __future__ import annotations

import apsw

from tests.core.database.faults import FaultyVFS, _FaultyFile


class EveryFile(FaultyVFS):
    """The VFS of every connection that names none, until it is unregistered."""

    def __init__(self, name: str) -> None:
        self.base = apsw.vfs_names()[0]
        apsw.VFS.__init__(self, name, self.base, True)
        self.name = name
        self.fault = None
        self.calls = {}

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _File(self, name, flags)


class _File(_FaultyFile):
    def __init__(self, vfs: EveryFile, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        apsw.VFSFile.__init__(self, vfs.base, name, flags)
        self._vfs = vfs
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
