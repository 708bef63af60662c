"""What is left of a database when a process is killed while it writes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from strands_sqlite_session_manager import SQLiteSessionManager
from tests.campaign import survivors
from tests.campaign.effort import EFFORT, LONG
from tests.campaign.old_files import OLD, put_old
from tests.campaign.power import Acknowledge, Begin
from tests.campaign.survivors import DB
from tests.core.processes.conftest import Crew

WORKLOADS = ["appends", "talks", "objects", "care", "imports", "groups"]
ROUNDS = 1 + EFFORT // 5
"""How often all of it is done in the long form."""

FEW = 2
"""Kills of a kind in the short form."""

MANY = 40
"""Kills of a kind in each round of the long form."""

OTHERS, MESSAGES = 8, 40


@pytest.fixture(scope="module")
def mortals() -> Iterator[Crew]:
    """A crew whose workers do what the campaign does."""
    program = Path(__file__).with_name("mortals.py")
    with subprocess.Popen([sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Crew(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


def killed(mortals: Crew, db: Path, **order: Any) -> tuple[list[Any], int | None]:
    """Let a worker do something until it is killed; return what it said of its facts, and its calls if it was not."""
    reports = mortals.run({"db": str(db), **order})
    assert not [report for report in reports if "failed" in report], reports
    said: list[Any] = []
    for report in reports:
        if "begun" in report:
            said.append(Begin(tuple(report["begun"])))
        elif "acknowledged" in report:
            said.append(Acknowledge(report["acknowledged"]))
    return said, next((report["calls"] for report in reports if "calls" in report), None)


def hold(db: Path, said: list[Any], kept: Mapping[str, str] | None = None) -> None:
    """Hold that what is left is sound, has all that was acknowledged or there before, and takes another write."""
    survivors.look(db)
    survivors.open_again(db)
    facts = survivors.facts_of(db)
    survivors.hold_kept(kept or {}, facts)
    survivors.hold_facts(said, facts)
    survivors.go_on(db)


def places(total: int, chance: random.Random) -> list[int]:
    """Return where to kill: each place in turn if there are few, else some at random and one where most is done."""
    wanted = MANY if LONG else FEW
    if total <= wanted:
        return list(range(total))
    return [*(chance.randrange(total) for _ in range(wanted - 1)), total * 5 // 6]


@pytest.mark.parametrize("suffix", ["", DB], ids=["at any write", "in a checkpoint"])
@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_process_that_is_killed_in_the_middle_of_a_write_loses_nothing_that_was_acknowledged(
    scratch: Path, mortals: Crew, tried: Counter[str], workload: str, suffix: str
) -> None:
    """Killed at any write, in a group commit or while the WAL is moved into the file, it leaves what it had said."""
    for round_ in range(ROUNDS):
        chance = random.Random(f"{workload} {suffix} {round_}")
        order = {"task": "work", "workload": workload, "suffix": suffix, "seed": f"{chance.random()}"}
        clean = scratch / f"{round_}"
        clean.mkdir()
        said, calls = killed(mortals, clean / DB, at=-1, durability="full", **order)
        assert calls is not None
        hold(clean / DB, said)
        told = 0
        for at in places(calls, chance):
            folder = clean / f"{at} {chance.random()}"
            folder.mkdir()
            said, lived = killed(mortals, folder / DB, at=at, durability=chance.choice(("full", "normal")), **order)
            hold(folder / DB, said)
            shutil.rmtree(folder)
            tried["kills"] += lived is None  # with "normal" there are fewer syncs
            told += lived is None and any(isinstance(each, Acknowledge) for each in said)
        assert told, "no process was killed after it had been told that something is stored"


@pytest.mark.parametrize("old", OLD)
def test_a_process_that_is_killed_in_a_migration_leaves_a_file_that_opens(
    scratch: Path, mortals: Crew, tried: Counter[str], old: str
) -> None:
    """Killed at any write of a migration, it leaves the old file or the new one, and the next to open it goes on."""
    order = {"task": "work", "workload": "opens", "suffix": "", "durability": "full", "seed": old}
    for round_ in range(ROUNDS):
        chance, calls = random.Random(f"{old} {round_}"), None
        for at in [-1, *(places(90, chance))]:
            folder = scratch / f"{round_} {at}"
            folder.mkdir()
            kept = put_old(old, folder)
            said, calls = killed(mortals, folder / DB, at=at, **order)
            hold(folder / DB, said, kept)
            shutil.rmtree(folder)
            tried["kills"] += calls is None
            assert calls is not None or at >= 0


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_a_process_that_is_killed_at_any_hook_of_a_turn_loses_no_message_that_was_acknowledged(
    scratch: Path, mortals: Crew, tried: Counter[str], *, first: bool
) -> None:
    """At whichever hook of a turn it dies, each message whose hooks had returned is there, and the session goes on."""
    for round_ in range(ROUNDS):
        for at in range(100) if LONG else range(round_, 100, 9):
            folder = scratch / f"{round_} {at}"
            folder.mkdir()
            durability = ("full", "normal")[(at + round_) % 2]
            order = {"task": "die_at_hook", "db": str(folder / DB), "durability": durability, "at": at, "first": first}
            reports = mortals.run(order)
            if any("survived" in report for report in reports):
                break
            said = [Acknowledge(report["acknowledged"]) for report in reports]
            hold(folder / DB, said)
            tried["kills"] += 1
        assert 20 < at < 99
        assert said, "the last that was killed had been told of messages"


def test_processes_that_are_killed_while_eight_others_write_disturb_none_of_them(
    scratch: Path, mortals: Crew, tried: Counter[str]
) -> None:
    """Eight processes write on and lose nothing while one after the other is killed in the middle of a conversation."""
    chance, db = random.Random(8), scratch / DB
    for round_ in range(4 * ROUNDS if LONG else 1):
        others: list[dict[str, Any]] = [
            {"task": "append", "db": str(db), "session": f"s{round_} {number}", "agent": "a", "messages": MESSAGES}
            for number in range(OTHERS)
        ]
        victims: list[dict[str, Any]] = [
            {"task": "talk", "db": str(db), "session": f"v{round_} {number}", "durability": "full"}
            for number in range(2)
        ]
        mortals.send(*victims, *others)
        said, appended = kill_those_who_talk(mortals, chance, len(victims) + len(others))
        assert appended == [MESSAGES] * OTHERS
        survivors.open_again(db)
        for order in others:
            assert len(messages_of(db, order["session"], "a")) == MESSAGES
        stored = [messages_of(db, order["session"], "default") for order in victims]
        assert len(said) == len(victims)
        for messages in said:
            assert messages
            assert any(found[: len(messages)] == messages for found in stored)
        tried["kills"] += len(victims)
    survivors.look(db)


def messages_of(db: Path, session: str, agent: str) -> list[Any]:
    """Return the messages of an agent, whose ids have no gap."""
    with SQLiteSessionManager(session, db) as manager:
        records = manager.list_messages(session, agent)
    assert [record.message_id for record in records] == list(range(len(records)))
    return [record.to_message() for record in records]


def kill_those_who_talk(mortals: Crew, chance: random.Random, workers: int) -> tuple[list[list[Any]], list[int]]:
    """Kill each worker that talks after some messages; return what it was told is stored, and what others appended."""
    said: dict[int, list[Any]] = {}
    appended: list[int] = []
    lives: dict[int, int] = {}
    while workers:
        report = mortals.line()
        assert report is not None
        assert "failed" not in report
        worker = report["worker"]
        if "exit" in report:
            workers -= 1
        elif "appended" in report:
            appended.append(report["appended"])
        elif "restored" in report:
            lives[worker], said[worker] = chance.randrange(1, 12), []
        else:
            said[worker].append(report["stored"])
            lives[worker] -= 1
            if lives[worker] == 0:
                os.kill(worker, signal.SIGKILL)
    return list(said.values()), appended


def test_a_disk_that_lets_no_file_grow_is_an_error_and_takes_nothing(
    scratch: Path, mortals: Crew, tried: Counter[str]
) -> None:
    """Where the operating system itself lets no file grow, a checkpoint fails in silence and a write does not."""
    for limit in (200_000, 600_000, 1_000_000, 3_000_000)[: None if LONG else 2]:
        folder = scratch / f"{limit}"
        folder.mkdir()
        reports = mortals.run({"task": "fill", "db": str(folder / DB), "limit": limit})
        assert reports[-1].get("error") in ("DatabaseFullError", "DatabaseIOError"), reports[-1]
        said = [Acknowledge(report["acknowledged"]) for report in reports if "acknowledged" in report]
        assert said
        hold(folder / DB, said)
        tried["full disks of the operating system"] += 1
