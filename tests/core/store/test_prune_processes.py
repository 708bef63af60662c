"""Pruning while another process writes, and pruning that is killed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from strands_sqlite_session_manager import _message_index
from strands_sqlite_session_manager._database import Options
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.retention import _pruning, plan_prune, prune

from .retained import (
    PLAN,
    add_session,
    another_process,
    assert_sound,
    copies_of_the_killed,
    image,
    lengths,
    text,
)


def test_another_process_appends_while_sessions_are_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It loses nothing, and its session stays though it was planned; it is heard between any two transactions."""
    for pace in ("ALONE", "AMONG_OTHERS"):
        monkeypatch.setattr(_pruning, pace, getattr(_pruning, pace)._replace(seconds=0))
    database = open_database(tmp_path / "sessions.db", Options(durability="normal"))
    add_session(database, "appended to", tags=["old"])
    for number in range(60):
        add_session(database, f"old {number}", *[text("word " * 50)] * 20, tags=["old"])
    plan = plan_prune(database, PLAN)
    turns: list[int] = []
    with another_process("append", tmp_path / "sessions.db", "appended to") as process:

        def wait_until_it_has_appended(done: int, _total: int) -> None:
            before = lengths(database)["appended to"]
            while lengths(database)["appended to"] == before:
                assert process.poll() is None
            turns.append(done)

        pruned = prune(database, plan, progress=wait_until_it_has_appended)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        acknowledged = [0, *map(int, process.stdout)]
    assert (pruned.sessions, pruned.skipped) == (60, ("appended to",))
    assert lengths(database) == {"appended to": len(acknowledged)}
    assert turns == list(range(1, 62))
    assert_sound(database)
    database.close()


def test_a_prune_that_is_killed_leaves_whole_sessions(tmp_path: Path) -> None:
    """Wherever it was killed, each session is there with all its messages or not at all, and pruning again finishes."""
    db = tmp_path / "sessions.db"
    database = open_database(db, Options(durability="normal"))
    picture = random.Random("picture").randbytes(5000)
    for number in range(40):
        messages = [*[text(f"word {number} " * 50)] * 20, image(picture)]
        add_session(database, f"{number}", *messages, tags=["old"] if number % 4 else [])
    _message_index.catch_up(database)
    whole = lengths(database)
    database.close()
    left = set()
    for copy in copies_of_the_killed(db, "prune", 12):
        database = open_database(copy, Options(durability="normal"))
        found = lengths(database)
        left.add(len(found))
        assert found.items() <= whole.items()
        assert_sound(database)
        prune(database, plan_prune(database, PLAN))
        assert lengths(database) == {f"{number}": 21 for number in range(0, 40, 4)}
        assert_sound(database)
        database.close()
    assert len(left) > 3, "it was killed between the sessions, too"
