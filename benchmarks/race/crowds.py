"""The rows in which several threads, or several processes, append at once."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from threading import Barrier
from time import perf_counter

import apsw
from strands.types.exceptions import SessionException

from benchmarks import material
from benchmarks.measure import Series, Subject, interleave
from benchmarks.race.contest import Action, Contestant, Log
from benchmarks.race.rows import Race, Row, rounds
from benchmarks.race.sizes import Sizes

THREADS = 8
PROCESSES = 4

_PATIENCE = 300.0


@dataclass
class Writer:
    """Appends to one conversation, and counts what was acknowledged and what went wrong."""

    log: Log
    acknowledged: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    _numbers: count[int] = field(default_factory=count)

    def prepare(self, length: int) -> list[Action]:
        """Return the next `length` appends."""
        return [self.log.storing(material.text_message(next(self._numbers))) for _ in range(length)]

    def append(self, actions: Sequence[Action]) -> None:
        """Do the appends; count those that come back without an error, and the errors by their text."""
        for action in actions:
            try:
                action()
            except (SessionException, apsw.Error, sqlite3.Error, OSError) as error:
                self.errors[f"{type(error).__name__}: {error}"] += 1
            else:
                self.acknowledged += 1

    def troubles(self) -> Counter[str]:
        """Return the errors, and how many acknowledged messages are not there."""
        lost = max(0, self.acknowledged - len(self.log.read()))
        return self.errors + Counter({"acknowledged and lost": lost})


def threads(race: Race) -> Iterator[Row]:
    """Measure eight threads that append to eight sessions of one store."""
    length = race.sizes.crowd_messages
    with ExitStack() as stack:
        pools = [stack.enter_context(ThreadPoolExecutor(1)) for _ in range(THREADS)]
        subjects, teams = [], {}
        for contestant, store in race.stores(stack, "threads"):
            team = [Writer(store.log(f"session-{number}")) for number in range(THREADS)]
            work = partial(_append_together, pools, team, length)
            subjects.append(Subject(contestant.name, work, rounds=rounds(contestant)))
            teams[contestant.name] = team
        series = interleave(subjects, race.sizes.thread_rounds, race.sizes.between)
        troubles = {name: _sum(writer.troubles() for writer in team) for name, team in teams.items()}
    title = f"{THREADS} threads append to {THREADS} sessions: messages per second of all"
    yield race.row("threads", title, "per second", series, *_notes(troubles))


def _append_together(pools: Sequence[ThreadPoolExecutor], team: Sequence[Writer], length: int) -> float:
    """Let each writer append on a thread of its own; return how many messages per second were acknowledged."""
    begins: list[float] = []
    before = sum(writer.acknowledged for writer in team)
    barrier = Barrier(len(team), action=lambda: begins.append(perf_counter()))

    def work(writer: Writer, actions: Sequence[Action]) -> float:
        barrier.wait(_PATIENCE)
        writer.append(actions)
        return perf_counter()

    jobs = [pool.submit(work, each, each.prepare(length)) for pool, each in zip(pools, team, strict=True)]
    end = max(job.result() for job in jobs)
    return (sum(writer.acknowledged for writer in team) - before) / (end - begins[0])


def _sum(counters: Iterator[Counter[str]]) -> Counter[str]:
    return sum(counters, Counter[str]())


def _notes(troubles: dict[str, Counter[str]]) -> list[str]:
    """Return one note for each contestant that met errors or lost something."""
    told = {name: ", ".join(f"{number} x {what}" for what, number in met.items()) for name, met in troubles.items()}
    found = [f"{name}: {words}" for name, words in told.items() if words]
    return found or ["no errors, and nothing that was acknowledged is missing"]


@dataclass(frozen=True)
class Report:
    """What one process gives back: the seconds of each round and the troubles, by contestant."""

    seconds: dict[str, list[float]]
    troubles: dict[str, Counter[str]]


def processes(race: Race) -> Iterator[Row]:
    """Measure four processes that append to four sessions of one file."""
    entered = race.entered("processes")
    folder = race.folder / "processes"
    for contestant in entered:
        with contestant.open(folder) as store:
            store.log("first")  # so that nobody else makes the tables
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, context, initializer=_meet_at, initargs=(barrier,)) as pool:
        jobs = [pool.submit(_write, folder, f"session-{each}", entered, race.sizes) for each in range(PROCESSES)]
        reports = [job.result() for job in jobs]
    series = [_rates(contestant.name, reports, race.sizes.crowd_messages) for contestant in entered]
    troubles = {each.name: _sum(report.troubles[each.name] for report in reports) for each in entered}
    title = f"{PROCESSES} processes append to {PROCESSES} sessions of one file: messages per second of all"
    yield race.row("processes", title, "per second", series, *_notes(troubles), kind="processes")


def _rates(name: str, reports: Sequence[Report], length: int) -> Series:
    """Return the appends per second of all processes; the slowest of them ends a round."""
    together = zip(*(report.seconds[name] for report in reports), strict=True)
    return Series(name, tuple((len(reports) * length / max(seconds),) for seconds in together))


_meet: Callable[[], object]


def _meet_at(barrier: Barrier) -> None:
    """Keep the barrier of this process; it can only be handed over when the process starts."""
    global _meet  # noqa: PLW0603 - an initializer has no other place to put it
    _meet = partial(barrier.wait, _PATIENCE)


def _write(folder: Path, session_id: str, entered: Sequence[Contestant], sizes: Sizes) -> Report:
    """Append in rounds, in step with the other processes."""
    with ExitStack() as stack:
        writers = {}
        for contestant in entered:
            writers[contestant.name] = Writer(stack.enter_context(contestant.open(folder)).log(session_id))
        subjects = [
            Subject(each.name, partial(_step, writers[each.name], sizes.crowd_messages), rounds=rounds(each))
            for each in entered
        ]
        series = interleave(subjects, sizes.process_rounds, sizes.between)
        troubles = {name: writer.troubles() for name, writer in writers.items()}
    return Report({each.name: each.round_medians for each in series}, troubles)


def _step(writer: Writer, length: int) -> float:
    """Return the seconds that `length` messages take, were all acknowledged as quickly as those that are."""
    actions, before = writer.prepare(length), writer.acknowledged
    _meet()
    begin = perf_counter()
    writer.append(actions)
    return (perf_counter() - begin) * length / max(1, writer.acknowledged - before)
