"""The newest version of each folder's objects, kept in memory for the next one to be compared with."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from ._versions import Version

MOST_BYTES = 32 * 1024 * 1024
"""How much is kept; what was not used for the longest time goes first."""


@dataclass(frozen=True)
class Base:
    """A version, and the object that holds it: as long as that is stored, so are its parts.

    Key and time tell it from one that has its `change_id` in an older copy of the file, put back meanwhile.
    """

    change_id: int
    key: str
    updated_at: str
    version: Version


class Bases:
    """A version for each folder, the most recently used ones."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._bases: OrderedDict[str, Base] = OrderedDict()
        self._bytes = 0

    def get(self, folder: str) -> Base | None:
        """Return the version kept for `folder`, or None."""
        with self._lock:
            base = self._bases.get(folder)
            if base is not None:
                self._bases.move_to_end(folder)
            return base

    def put(self, folder: str, base: Base) -> None:
        """Keep `base` for `folder` in place of the one before."""
        with self._lock:
            old = self._bases.pop(folder, None)
            self._bytes += len(base.version.data) - (len(old.version.data) if old else 0)
            self._bases[folder] = base
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        while self._bases and self._bytes > MOST_BYTES:
            _, oldest = self._bases.popitem(last=False)
            self._bytes -= len(oldest.version.data)
        if not self._bases:
            self._bytes = 0  # an interrupt may have come between a base and its count
