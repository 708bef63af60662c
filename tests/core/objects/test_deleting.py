"""Deleting frees what nothing else uses, exactly, in whatever order it is done."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from strands_sqlite_session_manager import SQLiteStorage

from .conversations import LATEST, Conversation, checkpoint, said, text
from .doing import delete, read, save, save_turns, search, write
from .looking import assert_empty, assert_holds, assert_sound, compact, file_bytes, part_bytes

ORDERS: dict[str, Callable[[list[str]], list[str]]] = {
    "oldest first": sorted,
    "newest first": lambda keys: sorted(keys, reverse=True),
    "at random": lambda keys: random.Random("order").sample(keys, len(keys)),
    "every other one first": lambda keys: sorted(keys)[::2] + sorted(keys)[1::2],
}


def many_kinds_of_checkpoints(storage: SQLiteStorage) -> dict[str, bytes]:
    """Save a conversation that grows, forks, is redacted, slides and starts anew; return every object."""
    conversation = Conversation("many kinds", 900)
    objects = save_turns(storage, conversation, range(12))
    conversation.messages = conversation.messages[:14]
    objects |= save_turns(storage, conversation, range(12, 20))
    conversation.messages[5] = said("user", "[redacted]")
    objects |= save_turns(storage, conversation, range(20, 28))
    for number in range(28, 40):
        conversation.turn()
        conversation.slide(20)
        objects[checkpoint(number)] = objects[LATEST] = save(storage, conversation, number)
    conversation.messages = []
    objects |= save_turns(storage, conversation, range(40, 48))
    return objects


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("latest_goes", ["first", "last"])
def test_deleting_checkpoints_frees_what_no_other_uses_and_nothing_else(
    db: Path, storage: SQLiteStorage, order: str, latest_goes: str
) -> None:
    """After each deletion every part that is left is used, and every object that is left is whole."""
    objects = many_kinds_of_checkpoints(storage)
    assert_holds(db, objects)
    keys = ORDERS[order]([key for key in objects if key != LATEST])
    sizes = [part_bytes(db)]
    for key in [LATEST, *keys] if latest_goes == "first" else [*keys, LATEST]:
        delete(storage, key)
        del objects[key]
        assert_holds(db, objects)
        sizes.append(part_bytes(db))
    assert sizes == sorted(sizes, reverse=True)
    assert_empty(db)


@pytest.mark.parametrize("order", ORDERS)
def test_a_new_storage_deletes_as_exactly_as_the_one_that_wrote(db: Path, order: str) -> None:
    """What is used by what is read from the file: a handle that wrote nothing frees the same parts."""
    with SQLiteStorage(db) as first:
        objects = many_kinds_of_checkpoints(first)
    with SQLiteStorage(db) as second:
        for key in ORDERS[order](list(objects)):
            delete(second, key)
            del objects[key]
            assert_holds(db, objects)
    assert_empty(db)


@pytest.mark.parametrize("searched", ["never", "before", "before and after"])
def test_after_deleting_everything_and_compacting_the_file_is_small_again(
    tmp_path: Path, db: Path, searched: str
) -> None:
    """Nothing of what was stored is left in the file but its tables, nor of what was indexed for a search."""
    with SQLiteStorage(tmp_path / "new.db"):
        pass
    with SQLiteStorage(db) as storage:
        objects = many_kinds_of_checkpoints(storage)
        objects |= {f"memory/{number}.md": f"{number} is expected at noon ".encode() * 40 for number in range(40)}
        objects["binary"] = random.Random("binary").randbytes(1_000_000)
        for key in ("binary", *(key for key in objects if key.startswith("memory/"))):
            write(storage, key, objects[key])
        if "before" in searched:
            assert len(search(storage.namespace("memory"), "noon")) == 40
            assert len(search(storage, "expected")) == 40
        assert file_bytes(db) > 1_000_000
        delete(storage, *objects)
        if "after" in searched:
            assert search(storage.namespace("memory"), "noon") == search(storage, "expected") == []
    assert_empty(db)
    assert compact(db) <= compact(tmp_path / "new.db") + 4


def test_memories_of_sessions_that_come_and_go_leave_nothing_in_the_index(db: Path, storage: SQLiteStorage) -> None:
    """What was searched below a namespace, and deleted, does not stay in the index because nobody searches again."""
    sizes = []
    for session in range(40):
        memory = storage.namespace(f"memory/{session}")
        keys = [f"{number}.md" for number in range(20)]
        for key in keys:
            write(memory, key, text(random.Random(f"{session} {key}"), 2000).encode())
        assert search(memory, "order rain noon")
        delete(memory, *keys)
        sizes.append(file_bytes(db))
    assert sizes[-1] <= sizes[9] + 32 * 4096
    assert_empty(db)


def test_space_that_was_freed_is_used_again(db: Path, storage: SQLiteStorage) -> None:
    """Sessions that come and go do not let the file grow."""
    sizes = []
    for round_ in range(12):
        objects = save_turns(storage, Conversation(f"round {round_}"), range(30))
        delete(storage, *objects)
        sizes.append(file_bytes(db))
    assert sizes[-1] <= sizes[1] + 16 * 4096
    assert_empty(db)


def test_deleting_what_is_not_there_changes_nothing(db: Path, storage: SQLiteStorage) -> None:
    """A key that was never written, or was deleted before, frees nothing."""
    data = save(storage, conversation := Conversation("not there"), 0)
    conversation.reach(20)
    data = save(storage, conversation, 0)
    delete(storage, "never written", checkpoint(1), f"{LATEST}.old", LATEST, LATEST)
    assert_holds(db, {checkpoint(0): data})


@pytest.mark.parametrize("size", [0, 1, 2048, 2049, 70_000])
def test_an_object_that_changes_its_size_leaves_nothing_behind(db: Path, storage: SQLiteStorage, size: int) -> None:
    """Small objects become large and large ones small, under one key."""
    conversation = Conversation("sizes")
    conversation.reach(30)
    other = random.Random(size).randbytes(size)
    for data in (conversation.snapshot(), other, conversation.snapshot(), other, other):
        write(storage, LATEST, data)
        assert read(storage, LATEST) == data
        assert_holds(db, {LATEST: data})
    delete(storage, LATEST)
    assert_empty(db)
    assert_sound(db)
