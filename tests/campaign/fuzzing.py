"""How many examples Hypothesis tries."""

from __future__ import annotations

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
