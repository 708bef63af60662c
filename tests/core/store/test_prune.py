"""Pruning: what a policy lets go is planned, then deleted session by session, and nothing that is in use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from strands_sqlite_session_manager import SQLiteSessionManager
from strands_sqlite_session_manager._database import Database, Options
from strands_sqlite_session_manager._schema import open_database, open_for_reading
from strands_sqlite_session_manager.errors import DatabaseReadOnlyError
from strands_sqlite_session_manager.retention import PrunePlan, PrunePolicy, _pruning, _weighing, plan_prune, prune

from .retained import NOW, add_message_now, add_session, assert_sound, image, lengths, text

DAY = timedelta(days=1)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database with ten sessions of two messages: `s1` was active one day ago, `s10` ten days ago."""
    database = open_database(tmp_path / "sessions.db", Options(durability="normal"))
    for days in range(1, 11):
        tags = ["even" if days % 2 == 0 else "odd", *(["keep"] if days == 9 else [])]
        add_session(database, f"s{days}", text("hello"), text("x" * 1000, "assistant"), days_ago=days, tags=tags)
    yield database
    database.close()


def planned(database: Database, **policy: Any) -> list[int]:
    """How many days ago the sessions were active that a policy lets go."""
    plan = plan_prune(database, PrunePolicy(**policy), now=NOW)
    return [int(session.session_id[1:]) for session in plan.sessions]


