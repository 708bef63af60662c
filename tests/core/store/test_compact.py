"""Compacting: the file holds what is stored and nothing else, and nothing is lost whatever comes in between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from strands_sqlite_session_manager import SQLiteStorage, _message_index
from strands_sqlite_session_manager._database import Database, Options
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.errors import DatabaseBusyError
from strands_sqlite_session_manager.retention import PrunePolicy, compact, plan_prune, prune

from .retained import (
    NOW,
    add_message_now,
    add_session,
    another_process,
    assert_sound,
    copies_of_the_killed,
    end,
    image,
    lengths,
    raw_bytes,
    shown,
    text,
)

CHANCE = random.Random("compact")


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def database(db: Path) -> Iterator[Database]:
    """Forty sessions that somebody has searched in."""
    database = open_database(db, Options(durability="normal"))
    for number in range(40):
        messages = [text(" ".join(f"{CHANCE.getrandbits(40):x}" for _ in range(50))) for _ in range(20)]
        add_session(database, f"s{number}", *messages, image(CHANCE.randbytes(2000)), days_ago=number + 1)
    _message_index.catch_up(database)
    yield database
    database.close()


def everything(database: Database) -> list[object]:
    return [shown(database, session_id) for session_id in sorted(lengths(database))]


def search_storage(db: Path) -> None:
    with SQLiteStorage(db, durability="normal") as storage:
        for number in range(50):
            data = " ".join(f"{CHANCE.getrandbits(40):x}" for _ in range(100)).encode()
            asyncio.run(storage.write(f"memory/{number}", data))
        asyncio.run(storage.search("anything"))
        for number in range(50):
            asyncio.run(storage.delete(f"memory/{number}"))


def test_after_pruning_everything_the_file_is_as_small_as_a_new_one(
    tmp_path: Path, db: Path, database: Database
) -> None:
    """Nothing stays of messages, attachments, or of the words in the indexes."""
    new = open_database(tmp_path / "new.db")
    small = compact(new).bytes_after
    new.close()
    search_storage(db)
    before = compact(database)
    prune(database, plan_prune(database, PrunePolicy(keep_last=0), now=NOW))
    steps: list[tuple[int, int]] = []
    after = compact(database, progress=lambda *step: steps.append(step))
    assert before.bytes_after > 5 * small
    assert after.bytes_before >= before.bytes_after
    assert after.bytes_after == len(raw_bytes(db)) - shared_memory(db) <= small + 4 * 4096
    assert steps == [(1, 2), (2, 2)]


def shared_memory(db: Path) -> int:
    """The size of what SQLite keeps beside the file as long as it is open, and is no part of it."""
    return db.with_name(f"{db.name}-shm").stat().st_size


def test_compacting_changes_nothing_that_can_be_read(database: Database) -> None:
    """Conversations, change counters and searches are as before, and others go on writing."""
    prune(database, plan_prune(database, PrunePolicy(keep_last=20), now=NOW))
    counters = "SELECT change_id, session_id, message_id FROM messages"
    word = shown(database, "s3")[5]["content"][0]["text"].split()[7]
    search = "SELECT rowid FROM message_index WHERE message_index MATCH ?"

    def look() -> tuple[object, ...]:
        read = database.read
        return (
            everything(database),
            read(lambda connection: connection.rows(counters)),
            read(lambda connection: connection.rows(search, (f'"{word}"',))),
        )

    before = look()
    compacted = compact(database)
    assert compacted.bytes_after < compacted.bytes_before
    assert look() == before
    assert len(before[2]) == 1  # type: ignore[arg-type]  # a list
    add_message_now(database, "s3", text("later"))
    assert shown(database, "s3")[-1] == text("later")
    assert_sound(database)


def test_the_file_grows_again_and_is_compacted_again(database: Database) -> None:
    """Compacting twice in a row finds nothing to do, and does no harm."""
    first = compact(database)
    assert compact(database) == type(first)(first.bytes_after, first.bytes_after)
    assert_sound(database)


@pytest.mark.parametrize("task", ["read", "write"])
def test_who_is_in_the_way_is_named_and_nothing_is_lost(db: Path, database: Database, task: str) -> None:
    """A process that reads or writes for long is waited for as long as the timeout says; then compact again."""
    before = everything(database)
    impatient = open_database(db, Options(busy_timeout=0.05))
    with another_process(task, db) as process:
        with pytest.raises(DatabaseBusyError) as caught:
            compact(impatient)
        end(process)
    assert "compact" in caught.value.hint or task == "write"
    compact(impatient)
    assert everything(database) == before
    impatient.close()


def test_another_process_writes_on_after_the_file_was_compacted(db: Path, database: Database) -> None:
    """It has had the file open all the time."""
    with another_process("open", db) as process:
        compact(database)
        end(process)
    assert lengths(database)["holder"] == 1
    assert_sound(database)


def test_compacting_that_is_killed_loses_nothing(db: Path, database: Database) -> None:
    """Wherever it was killed, everything is there, no copy lies about, and compacting again makes the file small."""
    prune(database, plan_prune(database, PrunePolicy(keep_last=20), now=NOW))
    expected = everything(database)
    database.close()
    sizes = set()
    for copy in copies_of_the_killed(db, "compact", 12):
        database = open_database(copy, Options(durability="normal"))
        assert everything(database) == expected
        assert_sound(database)
        sizes.add(compact(database).bytes_after)
        assert everything(database) == expected
        database.close()
    assert len(sizes) == 1
    assert [path.name for path in db.parent.iterdir() if not path.name.startswith(db.name)] == []
