"""The race as text: tables for the terminal and for the page of the site."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.race.chart import draw
from benchmarks.race.together import compare
from benchmarks.report import value_words

_DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = _DOCS / "benchmarks.md"
JSON = _DOCS / "assets" / "race.json"
SVG = _DOCS / "assets" / "race.svg"

BEGIN, END = "<!-- race: what follows is written by `python -m benchmarks.race` -->", "<!-- race: end -->"

_WIDTH = 30
_TO, _TIMES = "\N{EN DASH}", "\N{MULTIPLICATION SIGN}"


def write(found: Mapping[str, Any]) -> None:
    """Write the figures, the chart, and the tables of the page between their marks."""
    JSON.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    SVG.write_text(draw(found), encoding="utf-8")
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")


def with_tables(page: str, found: Mapping[str, Any]) -> str:
    """Return `page` with the tables of a run between its marks.

    Raises:
        ValueError: A mark is missing.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = f"the page has no {BEGIN!r} … {END!r}"
        raise ValueError(message)
    return "\n".join([f"{before}{begin}", "", *_markdown(found), "", f"{end}{after}"])


def row_lines(row: Mapping[str, Any]) -> str:
    """Return one row for the terminal."""
    lines = [f"{row['name']}: {row['title']}", *(f"  ({note})" for note in row["notes"])]
    for figure in row["figures"]:
        median, around, against = _words(figure, row["unit"])
        lines.append(f"  {figure['name']:<{_WIDTH}} {median:>12}  {around:<26} {against}".rstrip())
    lines += [f"  left out: {each}" for each in _left_out(row)]
    return "\n".join(lines)


def comparison(found: Mapping[str, Any], published: Mapping[str, Any]) -> str:
    """Return how many ratios of a run are where several runs put one more, and name those that are not."""
    compared = list(compare(found, published))
    outside, between = [], 0
    for row, name, ratio, spread in compared:
        if _is_within(ratio, spread.lower, spread.upper):
            continue
        told = f"  {row}: {name}: {_times(ratio)}, not {_ratio_words(asdict(spread))}"
        if other := _ratio_elsewhere(published, row, name):
            between += _is_within(ratio, min(spread.lower, other["lower"]), max(spread.upper, other["upper"]))
            told += f"; on the other machine {_ratio_words(other)}"
        outside.append(told)
    count = len(compared)
    lines = [f"{count - len(outside)} of {count} ratios are where the site expects them", *outside]
    if outside and "elsewhere" in published:
        lines.append(f"{between} of these {len(outside)} lie where its two machines put them, or between")
    if outside:
        lines.append("by chance 1 of 20 is elsewhere, and several at once where ours had a bad moment")
    return "\n".join(lines)


def _ratio_elsewhere(found: Mapping[str, Any], row: str, name: str) -> Mapping[str, float] | None:
    """Return a ratio on the other machine, with its range, if it was measured there."""
    ratio: Mapping[str, float] | None = found.get("elsewhere", {}).get("ratios", {}).get(row, {}).get(name)
    return ratio


def _is_within(ratio: float, lower: float, upper: float) -> bool:
    """Tell whether a ratio lies in a range, as far as the tables show its digits."""
    return lower <= ratio <= upper or _times(ratio) in {_times(lower), _times(upper)}


def _words(figure: Mapping[str, Any], unit: Any) -> tuple[str, str, str]:
    """Return a figure's median, its range, and its ratio to the reference with its range, where they have any."""
    against = figure["ratio"]
    ends = [value_words(figure[end], unit) for end in ("lower", "upper")]
    around = f" {_TO} ".join(ends) if ends[0] != ends[1] else ""
    return value_words(figure["median"], unit), around, _ratio_words(against) if against else ""


def _ratio_words(ratio: Mapping[str, Any]) -> str:
    lower, median, upper = (_times(ratio[part]) for part in ("lower", "median", "upper"))
    return median if lower == upper else f"{median} ({lower} {_TO} {upper})"


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 20 else f"{ratio:.2g}" if ratio < 10 else f"{ratio:.1f}"  # noqa: PLR2004 - digits


def _markdown(found: Mapping[str, Any]) -> Iterator[str]:
    yield "## The machine and the versions"
    yield ""
    if "elsewhere" in found:
        other = found["elsewhere"]["environment"]
        yield "| | this machine | the other machine |"
        yield "|---|---|---|"
        yield from (f"| {name} | {value} | {other.get(name, '')} |" for name, value in found["environment"].items())
    else:
        yield "| | |"
        yield "|---|---|"
        yield from (f"| {name} | {value} |" for name, value in found["environment"].items())
    yield ""
    yield "## Who takes part"
    yield ""
    yield "| | versions | how it treats the disk, as it ships | what it does for a message |"
    yield "|---|---|---|---|"
    for each in found["contestants"]:
        yield f"| **{each['name']}** | {each['versions']} | {each['settings']} | {each['work']} |"
    yield from (f"\nNot in this run: {name} ({reason})." for name, reason in found["absent"].items())
    yield ""
    yield "## Results"
    for row in found["rows"]:
        yield ""
        yield from _row(row, found)


def _row(row: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {row['title'][0].upper()}{row['title'][1:]}"
    yield ""
    has_other = "elsewhere" in found
    on_other = f" {_TIMES} {row['reference']}, on the other machine |" if has_other else ""
    yield f"| | median | runs | {_TIMES} {row['reference']} (one more run) |{on_other} what differs in this row |"
    yield f"|---|---:|---:|---:|{'---:|' if has_other else ''}---|"
    for figure in row["figures"]:
        median, around, against = _words(figure, row["unit"])
        name = f"**{figure['name']}**" if figure["name"] == row["reference"] else figure["name"]
        other = _ratio_elsewhere(found, row["name"], figure["name"])
        on_other = f" {_ratio_words(other) if other else ''} |" if has_other else ""
        yield f"| {name} | {median} | {around} | {against} |{on_other} {figure['differs']} |"
    if row["notes"]:
        yield ""
        yield ". ".join(f"{note[0].upper()}{note[1:]}" for note in row["notes"]) + "."
    if row["left_out"]:
        yield ""
        yield f"Left out: {'; '.join(_left_out(row))}."


def _left_out(row: Mapping[str, Any]) -> list[str]:
    """Return who was left out, those with the same reason together."""
    reasons: dict[str, list[str]] = {}
    for name, reason in row["left_out"].items():
        reasons.setdefault(reason, []).append(name)
    return [f"{', '.join(names)} ({reason})" for reason, names in reasons.items()]
