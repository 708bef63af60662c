"""What a process leaves behind that is killed while it writes, overwrites or deletes the objects of a storage."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from strands_sqlite_session_manager import SQLiteStorage
from tests.core.objects.conversations import LATEST, Conversation, checkpoint
from tests.core.objects.doing import delete, read, save, save_turns, write
from tests.core.objects.looking import assert_empty, assert_holds, assert_sound

from .test_kill import KILLS

Digests = dict[str, str]
"""The SHA-256 of each object, by its key."""


def stored(db: Path) -> Digests:
    """Return what a new storage reads."""

    async def look(storage: SQLiteStorage) -> Digests:
        found = {key: await storage.read(key) for key in await storage.list("")}
        return {key: hashlib.sha256(data or b"").hexdigest() for key, data in found.items()}

    with SQLiteStorage(db) as storage:
        return asyncio.run(look(storage))


def kill_at_random(crew: Any, chance: random.Random, order: dict[str, Any]) -> list[dict[str, Any]]:
    """Let a worker keep objects, kill it at a random moment; return what it reported."""
    crew.send(order)
    first = crew.line()
    assert "ready" in first, first
    reports = [crew.line() for _ in range(chance.randrange(30))]
    if (found := crew.line(chance.uniform(0, 0.004))) is not None:
        reports.append(found)
    os.kill(first["worker"], signal.SIGKILL)
    return [*reports, *crew.until_exit()]


def after(before: Digests, reports: list[dict[str, Any]]) -> tuple[Digests, Digests]:
    """Return what is stored after all that was acknowledged, and what is stored if the last change is there too."""
    acknowledged, begun = dict(before), dict(before)
    for report in reports:
        assert "failed" not in report, report
        if "done" in report:
            acknowledged = dict(begun)
        elif report["digest"] is None:
            del begun[report["begins"]]
        else:
            begun[report["begins"]] = report["digest"]
    return acknowledged, begun


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_a_killed_process_leaves_every_acknowledged_object_whole_and_no_part_too_many(
    crew: Any, tmp_path: Path, durability: str
) -> None:
    """However often a process is killed while it keeps snapshots, each change is there whole, or not at all.

    Acknowledged changes are there; the next process goes on from them; no part lacks its object.
    """
    chance, db = random.Random(f"kill objects {durability}"), tmp_path / "objects.db"
    objects: Digests = {}
    changes = 0
    for number in range(KILLS):
        order = {"task": "keep", "db": str(db), "seed": f"{durability}-{number}", "durability": durability}
        reports = kill_at_random(crew, chance, order)
        found = stored(db)
        assert found in after(objects, reports)
        assert_sound(db)
        objects = found
        changes += sum("done" in report for report in reports)
    assert changes > 5 * KILLS
    with SQLiteStorage(db) as storage:
        delete(storage, *objects)
    assert_empty(db)


@pytest.mark.parametrize("deletes", [False, True], ids=["overwrite", "delete"])
def test_a_process_that_is_killed_at_any_write_leaves_those_who_have_the_file_open_at_work(
    crew: Any, tmp_path: Path, *, deletes: bool
) -> None:
    """Killed just before each of its writes in turn, it leaves the old object or the new one, and no lock."""
    db = tmp_path / "objects.db"
    conversation = Conversation("survivor", 1200)
    with SQLiteStorage(db, busy_timeout=5) as survivor:
        objects = save_turns(survivor, conversation, range(5))
        for call in count():
            conversation.turn()
            key = checkpoint(1000 + call) if deletes else LATEST
            data = save(survivor, conversation, 1000 + call)
            objects |= {LATEST: data, checkpoint(1000 + call): data}
            order = {"task": "die_at_write", "db": str(db), "call": call, "key": key, "deletes": deletes}
            begins, *done = crew.run(order)
            changed = read(survivor, key)
            digest = None if changed is None else hashlib.sha256(changed).hexdigest()
            assert digest == begins["digest"] if done else changed == data or digest == begins["digest"]
            objects.pop(key)
            if changed is not None:
                objects[key] = changed
            assert_holds(db, objects)
            if done:
                break
        assert call > 5
        write(survivor, LATEST, conversation.snapshot())
        assert_holds(db, objects | {LATEST: conversation.snapshot()})
        delete(survivor, *objects)
        assert_empty(db)
