"""Several runs of the race as one: medians of the runs, and how far one more run may lie from them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.measure import Spread

Found = Mapping[str, Any]

_STUDENT = {3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""Student's t for 95 %, by the number of runs."""

RUNS = tuple(_STUDENT)
"""How many runs can be put together: two say too little of a third."""


def together(runs: Sequence[Found]) -> dict[str, Any]:
    """Return several runs in the form of one; `runs` of each figure has what each run measured.

    A row that a run does not have, for its case has failed there, is left out.
    """
    first = runs[0]
    rows = {
        row["name"]: [each for run in runs for each in run["rows"] if each["name"] == row["name"]]
        for row in first["rows"]
    }
    return {
        "runs": len(runs),
        "environment": {name: _all(run["environment"][name] for run in runs) for name in first["environment"]},
        "contestants": first["contestants"],
        "absent": first["absent"],
        "rows": [_row(each) for each in rows.values() if len(each) == len(runs)],
        "failures": {
            f"{name}, run {number}": text
            for number, run in enumerate(runs, 1)
            for name, text in run["failures"].items()
        },
    }


def _all(values: Iterator[str]) -> str:
    return ", ".join(dict.fromkeys(values))


def _row(rows: Sequence[Found]) -> dict[str, Any]:
    names = [figure["name"] for figure in rows[0]["figures"]]
    figures = [[figure for row in rows for figure in row["figures"] if figure["name"] == name] for name in names]
    return {**rows[0], "figures": [_figure(each) for each in figures], "notes": list(_notes(rows))}


def _notes(rows: Sequence[Found]) -> Iterator[str]:
    """Yield the notes of all runs; those that not all have say of which they are."""
    for note in dict.fromkeys(note for row in rows for note in row["notes"]):
        having = [str(number) for number, row in enumerate(rows, 1) if note in row["notes"]]
        yield note if len(having) == len(rows) else f"in run {', '.join(having)}: {note}"


def _figure(runs: Sequence[Found]) -> dict[str, Any]:
    medians = [run["median"] for run in runs]
    ratios = [run["ratio"]["median"] for run in runs if run["ratio"]]
    return {
        "name": runs[0]["name"],
        **asdict(Spread(statistics.median(medians), min(medians), max(medians), len(runs))),
        "ratio": asdict(one_more(ratios)) if ratios else None,
        "differs": runs[0]["differs"],
        "runs": [{name: run[name] for name in ("median", "ratio", "round_medians")} for run in runs],
    }


def one_more(ratios: Sequence[float]) -> Spread:
    """Return the median of the ratios of some runs, and the range in which 95 % of further runs have theirs.

    That is Student's prediction interval of their logarithms: as far apart as the runs lie, so far off the next may be.
    """
    logarithms = [math.log(ratio) for ratio in ratios]
    reach = _STUDENT[len(ratios)] * statistics.stdev(logarithms) * math.sqrt(1 + 1 / len(ratios))
    middle = statistics.fmean(logarithms)
    median = statistics.median(ratios)
    return Spread(median, min(median, math.exp(middle - reach)), max(median, math.exp(middle + reach)), len(ratios))


def elsewhere(other: Found) -> dict[str, Any]:
    """Return what a race on another machine says of that machine: what it is, and the ratios there."""
    ratios = {
        row["name"]: {figure["name"]: figure["ratio"] for figure in row["figures"] if figure["ratio"]}
        for row in other["rows"]
    }
    return {"environment": other["environment"], "ratios": ratios}


def compare(run: Found, published: Found) -> Iterator[tuple[str, str, float, Spread]]:
    """Yield each ratio of a run that several runs have too: row, contestant, the ratio, and where theirs puts it."""
    known = {(row["name"], figure["name"]): figure["ratio"] for row in published["rows"] for figure in row["figures"]}
    for row in run["rows"]:
        for figure in row["figures"]:
            expected = known.get((row["name"], figure["name"]))
            if figure["ratio"] and expected:
                yield row["name"], figure["name"], figure["ratio"]["median"], Spread(**expected)
