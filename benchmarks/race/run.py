"""One run of the race: every case once, on new files."""

from __future__ import annotations

import sqlite3
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from benchmarks import environment
from benchmarks.race import conversations, crowds, growth, newcomers, searches, site
from benchmarks.race.contest import Contestant
from benchmarks.race.rows import Race, Row, Run
from benchmarks.race.sizes import FULL, Sizes

CASES: Mapping[str, Callable[[Race], Iterator[Row]]] = {
    "append": conversations.append,
    "turn": conversations.turn,
    "restore": conversations.restore,
    "threads": crowds.threads,
    "processes": crowds.processes,
    "image": growth.images,
    "snapshots": growth.snapshots,
    "scale": growth.scale,
    "search-storage": searches.storages,
    "search-messages": searches.messages,
    "interpreters": newcomers.interpreters,
}
"""What is measured, each by a function that yields one row or more."""


def run(
    folder: Path, sizes: Sizes, names: Sequence[str], contestants: Sequence[Contestant], which: Run
) -> dict[str, Any]:
    """Run the cases in `names`, print each row as it comes, and return everything as JSON values."""
    begin = perf_counter()
    absent = {each.name: missing for each in contestants if (missing := each.missing())}
    entered = [each for each in contestants if each.name not in absent]
    for name, reason in absent.items():
        print(f"left out: {name}: {reason}")
    found = {"sizes": "full" if sizes == FULL else "smaller than those of a full run"} | environment.describe(folder)
    found |= {"sqlite of the standard library": sqlite3.sqlite_version}
    settings: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    failures: dict[str, str] = {}
    for name in names:
        with TemporaryDirectory(dir=folder, prefix=f"{name}-") as place:
            try:
                for row in CASES[name](Race(Path(place), sizes, entered, absent, which, settings)):
                    rows.append(row.as_json())
                    print(f"\n{site.row_lines(rows[-1])}", flush=True)
            except Exception:  # noqa: BLE001 - one broken case must not cost the results of the others
                failures[name] = traceback.format_exc()
                print(f"\n{name} FAILED\n{failures[name]}", flush=True)
    found["load, at the end"] = environment.load()
    found["4 KiB append + fsync, at the end"] = environment.fsync_cost(folder)
    found["duration"] = f"{perf_counter() - begin:.0f} s"
    return {
        "environment": found,
        "contestants": [
            {"name": each.name, "versions": each.versions(), "settings": settings.get(each.name, ""), "work": each.work}
            for each in entered
        ],
        "absent": absent,
        "rows": rows,
        "failures": failures,
    }
