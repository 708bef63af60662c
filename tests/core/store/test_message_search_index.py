"""The index of messages follows what is written: every search sees what the file holds, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from strands_sqlite_session_manager import _message_index as index
from strands_sqlite_session_manager import message_search
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database, open_for_reading
from strands_sqlite_session_manager.message_search import search_messages
from strands_sqlite_session_manager.repository.sessions import delete_session

from .searching import AGENT, SESSION, found, ids, redact, say


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """The file; its index is intact after the test, and has exactly the messages that it should have."""
    file = tmp_path / "sessions.db"
    yield file
    connection = apsw.Connection(str(file))
    connection.execute("INSERT INTO message_index (message_index) VALUES ('integrity-check')")
    stray = "SELECT id FROM message_index_docsize WHERE id NOT IN (SELECT change_id FROM messages)"
    assert connection.execute(stray).fetchall() == []
    connection.close()


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    """The open database."""
    opened = open_database(path)
    yield opened
    opened.close()


def test_each_search_sees_what_was_written_until_then(database: Database) -> None:
    """What is appended, redacted and deleted shows in the next search."""
    assert ids(database, "rain") == set()
    say(database, "rain", "snow")
    assert ids(database, "rain") == {0}
    say(database, "rain again")
    assert ids(database, "rain") == {0, 2}
    redact(database, 0, "withheld")
    assert ids(database, "rain") == {2}
    say(database, "rain elsewhere", session="other")
    delete_session(database, SESSION)
    assert found(database, "rain") == {("other", AGENT, 0)}
    delete_session(database, "other")
    assert found(database, "rain") == set()


def test_messages_of_a_session_that_comes_again(database: Database) -> None:
    """A session that was deleted and written anew is found as it is now."""
    say(database, "rain", "rain")
    assert ids(database, "rain") == {0, 1}
    delete_session(database, SESSION)
    say(database, "snow", "rain")

    assert ids(database, "rain") == {1}
    assert ids(database, "snow") == {0}


def test_more_messages_than_a_batch(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many batches index everything once, and tell how far they are, up to the end."""
    monkeypatch.setattr(index, "_FIRST_BATCH", 7)
    monkeypatch.setattr(index, "_READ_MESSAGES", 5)
    say(database, *[f"rain {number}" for number in range(100)])
    steps: list[tuple[int, int]] = []

    hits = search_messages(database, "rain", limit=1000, progress=lambda done, total: steps.append((done, total)))

    assert len(hits) == 100
    assert len(steps) > 3
    assert steps == sorted(steps)
    assert steps[-1] == (100, 100)
    assert {total for _, total in steps} == {100}


