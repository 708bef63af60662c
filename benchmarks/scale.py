"""How much a run measures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Numbers of rounds, and of operations in a round.

    Attributes:
        append_rounds: Rounds of appends; `append_batch` of them are in each.
        append_batch: Appends in one round.
        turn_rounds: Rounds of one cycle of turns each.
        turn_warmup: Cycles before the first round; four of them fill the window of the conversation.
        restore_lengths: Lengths of the conversations that are restored.
        restore_rounds: Rounds of restores of each length.
        thread_rounds: Rounds in which eight threads append `thread_messages` each.
        thread_messages: Appends of one thread in one round.
        process_rounds: Rounds in which four processes append `process_messages` each.
        process_messages: Appends of one process in one round.
        large_sessions: Sessions of 100 messages in the large file; each append of one subject needs another one, at
            both durabilities, and each round of the other subject.
        large_rounds: Rounds of appends to the large file.
        open_rounds: Rounds in which a second manager is opened.
        import_runs: Interpreters that are started to measure the import.
        image_rounds: Rounds of images; `image_batch` of them are in each.
        image_batch: Images in one round.
        snapshot_turns: Turns after which the files of snapshots are weighed; a multiple of five.
        growth_turns: Turns behind which the bytes of saves are counted, early and late.
        growth_cycles: Cycles of five saves that are counted each time.
        snapshot_length: Turns of the conversation that is saved and restored; 417 of them have 1,000 messages.
        save_rounds: Rounds of saves, of five saves each.
        snapshot_restore_rounds: Rounds of restores of the latest snapshot, two in each.
        search_entries: Entries of 1 KiB that are searched.
        search_rounds: Rounds of searches, of ten questions each.
        checkpoints: Checkpoints of a session that are listed and deleted.
        checkpoint_rounds: Rounds of them; each deletes a session.
    """

    append_rounds: int
    append_batch: int
    turn_rounds: int
    turn_warmup: int
    restore_lengths: tuple[int, ...]
    restore_rounds: int
    thread_rounds: int
    thread_messages: int
    process_rounds: int
    process_messages: int
    large_sessions: int
    large_rounds: int
    open_rounds: int
    import_runs: int
    image_rounds: int
    image_batch: int
    snapshot_turns: int
    growth_turns: tuple[int, int]
    growth_cycles: int
    snapshot_length: int
    save_rounds: int
    snapshot_restore_rounds: int
    search_entries: int
    search_rounds: int
    checkpoints: int
    checkpoint_rounds: int


FULL = Scale(
    append_rounds=40,
    append_batch=50,
    turn_rounds=40,
    turn_warmup=4,
    restore_lengths=(10, 100, 1_000, 10_000),
    restore_rounds=15,
    thread_rounds=21,
    thread_messages=100,
    process_rounds=9,
    process_messages=100,
    large_sessions=10_000,
    large_rounds=40,
    open_rounds=20,
    import_runs=7,
    image_rounds=15,
    image_batch=4,
    snapshot_turns=200,
    growth_turns=(42, 417),
    growth_cycles=12,
    snapshot_length=417,
    save_rounds=24,
    snapshot_restore_rounds=20,
    search_entries=100_000,
    search_rounds=10,
    checkpoints=10_000,
    checkpoint_rounds=3,
)

QUICK = Scale(
    append_rounds=10,
    append_batch=30,
    turn_rounds=10,
    turn_warmup=4,
    restore_lengths=(10, 100, 1_000),
    restore_rounds=5,
    thread_rounds=5,
    thread_messages=50,
    process_rounds=3,
    process_messages=50,
    large_sessions=1_000,
    large_rounds=10,
    open_rounds=5,
    import_runs=3,
    image_rounds=5,
    image_batch=2,
    snapshot_turns=100,
    growth_turns=(42, 209),
    growth_cycles=4,
    snapshot_length=417,
    save_rounds=6,
    snapshot_restore_rounds=6,
    search_entries=5_000,
    search_rounds=5,
    checkpoints=500,
    checkpoint_rounds=2,
)
