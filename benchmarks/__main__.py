"""The command `python -m benchmarks`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from benchmarks import environment, report, suite
from benchmarks.measure import Result
from benchmarks.scale import FULL, QUICK, Scale


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 1 if a case failed, else 0.

    A goal that is not reached is no failure: how fast a machine is must not break a build.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    scale = QUICK if options.quick else FULL
    try:
        names = suite.choose(suite.all_cases(scale), options.only)
    except ValueError as error:
        parser.error(str(error))
    print("benchmarks, quick: fewer rounds and smaller files" if options.quick else "benchmarks")
    with TemporaryDirectory(dir=options.dir, prefix="benchmarks-") as folder:
        measured = run_cases(scale, names, Path(folder).resolve())
    if options.json:
        options.json.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    return 1 if measured["failures"] else 0


def run_cases(scale: Scale, names: Sequence[str], folder: Path) -> dict[str, Any]:
    """Run the cases in `names`, print each result as it comes, and return everything as JSON values."""
    begin = perf_counter()
    found = environment.describe(folder)
    print(report.environment_lines(found))
    if busy := environment.warning():
        print(f"WARNING: {busy}")
    print("medians [lower .. upper quartile]; ratios are medians of the ratios of interleaved rounds")
    results: list[Result] = []
    failures: dict[str, str] = {}
    for name in names:
        outcome = suite.run(name, scale, folder)
        if isinstance(outcome, str):
            failures[name] = outcome
            print(f"\n{name} FAILED\n{outcome}", flush=True)
        else:
            results.append(outcome)
            print(f"\n{report.result_lines(outcome)}", flush=True)
    at_end = {"load": environment.load(), "4 KiB append + fsync": environment.fsync_cost(folder)}
    found |= {f"{name}, at the end": value for name, value in at_end.items()}
    found["duration"] = f"{perf_counter() - begin:.0f} s"
    print(f"\n{report.summary_lines(results)}")
    print(f"duration: {found['duration']}; at the end: {', '.join(f'{name} {at_end[name]}' for name in at_end)}")
    return report.as_json(found, results, failures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=suite.__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller files, for a first look")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="cases to run; 'append' is all append-*")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE as well")
    parser.add_argument("--dir", type=Path, metavar="FOLDER", default=Path(), help="where the files of the run are put")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that the folder is removed
    sys.exit(main())
