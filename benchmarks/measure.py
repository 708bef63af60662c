"""Interleaved rounds of measurements, and the medians, quartiles and ratios drawn from them."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal, TypeVar

T = TypeVar("T")
Unit = Literal["seconds", "times", "bytes", "per second", "count"]


@dataclass(frozen=True)
class Subject:
    """One of the things that are compared.

    Attributes:
        name: Its name in the report.
        operation: Does the work once and returns its figure, such as the seconds it took.
        batch: How often the operation runs in one round.
        rounds: In how many rounds it takes part; `None` is all of them.
    """

    name: str
    operation: Callable[[], float]
    batch: int = 1
    rounds: int | None = None


@dataclass(frozen=True)
class Spread:
    """The median of some figures, the quartiles around it, and how many figures there were."""

    median: float
    lower: float
    upper: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of `values`, of which there is at least one."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0], 1)
        lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, lower, upper, len(values))


@dataclass(frozen=True)
class Series:
    """All the figures of one subject, round by round."""

    name: str
    rounds: tuple[tuple[float, ...], ...]

    @property
    def spread(self) -> Spread:
        """The spread over every figure of every round."""
        return Spread.of([figure for each in self.rounds for figure in each])

    @property
    def round_medians(self) -> list[float]:
        """The median of each round."""
        return [statistics.median(each) for each in self.rounds]


@dataclass(frozen=True)
class Figure:
    """One value that a case ends with, and the quartiles around it where it has any."""

    label: str
    value: Spread
    unit: Unit


@dataclass(frozen=True)
class Result:
    """What one case measured.

    Attributes:
        name: Name of the case.
        title: What was measured, in words.
        unit: Unit of the figures in `series`.
        series: The subjects, measured side by side.
        figures: What follows from them: ratios, counts, sizes.
        notes: What a reader must know to judge the figures.
    """

    name: str
    title: str
    unit: Unit
    series: list[Series] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[Figure]:
        """Everything there is to show: each subject with its spread, then the figures."""
        return [*(Figure(each.name, each.spread, self.unit) for each in self.series), *self.figures]


def timed(action: Callable[[], object]) -> float:
    """Run `action` once and return the seconds it took; letting go of its result is not part of them."""
    begin = perf_counter()
    result = action()
    end = perf_counter()
    del result
    return end - begin


def interleave(subjects: Sequence[Subject], rounds: int, between: Callable[[], object] = lambda: None) -> list[Series]:
    """Run all subjects in every round, one after the other, in another order each time.

    `between` is called before each turn of a subject.

    What disturbs the machine for a while, and what one subject leaves behind for the next, then falls on all alike.
    As in `timeit`, the cyclic garbage collector runs between two turns and not within one: when it would run depends on
    what others have allocated.
    """
    figures: dict[str, list[tuple[float, ...]]] = {subject.name: [] for subject in subjects}
    for number in range(rounds):
        for subject in in_order(subjects, number):
            if subject.rounds is None or number < subject.rounds:
                between()
                figures[subject.name].append(_turn(subject))
    return [Series(name, tuple(each)) for name, each in figures.items()]


def in_order(items: Sequence[T], number: int) -> list[T]:
    """Return the items in the order of a round in a Williams design: with others first, and with other neighbours."""
    count = len(items)
    zigzag = [place // 2 if place % 2 == 0 else count - 1 - place // 2 for place in range(count)]
    return [items[(place + number) % count] for place in zigzag]


def _turn(subject: Subject) -> tuple[float, ...]:
    gc.collect()
    gc.disable()
    try:
        return tuple(subject.operation() for _ in range(subject.batch))
    finally:
        gc.enable()


def ratio(series: Iterable[Series], numerator: str, denominator: str) -> Figure:
    """Return how many times `denominator` goes into `numerator`: round medians divided pair by pair."""
    by_name = {each.name: each.round_medians for each in series}
    pairs = zip(by_name[numerator], by_name[denominator], strict=False)  # one of the two may have sat rounds out
    return Figure(f"{numerator} / {denominator}", Spread.of([above / below for above, below in pairs]), "times")


def single(label: str, value: float, unit: Unit) -> Figure:
    """Return a figure that was taken once and has no spread."""
    return Figure(label, Spread(value, value, value, 1), unit)
