"""What writers in several processes have begun and what was acknowledged to them, for readers to check against."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from pathlib import Path

_BYTES = 8


class Board:
    """Two numbers for each thing that one writer alone changes, step by step: in memory that processes share.

    Whoever reads the thing looks at `acknowledged` before and at `begun` afterwards. What it finds must lie between
    them: less was lost, more was never written.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        """Open the board of these names, made where it is missing.

        Args:
            path: Of the file behind the memory.
            names: Of the things, the same for all processes.
        """
        self.names = list(names)
        self._place = {name: 2 * number for number, name in enumerate(names)}
        size = 2 * _BYTES * len(self.names)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(descriptor, size)
        self._cells = memoryview(mmap.mmap(descriptor, size)).cast("q")  # a cell is written by one instruction
        os.close(descriptor)

    def begun(self, name: str) -> int:
        """Return the last step that was begun."""
        return self._cells[self._place[name]]

    def acknowledged(self, name: str) -> int:
        """Return the last step that was acknowledged."""
        return self._cells[self._place[name] + 1]

    def begin(self, name: str, steps: int = 1) -> int:
        """Note that the next step begins, or the next few; return the last of them."""
        self._cells[self._place[name]] += steps
        return self._cells[self._place[name]]

    def acknowledge(self, name: str) -> None:
        """Note that all that was begun is done."""
        self._cells[self._place[name] + 1] = self._cells[self._place[name]]
