"""How many examples Hypothesis tries, and where."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, settings

from .effort import EFFORT, LONG


def tries(examples: int, steps: int = 0) -> settings:
    """Return the settings of a test that tries so many examples in the gate.

    There they are the same in every run; with more effort they are others each time, and a failure prints how to see it
    again.

    Args:
        examples: How many in the gate.
        steps: Of a state machine, the most steps of an example.
    """
    more: dict[str, Any] = {"stateful_step_count": steps} if steps else {}
    return settings(
        max_examples=examples * EFFORT,
        derandomize=not LONG,
        deadline=None,
        database=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),  # values are large, and a busy machine is slow
        **more,
    )


_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of a random name is made in it


def new_folder() -> TemporaryDirectory[str]:
    """Return a folder, in memory where there is one: thousands of examples need not wait for the disk."""
    return TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)
