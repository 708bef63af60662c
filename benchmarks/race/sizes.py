"""How much a run of the race measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.stores import settle


@dataclass(frozen=True)
class Sizes:
    """Numbers of rounds, and of operations in a round; who is slow does fewer.

    Attributes:
        append_rounds: Rounds of appends; `append_batch` of them are in each.
        append_batch: Appends in one round.
        stored: Messages in a conversation before the appends.
        turn_rounds: Rounds of five turns each.
        turn_warmup: Cycles of five turns before the first round.
        restore_lengths: Lengths of the conversations that are read.
        restore_rounds: Rounds of reads.
        thread_rounds: Rounds in which eight threads append.
        process_rounds: Rounds in which four processes append.
        crowd_messages: Appends of each thread or process in one round.
        sessions: Sessions of 100 messages in the large file.
        scale_rounds: Rounds of appends and reads there, ten of each.
        snapshot_turns: Turns after which files are weighed; a multiple of five.
        image_rounds: Rounds of images, one in each.
        search_entries: Entries of 1 KiB that are searched.
        search_messages: Messages of 1 KB that are searched.
        search_rounds: Rounds of searches, of messages three in each.
        probe_rounds: Rounds of new interpreters.
        probe_messages: Messages that each of them stores and reads.
        settles: Whether each turn waits until the disk has what others left to it, so that no fsync pays for them.
    """

    append_rounds: int
    append_batch: int
    stored: int
    turn_rounds: int
    turn_warmup: int
    restore_lengths: tuple[int, ...]
    restore_rounds: int
    thread_rounds: int
    process_rounds: int
    crowd_messages: int
    sessions: int
    scale_rounds: int
    snapshot_turns: int
    image_rounds: int
    search_entries: int
    search_messages: int
    search_rounds: int
    probe_rounds: int
    probe_messages: int
    settles: bool = True

    @property
    def between(self) -> Callable[[], object]:
        """What to do before each turn of a contestant."""
        return settle if self.settles else _nothing


def _nothing() -> None:
    """Do nothing."""


FULL = Sizes(
    append_rounds=9,
    append_batch=25,
    stored=100,
    turn_rounds=6,
    turn_warmup=4,
    restore_lengths=(100, 1_000),
    restore_rounds=5,
    thread_rounds=5,
    process_rounds=5,
    crowd_messages=25,
    sessions=10_000,
    scale_rounds=6,
    snapshot_turns=200,
    image_rounds=6,
    search_entries=10_000,
    search_messages=100_000,
    search_rounds=5,
    probe_rounds=3,
    probe_messages=1_000,
)

QUICK = Sizes(
    append_rounds=6,
    append_batch=10,
    stored=100,
    turn_rounds=5,
    turn_warmup=4,
    restore_lengths=(100,),
    restore_rounds=5,
    thread_rounds=3,
    process_rounds=3,
    crowd_messages=10,
    sessions=500,
    scale_rounds=5,
    snapshot_turns=50,
    image_rounds=3,
    search_entries=1_000,
    search_messages=5_000,
    search_rounds=3,
    probe_rounds=3,
    probe_messages=200,
)