def test_large_texts_make_batches_small(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are bounded in characters, not only in messages."""
    monkeypatch.setattr(index, "_READ_CHARACTERS", 300)
    monkeypatch.setattr(index, "BATCH_CHARACTERS", 500)
    say(database, *["rain " * 50] * 20)
    steps: list[int] = []

    search_messages(database, "rain", progress=lambda done, _: steps.append(done))

    assert len(steps) >= 10
    assert steps[-1] == 20


def test_progress_may_use_the_database(database: Database) -> None:
    """No lock is held while the callback runs: it may read and write, and raise."""
    say(database, "rain")

    def progress(_: int, __: int) -> None:
        say(database, "rain from the callback")
        message = "enough"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="enough"):
        search_messages(database, "rain", progress=progress)
    assert ids(database, "rain") == {0, 1}


def test_nothing_is_written_where_nothing_is_new(database: Database, path: Path) -> None:
    """A search with nothing to index neither writes nor calls back."""
    say(database, "rain")
    search_messages(database, "rain")
    calls: list[int] = []
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")

    assert len(search_messages(database, "rain", progress=lambda done, _: calls.append(done))) == 1

    assert calls == []
    other.close()


def test_messages_that_no_program_can_read_are_left_out(database: Database) -> None:
    """A message that is not JSON is not found, and keeps nothing else from being found."""
    say(database, "rain", "rain", "rain")
    database.write(lambda c: c.run("UPDATE messages SET message = 'rain {' WHERE message_id = 1"))

    assert ids(database, "rain") == {0, 2}
    assert ids(database, "rain", role="user") == {0, 2}


def test_a_rebuilt_index_finds_the_same(database: Database, path: Path) -> None:
    """After `rebuild` and `optimize` everything is found as before, and nothing is left of what was deleted."""
    say(database, "rain", "zebrafish", "snow")
    assert ids(database, "zebrafish") == {1}
    redact(database, 1, "withheld")
    steps: list[tuple[int, int]] = []

    index.rebuild(database, lambda done, total: steps.append((done, total)))
    index.optimize(database)

    assert steps[-1] == (4, 4)
    assert (ids(database, "rain"), ids(database, "zebrafish"), ids(database, "withheld")) == ({0}, set(), {1})
    database.close()
    with apsw.Connection(str(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        blocks = connection.execute("SELECT block FROM message_index_data").fetchall()
    assert not any(b"zebrafish" in block for (block,) in blocks)


def test_an_index_that_is_emptied_meanwhile_is_filled_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the index is emptied between the reading and the writing of a batch, nothing is missing afterwards."""
    monkeypatch.setattr(index, "_FIRST_BATCH", 10)
    monkeypatch.setattr(index, "_GROWTH", 1)
    say(database, *["rain"] * 50)
    emptied: list[int] = []

    def progress(done: int, _: int) -> None:
        if done == 20 and not emptied:
            emptied.append(done)
            database.write(index.empty)

    hits = search_messages(database, "rain", limit=100, progress=progress)

    assert emptied == [20]
    assert len(hits) == 50


def test_many_small_batches_leave_few_segments(database: Database) -> None:
    """Searching after every message does not split the index into ever more parts."""
    for number in range(60):
        say(database, f"rain {number}", session=str(number))
        search_messages(database, "rain", limit=1)

    assert database.read(lambda c: c.row(index._SEGMENTS))[0] < 20
    assert len(found(database, "rain")) == 60


def test_while_others_write_batches_are_small(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once somebody else is seen writing, the batches that follow are small, and everything is indexed all the same."""
    monkeypatch.setattr(index, "_FIRST_BATCH", 20)
    monkeypatch.setattr(index, "SMALL_BATCH", 5)
    say(database, *["rain"] * 200)
    steps: list[int] = []

    def progress(done: int, _: int) -> None:
        steps.append(done)
        say(database, "rain meanwhile", session="other")

    hits = search_messages(database, "rain", limit=1000, progress=progress)

    sizes = [after - before for before, after in zip([0, *steps], steps, strict=False)]
    assert sizes[0] == 20
    assert max(sizes[3:]) <= 5
    assert len(hits) == 200 + len(steps)


def test_threads_that_search_and_write_at_once(database: Database) -> None:
    """Each thread finds what it wrote, at once, and nothing is found twice."""
    failures: list[BaseException] = []

    def talk(name: str) -> None:
        try:
            for number in range(12):
                say(database, f"rain {name}", session=name)
                assert ids(database, "rain", session_id=name) == set(range(number + 1))
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    threads = [threading.Thread(target=talk, args=(name,)) for name in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(found(database, "rain")) == 36


def test_an_in_memory_database_is_searched() -> None:
    """A private database has an index too."""
    database = open_database(":memory:")
    say(database, "rain", "snow")

    assert ids(database, "rain") == {0}
    database.close()


def test_a_file_that_is_only_read_is_searched(database: Database, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing may be written, what the index lacks is indexed in memory: the answer is the same."""
    monkeypatch.setattr(message_search._searches, "_MESSAGES_IN_MEMORY", 7)
    say(database, *["rain in the index"] * 5)
    search_messages(database, "rain")
    say(database, *["rain behind it, much rain"] * 30, "snow")
    reader = open_for_reading(path)
    steps: list[tuple[int, int]] = []

    hits = search_messages(reader, "rain", limit=100, progress=lambda done, total: steps.append((done, total)))

    assert {hit.message_id for hit in hits} == set(range(35))
    assert len(hits) == 35
    assert steps == sorted(steps)
    assert all(done <= total for done, total in steps)
    assert ids(reader, "rain", role="user") == set(range(35))
    assert [hit.message_id for hit in search_messages(reader, "rain", order="newest", limit=2)] == [34, 33]
    assert ids(reader, "rain", session_id="absent") == set()
    reader.close()


def test_a_reader_keeps_up_with_a_writer(database: Database, path: Path) -> None:
    """What is written, redacted, deleted, indexed and rebuilt by others is what a reader finds the next time."""
    say(database, "rain")
    reader = open_for_reading(path)
    assert ids(reader, "rain") == {0}
    say(database, "rain")
    assert ids(reader, "rain") == {0, 1}
    redact(database, 1, "withheld")
    assert (ids(reader, "rain"), ids(reader, "withheld")) == ({0}, {1})
    assert ids(database, "rain") == {0}
    assert (ids(reader, "rain"), ids(reader, "withheld")) == ({0}, {1})
    say(database, "rain")
    assert ids(reader, "rain") == {0, 2}
    database.write(index.empty)
    assert ids(reader, "rain") == {0, 2}
    index.catch_up(database)
    assert ids(reader, "rain") == {0, 2}
    delete_session(database, SESSION)
    assert ids(reader, "rain") == set()
    reader.close()


def test_a_reader_changes_nothing(database: Database, path: Path) -> None:
    """Searching a read-only database writes nothing to the file, however much it lacks."""
    say(database, *["rain"] * 20)
    before = database.read(lambda c: (c.row("PRAGMA data_version"), index.indexed_to(c)))
    with_reader = open_for_reading(path)

    assert len(found(with_reader, "rain")) == 20

    assert database.read(lambda c: (c.row("PRAGMA data_version"), index.indexed_to(c))) == before
    with_reader.close()


def test_a_search_does_not_give_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where others write whenever the search has caught up, it does both in one transaction in the end."""
    say(database, "rain")
    catch_up = index.catch_up

    def and_then_a_message(*arguments: Any) -> None:
        catch_up(*arguments)
        say(database, "rain in between")

    monkeypatch.setattr(index, "catch_up", and_then_a_message)

    assert ids(database, "rain") == {0, 1, 2, 3}
    assert ids(database, "rain") == {0, 1, 2, 3, 4, 5, 6}
