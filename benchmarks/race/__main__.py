"""The command `python -m benchmarks.race`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.race import site
from benchmarks.race.contestants import CONTESTANTS
from benchmarks.race.run import CASES
from benchmarks.race.runs import in_turn, leave_at_signals
from benchmarks.race.sizes import FULL, QUICK
from benchmarks.race.together import RUNS, elsewhere, together


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 1 if a case failed, else 0."""
    options = _options(arguments)
    published = json.loads(site.JSON.read_text(encoding="utf-8"))
    if options.elsewhere:
        published["elsewhere"] = elsewhere(json.loads(options.elsewhere.read_text(encoding="utf-8")))
    if options.redraw:
        site.write(published)
        return 0
    with TemporaryDirectory(dir=options.dir, prefix="race-") as folder:
        sizes = QUICK if options.quick else FULL
        contestants = [each for each in CONTESTANTS if each.name not in options.without]
        runs: list[dict[str, Any]] = []
        for run in in_turn(Path(folder).resolve(), sizes, options.only or list(CASES), contestants, options.runs):
            runs.append(run)
            found = together(runs) if len(runs) in RUNS else run
            if options.json:
                options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.runs > 1:
        print(f"\n--- {options.runs} runs: medians, and where one more is to be expected ---")
        print("\n\n".join(site.row_lines(row) for row in found["rows"]))
    if options.compare:
        print(f"\n{site.comparison(found, published)}")
    if options.site and not found["failures"]:
        if "elsewhere" in published:
            found["elsewhere"] = published["elsewhere"]
        site.write(found)
    return 1 if found["failures"] else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command; end it where they do not go together."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.site and (options.only or options.without or options.quick):
        parser.error("the site shows whole races: --site goes without --only, --without and --quick")
    if options.site and options.runs == 1:
        parser.error("the site shows how far runs lie apart: --site needs --runs")
    if options.compare and (options.quick or options.runs > 1):
        parser.error("the site says where one full run would be: --compare goes without --quick and --runs")
    if options.elsewhere and not options.redraw:
        parser.error("what ran elsewhere is put beside what the site shows: --elsewhere goes with --redraw")
    return options


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
    parser.add_argument(
        "--runs", type=int, metavar="N", choices=(1, *RUNS), default=1,
        help=f"how often everything is done, 1 or {RUNS[0]} to {RUNS[-1]} times, each in a new process",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE, after each run anew")
    parser.add_argument("--site", action="store_true", help="write docs/benchmarks.md and its assets from this run")
    parser.add_argument(
        "--compare", action="store_true", help="say which ratios of this run lie outside of what the site expects"
    )
    parser.add_argument(
        "--redraw", action="store_true", help="write them again from docs/assets/race.json, without a run"
    )
    parser.add_argument(
        "--elsewhere", type=Path, metavar="FILE", help="with --redraw: show the ratios of another machine's race too"
    )
    parser.add_argument("--dir", type=Path, metavar="FOLDER", default=Path(), help="where the files of the run are put")
    return parser


if __name__ == "__main__":
    leave_at_signals()  # so that the folder is removed
    sys.exit(main())
