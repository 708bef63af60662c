"""The disk of the campaign: under plain SQLite it loses what a real one may lose, and keeps what a real one keeps."""

from __future__ import annotations

import random
from contextlib import closing
from itertools import product
from pathlib import Path

import apsw
import pytest

from tests.campaign.cuts import RESTS, SECTOR, left_over, put
from tests.campaign.power import Disk, Names, Recording, Sync, SyncNames, Write

ROWS = 12
CUTS = 60
TORN = "damaged"


def plain(folder: Path, mode: str, synchronous: str, deaf: tuple[str, ...] = ()) -> Recording:
    """Insert rows with plain SQLite, each acknowledged when it is committed."""
    folder.mkdir()
    disk = Disk(folder)
    disk.deaf = deaf
    with disk.inserted() as recording, closing(apsw.Connection(str(folder / "plain.db"))) as connection:
        connection.pragma("synchronous", synchronous)
        connection.pragma("journal_mode", mode)
        connection.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY, text TEXT)")
        for number in range(ROWS):
            connection.execute("INSERT INTO numbers VALUES (?, ?)", (number, f"{number}" * 3000))
            disk.acknowledge({f"{number}": ""})
    return recording


def outcomes(recording: Recording, folder: Path) -> list[int | str]:
    """Cut at random moments; return how many acknowledged rows are missing each time, or that the file is damaged."""
    chance, found = random.Random(1), []
    for number in range(CUTS):
        until = chance.randrange(len(recording.events) + 1)
        left = folder / f"left {number}"
        left.mkdir()
        put(left_over(recording, until, chance, RESTS[number % len(RESTS)]), left)
        acknowledged = sum(hasattr(event, "facts") for event in recording.events[:until])
        rows = count_rows(left / "plain.db")
        found.append(rows if isinstance(rows, str) else max(0, acknowledged - rows))
    return found


def count_rows(db: Path) -> int | str:
    """Return how many rows there are, all of the first ones."""
    try:
        with closing(apsw.Connection(str(db))) as connection:
            if connection.execute("SELECT 1 FROM sqlite_schema").fetchall() == []:
                return 0
            rows = connection.execute("SELECT number, text FROM numbers").fetchall()
            sound = connection.pragma("integrity_check") == "ok"
    except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, UnicodeDecodeError):
        return TORN
    whole = rows == [(number, f"{number}" * 3000) for number in range(len(rows))]
    return len(rows) if whole and sound else TORN


@pytest.mark.parametrize(("mode", "synchronous"), [("wal", "full"), ("delete", "extra")])
def test_a_database_that_syncs_loses_no_acknowledged_row(tmp_path: Path, mode: str, synchronous: str) -> None:
    """SQLite that waits for the disk at each commit keeps all that it has committed."""
    recording = plain(tmp_path / "work", mode, synchronous)
    assert set(outcomes(recording, tmp_path)) == {0}


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_database_that_never_syncs_loses_rows_or_is_damaged(tmp_path: Path, mode: str) -> None:
    """Without syncs the disk owes nothing to anybody, and the model gives nothing."""
    recording = plain(tmp_path / "work", mode, "off")
    assert not [event for event in recording.events if isinstance(event, Sync)]
    assert set(outcomes(recording, tmp_path)) > {0, TORN}


def test_a_wal_that_does_not_sync_each_commit_loses_the_last_ones_only(tmp_path: Path) -> None:
    """With `synchronous=NORMAL` a WAL database may lose commits, and is never damaged."""
    found = outcomes(plain(tmp_path / "work", "wal", "normal"), tmp_path)
    assert TORN not in found
    assert max(missing for missing in found if isinstance(missing, int)) > 1


def test_a_journal_whose_end_is_not_synced_takes_its_commit_back(tmp_path: Path) -> None:
    """In the old journal mode `FULL` does not sync the folder once the journal is deleted: the journal may be back."""
    found = outcomes(plain(tmp_path / "work", "delete", "full"), tmp_path)
    assert set(found) == {0, 1}


