"""What is left of a database when the power goes."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from strands_sqlite_session_manager import SQLiteSessionManager
from tests.campaign import workloads
from tests.campaign.cuts import RESTS, left_over, put
from tests.campaign.effort import EFFORT, LONG
from tests.campaign.old_files import OLD, put_old
from tests.campaign.power import Acknowledge, Disk, Recording
from tests.campaign.survivors import DB, Trial
from tests.campaign.workloads import Workload

FEW = 11
"""Cuts of a recording in the short form."""

SERIAL = [workloads.appends, workloads.talks, workloads.objects, workloads.care, workloads.imports]


def record(workload: Workload, folder: Path, durability: Any, chance: random.Random) -> Recording:
    """Do the work on a disk that remembers; hold that it was worth it.

    Something was acknowledged, and the WAL was begun anew at least twice, but where a file is only opened.
    """
    disk = Disk(folder)
    with workloads.short_wals(), disk.inserted() as recording:
        workload(disk, Path(folder, DB), durability, chance)
    assert any(isinstance(event, Acknowledge) for event in recording.events)
    assert workload is workloads.opens or recording.wals > 2, f"{recording.wals} WALs"
    return recording


def moments(recording: Recording, chance: random.Random) -> list[int]:
    """Return when to cut: before and after every sync, and as often in between; in the short form, a few of these.

    The last comes after the first acknowledgment.
    """
    syncs = [moment for sync in recording.syncs() for moment in (sync, sync + 1)]
    between = [chance.randrange(len(recording.events) + 1) for _ in syncs]
    late = chance.randrange(recording.first_acknowledgment() + 1, len(recording.events) + 1)
    if LONG:
        return [*syncs, *between, late]
    return [*(chance.choice(syncs if number % 2 else between) for number in range(FEW - 1)), late]


def cut_all(trial: Trial, chance: random.Random, tried: Counter[str]) -> None:
    """Cut at all moments, with the rest that is left drawn for each."""
    for moment in moments(trial.recording, chance):
        rest = chance.choice(RESTS)
        try:
            trial.cut(moment, chance, rest)
        except Exception as error:
            where = f"cut after {moment} of {len(trial.recording.events)} events, {rest} of the rest left"
            raise AssertionError(where) from error
        tried["cuts"] += 1


def rounds(name: str) -> list[random.Random]:
    """Return what chance is in each round."""
    return [random.Random(f"{name} {number}") for number in range(EFFORT)]


@pytest.mark.parametrize("durability", ["full", "normal"])
@pytest.mark.parametrize("workload", SERIAL, ids=lambda workload: workload.__name__)
def test_whatever_was_acknowledged_outlives_a_loss_of_power(
    scratch: Path, tried: Counter[str], workload: Workload, durability: str
) -> None:
    """With `full` no acknowledged write is lost, whenever the power goes and whatever the disk had not synced.

    With `normal` what is left is what was there after one of the commits. SQLite and `verify` find nothing wrong, and
    the file takes further writes.
    """
    for number, chance in enumerate(rounds(f"{workload.__name__} {durability}")):
        work = scratch / f"{number}"
        work.mkdir()
        trial = Trial(record(workload, work, durability, chance), scratch, full=durability == "full")
        cut_all(trial, chance, tried)


@pytest.mark.parametrize("workload", [workloads.groups, workloads.mixed], ids=lambda workload: workload.__name__)
def test_commits_that_are_shared_outlive_a_loss_of_power(
    scratch: Path, tried: Counter[str], workload: Workload
) -> None:
    """Each caller of a group commit that was told of its success finds its write again, beside others' `normal` too."""
    for number, chance in enumerate(rounds(workload.__name__)):
        work = scratch / f"{number}"
        work.mkdir()
        trial = Trial(record(workload, work, "full", chance), scratch, full=True, serial=False)
        cut_all(trial, chance, tried)


@pytest.mark.parametrize("old", OLD)
def test_a_migration_outlives_a_loss_of_power(scratch: Path, tried: Counter[str], old: str) -> None:
    """A file of an older version is as it was, or migrated by some steps, and opens with everything in it."""
    for number, chance in enumerate(rounds(old)):
        work = scratch / f"{number}"
        work.mkdir()
        kept = put_old(old, work)
        trial = Trial(record(workloads.opens, work, "full", chance), scratch, full=True, kept=kept)
        cut_all(trial, chance, tried)


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_a_second_loss_of_power_while_the_file_recovers_takes_nothing_more(
    scratch: Path, tried: Counter[str], durability: str
) -> None:
    """What is left after one cut is opened, and the power goes again: nothing that outlived the first is lost."""
    for number, chance in enumerate(rounds(f"recover {durability}")):
        first, second = scratch / f"{number} first", scratch / f"{number} second"
        first.mkdir()
        recording = record(workloads.appends, first, durability, chance)
        second.mkdir()
        until = chance.randrange(len(recording.events) // 2, len(recording.events))
        put(left_over(recording, until, chance, "sectors"), second)
        trial = Trial(record(workloads.opens, second, durability, chance), scratch, full=durability == "full")
        cut_all(trial, chance, tried)


def test_folders_that_are_made_for_a_file_are_on_the_disk_before_anything_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite syncs the folder of the file; a folder that was made for it is not lost with its own name either."""
    synced: list[int] = []
    fsync = os.fsync

    def recorded(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    SQLiteSessionManager("s", tmp_path / "made" / "for it" / DB).close()
    assert {(tmp_path / made).stat().st_ino for made in (".", "made")} <= set(synced)
