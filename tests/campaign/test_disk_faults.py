"""What a disk that is full, read-only or broken does to what was stored, and to what is said about it."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest

from strands_sqlite_session_manager import (
    DatabaseFullError,
    DatabaseIOError,
    DatabaseReadOnlyError,
    NotFoundError,
    PrunePolicy,
    SessionStore,
    SQLiteSessionError,
    SQLiteSessionManager,
    SQLiteStorage,
)
from tests.campaign.cuts import RESTS
from tests.campaign.effort import EFFORT, LONG
from tests.campaign.power import Disk, Recording, Sync
from tests.campaign.survivors import DB, Trial, message_fact, object_fact, object_value, session_fact, state_fact
from tests.campaign.workloads import Log, acknowledged, some_message, some_text

ROUNDS = 1 + EFFORT // 10
"""How often every write has its turn in the long form: there are a few hundred."""

FEW = 4
"""Faults of a kind in the short form."""

CUTS = 3
"""Cuts after a sync that failed."""

ERRORS = {apsw.FullError: DatabaseFullError, apsw.ReadOnlyError: DatabaseReadOnlyError, apsw.IOError: DatabaseIOError}
WRITES = ("write", "truncate", "sync", "delete")


class Story:
    """What a user goes through, one thing after the other.

    Attributes:
        errors: What was raised.
    """

    def __init__(self, disk: Disk, db: Path, chance: random.Random) -> None:
        self.errors: list[SQLiteSessionError] = []
        self._disk, self._db, self._chance = disk, db, chance

    def run(self) -> None:
        """Open the file and do it all, whatever fails of it; in the end the disk works again."""
        manager = None
        while manager is None:
            manager = self._ask(lambda: SQLiteSessionManager("kept", self._db))
        with manager, SessionStore(manager) as store, SQLiteStorage(manager) as storage:
            found = [self._ask(partial(Log, self._disk, manager, name)) for name in ("kept", "old", "wrong")]
            logs = [log for log in found if log is not None]
            for _ in range(4):
                for log in logs:
                    self._ask(partial(log.append, some_message(self._chance)))
                for key in ("a", "b"):
                    self._ask(partial(self._write, storage, key))
            self._ask(lambda: self._delete(storage, "b"))
            self._ask(lambda: store.add_tags("old", "old"))
            self._ask(lambda: self._prune(store))
            self._ask(lambda: store.fork_session("kept", "fork"))
            self._ask(store.compact)
            self._disk.fault = None
            self._write(storage, "the disk works again")

    def _ask(self, operation: Callable[[], Any]) -> Any:
        try:
            return operation()
        except SQLiteSessionError as error:
            self.errors.append(error)
            return None

    def _write(self, storage: SQLiteStorage, key: str) -> None:
        data = some_text(self._chance, 20_000).encode()
        with acknowledged(self._disk, {object_fact(key): object_value(data)}):
            asyncio.run(storage.write(key, data))

    def _delete(self, storage: SQLiteStorage, key: str) -> None:
        with acknowledged(self._disk, {object_fact(key): None}):
            asyncio.run(storage.delete(key))

    def _prune(self, store: SessionStore) -> None:
        messages = [message_fact("old", "a", number) for number in range(4)]
        plan = store.plan_prune(PrunePolicy(tags=("old",), idle=timedelta(0)))
        if not plan.sessions:
            return
        with acknowledged(self._disk, dict.fromkeys([session_fact("old"), state_fact("old", "a"), *messages])):
            store.prune(plan)


class Fault:
    """Fails one call to the disk, or all from one on until the third thing that was asked for has failed."""

    def __init__(self, error: type[apsw.Error], methods: tuple[str, ...], at: int, *, lasts: bool) -> None:
        self.calls = 0
        self.story: Story | None = None
        self._error, self._methods, self._at, self._lasts = error, methods, at, lasts

    def __call__(self, method: str, _file: str) -> None:
        if method not in self._methods:
            return
        self.calls += 1
        since = self.calls - 1 - self._at
        if since == 0 or (self._lasts and since > 0 and self.story is not None and len(self.story.errors) < 3):
            raise self._error


def tell(folder: Path, fault: Fault, seed: str) -> tuple[Recording, list[SQLiteSessionError]]:
    """Let the story happen on a disk with a fault; return what was recorded, and what was raised."""
    folder.mkdir()
    disk = Disk(folder)
    fault.story = Story(disk, folder / DB, random.Random(seed))
    disk.fault = fault
    with disk.inserted() as recording:
        fault.story.run()
    return recording, fault.story.errors


def calls(scratch: Path, methods: tuple[str, ...], seed: str) -> int:
    """Return how many calls the story makes where nothing fails."""
    fault = Fault(apsw.IOError, methods, -1, lasts=False)
    _, errors = tell(scratch / "clean", fault, seed)
    assert errors == []
    return fault.calls


def numbers(total: int) -> list[int]:
    """Return which calls are to fail: each of them in turn, a few of them in the short form."""
    return list(range(total)) if LONG else [total * number // FEW for number in range(FEW)]


@pytest.mark.parametrize("lasts", [False, True], ids=["once", "for a while"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_a_disk_that_fails_at_any_write_is_an_error_and_takes_nothing_that_was_acknowledged(
    scratch: Path, tried: Counter[str], error: type[apsw.Error], *, lasts: bool
) -> None:
    """Whichever write fails, it is the typed error or nobody's loss: what was acknowledged is there, all else whole.

    What comes after goes through, and the file is sound.
    """
    methods = WRITES if error is apsw.IOError else ("write",)
    for round_ in range(ROUNDS):
        seed = f"{error.__name__} {lasts} {round_}"
        folder = scratch / f"{round_}"
        folder.mkdir()
        for number in numbers(calls(folder, methods, seed)):
            fault = Fault(error, methods, number, lasts=lasts)
            recording, errors = tell(folder / f"{number}", fault, seed)
            assert {type(raised) for raised in errors} <= {ERRORS[error], NotFoundError}
            Trial(recording, scratch, full=True).cut(len(recording.events), random.Random(0), "everything")
            tried[f"faults of the disk ({error.__name__})"] += 1


def test_what_is_acknowledged_after_a_sync_that_failed_outlives_a_loss_of_power(
    scratch: Path, tried: Counter[str]
) -> None:
    """A sync that failed may have lost pages for good; what is acknowledged afterwards is there all the same."""
    for round_ in range(ROUNDS):
        seed = f"sync {round_}"
        folder = scratch / f"{round_}"
        folder.mkdir()
        chance = random.Random(seed)
        for number in numbers(calls(folder, ("sync",), seed)):
            recording, _ = tell(folder / f"{number}", Fault(apsw.IOError, ("sync",), number, lasts=False), seed)
            syncs = [(place, event) for place, event in enumerate(recording.events) if isinstance(event, Sync)]
            failed = next(place for place, sync in syncs if sync.failed)
            trial = Trial(recording, scratch, full=True)
            for _ in range(CUTS):
                trial.cut(chance.randrange(failed, len(recording.events) + 1), chance, chance.choice(RESTS))
                tried["cuts"] += 1
            tried["syncs that failed"] += 1


def test_a_close_that_fails_leaves_nobody_waiting(scratch: Path) -> None:
    """Where the disk fails while the last connection closes, that is an error, and closing again is none."""
    disk = Disk(scratch)
    with disk.inserted():
        manager = SQLiteSessionManager("s", scratch / DB)
        log = Log(disk, manager, "s")
        assert manager.list_messages("s", "a") == []
        disk.fault = Fault(apsw.IOError, WRITES, 0, lasts=False)
        with pytest.raises(DatabaseIOError):
            log.append({"role": "user", "content": []})
        disk.fault = Fault(apsw.IOError, WRITES, 0, lasts=False)
        with pytest.raises(DatabaseIOError):
            manager.close()
        again = threading.Thread(target=manager.close, daemon=True)
        again.start()
        again.join(30)
        assert not again.is_alive()


def test_a_file_that_cannot_be_made_is_a_typed_error_whatever_fails_meanwhile(scratch: Path) -> None:
    """Where a disk fails from some write of the first opening on, that is this package's error, then a new file."""
    for number in range(0, calls(scratch, WRITES, "open"), 5):
        folder = scratch / f"{number}"
        folder.mkdir()
        disk = Disk(folder)
        with disk.inserted():
            fault = Fault(apsw.IOError, WRITES, number, lasts=True)
            fault.story = Story(disk, folder / DB, random.Random(0))
            disk.fault = fault
            try:
                SQLiteSessionManager("s", folder / DB).close()
            except DatabaseIOError:
                disk.fault = None
                SQLiteSessionManager("s", folder / DB).close()
            else:
                assert fault.calls <= number
                break
