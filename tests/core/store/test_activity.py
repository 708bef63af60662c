"""The last activity of each session: it follows every write, in whatever order, and nobody waits for it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from strands_sqlite_session_manager import _activity
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database, Options
from strands_sqlite_session_manager._schema import open_database, open_for_reading

from .cataloged import (
    activity,
    add_many,
    add_session,
    at,
    expected_activity,
    milliseconds,
    put,
    put_agent,
    put_message,
    put_session,
    rewind,
    step,
    touch_agent,
)

OTHER = Path(__file__).with_name("activity_process.py")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    """An empty database."""
    database = open_database(path, Options(durability="normal"))
    yield database
    database.close()


@pytest.fixture(params=["one by one", "all"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to find the sessions with something new: through what is new, and through all of them."""
    if request.param == "all":
        monkeypatch.setattr(_activity, "_FEW", -1)
        monkeypatch.setattr(_activity, "_WORTH_SCANNING", 0)


def start(what: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(OTHER), what, str(path)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def followed(database: Database) -> dict[str, str]:
    _activity.catch_up(database)
    return database.read(activity)


def test_the_latest_of_creation_messages_agents_and_multi_agents_counts(database: Database) -> None:
    """Whatever was written last makes the last activity: each of the four in turn."""

    def add(connection: Connection) -> None:
        for session_id in ("created", "said", "agent", "crew"):
            put_session(connection, session_id, "a", time=at(10))
        put_message(connection, "created", "a", time=at(5))
        put_message(connection, "said", "a", time=at(11.5))
        touch_agent(connection, "agent", "a", at(12))
        crew = {"multi_agent_id": "m", "state": "{}", "created_at": at(0), "updated_at": at(13)}
        put(connection, "multi_agents", session_id="crew", **crew)

    database.write(add)
    expected = {"created": 10, "said": 11.5, "agent": 12, "crew": 13}
    assert followed(database) == {session_id: milliseconds(seconds) for session_id, seconds in expected.items()}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-01-01T12:00:00.123456+00:00", "2026-01-01T12:00:00.123+00:00"),
        ("2026-01-01T14:30:00.5+02:30", "2026-01-01T12:00:00.500+00:00"),
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:00.000+00:00"),
        ("2026-01-01 12:00", "2026-01-01T12:00:00.000+00:00"),
        ("2026-01-01", "2026-01-01T00:00:00.000+00:00"),
        ("2026-01-01T99:00:00", "2026-01-01T99:00:00"),
        ("yesterday", "yesterday"),
        ("now", "now"),
        ("", ""),
        ("2461042", "2461042"),
    ],
)
def test_times_are_utc_with_milliseconds_and_other_text_stays(database: Database, written: str, read: str) -> None:
    """Times of every form can be compared as text; what is no time is neither lost nor taken for one."""
    database.write(lambda connection: put_session(connection, "s", time=written))
    assert followed(database) == {"s": read}


@pytest.mark.usefixtures("way")
def test_a_rewind_lowers_it_again(database: Database) -> None:
    """When the last messages are deleted, the last activity is that of those that are left."""
    add_session(database, "s")
    for number in range(4):
        database.write(lambda connection, n=number: put_message(connection, "s", "a", time=at(100 * n)))  # type: ignore[misc]
    assert followed(database) == {"s": milliseconds(300)}
    database.write(lambda connection: rewind(connection, "s", "a", 2))
    assert followed(database) == {"s": milliseconds(100)}


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("seed", range(6))
def test_it_follows_every_history_of_writes(path: Path, database: Database, seed: int) -> None:
    """After any writes, deletions and rewinds, one who writes and two who only read all know the last activities."""
    chance = Random(seed)
    database.write(lambda connection: put_session(connection, "first", time=at(1)))
    readers = [open_for_reading(path) for _ in range(2)]
    for _ in range(150):
        database.write(lambda connection: step(connection, chance))
        expected = database.read(expected_activity)
        if chance.random() < 0.1:
            assert followed(database) == expected
        for reader, often in zip(readers, (0.3, 0.05), strict=True):
            if chance.random() < often:
                assert followed(reader) == expected
    assert followed(database) == database.read(expected_activity)
    for reader in readers:
        reader.close()


def test_a_session_that_never_changes_costs_nothing_again(database: Database) -> None:
    """Where nothing was written since, nothing is written either."""
    add_many(database, 3)
    _activity.catch_up(database)
    before = database.read(lambda connection: connection.row("PRAGMA data_version"))
    written = []
    database.write = written.append  # type: ignore[assignment,method-assign]
    _activity.catch_up(database)
    assert (written, before) == ([], database.read(lambda connection: connection.row("PRAGMA data_version")))


