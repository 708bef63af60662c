"""The campaign finds what it is there to find: each of these defects, planted into the code or the disk, is noticed."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strands_sqlite_session_manager import SQLiteSessionError, SQLiteSessionManager, _connection, _parts, _schema
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._requests import Operation, Options, Request
from strands_sqlite_session_manager._writer import Writer
from tests.campaign import workloads
from tests.campaign.cuts import RESTS
from tests.campaign.old_files import OLD, put_old
from tests.campaign.power import Disk
from tests.campaign.survivors import DB, Trial
from tests.campaign.workloads import Workload

from .test_power_loss import record

CUTS = 60
_DELETE_MESSAGES = "DELETE FROM message_blobs; DELETE FROM messages; DELETE FROM blobs"


def first_finding(  # noqa: PLR0913 - what differs from search to search
    scratch: Path,
    workload: Workload,
    *,
    serial: bool = True,
    cuts: int = CUTS,
    deaf: tuple[str, ...] = (),
    old: str | None = None,
) -> str:
    """Do the work and cut the power at random until something is found; return what it is, or nothing."""
    work, chance = scratch / "work", random.Random(1)
    work.mkdir()
    kept = {} if old is None else put_old(old, work)
    disk = Disk(work)
    disk.deaf = deaf
    try:
        with workloads.short_wals(), disk.inserted() as recording:
            workload(disk, work / DB, "full", chance)
        trial = Trial(recording, scratch, full=True, serial=serial, kept=kept)
        for _ in range(cuts):
            trial.cut(chance.randrange(len(recording.events) + 1), chance, chance.choice(RESTS))
    except (AssertionError, SQLiteSessionError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def test_nothing_is_found_where_nothing_is_planted(scratch: Path) -> None:
    """The same search finds nothing in the code as it is; `test_power_loss.py` looks longer."""
    assert first_finding(scratch, workloads.groups, serial=False, cuts=10) == ""


def test_a_workload_that_does_nothing_is_no_evidence(scratch: Path) -> None:
    """Where nothing is acknowledged, nothing can be lost: such a recording is refused."""

    def nothing(_disk: Any, db: Path, durability: Any, _chance: random.Random) -> None:
        SQLiteSessionManager("s", db, durability=durability).close()

    with pytest.raises(AssertionError):
        record(nothing, scratch, "full", random.Random(1))


def test_a_disk_that_skips_the_syncs_of_the_wal_is_found(scratch: Path) -> None:
    """A sync of the WAL that is only said to have been done loses acknowledged messages."""
    assert "not there after any of the commits" in first_finding(scratch, workloads.appends, deaf=("-wal",))


def test_a_commit_that_does_not_wait_for_the_disk_is_found(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection with `synchronous=OFF` loses acknowledged messages, or the file."""

    def off(connection: Connection, *, full: bool) -> None:
        connection.run("PRAGMA synchronous = OFF")
        connection.full = full

    monkeypatch.setattr(Connection, "sync_commits", off)
    assert first_finding(scratch, workloads.appends) != ""


def test_a_write_that_is_acknowledged_before_its_commit_is_found(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that returns, and is committed with the next one, is missing when the power goes in between."""
    run, late = Writer.run, deque[Callable[[], None]]()

    def too_early(writer: Writer, operation: Operation, options: Options) -> None:
        while late:
            late.popleft()()
        late.append(lambda: run(writer, operation, options))

    def appends(disk: Any, db: Path, durability: Any, chance: random.Random) -> None:
        with SQLiteSessionManager("early", db, durability=durability) as manager:
            log = workloads.Log(disk, manager, "early")
            monkeypatch.setattr(Writer, "run", too_early)
            for _ in range(20):
                log.append(workloads.some_message(chance))
            monkeypatch.undo()
            late.popleft()()

    assert "acknowledged, and not so" in first_finding(scratch, appends)


def test_foreign_keys_that_are_off_are_found(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without foreign keys a deleted session leaves its agents and messages behind."""

    def off(connection: Connection) -> None:
        connection.run("PRAGMA foreign_keys = OFF")

    monkeypatch.setattr(_connection, "_enforce_foreign_keys", off)
    assert "sessions" in first_finding(scratch, workloads.appends)


def test_results_of_a_group_commit_that_are_swapped_are_found(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The workload notices before any cut: a refused caller hears of success, or one who was served of a refusal."""
    serve = Writer._commit_together

    def swapped(writer: Writer, group: list[Request]) -> None:
        serve(writer, group)
        if len(group) > 1:
            group[0].error, group[1].error = group[1].error, group[0].error

    monkeypatch.setattr(Writer, "_commit_together", swapped)
    found = first_finding(scratch, workloads.groups, serial=False, cuts=0)
    assert "a message was stored over another" in found or "ConflictError" in found


def test_a_part_that_is_freed_while_another_object_uses_it_is_found(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object whose parts went with another object is no longer what was acknowledged."""

    def free_all(connection: Connection, runs: list[_parts.Range]) -> None:
        for run in runs:
            connection.run(_parts._DELETE_PARTS, run)

    monkeypatch.setattr(_parts, "free", free_all)
    assert "lacks" in first_finding(scratch, workloads.objects)


@pytest.mark.parametrize("old", OLD)
def test_a_migration_that_loses_messages_is_found(scratch: Path, monkeypatch: pytest.MonkeyPatch, old: str) -> None:
    """Where each step deletes all messages, what is left holds less than the old file did."""
    step = _schema._step

    def lossy(connection: Connection, version: int) -> None:
        step(connection, version)
        connection.execute(_DELETE_MESSAGES)

    monkeypatch.setattr(_schema, "_step", lossy)
    assert "there before, and no more" in first_finding(scratch, workloads.opens, old=old)


def test_a_migration_that_loses_messages_only_when_it_goes_on_is_found(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a migration deletes all messages if one was cut before, the first to open what is left loses them."""
    migrate = _schema._migrate

    def lossy(connection: Connection, path: str) -> None:
        goes_on = any(Path(path).parent.glob("*.backup"))
        migrate(connection, path)
        if goes_on:
            connection.execute(_DELETE_MESSAGES)

    monkeypatch.setattr(_schema, "_migrate", lossy)
    assert "there before, and no more" in first_finding(scratch, workloads.opens, old=OLD[0])
