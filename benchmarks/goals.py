"""The goals for the figures, in one table, each with its source."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Literal

RELEASE = "set for the first release, before the code was written"
PROTOTYPE = "what the best prototypes reached on 2 cores and ext4, one fsync at 0.3 to 0.4 ms"

SNAPSHOTS = "set for the storage, before its code was written"
STORE = "set for SessionStore and its command, before their code was written"

MIB = 1024 * 1024


@dataclass(frozen=True)
class Goal:
    """What a figure should reach.

    Attributes:
        sense: Whether the figure is to stay at or below the limit, or to be at or above it.
        limit: The limit, in the unit of the figure.
        source: Where the limit comes from.
        stretch: A limit that is harder to reach, where there is one; its source is `PROTOTYPE`.
    """

    sense: Literal["<=", ">="]
    limit: float
    source: str = RELEASE
    stretch: float | None = None

    def is_reached(self, value: float) -> bool:
        """Tell whether `value` keeps to the limit."""
        return self._holds(value, self.limit)

    def is_stretched(self, value: float) -> bool:
        """Tell whether `value` keeps to the harder limit as well."""
        return self.stretch is not None and self._holds(value, self.stretch)

    def _holds(self, value: float, limit: float) -> bool:
        return bool((operator.le if self.sense == "<=" else operator.ge)(value, limit))


GOALS: dict[tuple[str, str], Goal] = {
    ("append-full", "ours / floor"): Goal("<=", 1.25, stretch=1.1),
    ("append-normal", "ours / floor"): Goal("<=", 2.0, stretch=1.3),
    ("turn-full", "ours / floor"): Goal("<=", 1.1, stretch=0.7),
    ("turn-normal", "ours / floor"): Goal("<=", 1.1),
    ("restore-1000", "ours / floor"): Goal("<=", 1.4),
    ("restore-1000", "FileSessionManager / ours"): Goal(">=", 20),
    ("restore-10000", "ours / floor"): Goal("<=", 1.4, stretch=1.2),
    ("restore-10000", "FileSessionManager / ours"): Goal(">=", 20),
    ("reopen-10", "ours / floor"): Goal("<=", 0.5, PROTOTYPE),
    ("reopen-100", "ours / floor"): Goal("<=", 0.5, PROTOTYPE),
    ("threads", "ours / one connection behind a lock"): Goal(">=", 2.0),
    ("threads", "errors"): Goal("<=", 0),
    ("threads", "acknowledged messages lost"): Goal("<=", 0),
    ("processes", "'locked' errors"): Goal("<=", 0),
    ("processes", "other errors"): Goal("<=", 0),
    ("processes", "acknowledged messages lost"): Goal("<=", 0),
    ("large", "large file at full / empty file at full"): Goal("<=", 1.3),
    ("large", "large file at normal / empty file at normal"): Goal("<=", 1.3),
    ("second-manager", "ours"): Goal("<=", 100e-6),
    ("import", "import SQLiteSessionManager"): Goal("<=", 30e-3, stretch=6e-3),
    ("image-full", "ours / floor"): Goal("<=", 2.0),
    ("image-normal", "ours / floor"): Goal("<=", 2.0),
    ("image-full", "ours: growth of the file per image"): Goal("<=", 1.05 * MIB),
    ("image-normal", "ours: growth of the file per image"): Goal("<=", 1.05 * MIB),
    ("snapshot-size", "ours: files / conversation"): Goal("<=", 4, SNAPSHOTS),
    ("snapshot-growth", "ours: latest, more for each message"): Goal("<=", 16, SNAPSHOTS),
    ("snapshot-growth", "ours: latest + new, more for each message"): Goal("<=", 16, SNAPSHOTS),
    **{
        (f"snapshot-save-{durability}", f"{what}: ours / LocalFileStorage"): Goal("<=", 0.5, SNAPSHOTS)
        for durability in ("full", "normal")
        for what in ("latest", "latest + new")
    },
    ("snapshot-restore", "ours / InMemoryStorage"): Goal("<=", 1.2, SNAPSHOTS),
    ("storage-search", "ours"): Goal("<=", 20e-3, SNAPSHOTS),
    **{
        ("list", f"{page}, by activity"): Goal("<=", 3e-3, STORE)
        for page in ("the first page", "in the middle", "the last page")
    },
    ("list", "strands-sqlite list, CPU"): Goal("<=", 0.4, STORE),
    ("message-search", "two words"): Goal("<=", 50e-3, STORE),
    ("message-search", "the first search of those that came later"): Goal("<=", 5, STORE),
    ("history", "ours: fork"): Goal("<=", 0.15, STORE),
    **{
        ("prune", f"{pace}: p99 while pruned / quiet"): Goal("<=", 10, STORE)
        for pace in ("at full speed", "every 10 ms")
    },
    ("mirror", "first push: other requests for each object"): Goal("<=", 0.01),
    ("mirror", "first push: usually in flight"): Goal(">=", 8),
    ("mirror", "nothing changed: requests"): Goal("<=", 5),
    ("mirror", "next release: objects uploaded"): Goal("<=", 0),
    ("mirror", "10 times as many messages: memory over idle"): Goal("<=", 64 * 2**20),
    ("mirror", "append: p99 while pushed / quiet"): Goal("<=", 2.0),
}
"""The goal for a figure, by the name of its case and its own label."""
