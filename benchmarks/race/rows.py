"""The rows of the race: what was measured, against ours, and who was left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import Series, Spread, Unit, ratio
from benchmarks.race.contest import Contestant, Log, Store
from benchmarks.race.contestants import OURS
from benchmarks.race.sizes import Sizes

_BATCHES = {"quick": 1_000, "slow": 5, "remote": 5}
_ROUNDS = {"quick": None, "slow": None, "remote": 2}


@dataclass(frozen=True)
class Row:
    """One kind of work, and the figures of all who did it.

    Attributes:
        name: Its name in the JSON.
        title: What was measured, in words.
        unit: Unit of the figures.
        series: The figures of each contestant, in the same rounds.
        left_out: Who took no part, each with the reason.
        differs: Whose work was another one, each with what differs.
        notes: What a reader must know to judge the figures.
        reference: Whom the others are compared with.
    """

    name: str
    title: str
    unit: Unit
    series: Sequence[Series]
    left_out: dict[str, str] = field(default_factory=dict)
    differs: dict[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    reference: str = OURS

    def as_json(self) -> dict[str, Any]:
        """Return the row, with the ratio of each to the reference, in values that JSON can hold."""
        return {
            "name": self.name,
            "title": self.title,
            "unit": self.unit,
            "reference": self.reference,
            "figures": [self._figure(each) for each in self.series],
            "left_out": self.left_out,
            "notes": list(self.notes),
        }

    def _figure(self, series: Series) -> dict[str, Any]:
        against: Spread | None = None
        if series.name != self.reference and any(each.name == self.reference for each in self.series):
            against = ratio(self.series, series.name, self.reference).value
        return {
            "name": series.name,
            **asdict(series.spread),
            "ratio": against and asdict(against),
            "differs": self.differs.get(series.name, ""),
            "round_medians": series.round_medians,
        }


@dataclass(frozen=True)
class Run:
    """One of several runs.

    Attributes:
        number: Which one, counted from 0.
        of: How many there are.
        kept: A folder for files that the runs after this one use again.
    """

    number: int
    of: int
    kept: Path


@dataclass(frozen=True)
class Race:
    """A run: where its files are, how much it measures, and who takes part.

    Attributes:
        folder: A folder for the files.
        sizes: How much is measured.
        contestants: Who takes part.
        absent: Who does not, each with the reason.
        run: Which run it is.
        settings: How each treats the disk, noted when it is opened.
    """

    folder: Path
    sizes: Sizes
    contestants: Sequence[Contestant]
    absent: dict[str, str]
    run: Run
    settings: dict[str, str] = field(default_factory=dict)

    def entered(self, row: str) -> list[Contestant]:
        """Return who takes part in a row."""
        return [each for each in self.contestants if row not in each.left_out]

    def stores(self, stack: ExitStack, row: str) -> Iterator[tuple[Contestant, Store]]:
        """Open a new store for everyone who takes part in a row, until `stack` ends."""
        for each in self.entered(row):
            store = stack.enter_context(each.open(self.folder / row))
            self.settings[each.name] = store.settings
            yield each, store

    def row(
        self, name: str, title: str, unit: Unit, series: Sequence[Series], *notes: str, kind: str | None = None
    ) -> Row:
        """Return a row; `kind` is the name by which contestants know it, when that is another one."""
        known = kind or name
        left_out = {each.name: each.left_out[known] for each in self.contestants if known in each.left_out}
        differs = {each.name: each.differs[known] for each in self.contestants if known in each.differs}
        return Row(name, title, unit, series, {**left_out, **self.absent}, differs, notes)


def batch(contestant: Contestant, wanted: int) -> int:
    """Return how many operations of a contestant fit into a round."""
    return min(wanted, _BATCHES[contestant.pace])


def rounds(contestant: Contestant) -> int | None:
    """Return in how many rounds a contestant takes part; `None` is all."""
    return _ROUNDS[contestant.pace]


def check(log: Log, length: int) -> None:
    """Make sure that a contestant gives back what it was given.

    Raises:
        ValueError: It gives back fewer messages.
    """
    if (found := len(log.read())) < length:
        message = f"{type(log).__name__} has {found} of {length} messages"
        raise ValueError(message)
