"""The measurements that several threads or several processes make at once."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from threading import Barrier
from time import perf_counter

import apsw
from strands.session import SessionRepository
from strands.types.exceptions import SessionException
from strands.types.session import SessionMessage

from benchmarks import material
from benchmarks.adapters import FLOOR, OURS, Floor, LockedFloor, open_ours
from benchmarks.measure import Figure, Result, Series, Subject, interleave, ratio, single
from benchmarks.scale import Scale
from strands_sqlite_session_manager import DatabaseBusyError

THREADS = 8
PROCESSES = 4
LOCKED = "one connection behind a lock"

_PATIENCE = 120.0
_BUSY_SECONDS = 30


@dataclass
class Writer:
    """Appends to one session, and remembers what was acknowledged and what went wrong."""

    repository: SessionRepository
    session_id: str
    acknowledged: set[int] = field(default_factory=set)
    errors: Counter[str] = field(default_factory=Counter)
    _numbers: count[int] = field(default_factory=count)

    def prepare(self, length: int) -> list[SessionMessage]:
        """Return the next `length` messages."""
        numbers = [next(self._numbers) for _ in range(length)]
        return [SessionMessage.from_message(material.text_message(number), number) for number in numbers]

    def append(self, messages: Sequence[SessionMessage]) -> None:
        """Append `messages`; count those that come back without an error, and the errors by their kind."""
        for message in messages:
            self._append_one(message)

    def _append_one(self, message: SessionMessage) -> None:
        try:
            self.repository.create_message(self.session_id, material.AGENT, message)
        except (DatabaseBusyError, apsw.BusyError):
            self.errors["locked"] += 1
        except (SessionException, apsw.Error, OSError) as error:
            self.errors[type(error).__name__] += 1
        else:
            self.acknowledged.add(message.message_id)

    def count_lost(self) -> int:
        """Return how many acknowledged messages are not in the session."""
        stored = self.repository.list_messages(self.session_id, material.AGENT)
        return len(self.acknowledged - {message.message_id for message in stored})


def threads(folder: Path, scale: Scale) -> Result:
    """Measure eight threads that append to eight sessions of one file."""
    sessions = [f"session-{number}" for number in range(THREADS)]
    with ExitStack() as stack:
        locked = LockedFloor(folder / "floor.db", "full")
        stack.callback(locked.close)
        managers = [stack.enter_context(open_ours(folder, each, "full")) for each in sessions]
        teams = {
            OURS: [_writer(manager, each) for manager, each in zip(managers, sessions, strict=True)],
            LOCKED: [_writer(locked, each) for each in sessions],
        }
        pool = stack.enter_context(ThreadPoolExecutor(THREADS))
        subjects = [
            Subject(name, partial(_append_together, pool, team, scale.thread_messages)) for name, team in teams.items()
        ]
        series = interleave(subjects, scale.thread_rounds)
        lost = sum(writer.count_lost() for writer in teams[OURS])
    errors = {name: sum(writer.errors.total() for writer in team) for name, team in teams.items()}
    figures = [
        ratio(series, OURS, LOCKED),
        single("errors", errors[OURS], "count"),
        single("acknowledged messages lost", lost, "count"),
        single(f"{LOCKED}: errors", errors[LOCKED], "count"),
    ]
    title = f"{THREADS} threads append to {THREADS} sessions at full"
    return Result("threads", title, "per second", series, figures)


def _writer(repository: SessionRepository, session_id: str) -> Writer:
    material.create_agent(repository, session_id)
    return Writer(repository, session_id)


def _append_together(pool: ThreadPoolExecutor, team: Sequence[Writer], length: int) -> float:
    """Let every writer append `length` messages at the same time and return the appends per second of all."""
    begins: list[float] = []
    barrier = Barrier(len(team), action=lambda: begins.append(perf_counter()))

    def work(writer: Writer, messages: list[SessionMessage]) -> float:
        barrier.wait(_PATIENCE)
        writer.append(messages)
        return perf_counter()

    jobs = [pool.submit(work, writer, writer.prepare(length)) for writer in team]
    return len(team) * length / (max(job.result() for job in jobs) - begins[0])


@dataclass(frozen=True)
class Report:
    """What one process gives back: the seconds of each round by subject, and what its writers met."""

    seconds: dict[str, list[float]]
    errors: Counter[str]
    lost: int
    errors_of_floor: int


def processes(folder: Path, scale: Scale) -> Result:
    """Measure four processes that append to four sessions of one file."""
    Floor(folder / "floor.db", "full").close()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, context, initializer=_meet_at, initargs=(barrier,)) as pool:
        jobs = [pool.submit(_write, folder, f"session-{number}", scale) for number in range(PROCESSES)]
        reports = [job.result() for job in jobs]
    series = [_rates(name, reports, scale.process_messages) for name in (OURS, FLOOR)]
    title = f"{PROCESSES} processes append to {PROCESSES} sessions at full"
    notes = [f"the floor has one connection for each process, and SQLite's own busy handler of {_BUSY_SECONDS} s"]
    figures = [ratio(series, OURS, FLOOR), *_troubles(reports)]
    return Result("processes", title, "per second", series, figures, notes)


def _troubles(reports: Sequence[Report]) -> list[Figure]:
    locked = sum(report.errors["locked"] for report in reports)
    return [
        single("'locked' errors", locked, "count"),
        single("other errors", sum(report.errors.total() for report in reports) - locked, "count"),
        single("acknowledged messages lost", sum(report.lost for report in reports), "count"),
        single("floor: errors", sum(report.errors_of_floor for report in reports), "count"),
    ]


def _rates(name: str, reports: Sequence[Report], length: int) -> Series:
    """Return the appends per second of all processes; the slowest of them ends a round."""
    rounds = zip(*(report.seconds[name] for report in reports), strict=True)
    return Series(name, tuple((len(reports) * length / max(seconds),) for seconds in rounds))


_barrier: Barrier


def _meet_at(barrier: Barrier) -> None:
    """Keep the barrier of this process; it can only be handed over when the process starts."""
    global _barrier  # noqa: PLW0603 - an initializer has no other place to put it
    _barrier = barrier


def _write(folder: Path, session_id: str, scale: Scale) -> Report:
    """Append in rounds, in step with the other processes."""
    with ExitStack() as stack:
        manager = stack.enter_context(open_ours(folder, session_id, "full"))
        floor = Floor(folder / "floor.db", "full", _BUSY_SECONDS)
        stack.callback(floor.close)
        teams = {OURS: _writer(manager, session_id), FLOOR: _writer(floor, session_id)}
        subjects = [Subject(name, partial(_step, team, scale.process_messages)) for name, team in teams.items()]
        series = interleave(subjects, scale.process_rounds)
        seconds = {each.name: each.round_medians for each in series}
        ours = teams[OURS]
        return Report(seconds, ours.errors, ours.count_lost(), teams[FLOOR].errors.total())


def _step(writer: Writer, length: int) -> float:
    messages = writer.prepare(length)
    _barrier.wait(_PATIENCE)
    begin = perf_counter()
    writer.append(messages)
    return perf_counter() - begin
