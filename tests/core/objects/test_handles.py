"""Several handles on one file: none trusts what it remembers of parts that another may have freed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import apsw
import pytest

from strands_sqlite_session_manager import SQLiteStorage
from strands_sqlite_session_manager._turns import Turn
from tests.core.database.waiting import PATIENCE, queued

from .conversations import LATEST, Conversation, checkpoint, said
from .doing import delete, read, save, save_turns, write
from .looking import assert_empty, assert_holds, assert_sound, part_bytes


@pytest.fixture(params=["shared", "apart"])
def handles(request: pytest.FixtureRequest, db: Path) -> Iterator[tuple[SQLiteStorage, SQLiteStorage]]:
    """Two handles that share what the process has open, or that know as little of each other as two processes do."""
    second = db if request.param == "shared" else db.as_uri()
    with ExitStack() as stack:
        opened = [stack.enter_context(SQLiteStorage(path, durability="normal")) for path in (db, second)]
        yield opened[0], opened[1]


def test_two_handles_that_overwrite_one_key_in_turns_share_their_messages(
    db: Path, handles: tuple[SQLiteStorage, SQLiteStorage]
) -> None:
    """Each sees what the other wrote, and neither stores it again."""
    conversation = Conversation("in turns")
    for number in range(80):
        conversation.turn()
        write(handles[number % 2], LATEST, conversation.snapshot())
        assert read(handles[1 - number % 2], LATEST) == conversation.snapshot()
    assert part_bytes(db) < 1.2 * len(conversation.snapshot())
    assert_holds(db, {LATEST: conversation.snapshot()})


def test_two_handles_that_overwrite_one_key_with_conversations_of_their_own_leak_nothing(
    db: Path, handles: tuple[SQLiteStorage, SQLiteStorage]
) -> None:
    """What one writes frees what the other wrote, to the last part."""
    conversations = Conversation("one"), Conversation("other")
    for number in range(40):
        conversation = conversations[number % 2]
        conversation.turn()
        write(handles[number % 2], LATEST, conversation.snapshot())
        assert_holds(db, {LATEST: conversation.snapshot()})
    delete(handles[0], LATEST)
    assert_empty(db)


def test_a_handle_does_not_use_parts_that_another_has_freed(
    db: Path, handles: tuple[SQLiteStorage, SQLiteStorage]
) -> None:
    """A snapshot written after others took the numbers of its freed parts is the one that was written."""
    warm, other = handles
    conversation, stranger = Conversation("warm"), Conversation("stranger")
    conversation.reach(40)
    for _ in range(5):
        conversation.turn()
        save(warm, conversation, 1)
        delete(other, LATEST, checkpoint(1), checkpoint(2))
        assert_empty(db)
        stranger.reach(len(conversation.messages) + 1)
        data = save(other, stranger, 2)
        conversation.turn()
        objects = {checkpoint(1): save(warm, conversation, 1), checkpoint(2): data}
        assert_holds(db, objects | {LATEST: conversation.snapshot()})


def test_a_handle_does_not_use_parts_of_a_version_that_another_replaced(
    db: Path, handles: tuple[SQLiteStorage, SQLiteStorage]
) -> None:
    """A version that was overwritten with a shorter one, whose parts were freed, is no base for the next."""
    warm, other = handles
    conversation = Conversation("replaced")
    conversation.reach(40)
    write(warm, LATEST, conversation.snapshot())
    messages = conversation.messages
    conversation.messages = messages[:10]
    write(other, LATEST, conversation.snapshot())
    conversation.messages = [*messages[:10], *(said("user", f"{number} " * 400) for number in range(30))]
    write(other, checkpoint(1), stored := conversation.snapshot())
    conversation.messages = messages
    conversation.turn()
    write(warm, LATEST, conversation.snapshot())
    assert_holds(db, {LATEST: conversation.snapshot(), checkpoint(1): stored})


def test_a_database_that_was_emptied_and_filled_by_another_is_read_as_it_is(db: Path) -> None:
    """A handle that was closed and opened again remembers nothing of before."""
    conversation = Conversation("emptied")
    with SQLiteStorage(db) as first:
        save_turns(first, conversation, range(10))
        with SQLiteStorage(db.as_uri()) as second:
            delete(second, LATEST, *map(checkpoint, range(10)))
            objects = save_turns(second, Conversation("filled"), range(20, 30))
        assert read(first, checkpoint(3)) is None
        assert read(first, checkpoint(25)) == objects[checkpoint(25)]
        objects |= save_turns(first, conversation, range(10, 12))
    assert_holds(db, objects)


def test_a_write_that_shares_a_commit_with_one_that_fails_is_stored_whole(db: Path, storage: SQLiteStorage) -> None:
    """Where a group is rolled back and each write is run again, no part of the first run is taken for stored."""
    conversation, objects = Conversation("group"), {}
    save_turns(storage, conversation, range(10))
    writer = storage._database._file.writer
    for round_ in range(3):
        for number in range(10, 14):
            conversation.turn()
            objects[checkpoint(number + 10 * round_)] = conversation.snapshot()
        keys = [checkpoint(number + 10 * round_) for number in range(10, 14)]
        turn = Turn()
        writer.turns.take(turn)

        def fail(_connection: object) -> None:
            raise ZeroDivisionError

        with ThreadPoolExecutor(5) as pool:
            futures = []
            for key in keys:
                futures.append(pool.submit(write, storage, key, objects[key]))
                queued(writer, len(futures))
            failing = pool.submit(storage._database.write, fail)
            queued(writer, 5)
            writer.turns.leave(turn)
            assert [future.exception(PATIENCE) for future in futures] == [None] * 4
            assert isinstance(failing.exception(PATIENCE), ZeroDivisionError)
    delete(storage, LATEST, *map(checkpoint, range(10)))
    assert_holds(db, objects)


def test_a_cancelled_write_leaves_the_old_object_or_the_new_one(db: Path, storage: SQLiteStorage) -> None:
    """However early or late the caller is cancelled, the object is whole, and later saves share its parts rightly."""
    conversation, before = Conversation("cancelled"), None
    for yields in range(40):
        conversation.turn()
        data = conversation.snapshot()

        async def cancelled(data: bytes = data, yields: int = yields) -> None:
            task = asyncio.create_task(storage.write(LATEST, data))
            for _ in range(yields % 8):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(cancelled())
        found = read(storage, LATEST)
        assert found in (before, data)
        assert_sound(db)
        before = found
    conversation.turn()
    write(storage, LATEST, conversation.snapshot())
    assert_holds(db, {LATEST: conversation.snapshot()})


def test_a_reader_never_sees_half_of_a_version(db: Path, handles: tuple[SQLiteStorage, SQLiteStorage]) -> None:
    """While one handle overwrites and deletes, what the other reads is one of the versions, whole."""
    conversations = Conversation("read one"), Conversation("read other")
    versions: list[bytes | None] = [None]
    for _ in range(30):
        for conversation in conversations:
            conversation.turn()
            versions.append(conversation.snapshot())
    possible, done, seen = set(versions), threading.Event(), set()

    def look() -> int:
        reads = 0
        while not done.is_set():
            seen.add(read(handles[1], LATEST))
            reads += 1
        return reads

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        try:
            for number, data in enumerate(versions[1:]):
                write(handles[0], LATEST, data or b"")
                if number % 7 == 6:
                    delete(handles[0], LATEST)
        finally:
            done.set()
        assert looking.result(PATIENCE) > 0
    assert seen <= possible
    assert_sound(db)


def test_threads_that_save_agents_of_one_session_lose_nothing(
    db: Path, handles: tuple[SQLiteStorage, SQLiteStorage]
) -> None:
    """Eight threads with a conversation each, that delete their older checkpoints as they go."""

    def work(agent: int) -> dict[str, bytes]:
        conversation, kept = Conversation(f"agent {agent}", 700), {}
        folder = f"session/s/scopes/agent/a{agent}/snapshots"
        for number in range(25):
            conversation.turn()
            data = conversation.snapshot()
            key = f"{folder}/immutable_history/snapshot_{number:02d}.json"
            for name in (key, f"{folder}/snapshot_latest.json"):
                write(handles[(agent + number) % 2], name, data)
                kept[name] = data
            if number >= 5:
                old = f"{folder}/immutable_history/snapshot_{number - 5:02d}.json"
                delete(handles[agent % 2], old)
                del kept[old]
        return kept

    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(work, range(8)))
    assert_holds(db, {key: data for objects in kept for key, data in objects.items()})


def test_a_backup_put_back_under_an_open_storage_is_what_later_objects_are_compared_with(
    db: Path, storage: SQLiteStorage
) -> None:
    """A version in memory counts only as long as it is the one in the file, although another has its number now."""
    conversations = {name: Conversation(name) for name in ("kept", "lost", "written instead")}
    for conversation in conversations.values():
        conversation.reach(20)
    write(storage, LATEST, conversations["kept"].snapshot())
    copy = apsw.Connection(":memory:")
    live = apsw.Connection(str(db))
    copy_pages(live, copy)
    write(storage, LATEST, conversations["lost"].snapshot())
    copy_pages(copy, live)
    live.close()
    copy.close()
    with SQLiteStorage(db) as other:
        write(other, LATEST, conversations["written instead"].snapshot())
    conversations["lost"].turn()
    data = conversations["lost"].snapshot()
    write(storage, checkpoint(1), data)
    assert read(storage, checkpoint(1)) == data
    assert_sound(db)


def copy_pages(source: apsw.Connection, target: apsw.Connection) -> None:
    """Make `target` what `source` is, as a restore through SQLite does."""
    with target.backup("main", source, "main") as backup:
        backup.step()
