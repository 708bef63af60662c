"""What snapshots cost: the file grows as the conversation does, and a save costs what is new."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from strands import Agent
from strands.session import SnapshotSessionManager
from strands.storage import InMemoryStorage

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import SQLiteStorage

from .conversations import LATEST, Conversation, checkpoint, said, serialized, snapshot
from .disk import CrashingVFS
from .doing import read, save, save_turns, search, write
from .looking import assert_holds, assert_sound, count, file_bytes, part_bytes, value

LIST_BYTES = 16
"""What a message may cost in the list of an object's parts."""

FRAME_BYTES = 4096 + 24
"""What a changed page costs in the WAL; SQLite writes it in two steps, header and page."""


def test_the_conversations_of_these_tests_are_written_as_the_sdk_writes_them() -> None:
    """What is measured here is what `SnapshotSessionManager` stores: the same keys in the same order and format."""
    storage = InMemoryStorage()
    manager = SnapshotSessionManager("s", storage=storage)
    agent = Agent(agent_id="a", model=ScriptedModel("hello"), session_manager=manager, callback_handler=None)
    agent("hi")
    data = asyncio.run(storage.read(LATEST))
    assert data is not None
    real, ours = json.loads(data), json.loads(snapshot([said("user", "hi")], "", {}))
    assert serialized(real) == data
    assert list(ours) == list(real)
    assert list(ours["data"])[:4] == list(real["data"])[:4]
    assert list(ours["data"]["messages"][0])[:2] == list(real["data"]["messages"][0])[:2]


@pytest.mark.parametrize("turn_bytes", [2048, 600])
def test_two_hundred_turns_with_a_checkpoint_each_take_less_than_four_times_their_messages(
    db: Path, storage: SQLiteStorage, turn_bytes: int
) -> None:
    """The file does not grow with the square of the conversation: every checkpoint is there, every message once."""
    conversation = Conversation("growth", turn_bytes)
    objects = save_turns(storage, conversation, range(200))
    assert len(conversation.messages) == 480
    assert sum(map(len, objects.values())) > 90 * conversation.own_bytes
    storage.close()
    assert file_bytes(db) < 4 * conversation.own_bytes
    assert_holds(db, objects)


def wal_bytes_per_save(vfs: CrashingVFS, storage: SQLiteStorage, conversation: Conversation, key: str | None) -> float:
    """Return what one more turn writes to the WAL, on average: as a checkpoint, or as the object under `key`."""
    turns, written = 20, []

    def note(method: str, file: str) -> None:
        if method == "write" and file.endswith("-wal"):
            written.append(file)

    vfs.fault = note
    for _ in range(turns):
        conversation.turn()
        write(storage, key or checkpoint(len(conversation.messages)), conversation.snapshot())
    vfs.fault = None
    return len(written) / 2 * FRAME_BYTES / turns


@pytest.mark.parametrize("key", [None, LATEST], ids=["checkpoint", "latest"])
@pytest.mark.parametrize("turn_bytes", [2048, 300])
def test_what_a_save_writes_grows_by_at_most_16_bytes_a_message(
    db: Path, vfs: CrashingVFS, key: str | None, turn_bytes: int
) -> None:
    """At 1,000 messages a save writes as much as at 100, but for the list of parts."""
    conversation, found = Conversation("bytes per save", turn_bytes), []
    with SQLiteStorage(vfs.uri(db), durability="normal") as storage:
        for length in (100, 1000):
            conversation.reach(length)
            save(storage, conversation, length)
            found.append(wal_bytes_per_save(vfs, storage, conversation, key))
    short, long = found
    assert short > turn_bytes
    assert long - short <= LIST_BYTES * 900, found
    assert long <= 3 * turn_bytes + 16 * FRAME_BYTES, "a few pages for what is new, and not the conversation"
    assert_sound(db)


def test_the_list_of_parts_does_not_grow_with_the_conversation(db: Path, storage: SQLiteStorage) -> None:
    """Messages that follow each other are one row, so that the lists of many checkpoints do not add up to a square."""
    conversation = Conversation("list of parts")
    save_turns(storage, conversation, range(100))
    rows = value(db, "SELECT max(n) FROM (SELECT count(*) AS n FROM object_parts GROUP BY change_id)")
    assert rows <= 8


def test_a_sliding_window_shares_what_stays_in_it(db: Path, storage: SQLiteStorage) -> None:
    """A window of 40 messages over 500 turns: each message is stored once, though every snapshot begins elsewhere."""
    conversation, objects = Conversation("sliding window"), {}
    for number in range(500):
        conversation.turn()
        conversation.slide(40)
        objects[checkpoint(number)] = objects[LATEST] = save(storage, conversation, number)
    assert part_bytes(db) < 1.2 * conversation.own_bytes
    storage.close()
    assert file_bytes(db) < 4 * conversation.own_bytes
    assert_holds(db, objects)


def test_a_window_whose_checkpoints_are_not_kept_stays_small(db: Path, storage: SQLiteStorage) -> None:
    """With the latest snapshot alone, what slid out of the window is freed."""
    conversation = Conversation("sliding latest")
    data = b""
    for _ in range(300):
        conversation.turn()
        conversation.slide(40)
        data = conversation.snapshot()
        write(storage, LATEST, data)
    assert part_bytes(db) < 1.1 * len(data)
    storage.close()
    assert file_bytes(db) < 4 * len(data) + 64 * 4096
    assert_holds(db, {LATEST: data})


def test_overwriting_the_latest_a_thousand_times_does_not_leak(db: Path, storage: SQLiteStorage) -> None:
    """The file is as large after 1,000 saves of the same messages with another state as after 100."""
    conversation, sizes, data = Conversation("overwriting"), [], b""
    conversation.reach(40)
    for number in range(1, 1001):
        data = snapshot(conversation.messages, f"{number}", {"note": f"{number} " * 200})
        write(storage, LATEST, data)
        if number in (100, 1000):
            sizes.append((file_bytes(db), part_bytes(db), count(db, "object_parts")))
    (file, parts, rows), (file_later, parts_later, rows_later) = sizes
    assert file_later <= file + 16 * 4096
    assert parts_later <= 1.1 * parts
    assert rows_later <= rows + 8
    assert_holds(db, {LATEST: data})


def test_what_searching_keeps_does_not_leak_either(db: Path, storage: SQLiteStorage) -> None:
    """An object that is overwritten and searched again and again is in the index once."""
    conversation, sizes = Conversation("searched"), []
    conversation.reach(8)
    for number in range(1, 301):
        conversation.turn()
        conversation.slide(8)
        write(storage, "memory/notes/one.md", conversation.snapshot())
        search(storage, "order rain noon")
        if number in (100, 300):
            sizes.append(file_bytes(db))
    assert sizes[1] <= sizes[0] + 32 * 4096
    assert read(storage, "memory/notes/one.md") == conversation.snapshot()
    assert_sound(db)
