"""Waiting until others wait."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from strands_sqlite_session_manager._writer import Writer

PATIENCE = 30.0
"""Seconds after which a test gives up."""


def queued(writer: Writer, number: int, *, or_else: Sequence[object] = ()) -> None:
    """Return once that many callers wait for their turn to write, or there is something in `or_else`."""
    deadline = time.monotonic() + PATIENCE
    while len(writer.turns.waiting) < number and not or_else:
        assert time.monotonic() < deadline, f"{len(writer.turns.waiting)} of {number} wait"
        os.sched_yield()
