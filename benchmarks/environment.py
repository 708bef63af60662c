"""The machine that a run took place on, as far as the figures depend on it."""

from __future__ import annotations

import os
import platform
import statistics
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryFile

import apsw
from typing_extensions import Self

from benchmarks.measure import timed

_MOUNTS = Path("/proc/self/mounts")
_PACKAGES = ("strands-sqlite-session-manager", "strands-agents", "apsw", "pydantic-core", "moto")
_BLOCK = b"x" * 4096
_FSYNCS = 200
_BUSY = 0.5


def describe(folder: Path) -> dict[str, str]:
    """Return the versions, the file system of `folder`, and what an fsync costs on it."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{name: _version(name) for name in _PACKAGES},
        "sqlite": apsw.sqlite_lib_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "load": load(),
        "file system": file_system(folder),
        "4 KiB append + fsync": fsync_cost(folder),
    }


def load() -> str:
    """Return how busy the machine was in the last minute, where the system tells."""
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"


def file_system(folder: Path) -> str:
    """Return the type of the file system that `folder` is on, or "unknown" where the system does not list them."""
    if not _MOUNTS.exists():
        return "unknown"
    mounts = [line.split()[1:3] for line in _MOUNTS.read_text(encoding="utf-8").splitlines()]
    real = folder.resolve()
    fitting = [(len(point), kind) for point, kind in mounts if real.is_relative_to(_unescape(point))]
    return max(fitting, default=(0, "unknown"), key=lambda each: each[0])[1]


class Disk:
    """A plain file that is only appended to: what the disk asks for a write that must last."""

    def __init__(self, folder: Path) -> None:
        """Create the file, without a name, in `folder`."""
        self._file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed in `__exit__`

    def append(self) -> float:
        """Append 4 KiB, wait until the disk has them, and return the seconds that took."""
        return timed(self._append)

    def _append(self) -> None:
        self._file.write(_BLOCK)
        os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        """Return the disk."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, which removes it."""
        self._file.close()


def fsync_cost(folder: Path) -> str:
    """Return the median of some appends to a plain file in `folder`, each with an fsync."""
    with Disk(folder) as disk:
        return f"{statistics.median(disk.append() for _ in range(_FSYNCS)) * 1e6:.0f} us"


def warning() -> str | None:
    """Return what to say when the machine has other work to do, so that figures mean little."""
    if not hasattr(os, "getloadavg") or os.getloadavg()[0] < _BUSY * (os.cpu_count() or 1):
        return None
    return f"the machine is busy (load {load()}): only ratios mean something, and less than on an idle one"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _unescape(point: str) -> str:
    return point.replace(r"\040", " ")
