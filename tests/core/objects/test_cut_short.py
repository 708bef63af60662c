"""A write that is cut short, by a crash, a full disk or a failing one, leaves the old object or the new one, whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import apsw
import pytest

from strands_sqlite_session_manager import DatabaseFullError, DatabaseIOError, SQLiteSessionError, SQLiteStorage

from .conversations import LATEST, Conversation, checkpoint, said
from .disk import CrashingVFS
from .doing import delete, save_turns, write
from .looking import assert_empty, assert_holds, part_bytes

Change = Callable[[Conversation], tuple[str, bytes | None]]
"""What is written under which key after the conversation went on; None: the object is deleted."""


def overwritten(conversation: Conversation) -> tuple[str, bytes | None]:
    conversation.turn()
    return LATEST, conversation.snapshot()


def added(conversation: Conversation) -> tuple[str, bytes | None]:
    conversation.turn()
    return checkpoint(100), conversation.snapshot()


def replaced(conversation: Conversation) -> tuple[str, bytes | None]:
    conversation.messages = [said("user", f"{number} " * 300) for number in range(12)]
    return LATEST, conversation.snapshot()


def shrunk(_conversation: Conversation) -> tuple[str, bytes | None]:
    return LATEST, b"{}"


def deleted(_conversation: Conversation) -> tuple[str, bytes | None]:
    return LATEST, None


DISKS: dict[str, tuple[type[apsw.Error], str, type[SQLiteSessionError]]] = {
    "full": (apsw.FullError, "write", DatabaseFullError),
    "does not write": (apsw.IOError, "write", DatabaseIOError),
    "does not sync": (apsw.IOError, "sync", DatabaseIOError),
}

changes = pytest.mark.parametrize("change", [overwritten, added, replaced, shrunk, deleted])


class Case:
    """A conversation with its checkpoints in a new file, and a change that is about to be made."""

    def __init__(self, vfs: CrashingVFS, path: Path, change: Change) -> None:
        self.path = path
        self.storage = SQLiteStorage(vfs.uri(path))
        conversation = Conversation("cut short", 1500)
        self.before = save_turns(self.storage, conversation, range(5))
        conversation.turn()  # the latest has parts that no checkpoint has
        self.before[LATEST] = conversation.snapshot()
        write(self.storage, LATEST, self.before[LATEST])
        self.key, self.data = change(conversation)
        self.after = {**self.before, self.key: self.data or b""}
        if self.data is None:
            del self.after[self.key]

    def make(self) -> None:
        if self.data is None:
            delete(self.storage, self.key)
        else:
            write(self.storage, self.key, self.data)

    def is_made(self, path: Path) -> bool:
        """Tell whether the file at `path` holds what is there after the change; if not, it holds what was before."""
        try:
            assert_holds(path, self.after)
        except AssertionError:
            assert_holds(path, self.before)
            return False
        return True


def assert_goes_on(storage: SQLiteStorage, path: Path, objects: dict[str, bytes]) -> None:
    """Hold that the storage takes more turns, and that deleting everything leaves no part."""
    objects = objects | save_turns(storage, Conversation("afterwards"), range(200, 202))
    assert_holds(path, objects)
    delete(storage, *objects)
    assert_empty(path)


@changes
def test_a_crash_at_any_write_leaves_the_old_object_or_the_new_one(
    tmp_path: Path, db: Path, vfs: CrashingVFS, change: Change
) -> None:
    """What is on the disk at each write and sync of a change is a sound file, with all of the change or nothing."""
    case = Case(vfs, db, change)
    (tmp_path / "crashed").mkdir()
    copies = vfs.copy_before_each(db, tmp_path / "crashed")
    case.make()
    vfs.fault = None
    copies.append(tmp_path / "crashed" / "acknowledged.db")
    vfs.copy(db, copies[-1])
    case.storage.close()
    outcomes = []
    for copy in copies:
        with SQLiteStorage(copy, durability="normal") as found:
            outcomes.append(case.is_made(copy))
            assert_goes_on(found, copy, case.after if outcomes[-1] else case.before)
    assert outcomes[-1], "an acknowledged change is there"
    assert outcomes == sorted(outcomes), "there is one moment from which on it is there"
    assert outcomes.count(False) > 3


@contextmanager
def failing(vfs: CrashingVFS, call: int, error: type[apsw.Error], method: str) -> Iterator[None]:
    """Raise `error` in that call of `method` and in all that follow."""
    calls = count()

    def fault(called: str, _file: str) -> None:
        if called == method and next(calls) >= call:
            raise error

    vfs.fault = fault
    yield
    vfs.fault = None


def error_of(make: Callable[[], None]) -> SQLiteSessionError | None:
    try:
        make()
    except SQLiteSessionError as error:
        return error
    return None


@changes
@pytest.mark.parametrize("disk", DISKS)
def test_a_change_that_fails_at_any_write_leaves_the_old_object_and_can_be_made_again(
    tmp_path: Path, vfs: CrashingVFS, change: Change, disk: str
) -> None:
    """The caller learns of it, and no part is too many or too few; after a failed sync alone either may be there."""
    error, method, typed = DISKS[disk]
    case = Case(vfs, tmp_path / "0.db", change)
    for call in count():
        with failing(vfs, call, error, method):
            found = error_of(case.make)
        is_made = case.is_made(case.path)
        if found is None:
            break
        assert type(found) is typed
        if is_made:
            assert method == "sync"
            case.storage.close()
            case = Case(vfs, tmp_path / f"{call + 1}.db", change)
    assert is_made
    assert call > 0
    assert_goes_on(case.storage, case.path, case.after)
    case.storage.close()


def test_parts_of_a_write_that_failed_are_not_taken_for_stored(db: Path, vfs: CrashingVFS) -> None:
    """After a full disk, the next versions hold what they were given, though another object got what was taken back."""
    with SQLiteStorage(vfs.uri(db)) as storage:
        conversation = Conversation("lost")
        objects = save_turns(storage, conversation, range(5))
        for number in range(5, 15):
            conversation.turn()
            with failing(vfs, number % 4, apsw.FullError, "write"), pytest.raises(DatabaseFullError):
                write(storage, checkpoint(number), conversation.snapshot())
            objects[f"elsewhere/{number}"] = conversation.snapshot()[-3000:]
            write(storage, f"elsewhere/{number}", objects[f"elsewhere/{number}"])
            conversation.messages.append(said("user", f"there is room again {number}"))
            objects[checkpoint(number)] = conversation.snapshot()
            write(storage, checkpoint(number), objects[checkpoint(number)])
            assert_holds(db, objects)
        assert part_bytes(db) < 2 * conversation.own_bytes
