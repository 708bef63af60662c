"""The measurements of the SDK's snapshots: what they cost in bytes, in saves and in restores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import apsw
from strands._async import run_async
from strands.agent.conversation_manager import NullConversationManager
from strands.session import SnapshotSessionManager
from strands.storage import Storage
from typing_extensions import Self

from benchmarks import material
from benchmarks.adapters import Durability
from benchmarks.environment import Disk
from benchmarks.measure import Figure, Result, Series, Subject, interleave, ratio, single, timed
from benchmarks.scale import Scale
from benchmarks.stores import LOCAL, MEMORY, NO_FSYNC, OURS, Clocked, SharedLoop, opened, settle
from benchmarks.turns import Conversation, Runner, create_agent

_SESSION = "session"
_WAL_FRAME_HEADER = 24


def _always(**_: Any) -> bool:
    """Ask for an immutable snapshot after every turn."""
    return True


_LATEST, _BOTH = "latest", "latest + new"
_TRIGGERS = {_LATEST: None, _BOTH: _always}
"""What a save writes: the latest snapshot over the one before, or an immutable one too."""


def begin(storage: Storage, turns: int, what: str = _BOTH) -> Conversation:
    """Return a conversation that goes on after `turns` turns and whose snapshots go to `storage`."""
    manager = SnapshotSessionManager(_SESSION, storage=storage, snapshot_trigger=_TRIGGERS[what])
    talk = Conversation(manager, NullConversationManager())
    talk.skip(turns)
    return talk


def size(folder: Path, scale: Scale) -> Result:
    """Measure how large the files are when every turn of a conversation has left an immutable snapshot."""
    figures: list[Figure] = []
    for name in (OURS, LOCAL):
        with ExitStack() as stack:
            talk = begin(opened(stack, name, folder / name, "normal"), 0)
            for _ in range(scale.snapshot_turns // len(material.TURN_SIZES)):
                talk.cycle()
            own, is_open = _own_bytes(talk), _bytes_in(folder / name)
        closed = _bytes_in(folder / name)
        figures += [
            single(f"{name}: files / conversation", closed / own, "times"),
            single(f"{name}: files", closed, "bytes"),
            single(f"{name}: files while open", is_open, "bytes"),
        ]
    figures.append(single("the conversation's own JSON", own, "bytes"))
    title = f"files after {scale.snapshot_turns} turns ({len(talk.agent.messages)} messages), a checkpoint after each"
    return Result("snapshot-size", title, "bytes", figures=figures)


def _own_bytes(talk: Conversation) -> int:
    return len(json.dumps(talk.agent.messages, ensure_ascii=False).encode())


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class WrittenPages:
    """Counts the pages that the connections which are opened meanwhile write into their WAL."""

    def __init__(self) -> None:
        """Prepare to notice connections."""
        self._connections: list[apsw.Connection] = []

    @property
    def bytes(self) -> int:
        """The bytes of the frames that open connections have written so far."""
        return sum(map(_frame_bytes, self._connections))

    def __enter__(self) -> Self:
        """Begin to notice connections."""
        apsw.connection_hooks.append(self._connections.append)
        return self

    def __exit__(self, *_: object) -> None:
        """Notice no more."""
        apsw.connection_hooks.remove(self._connections.append)


def _frame_bytes(connection: apsw.Connection) -> int:
    try:
        pages = connection.status(apsw.SQLITE_DBSTATUS_CACHE_WRITE)[0]
        return int(pages * (connection.pragma("page_size") + _WAL_FRAME_HEADER))
    except apsw.ConnectionClosedError:  # it was there to set up the file
        return 0


def growth(folder: Path, scale: Scale) -> Result:
    """Measure the bytes that one save writes, early and late in a conversation."""
    series, figures = [], []
    for name in (OURS, LOCAL):
        for what in _TRIGGERS:
            early, late = (
                _written(folder / f"{name}-{what}-{turns}", name, what, turns, scale.growth_cycles)
                for turns in scale.growth_turns
            )
            series += [early.series, late.series]
            slope = (late.mean - early.mean) / (late.messages - early.messages)
            figures.append(single(f"{name}: {what}, more for each message", slope, "bytes"))
    title = "bytes that one save writes (2.4 new messages), early and late in a conversation"
    counted = "ours: the frames of the WAL, as SQLite counts them; what a checkpoint copies later is not among them"
    notes = [counted, f"{LOCAL}: the bytes that it is handed", "the growth is drawn from the means"]
    return Result("snapshot-growth", title, "bytes", series, figures, notes)


@dataclass(frozen=True)
class Written:
    """The bytes of some saves, and how many messages there were before them."""

    series: Series
    messages: int

    @property
    def mean(self) -> float:
        """The bytes of a save on average."""
        return fmean(value for each in self.series.rounds for value in each)


def _written(folder: Path, name: str, what: str, turns: int, cycles: int) -> Written:
    """Count the bytes of saves behind `turns` turns."""
    with ExitStack() as stack:
        pages = stack.enter_context(WrittenPages())
        storage = Clocked(opened(stack, name, folder, "normal"))
        talk = begin(storage, turns, what)
        messages = len(talk.agent.messages)
        talk.cycle()  # the first save stores what was said before

        def save_once() -> float:
            before = pages.bytes, storage.handed
            run_async(talk.turn)
            return float(pages.bytes - before[0] if name == OURS else storage.handed - before[1])

        rounds = tuple(tuple(save_once() for _ in material.TURN_SIZES) for _ in range(cycles))
    return Written(Series(f"{name}: {what}, {messages:,} messages", rounds), messages)


@dataclass
class Saver:
    """Plays turns of a conversation, of which only the storage's own time counts."""

    talk: Conversation
    clock: Clocked
    run: Runner

    def __call__(self) -> float:
        """Play one cycle of turns and return the seconds in the storage per save."""
        settle()
        before = self.clock.seconds
        self.talk.cycle(self.run)
        return (self.clock.seconds - before) / len(material.TURN_SIZES)


