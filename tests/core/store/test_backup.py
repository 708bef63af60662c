"""`back_up`: a checked copy of one instant, and the old one stays whole until the new one is."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from strands import Agent

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import (
    AlreadyExistsError,
    CannotOpenError,
    DatabaseClosedError,
    DatabaseCorruptError,
    DatabaseFullError,
    SQLiteSessionManager,
    SQLiteStorage,
)
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database, open_for_reading
from strands_sqlite_session_manager.maintenance import _copying, back_up, verify

from .disks import EveryFile
from .maintained import fill, findings, spoil
from .programs import program, said

APPEND = """
INSERT INTO messages (change_id, session_id, agent_id, message_id, message)
VALUES ((SELECT max(change_id) FROM messages) + 1, 'talk', 'eye',
    (SELECT max(message_id) + 1 FROM messages WHERE agent_id = 'eye'), '{"role":"user","content":[]}')
"""
COUNTS = "SELECT agent_id, count(*), max(message_id) FROM messages GROUP BY agent_id ORDER BY agent_id"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with something of everything in it, and several steps long."""
    path = tmp_path_factory.mktemp("full") / "sessions.db"
    fill(path)
    spoil(path, "INSERT INTO objects (key, size, content) VALUES ('large', 16000000, zeroblob(16000000))")
    return path


@pytest.fixture
def path(full: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(full, tmp_path))  # nobody has it open


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with closing(open_database(path)) as opened:
        yield opened


def partials(target: Path) -> list[Path]:
    """What backups to `target` have not named yet, or have left behind."""
    return sorted(target.parent.glob(f"{target.name}.*.partial"))


def grow_old(file: Path) -> None:
    """Let a file look as if nobody had written to it for long."""
    os.utime(file, (0, 0))


def counts(path: Path) -> list[tuple[str, int, int]]:
    with closing(open_for_reading(path)) as copy:
        return copy.read(lambda connection: connection.rows(COUNTS))


def test_the_copy_is_a_database_of_its_own(database: Database, tmp_path: Path) -> None:
    """One private file with all that is there: agents resume from it, storages read it, `verify` finds nothing."""
    target = tmp_path / "new" / "copy.db"
    made = back_up(database, target)
    assert (made.path, made.sessions, made.messages) == (str(target), 1, 6)
    assert made.bytes == target.stat().st_size
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [file.name for file in target.parent.iterdir()] == ["copy.db"]
    assert findings(target) == []
    with SQLiteSessionManager("talk", target) as manager:
        model = ScriptedModel("still")
        agent = Agent(model=model, agent_id="guide", session_manager=manager, callback_handler=None)
        agent("and now?")
    assert len(model.calls[0].messages) == 5
    with SQLiteStorage(target) as storage:
        assert asyncio.run(storage.read("notes/short.txt")) == b"a short object"


def test_progress_is_told_between_steps(database: Database, tmp_path: Path) -> None:
    """The pages copied rise to the pages there are, and while the caller is told, others may write."""
    steps: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        steps.append((done, total))
        if done == total:
            database.write(lambda connection: connection.run(APPEND))

    back_up(database, tmp_path / "copy.db", progress=progress)
    assert steps == sorted(steps)
    assert len(steps) > 3
    assert steps[-1][0] == steps[-1][1]


def test_a_writer_cannot_starve_it(database: Database, tmp_path: Path) -> None:
    """Where every step finds that others wrote, the rest comes in one step, as of one instant."""
    steps: list[int] = []

    def progress(done: int, _: int) -> None:
        steps.append(done)
        database.write(lambda connection: connection.run(APPEND))

    back_up(database, tmp_path / "copy.db", progress=progress)
    assert len(steps) == _copying.MOST_RESTARTS + 2
    assert counts(tmp_path / "copy.db") == [("eye", 2 + len(steps) - 1, len(steps)), ("guide", 4, 3)]


def test_it_is_one_instant_while_another_process_writes(path: Path, tmp_path: Path) -> None:
    """What is written in one transaction is in the copy whole or not at all, however fast others write."""
    target = tmp_path / "copy.db"
    with program("append", path) as writer:
        assert said(writer) == "writing"
        with closing(open_database(path)) as database:
            for _ in range(3):
                back_up(database, target, overwrite=True)
                (_, eyes, last_eye), (_, guides, last_guide) = counts(target)
                assert (eyes, guides) == (last_eye + 1, last_guide + 1)
                assert eyes - 2 == guides - 4 > 0
        assert writer.stdin is not None
        writer.stdin.close()
        assert said(writer) >= guides - 4  # type: ignore[operator]