def test_many_sessions_take_many_transactions(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another writer never waits for more than a batch of sessions."""
    monkeypatch.setattr(_activity, "BATCH_SESSIONS", 10)
    add_many(database, 95)
    sizes = [0]
    write = database.write

    def counted(operation: object) -> None:
        write(operation)  # type: ignore[arg-type]
        sizes.append(len(database.read(activity)))

    database.write = counted  # type: ignore[assignment,method-assign]
    _activity.catch_up(database)
    assert [after - before for before, after in pairwise(sizes)] == [10] * 9 + [5]


def test_reading_only_needs_no_copy_where_nothing_is_behind(path: Path, database: Database) -> None:
    """A reader of a file that is up to date reads its table, and has none of its own."""
    add_many(database, 3)
    _activity.catch_up(database)
    reader = open_for_reading(path)
    assert followed(reader) == database.read(activity)
    assert reader.read(lambda connection: connection.rows("SELECT name FROM sqlite_temp_schema")) == []
    reader.close()


def test_reading_only_changes_nothing_in_the_file(path: Path, database: Database) -> None:
    """What a reader completes, only its own connection sees; somebody else's catching up is taken over."""
    add_many(database, 3)
    _activity.catch_up(database)
    add_many(database, 2, first=3)
    reader = open_for_reading(path)
    assert followed(reader) == database.read(expected_activity)
    assert len(database.read(activity)) == 3
    _activity.catch_up(database)
    assert followed(reader) == database.read(expected_activity)
    assert reader.read(lambda connection: connection.rows("SELECT * FROM temp.newer_activity")) == []
    reader.close()


def test_pages_by_activity_use_an_index_where_the_table_is_completed(path: Path, database: Database) -> None:
    """A page is not a sort of all sessions, whoever wrote last."""
    add_many(database, 3)
    _activity.catch_up(database)
    add_session(database, "t", seconds=9)
    reader = open_for_reading(path)
    _activity.catch_up(reader)
    _activity.catch_up(reader)
    sql = "SELECT session_id, last_activity FROM session_activity ORDER BY last_activity DESC, session_id DESC LIMIT 5"
    plan = reader.read(lambda connection: connection.rows(f"EXPLAIN QUERY PLAN {sql}"))
    assert not any("TEMP B-TREE" in step[3] for step in plan), plan
    reader.close()


def test_two_processes_may_catch_up_at_once_while_they_write(path: Path, database: Database) -> None:
    """Neither undoes what the other did, and in the end nothing is missing."""
    add_many(database, 300)
    with start("write", path) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "writing\n"
        for number in range(60):
            time = at(200_000 + number)
            database.write(lambda connection, t=time: put_message(connection, "s00050", "a", time=t))  # type: ignore[misc]
            assert followed(database)["s00050"] == milliseconds(200_000 + number)
        other.communicate("\n")
        assert other.returncode == 0
    assert followed(database) == database.read(expected_activity)


def test_a_process_that_is_killed_in_the_middle_leaves_the_rest_for_the_next_time(
    path: Path, database: Database
) -> None:
    """What it wrote is right, nothing says that it got further, and the next one finishes."""
    add_many(database, 200)
    with start("follow", path) as other:
        assert other.stdout is not None
        assert [other.stdout.readline() for _ in range(3)] == ["wrote\n"] * 3
        other.send_signal(signal.SIGKILL)
        other.communicate()
    expected = database.read(expected_activity)
    left = database.read(activity)
    assert left
    assert left.items() <= expected.items()
    assert followed(database) == expected


def test_a_session_that_is_deleted_while_others_catch_up_is_left_out(database: Database) -> None:
    """Its id may be taken again at once, by a session of another time."""
    add_session(database, "s", seconds=500)
    assert followed(database) == {"s": milliseconds(500)}

    def replace(connection: Connection) -> None:
        connection.run("INSERT INTO deletions (change_id, session_id) VALUES (1000, 's')")
        connection.run("DELETE FROM sessions WHERE session_id = 's'")

    database.write(replace)
    assert followed(database) == {}
    database.write(lambda connection: put_session(connection, "s", time=at(7)))
    database.write(lambda connection: put_agent(connection, "s", "a", at(8)))
    assert followed(database) == {"s": milliseconds(8)}
