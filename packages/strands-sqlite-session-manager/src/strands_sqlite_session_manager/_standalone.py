"""Whether this process is our command and nothing else."""

from __future__ import annotations

_state = {"alone": False}


def stand_alone() -> None:
    """Say that nobody in this process catches our errors by the SDK's types, so that the SDK need not be imported.

    Importing the SDK takes seconds, and a command that lists sessions has no use for it. Call it before anything else
    of this package is imported.
    """
    _state["alone"] = True


def stands_alone() -> bool:
    """Tell whether `stand_alone` was called."""
    return _state["alone"]
