"""The rows that one thread runs: appends, turns, and reads of a conversation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count
from typing import cast

from benchmarks import material
from benchmarks.measure import Subject, interleave, timed
from benchmarks.race.contest import Contestant, Log, PagedLog
from benchmarks.race.rows import Race, Row, batch, check, rounds

PAGE = 20
_SESSION = "session"


def append(race: Race) -> Iterator[Row]:
    """Measure appends of 600-byte messages to a conversation."""
    sizes = race.sizes
    with ExitStack() as stack:
        subjects, logs = [], []
        for contestant, store in race.stores(stack, "append"):
            log = store.log(_SESSION)
            log.fill(material.conversation(sizes.stored))
            operation = partial(_append, log, count())
            subjects.append(
                Subject(contestant.name, operation, batch(contestant, sizes.append_batch), rounds(contestant))
            )
            logs.append(log)
        series = interleave(subjects, sizes.append_rounds, sizes.between)
        for log, each in zip(logs, series, strict=True):
            check(log, sizes.stored + sum(map(len, each.rounds)))
    yield race.row("append", f"append one 600-byte message after {sizes.stored} others", "seconds", series)


def _append(log: Log, numbers: Iterator[int]) -> float:
    return timed(log.storing(material.text_message(next(numbers))))


def turn(race: Race) -> Iterator[Row]:
    """Measure what a turn of an agent asks of the store."""
    sizes = race.sizes
    with ExitStack() as stack:
        subjects, logs = [], []
        for contestant, store in race.stores(stack, "turn"):
            log = store.log(_SESSION)
            for _ in range(sizes.turn_warmup):
                log.cycle()
            subjects.append(Subject(contestant.name, log.cycle, rounds=rounds(contestant)))
            logs.append(log)
        series = interleave(subjects, sizes.turn_rounds, sizes.between)
        for log, each in zip(logs, series, strict=True):
            check(log, (sizes.turn_warmup + len(each.rounds)) * sum(material.TURN_SIZES))
    first = sizes.turn_warmup * sum(material.TURN_SIZES)
    last = first + sizes.turn_rounds * sum(material.TURN_SIZES)
    note = (
        f"the conversation has {first} messages at first and {last} at the end; the SDK's managers keep a window of 40"
        " in memory and are measured in their hooks, which include the SDK's own work"
    )
    title = "what one agent turn asks of the store: 2.4 messages, and a state that changed"
    yield race.row("turn", title, "seconds", series, note)


def restore(race: Race) -> Iterator[Row]:
    """Measure reads of whole conversations, and of the newest messages of the longest one."""
    for length in race.sizes.restore_lengths:
        with ExitStack() as stack:
            opened = []
            for contestant, store in race.stores(stack, f"restore-{length}"):
                log = store.log(_SESSION)
                log.fill(material.conversation(length))
                check(log, length)
                opened.append((contestant, log))
            subjects = [
                Subject(each.name, partial(timed, log.read), _reads(each, 3), rounds(each)) for each, log in opened
            ]
            series = interleave(subjects, race.sizes.restore_rounds, race.sizes.between)
            title = f"read a conversation of {length:,} messages, on a store that is open"
            yield race.row(f"restore-{length}", title, "seconds", series, kind="restore")
            if length == max(race.sizes.restore_lengths):
                pages = [
                    Subject(each.name, partial(_newest, cast("PagedLog", log)), _reads(each, 10), rounds(each))
                    for each, log in opened
                    if "newest" not in each.left_out
                ]
                series = interleave(pages, race.sizes.restore_rounds, race.sizes.between)
                yield race.row("newest", f"read the newest {PAGE} of {length:,} messages", "seconds", series)


def _reads(contestant: Contestant, wanted: int) -> int:
    """Return how many reads of a contestant fit into a round: one where each message is a request."""
    return 1 if contestant.pace == "remote" else batch(contestant, wanted)


def _newest(log: PagedLog) -> float:
    return timed(partial(log.newest, PAGE))
