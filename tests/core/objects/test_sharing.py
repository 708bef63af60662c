"""What is stored once: whatever an object has in common with the version before it, or with any other object."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from strands_sqlite_session_manager import SQLiteStorage

from .conversations import LATEST, Conversation, checkpoint, said, serialized, snapshot
from .doing import delete, read, save, save_turns, write
from .looking import assert_holds, assert_sound, count, file_bytes, part_bytes, value

NEW_TURN = 4096
"""More than a turn of 2 KB and what stands around the messages take; less than the messages before it."""


def test_a_redacted_message_is_stored_anew_and_the_others_are_not(db: Path, storage: SQLiteStorage) -> None:
    """A snapshot with another message in the middle shares all that comes before it and after it."""
    conversation = Conversation("redaction")
    objects = save_turns(storage, conversation, range(60))
    before = part_bytes(db)
    conversation.messages[70] = said("user", "[redacted]")
    objects[checkpoint(60)] = objects[LATEST] = save(storage, conversation, 60)
    assert part_bytes(db) - before < NEW_TURN
    assert_holds(db, objects)


def test_what_was_redacted_is_gone_when_no_snapshot_has_it_any_more(db: Path, storage: SQLiteStorage) -> None:
    """A redacted message stays in the checkpoints that have it, and goes with the last of them."""
    conversation = Conversation("secret")
    conversation.reach(30)
    secret = "my number is four-nine-two-nine, tell nobody " * 20
    conversation.messages[11] = said("user", secret)
    save(storage, conversation, 0)
    conversation.messages[11] = said("user", "[redacted]")
    data = save(storage, conversation, 1)
    secrets = "SELECT count(*) FROM parts WHERE instr(content, CAST('four-nine' AS BLOB))"
    assert value(db, secrets) == 1
    delete(storage, checkpoint(0))
    assert value(db, secrets) == 0
    assert_holds(db, {checkpoint(1): data, LATEST: data})


def test_a_conversation_that_goes_on_from_an_old_checkpoint_shares_what_led_there(
    db: Path, storage: SQLiteStorage
) -> None:
    """A fork costs what is said after it, and the branch that was left stays whole."""
    conversation = Conversation("fork")
    objects = save_turns(storage, conversation, range(50))
    before, own_bytes = part_bytes(db), conversation.own_bytes
    conversation.messages = conversation.messages[:60]
    objects |= save_turns(storage, conversation, range(50, 70))
    assert part_bytes(db) - before < 1.5 * (conversation.own_bytes - own_bytes) + NEW_TURN
    assert_holds(db, objects)


def test_a_fork_between_two_branches_and_back_shares_both(db: Path, storage: SQLiteStorage) -> None:
    """Saving two branches in turns stores neither of them again."""
    conversation = Conversation("branches")
    conversation.reach(60)
    save(storage, conversation, 0)
    trunk, branches = conversation.messages, [conversation.messages, conversation.messages]
    before, own_bytes, objects = part_bytes(db), conversation.own_bytes, {}
    for number in range(1, 41):
        conversation.messages = branches[number % 2]
        conversation.turn()
        branches[number % 2] = conversation.messages
        objects[checkpoint(number)] = objects[LATEST] = save(storage, conversation, number)
    assert branches[0][:60] == branches[1][:60] == trunk[:60]
    assert part_bytes(db) - before < 1.5 * (conversation.own_bytes - own_bytes) + NEW_TURN
    delete(storage, checkpoint(0))
    assert_holds(db, objects)


@pytest.mark.parametrize("turn_bytes", [2048, 300])
@pytest.mark.parametrize("key", [LATEST, checkpoint(1000)], ids=["latest", "checkpoint"])
def test_a_new_storage_does_not_store_a_known_conversation_again(db: Path, turn_bytes: int, key: str) -> None:
    """A handle that has written nothing yet finds what the one before it stored, also where messages are short."""
    conversation = Conversation("cold", turn_bytes)
    with SQLiteStorage(db) as first:
        save_turns(first, conversation, range(40))
    before = part_bytes(db)
    conversation.turn()
    with SQLiteStorage(db) as second:
        write(second, key, conversation.snapshot())
        assert part_bytes(db) - before < turn_bytes + 2048
        assert read(second, key) == conversation.snapshot()
    assert_sound(db)


def test_restarts_after_every_turn_cost_no_more_than_none(tmp_path: Path) -> None:
    """The file of a process that restarts between turns is as small as that of one that goes on."""
    sizes = []
    for restarts in (False, True):
        path, conversation = tmp_path / f"{restarts}.db", Conversation("restarts", 600)
        storage = SQLiteStorage(path, durability="normal")
        for number in range(60):
            conversation.turn()
            save(storage, conversation, number)
            if restarts:
                storage.close()
                storage = SQLiteStorage(path, durability="normal")
        storage.close()
        sizes.append((part_bytes(path), count(path, "object_parts"), file_bytes(path)))
        assert_sound(path)
    assert sizes[1][0] <= sizes[0][0]
    assert sizes[1][1] <= sizes[0][1]
    assert sizes[1][2] <= sizes[0][2] + 8 * 4096


def large_snapshot() -> bytes:
    conversation = Conversation("large messages", 20_000)
    conversation.reach(20)
    return conversation.snapshot()


@pytest.mark.parametrize(
    "data",
    [random.Random("unrelated").randbytes(300_000), serialized([said("user", "x" * 100_000)]), large_snapshot()],
    ids=["binary", "one text", "snapshot"],
)
def test_the_same_object_under_an_unrelated_key_is_not_stored_again(
    db: Path, storage: SQLiteStorage, data: bytes
) -> None:
    """Large parts are found by what they hold, wherever they are; and they stay as long as one object has them."""
    write(storage, "context/s/one.bin", data)
    before = part_bytes(db)
    write(storage, "memory/notes/two.bin", data)
    assert part_bytes(db) - before < 1024
    delete(storage, "context/s/one.bin")
    assert_holds(db, {"memory/notes/two.bin": data})


def test_two_agents_that_share_a_large_message_store_it_once(db: Path, storage: SQLiteStorage) -> None:
    """What one agent hands to another is one part, in snapshots that differ in all else."""
    report = said("user", "".join(map(str, range(20_000))))
    one, two = Conversation("one agent"), Conversation("another agent")
    one.turn()
    two.turn()
    one.messages.append(report)
    two.messages.insert(1, report)
    write(storage, "session/s/scopes/agent/one/snapshots/snapshot_latest.json", one.snapshot())
    before = part_bytes(db)
    write(storage, "session/s/scopes/agent/two/snapshots/snapshot_latest.json", two.snapshot())
    assert part_bytes(db) - before < NEW_TURN
    assert_sound(db)


def test_messages_said_again_and_again_are_stored_once(db: Path, storage: SQLiteStorage) -> None:
    """Large messages that repeat in one snapshot are one part; the snapshot is as long as it was."""
    message = said("user", "".join(map(str, range(1000))))
    data = snapshot([message] * 200, "now", {})
    write(storage, LATEST, data)
    assert part_bytes(db) < 2 * len(serialized(message)) + 2048
    assert_holds(db, {LATEST: data})


@pytest.mark.parametrize("cut", [0, 1, 2048, 65_536, 65_537, 200_000])
def test_beginnings_and_ends_of_one_another_come_back_exactly(db: Path, storage: SQLiteStorage, cut: int) -> None:
    """Objects that hold parts of each other are each as long as they were."""
    data = random.Random("beginnings").randbytes(200_000)
    objects = {"a/whole": data, "a/beginning": data[:cut], "a/end": data[cut:], "a/both": data[cut:] + data[:cut]}
    for key, content in objects.items():
        write(storage, key, content)
    for key, content in reversed(objects.items()):
        write(storage, key, content)
    assert_holds(db, objects)


@pytest.mark.parametrize("place", [0, 1, 65_535, 65_536, 65_537, 131_071, 131_072, 199_999])
def test_one_byte_that_changes_is_the_one_that_is_changed(db: Path, storage: SQLiteStorage, place: int) -> None:
    """Wherever the byte lies, at the edge of a part or inside, the new version has it, and shares the rest."""
    before = random.Random("one byte").randbytes(200_000)
    after = before[:place] + bytes([before[place] ^ 1]) + before[place + 1 :]
    write(storage, "one/before", before)
    for key, data in {"one/after": after, "other/before": before, "one/before": after, "other/after": after}.items():
        write(storage, key, data)
        assert read(storage, key) == data
    assert part_bytes(db) < 1.5 * len(before)
    assert_holds(db, {"one/before": after, "one/after": after, "other/before": before, "other/after": after})