@pytest.mark.parametrize(
    ("policy", "goes"),
    [
        ({"older_than": 7.5 * DAY}, [10, 9, 8]),
        ({"older_than": 7.5 * DAY, "keep_tags": ("keep",)}, [10, 8]),
        ({"older_than": 7.5 * DAY, "tags": ("even",)}, [10, 8]),
        ({"older_than": 7.5 * DAY, "tags": ("odd", "keep")}, [9]),
        ({"older_than": 3000 * 365 * DAY}, []),
        ({"keep_last": 7}, [10, 9, 8]),
        ({"keep_last": 0}, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ({"keep_last": 20}, []),
        ({"keep_last": 3, "tags": ("odd",)}, [9, 7]),
        ({"keep_last": 8, "older_than": 5 * DAY}, [10, 9]),
        ({"tags": ("even",)}, [10, 8, 6, 4, 2]),
        ({"tags": ("even", "odd")}, []),
        ({"max_bytes": 8000}, [10, 9, 8]),
        ({"max_bytes": 8000, "keep_tags": ("keep",)}, [10, 8, 7]),
        ({"max_bytes": 8000, "keep_last": 8}, [10, 9]),
        ({"max_bytes": 8000, "older_than": 5.5 * DAY}, [10, 9, 8, 7, 6]),
        ({"max_bytes": 100_000}, []),
        ({"max_bytes": 0}, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
    ],
)
def test_a_policy_lets_the_oldest_go_within_its_limits(
    database: Database, policy: dict[str, Any], goes: list[int]
) -> None:
    """A limit lets sessions go, each on its own account; `keep_last` and `keep_tags` keep them whatever it says."""
    assert planned(database, **policy) == goes


def test_a_plan_tells_what_would_go_and_changes_nothing(database: Database) -> None:
    """Each session comes with its title, its last activity, its messages and its bytes."""
    database.write(lambda connection: connection.run("UPDATE sessions SET title = 'ten' WHERE session_id = 's10'"))
    plan = plan_prune(database, PrunePolicy(older_than=9.5 * DAY), now=NOW)
    (session,) = plan.sessions
    assert (session.session_id, session.title, session.messages) == ("s10", "ten", 2)
    assert datetime.fromisoformat(session.last_activity) == NOW - 10 * DAY
    assert 1000 < session.bytes == plan.bytes < 1200
    assert len(lengths(database)) == 10


def test_an_attachment_counts_with_the_last_that_uses_it(database: Database) -> None:
    """Of sessions that share an image, the last one that goes frees it, and none as long as another one stays."""
    add_session(database, "shares", image(b"1" * 50_000), image(b"3" * 30_000), days_ago=30)
    add_session(database, "shares too", image(b"1" * 50_000), image(b"2" * 20_000), days_ago=20)
    add_session(database, "stays", image(b"3" * 30_000), days_ago=1)
    plan = plan_prune(database, PrunePolicy(older_than=15 * DAY), now=NOW)
    assert [session.bytes // 10_000 for session in plan.sessions] == [0, 7]
    assert plan.bytes == sum(session.bytes for session in plan.sessions)
    assert prune(database, plan).bytes == plan.bytes


@pytest.mark.parametrize(
    ("max_bytes", "goes"),
    [
        (200_000, []),
        (140_000, [30]),
        (90_000, [30, 20, 15]),
        (40_000, [30, 20, 15, 12]),
    ],
)
def test_an_attachment_that_several_share_counts_once(
    monkeypatch: pytest.MonkeyPatch, database: Database, max_bytes: int, goes: list[int]
) -> None:
    """The oldest go until the rest fits, and what they share is there until the last of them goes."""
    monkeypatch.setattr(_weighing, "BATCH_SESSIONS", 2)
    own = {30: 20_000, 20: 0, 15: 30_000, 12: 0}
    for days, size in own.items():
        shared = [image(b"1" * 50_000), image(b"1" * 50_000 + b"2")][: 1 if days < 15 else 2]
        add_session(
            database, f"f{days}", *shared, image(str(days).encode() * (size // 2)), days_ago=days, tags=["fork"]
        )
    add_session(database, "other", image(b"1" * 50_000), days_ago=40)
    assert planned(database, max_bytes=max_bytes, tags=("fork",)) == goes


@pytest.mark.parametrize(("policy", "kept"), [({"keep_last": 2}, 2), ({"max_bytes": 0}, 4), ({"tags": ("odd",)}, 2)])
def test_what_was_active_a_moment_ago_is_in_use(database: Database, policy: dict[str, Any], kept: int) -> None:
    """A session that was active within `idle` stays whatever the limits say, and the plan counts it."""
    plan = plan_prune(database, PrunePolicy(idle=4.5 * DAY, **policy), now=NOW)
    assert plan.kept_in_use == kept
    assert all(session.last_activity < (NOW - 4.5 * DAY).isoformat() for session in plan.sessions)


def test_by_default_an_hour_without_activity_is_idle(database: Database) -> None:
    """A session that paused for half an hour is in use, one that did for two hours is not."""
    add_session(database, "half an hour", days_ago=0.5 / 24, tags=["new"])
    add_session(database, "two hours", days_ago=2 / 24, tags=["new"])
    plan = plan_prune(database, PrunePolicy(tags=("new",)), now=NOW)
    assert [session.session_id for session in plan.sessions] == ["two hours"]
    assert plan.kept_in_use == 1


@pytest.mark.parametrize(
    ("policy", "error"),
    [
        ({}, ValueError),
        ({"keep_tags": ("keep",)}, ValueError),
        ({"keep_last": -1}, ValueError),
        ({"max_bytes": -1}, ValueError),
        ({"older_than": -DAY}, ValueError),
        ({"older_than": DAY, "idle": -DAY}, ValueError),
        ({"older_than": DAY, "keep_tags": ("keep", "")}, ValueError),
        ({"tags": (" ",)}, ValueError),
        ({"tags": "keep"}, TypeError),
        ({"older_than": DAY, "keep_tags": "keep"}, TypeError),
    ],
)
def test_a_policy_that_would_take_everything_or_means_nothing_is_refused(
    policy: dict[str, Any], error: type[Exception]
) -> None:
    """Nobody deletes all sessions because a limit was forgotten."""
    with pytest.raises(error):
        PrunePolicy(**policy)


def test_ages_are_counted_from_a_time_with_its_zone(database: Database) -> None:
    """A time without a zone could be any."""
    with pytest.raises(ValueError, match="time zone"):
        plan_prune(database, PrunePolicy(keep_last=1), now=datetime(2026, 6, 1))  # noqa: DTZ001 - what is refused


def test_a_plan_is_the_same_where_the_file_is_open_for_reading_only(tmp_path: Path, database: Database) -> None:
    """Planning does not need to write, and pruning is refused before anything happens."""
    policy = PrunePolicy(max_bytes=5000)
    expected = plan_prune(database, policy, now=NOW)
    add_session(database, "old", days_ago=50)
    reader = open_for_reading(tmp_path / "sessions.db")
    try:
        plan = plan_prune(reader, policy, now=NOW)
        assert [session.session_id for session in plan.sessions][1:] == [each.session_id for each in expected.sessions]
        with pytest.raises(DatabaseReadOnlyError):
            prune(reader, plan)
    finally:
        reader.close()
    assert len(lengths(database)) == 11


def test_what_was_planned_is_deleted_and_nothing_else(database: Database) -> None:
    """Attachments go with the last session that uses them; the deletions are on record for those who follow changes."""
    add_session(database, "shares", image(b"1" * 50_000), image(b"2" * 50_000), days_ago=30)
    add_session(database, "newer", image(b"1" * 50_000), days_ago=5)
    plan = plan_prune(database, PrunePolicy(older_than=7.5 * DAY), now=NOW)
    seen: list[tuple[int, int]] = []
    pruned = prune(database, plan, progress=lambda *step: seen.append(step))
    assert (pruned.sessions, pruned.skipped, pruned.bytes) == (4, (), plan.bytes)
    assert seen[-1] == (4, 4)
    assert sorted(lengths(database)) == sorted(["newer", *(f"s{days}" for days in range(1, 8))])
    sql = "SELECT session_id FROM deletions ORDER BY change_id"
    assert database.read(lambda connection: connection.rows(sql)) == [("shares",), ("s10",), ("s9",), ("s8",)]
    assert database.read(lambda connection: connection.rows("SELECT length(content) FROM blobs")) == [(50_000,)]
    assert_sound(database)


def test_what_was_written_to_since_the_plan_stays(database: Database) -> None:
    """A message, a new state, a new title: whatever was written, the session is no longer the one that was planned."""
    plan = plan_prune(database, PrunePolicy(older_than=5.5 * DAY), now=NOW)
    add_message_now(database, "s10", text("I am back"))
    database.write(
        lambda connection: connection.run(
            "UPDATE agents SET change_id = (SELECT 1 + max(change_id) FROM agents) WHERE session_id = 's8'"
        )
    )
    pruned = prune(database, plan)
    assert (pruned.sessions, pruned.skipped) == (3, ("s10", "s8"))
    assert pruned.bytes == sum(each.bytes for each in plan.sessions if each.session_id not in pruned.skipped)
    assert lengths(database) == {**{f"s{days}": 2 for days in (1, 2, 3, 4, 5, 8)}, "s10": 3}


def test_a_session_that_came_back_under_its_id_stays(database: Database) -> None:
    """A session that was deleted and begun anew since the plan is another one."""
    plan = plan_prune(database, PrunePolicy(older_than=8.5 * DAY), now=NOW)
    prune(database, PrunePlan(plan.sessions[:1], 0, 0, plan.counters))
    add_session(database, "s10", text("new"), days_ago=10)
    pruned = prune(database, plan)
    assert (pruned.sessions, pruned.skipped) == (1, ("s10",))


def test_a_session_that_a_manager_has_open_stays(tmp_path: Path, database: Database) -> None:
    """Its agent may be in the middle of a turn, however long ago it said something; once it is closed, it may go."""
    plan = plan_prune(database, PrunePolicy(older_than=8.5 * DAY), now=NOW)
    with SQLiteSessionManager("s10", tmp_path / "sessions.db"):
        assert prune(database, plan).skipped == ("s10",)
    assert prune(database, plan).skipped == ()
    assert sorted(lengths(database)) == [f"s{days}" for days in range(1, 9)]


@pytest.fixture
def _each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast the machine is, one session goes in a transaction."""
    monkeypatch.setattr(_pruning, "ALONE", _pruning.Pace(0, 0))


@pytest.mark.usefixtures("_each_alone")
def test_nobody_sees_a_part_of_a_session_and_others_write_between_the_transactions(database: Database) -> None:
    """Sessions of any length go whole; no lock is held while progress is told, and what is written then stays."""
    for number in range(30):
        add_session(database, f"long {number}", *[text("word " * 50)] * 100, days_ago=50)
    plan = plan_prune(database, PrunePolicy(older_than=40 * DAY), now=NOW)
    calls: list[int] = []

    def look(done: int, total: int) -> None:
        calls.append(done)
        found = lengths(database)
        assert {length for name, length in found.items() if name.startswith("long")} <= {100}
        assert sum(name.startswith("long") for name in found) == total - done
        add_message_now(database, "s1", text("meanwhile"))

    assert prune(database, plan, progress=look).sessions == 30
    assert calls == list(range(1, 31))
    assert lengths(database)["s1"] == 2 + 30
    assert_sound(database)


@pytest.mark.usefixtures("_each_alone")
def test_a_prune_that_is_stopped_goes_on_with_the_same_plan(database: Database) -> None:
    """What was deleted until then is, the rest is whole, and pruning again does what is left."""
    for number in range(20):
        add_session(database, f"long {number}", *[text("word " * 50)] * 100, days_ago=50)
    plan = plan_prune(database, PrunePolicy(older_than=40 * DAY), now=NOW)

    def stop(done: int, _total: int) -> None:
        if done > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune(database, plan, progress=stop)
    left = {name: length for name, length in lengths(database).items() if name.startswith("long")}
    assert len(left) == 20 - 6
    assert set(left.values()) == {100}
    assert prune(database, plan).sessions == len(left)
    assert len(lengths(database)) == 10


def test_in_memory_too() -> None:
    """A database in memory is pruned as a file is."""
    database = open_database(":memory:")
    add_session(database, "old", text("hello"), days_ago=9)
    add_session(database, "new", text("hello"), days_ago=1)
    assert prune(database, plan_prune(database, PrunePolicy(older_than=5 * DAY), now=NOW)).sessions == 1
    assert lengths(database) == {"new": 1}
    database.close()