@pytest.mark.parametrize(("mode", "file"), [("wal", "-wal"), ("delete", "-journal"), ("delete", ".db")])
def test_a_disk_that_only_says_that_it_has_synced_is_found_out(tmp_path: Path, mode: str, file: str) -> None:
    """A sync that is swallowed costs rows, or the file."""
    found = outcomes(plain(tmp_path / "work", mode, "extra", deaf=(file,)), tmp_path)
    assert {missing for missing in found if missing != 0}


def test_shared_memory_works_through_the_disk(tmp_path: Path) -> None:
    """Two connections to a WAL database on the disk see each other's commits, and exclude each other."""
    disk, db = Disk(tmp_path), str(tmp_path / "plain.db")
    with disk.inserted(), closing(apsw.Connection(db)) as one, closing(apsw.Connection(db)) as two:
        assert one.pragma("journal_mode", "wal") == "wal"
        one.execute("CREATE TABLE numbers (number)")
        assert (tmp_path / "plain.db-shm").exists()
        assert two.execute("SELECT count(*) FROM numbers").get == 0
        one.execute("BEGIN IMMEDIATE; INSERT INTO numbers VALUES (1)")
        with pytest.raises(apsw.BusyError):
            two.execute("BEGIN IMMEDIATE")
        one.execute("COMMIT")
        assert two.execute("SELECT count(*) FROM numbers").get == 1
    assert disk.recording.commits


def test_what_was_never_synced_is_dropped_kept_or_torn_by_sectors() -> None:
    """A write of three sectors may be there in any part, and what was synced is always there."""
    recording = Recording()
    recording.names, recording.contents = {"f": 0}, {0: b"s" * 4 * SECTOR}
    recording.events = [Write(0, 0, b"1" * SECTOR), Sync(0, 1, failed=False), Write(0, SECTOR, b"2" * 3 * SECTOR)]
    chance = random.Random(1)
    found = {left_over(recording, 3, chance, "sectors")["f"][::SECTOR] for _ in range(200)}
    assert found == {b"1" + bytes(rest) for rest in product(b"s2", repeat=3)}
    assert left_over(recording, 3, chance, "nothing")["f"][::SECTOR] == b"1sss"
    assert left_over(recording, 3, chance, "everything")["f"][::SECTOR] == b"1222"


def test_a_file_is_there_when_its_folder_was_synced_and_may_be_missing_before() -> None:
    """A new name is on the disk with the next sync of the folder; without it, who knows."""
    recording = Recording()
    recording.events = [Names({"f": 0}), Write(0, 0, b"x"), Sync(0, 2, failed=False), SyncNames()]
    chance = random.Random(1)
    assert {tuple(left_over(recording, 3, chance, "writes")) for _ in range(50)} == {(), ("f",)}
    assert left_over(recording, 3, chance, "nothing") == {}
    assert left_over(recording, 4, chance, "nothing") == {"f": b"x"}


def test_after_a_sync_that_failed_another_sync_brings_nothing_back() -> None:
    """Linux counts pages as written whose sync has failed: a later sync succeeds and does not write them."""
    recording = Recording()
    recording.names, recording.contents = {"f": 0}, {0: b"old"}
    recording.events = [Write(0, 0, b"new"), Sync(0, 1, failed=True), Sync(0, 2, failed=False)]
    chance = random.Random(1)
    assert {left_over(recording, 3, chance, "nothing")["f"] for _ in range(50)} == {b"old", b"new"}


def test_a_write_that_came_while_a_sync_ran_is_not_covered_by_it() -> None:
    """A sync promises what was written before it began, not what another thread wrote meanwhile."""
    recording = Recording()
    recording.names, recording.contents = {"f": 0}, {0: b"old"}
    recording.events = [Write(0, 0, b"new"), Sync(0, 0, failed=False)]
    assert left_over(recording, 2, random.Random(1), "nothing")["f"] == b"old"
