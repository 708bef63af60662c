"""Results as text for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.goals import GOALS, PROTOTYPE, RELEASE, SNAPSHOTS, Goal
from benchmarks.measure import Figure, Result, Unit

_WIDTH = 52
_MIB = 1024 * 1024
_MARKS = {PROTOTYPE: " (p)", SNAPSHOTS: " (s)"}


def environment_lines(environment: Mapping[str, str]) -> str:
    """Return the environment as one paragraph."""
    return "environment: " + "; ".join(f"{name} {value}" for name, value in environment.items())


def result_lines(result: Result) -> str:
    """Return one result as a table: its subjects, then its figures, each beside its goal."""
    lines = [f"{result.name}: {result.title}", *(f"  ({note})" for note in result.notes)]
    lines += [_row(result.name, figure) for figure in result.rows]
    return "\n".join(lines)


def summary_lines(results: Sequence[Result]) -> str:
    """Return how many goals were reached, and name those that were not or were not measured."""
    figures = {(result.name, figure.label): figure for result in results for figure in result.rows}
    measured = {key: figures[key] for key in GOALS if key in figures}
    missed = [key for key, figure in measured.items() if not GOALS[key].is_reached(figure.value.median)]
    absent = dict.fromkeys(case for case, label in GOALS if (case, label) not in figures)
    lines = [f"goals: {len(measured) - len(missed)} of {len(measured)} reached"]
    lines += [f"  not reached: {_name(key)}: {_goal_words(GOALS[key], measured[key])}" for key in missed]
    lines += [f"  not measured in this run: {', '.join(absent)}"] if absent else []
    lines += [f"sources: goals without a mark were {RELEASE}; (s) {SNAPSHOTS}; (p) and stretch are {PROTOTYPE}"]
    return "\n".join(lines)


def as_json(environment: Mapping[str, str], results: Iterable[Result], failures: Mapping[str, str]) -> dict[str, Any]:
    """Return everything that was measured, round medians included, in values that JSON can hold."""
    return {
        "environment": dict(environment),
        "cases": [_case(result) for result in results],
        "failures": dict(failures),
    }


def _case(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "title": result.title,
        "notes": result.notes,
        "round_medians": {each.name: each.round_medians for each in result.series},
        "figures": [_figure(result.name, figure) for figure in result.rows],
    }


def _figure(case: str, figure: Figure) -> dict[str, Any]:
    goal = GOALS.get((case, figure.label))
    found: dict[str, Any] = {"label": figure.label, "unit": figure.unit, **asdict(figure.value)}
    if goal is not None:
        found["goal"] = {**asdict(goal), "reached": goal.is_reached(figure.value.median)}
    return found


def _row(case: str, figure: Figure) -> str:
    value, unit = figure.value, figure.unit
    quartiles = f"[{value_words(value.lower, unit)} .. {value_words(value.upper, unit)}]" if value.count > 1 else ""
    goal = GOALS.get((case, figure.label))
    words = "" if goal is None else _goal_words(goal, figure)
    return f"  {figure.label:<{_WIDTH}} {value_words(value.median, unit):>12}  {quartiles:<26} {words}".rstrip()


def _goal_words(goal: Goal, figure: Figure) -> str:
    value = figure.value.median
    words = f"goal{_mark(goal)} {goal.sense} {value_words(goal.limit, figure.unit)}: {_verdict(goal.is_reached(value))}"
    if goal.stretch is None:
        return words
    stretch = f"stretch {goal.sense} {value_words(goal.stretch, figure.unit)}: {_verdict(goal.is_stretched(value))}"
    return f"{words} ({stretch})"


def _mark(goal: Goal) -> str:
    return _MARKS.get(goal.source, "")


def _verdict(reached: bool) -> str:  # noqa: FBT001 - a verdict is one
    return "reached" if reached else "NOT reached"


def _name(key: tuple[str, str]) -> str:
    return ", ".join(key)


def value_words(value: float, unit: Unit) -> str:
    """Return a value with its unit."""
    if unit == "seconds":
        return _duration(value)
    if unit == "bytes":
        return _size(value)
    if unit == "times":
        return f"{value:.2f} x"
    return f"{value:,.0f}" + ("/s" if unit == "per second" else "")


def _size(value: float) -> str:
    for factor, unit in ((_MIB, "MiB"), (1024, "KiB")):
        if abs(value) >= factor / 10:
            return f"{value / factor:.3f} {unit}"
    return f"{value:.1f} B"


def _duration(seconds: float) -> str:
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.2f} {unit}"
    return f"{seconds * 1e6:.1f} us"