def save(folder: Path, scale: Scale, durability: Durability) -> Result:
    """Measure what a save of a long conversation spends in the storage."""
    turns = scale.snapshot_length - scale.save_rounds * len(material.TURN_SIZES) // 2
    with ExitStack() as stack:
        loop = stack.enter_context(SharedLoop())
        runners: dict[str, Runner] = {"": run_async, ", shared loop": loop.run}
        kinds = {f"{what}{where}": (what, run) for what in _TRIGGERS for where, run in runners.items()}
        subjects = [
            Subject(f"{name}: {kind}", _saver(opened(stack, name, folder / f"{name}-{kind}", durability), turns, *how))
            for kind, how in kinds.items()
            for name in (OURS, LOCAL)
        ]
        if durability == "full":
            disk = stack.enter_context(Disk(folder))
            subjects.append(Subject("the disk alone: 4 KiB, then fsync", disk.append, 10))
        series = interleave(subjects, scale.save_rounds)
    figures = [_against(series, kind, OURS, LOCAL) for kind in kinds]
    title = f"the storage's part of a save around {_messages(scale.snapshot_length)} messages, at {durability}"
    notes = [
        f"a save has 2.4 new messages; {_BOTH} writes an immutable snapshot too, so two objects",
        "agent() has a loop to itself, in another thread; the shared loop is that of an asynchronous application",
        NO_FSYNC,
    ]
    return Result(f"snapshot-save-{durability}", title, "seconds", series, figures, notes)


def _saver(storage: Storage, turns: int, what: str, run: Runner) -> Saver:
    clock = Clocked(storage)
    saver = Saver(begin(clock, turns, what), clock, run)
    saver()  # the first save stores what was said before
    return saver


def _against(series: Sequence[Series], kind: str, above: str, below: str) -> Figure:
    """Return the ratio of two storages that did the same."""
    return replace(ratio(series, f"{above}: {kind}", f"{below}: {kind}"), label=f"{kind}: {above} / {below}")


def _messages(turns: int) -> str:
    return f"{turns * sum(material.TURN_SIZES) // len(material.TURN_SIZES):,}"


def restore(folder: Path, scale: Scale) -> Result:
    """Measure how long a new agent takes to be given the latest snapshot of a long conversation."""
    clocks: dict[str, Clocked] = {}
    with ExitStack() as stack:
        for name in (OURS, MEMORY, LOCAL):
            clocks[name] = Clocked(opened(stack, name, folder / name, "normal"))
            run_async(begin(clocks[name], scale.snapshot_length).turn)
            clocks[name].seconds = 0.0
        subjects = [Subject(name, partial(_restore, clock), 2) for name, clock in clocks.items()]
        series = interleave(subjects, scale.snapshot_restore_rounds)
    parts = {name: clock.seconds / (scale.snapshot_restore_rounds * 2) for name, clock in clocks.items()}
    figures = [
        ratio(series, OURS, MEMORY),
        ratio(series, LOCAL, MEMORY),
        *(single(f"{name}: the storage's part", seconds, "seconds") for name, seconds in parts.items()),
    ]
    title = f"give a new agent the latest snapshot of {_messages(scale.snapshot_length + 1)} messages"
    return Result("snapshot-restore", title, "seconds", series, figures, ["the storage is open already"])


def _restore(storage: Storage) -> float:
    manager, agent = SnapshotSessionManager(_SESSION, storage=storage), create_agent(NullConversationManager())
    return timed(partial(manager.initialize, agent))
