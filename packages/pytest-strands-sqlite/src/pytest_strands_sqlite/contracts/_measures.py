"""What an append costs, as counters that anyone has."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path

FIRST, LAST, SAMPLE = 5, 25, 5
"""The samples begin after so many appends, and have so many."""


def written(place: Path) -> dict[str, int]:
    """Return the bytes that this process wrote to files, where Linux tells, and what lies below `place`."""
    sizes = [size for size in map(_size, place.rglob("*")) if size is not None]
    counters = {"bytes stored": sum(sizes), "files": len(sizes)}
    try:
        lines = Path("/proc/self/io").read_text("ascii").splitlines()
    except OSError:
        return counters
    return {"bytes written": int(dict(line.split(": ") for line in lines)["wchar"]), **counters}


def early_and_late(
    cost: Callable[[], Mapping[str, int]], append: Callable[[int], object]
) -> tuple[dict[str, int], dict[str, int]]:
    """Return the median cost of one append, near the beginning of a conversation and far from it."""
    for number in range(FIRST):
        append(number)
    early = _medians(cost, append, FIRST)
    for number in range(FIRST + SAMPLE, LAST):
        append(number)
    return early, _medians(cost, append, LAST)


def bound(name: str, early: int) -> int:
    """Return what a late append may cost: pages of a file and deeper trees count for something, growth for more."""
    return early * 3 // 2 + (16_384 if name.startswith("bytes") else 2)


def _medians(cost: Callable[[], Mapping[str, int]], append: Callable[[int], object], first: int) -> dict[str, int]:
    steps: list[dict[str, int]] = []
    for number in range(first, first + SAMPLE):
        before = cost()
        append(number)
        after = cost()
        steps.append({name: after[name] - before[name] for name in before})
    return {name: int(statistics.median(step[name] for step in steps)) for name in steps[0]}


def _size(path: Path) -> int | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - one look, at what may go meanwhile
    except OSError:
        return None
    return found.st_size if path.is_file() else None
