"""The race as text: tables for the terminal and for the page of the site."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.race.chart import draw
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
        median, quartiles, against = _words(figure, row["unit"])
        lines.append(f"  {figure['name']:<{_WIDTH}} {median:>12}  {quartiles:<26} {against}".rstrip())
    lines += [f"  left out: {each}" for each in _left_out(row)]
    return "\n".join(lines)


def _words(figure: Mapping[str, Any], unit: Any) -> tuple[str, str, str]:
    """Return a figure's median, its quartiles, and its ratio to the reference with its quartiles."""
    several = figure["count"] > 1
    quartiles = f"{value_words(figure['lower'], unit)} {_TO} {value_words(figure['upper'], unit)}" if several else ""
    against = figure["ratio"]
    if against is None:
        return value_words(figure["median"], unit), quartiles, ""
    words = _times(against["median"])
    if against["count"] > 1:
        words += f" ({_times(against['lower'])} {_TO} {_times(against['upper'])})"
    return value_words(figure["median"], unit), quartiles, words


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 20 else f"{ratio:.2g}" if ratio < 10 else f"{ratio:.1f}"  # noqa: PLR2004 - digits


def _markdown(found: Mapping[str, Any]) -> Iterator[str]:
    yield "## The machine and the versions"
    yield ""
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
        yield from _row(row)


def _row(row: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {row['title'][0].upper()}{row['title'][1:]}"
    yield ""
    yield f"| | median | quartiles | {_TIMES} {row['reference']} (quartiles) | what differs in this row |"
    yield "|---|---:|---:|---:|---|"
    for figure in row["figures"]:
        median, quartiles, against = _words(figure, row["unit"])
        name = f"**{figure['name']}**" if figure["name"] == row["reference"] else figure["name"]
        yield f"| {name} | {median} | {quartiles} | {against} | {figure['differs']} |"
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