def test_what_is_there_is_not_replaced_by_chance(database: Database, tmp_path: Path) -> None:
    """A target that exists is an error, unless it may be overwritten; then it is replaced."""
    target = tmp_path / "copy.db"
    target.write_text("something else")
    with pytest.raises(AlreadyExistsError):
        back_up(database, target)
    assert target.read_text() == "something else"
    back_up(database, target, overwrite=True)
    assert findings(target) == []


def test_a_target_that_appears_meanwhile_is_not_replaced(database: Database, tmp_path: Path) -> None:
    """The name is given only where nobody has it by then, and the partial file goes."""
    target = tmp_path / "copy.db"
    with pytest.raises(AlreadyExistsError):
        back_up(database, target, progress=lambda *_: target.write_text("quicker"))
    assert target.read_text() == "quicker"
    assert partials(target) == []


def test_a_target_that_is_open_is_not_replaced(database: Database, tmp_path: Path) -> None:
    """SQLite would play the WAL of the old file back into the new one."""
    target = tmp_path / "copy.db"
    with closing(open_database(target)) as other:
        with pytest.raises(AlreadyExistsError, match="open"):
            back_up(database, target, overwrite=True)
        assert verify(other) == []


@pytest.mark.parametrize("name", ["itself", "wal", "shm", "link", "hard link"])
def test_the_live_file_is_no_target(database: Database, path: Path, tmp_path: Path, name: str) -> None:
    """By whatever name it is called, nor is what SQLite keeps beside it."""
    target = {"itself": path, "wal": Path(f"{path}-wal"), "shm": Path(f"{path}-shm")}.get(name, tmp_path / "other")
    if name == "link":
        target.symlink_to(path)
    elif name == "hard link":
        target.hardlink_to(path)
    with pytest.raises(ValueError, match="itself"):
        back_up(database, target, overwrite=True)
    assert verify(database) == []


def test_a_link_is_followed(database: Database, tmp_path: Path) -> None:
    """The file that a link names is replaced, and the link stays."""
    back_up(database, tmp_path / "copy.db")
    (tmp_path / "latest").symlink_to("copy.db")
    back_up(database, tmp_path / "latest", overwrite=True)
    assert (tmp_path / "latest").is_symlink()
    assert findings(tmp_path / "copy.db") == []


def test_a_database_in_memory_is_backed_up(tmp_path: Path) -> None:
    """What would be gone with its process is kept."""
    with closing(open_database(":memory:")) as database:
        database.write(
            lambda connection: connection.run(
                "INSERT INTO sessions (change_id, session_id, session_type) VALUES (1, 's', 'AGENT')"
            )
        )
        assert back_up(database, tmp_path / "copy.db").sessions == 1
    assert findings(tmp_path / "copy.db") == []


def test_a_file_that_may_only_be_read_is_backed_up(path: Path, tmp_path: Path) -> None:
    """To copy needs no permission to write, and leaves no file beside the original."""
    before = set(path.parent.iterdir())
    with closing(open_for_reading(path)) as database:
        assert back_up(database, tmp_path / "copy.db").messages == 6
    assert set(path.parent.iterdir()) - before == {tmp_path / "copy.db"}


def test_bad_targets_are_refused(database: Database, tmp_path: Path) -> None:
    """No name, or a folder."""
    with pytest.raises(ValueError, match="name a file"):
        back_up(database, "")
    with pytest.raises(CannotOpenError, match="folder"):
        back_up(database, tmp_path, overwrite=True)
    database.close()
    with pytest.raises(DatabaseClosedError):
        back_up(database, tmp_path / "copy.db")


@pytest.mark.parametrize(
    "damage", ["DELETE FROM agents", "UPDATE message_index_data SET block = zeroblob(20) WHERE id > 10"]
)
def test_a_damaged_database_does_not_replace_a_good_copy(
    database: Database, path: Path, tmp_path: Path, damage: str
) -> None:
    """A copy that does not pass the checks is not made."""
    target = tmp_path / "copy.db"
    back_up(database, target)
    before = target.read_bytes()
    spoil(path, damage)
    with pytest.raises(DatabaseCorruptError) as caught:
        back_up(database, target, overwrite=True)
    assert "verify" in caught.value.hint
    assert target.read_bytes() == before
    assert partials(target) == []


def test_a_full_disk_leaves_the_old_copy(database: Database, tmp_path: Path) -> None:
    """The error has its type, the old copy is intact, and nothing is left of the new one."""
    target = tmp_path / "copy.db"
    back_up(database, target)
    before = target.read_bytes()
    vfs = EveryFile("full-disk")

    def fault(method: str, file: str) -> None:
        if file.endswith(".partial") and vfs.calls[method] > 100:
            raise apsw.FullError

    vfs.fault = fault
    try:
        with pytest.raises(DatabaseFullError):
            back_up(database, target, overwrite=True)
    finally:
        vfs.unregister()
    assert target.read_bytes() == before
    assert partials(target) == []


