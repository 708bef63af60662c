"""The command `python -m benchmarks.race`."""

from __future__ import annotations

import argparse
import json
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from benchmarks import environment
from benchmarks.race import conversations, crowds, growth, newcomers, searches, site
from benchmarks.race.contest import Contestant
from benchmarks.race.contestants import CONTESTANTS
from benchmarks.race.rows import Race, Row
from benchmarks.race.sizes import FULL, QUICK, Sizes

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 1 if a case failed, else 0."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.site and (options.only or options.without):
        parser.error("the site shows whole races: --site goes without --only and --without")
    if options.redraw:
        site.write(json.loads(site.JSON.read_text(encoding="utf-8")))
        return 0
    with TemporaryDirectory(dir=options.dir, prefix="race-") as folder:
        sizes = QUICK if options.quick else FULL
        contestants = [each for each in CONTESTANTS if each.name not in options.without]
        found = run(Path(folder).resolve(), sizes, options.only or list(CASES), contestants)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.site and not found["failures"]:
        site.write(found)
    return 1 if found["failures"] else 0


def run(
    folder: Path, sizes: Sizes, names: Sequence[str], contestants: Sequence[Contestant] = CONTESTANTS
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
                for row in CASES[name](Race(Path(place), sizes, entered, absent, settings)):
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.race",
        description="The same work by this package and by what a user would pick instead.",
    )
    names = [each.name for each in CONTESTANTS]
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller files, for a first look")
    parser.add_argument("--only", nargs="+", metavar="CASE", choices=CASES, default=[], help=f"of {', '.join(CASES)}")
    parser.add_argument(
        "--without", nargs="+", metavar="NAME", choices=names, default=[], help=f"of {', '.join(names)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--site", action="store_true", help="write docs/benchmarks.md and its assets from this run")
    parser.add_argument(
        "--redraw", action="store_true", help="write them again from docs/assets/race.json, without a run"
    )
    parser.add_argument("--dir", type=Path, metavar="FOLDER", default=Path(), help="where the files of the run are put")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that the folder is removed
    sys.exit(main())