def test_an_error_of_the_caller_leaves_nothing(database: Database, tmp_path: Path) -> None:
    """Whatever the progress callback raises ends the copy."""

    def progress(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(database, tmp_path / "copy.db", progress=progress)
    assert [file.name for file in tmp_path.iterdir() if "copy" in file.name] == []


def test_a_folder_without_permission_is_a_typed_error(path: Path, tmp_path: Path) -> None:
    """Where nothing can be written, that is said: root may write anywhere, so another user tries here."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    path.chmod(0o644)
    with program("as_another_user", path, tmp_path) as process:
        assert said(process) == "DatabaseReadOnlyError"


@pytest.mark.parametrize("overwrite", [True, False])
def test_backups_to_one_target_at_once_do_not_touch_each_other(path: Path, tmp_path: Path, *, overwrite: bool) -> None:
    """Each makes a copy of its own, and the target is one of them, whole: the last, or else the first."""
    target = tmp_path / "copy.db"
    with closing(open_database(path)) as database:
        with program("stop_in_the_middle", path, target, *["overwrite"] * overwrite) as first:
            assert said(first)
            (half,) = partials(target)
            made = back_up(database, target)
            assert partials(target) == [half]
            database.write(lambda connection: connection.run(APPEND))
            assert first.stdin is not None
            first.stdin.close()
            end = [each for each in map(json.loads, first.stdout or ()) if isinstance(each, str)]
        assert end == ["made" if overwrite else "AlreadyExistsError"]
    assert counts(target) == [("eye", 2 + overwrite, 1 + overwrite), ("guide", 4, 3)]
    assert made.messages == 6
    assert partials(target) == []
    assert findings(target) == []


def test_what_has_no_name_yet_is_left_to_its_backup(database: Database, tmp_path: Path) -> None:
    """Between the last write to a copy and its new name nobody holds a lock on it; only old ones are removed."""
    target = tmp_path / "copy.db"
    new, old = (Path(f"{target}.{digit * 16}.partial") for digit in "ab")
    others = [Path(f"{target}.partial"), Path(f"{target}.notes.partial"), Path(f"{target}.x.{'a' * 16}.partial")]
    for file in (new, old, *others):
        file.write_text("half a database")
    for file in (old, *others):
        grow_old(file)
    back_up(database, target)
    assert new.exists()
    assert not old.exists()
    assert all(file.exists() for file in others)


def test_what_a_killed_backup_leaves_is_removed_later(path: Path, tmp_path: Path) -> None:
    """Killed in the middle, it leaves the old copy as it was; a later one clears up, but not after one that lives."""
    target = tmp_path / "copy.db"
    with closing(open_database(path)) as database:
        back_up(database, target)
        with program("stop_in_the_middle", path, target, "overwrite") as first:
            done, total = said(first)  # type: ignore[misc]
            assert 0 < done < total
            (half,) = partials(target)
            grow_old(half)
            back_up(database, tmp_path / "other.db")
            back_up(database, target, overwrite=True)
            assert partials(target) == [half]
            before = target.read_bytes()
            first.kill()
            first.wait()
        assert target.read_bytes() == before
        grow_old(half)
        back_up(database, target, overwrite=True)
    assert partials(target) == []
    assert findings(target) == []


@pytest.mark.parametrize("task", ["back_up", "repair"])
def test_killed_at_any_write_it_is_all_or_nothing(tmp_path: Path, task: str) -> None:
    """Wherever a process dies, the old copy or the new one is there, and a turn is repaired or not; then it is done."""
    source = tmp_path / "source.db"
    fill(source)
    spoil(source, "DELETE FROM messages WHERE agent_id = 'guide' AND message_id > 1")
    (tmp_path / "tries").mkdir()
    with program("die_everywhere", task, source, tmp_path / "tries") as process:
        last = tmp_path / "tries" / str(said(process))
    tries = list((tmp_path / "tries").iterdir())
    assert len(tries) > 5
    for folder in tries:
        assert {found.kind for found in findings(folder / "sessions.db")} <= {"tool pair"}
        assert findings(folder / "target.db")[0].kind == "tool pair"
        for file in partials(folder / "target.db"):
            grow_old(file)
        with closing(open_database(folder / "sessions.db")) as database:
            assert back_up(database, folder / "target.db", overwrite=True).sessions == 1
        assert partials(folder / "target.db") == []
    assert bool(findings(last / "sessions.db")) == (task == "back_up")
