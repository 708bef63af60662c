"""Many writers on one file: processes with threads and event loops, and readers that know what they may see."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from strands_sqlite_session_manager import SessionStore, SQLiteStorage
from tests.core.processes.conftest import Crew

from .board import Board
from .effort import EFFORT, LONG
from .interrupted import SESSIONS
from .planted_writers import PLANTS
from .readings import line_of, require_said
from .sayings import conversation, kept
from .writers_process import names_of

PROCESSES, SECONDS = 3, 300 * EFFORT if LONG else 3
INTERRUPTS = 10000 * EFFORT if LONG else 900
ROOT = Path(__file__).parents[2]
NOTICED = {
    "acknowledged before the commit": r"AssertionError",  # an own write is not there
    "results of a group swapped": r"DID NOT RAISE|ConflictError|NotFoundError|IndexError",  # those of another call
    "attachments freed too early": r"AssertionError",  # a message is not what was said
}
"""What is said of each plant by who notices it."""

assert set(NOTICED) == set(PLANTS)


@pytest.fixture(scope="module")
def writers() -> Iterator[Crew]:
    """A program that forks writers: they start in milliseconds, the SDK being imported once."""
    command = [sys.executable, "-m", "tests.campaign.writers_process"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Crew(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


def test_no_reader_ever_sees_less_than_was_acknowledged_or_more_than_was_written(
    writers: Crew, tmp_path: Path, tried: Counter[str]
) -> None:
    """Whoever reads, in whatever process, thread or loop, finds a state that the file had while it was reading.

    Managers, agents on shared loops, storages and stores write, redact, fork, rewind and delete at the same time. Each
    reads its own writes and gets its own errors. Everybody else's are seen whole, in order, and never undone. At the
    end the file holds what was acknowledged and nothing else.
    """
    db, board = tmp_path / "sessions.db", tmp_path / "board"
    order = {"db": str(db), "board": str(board), "processes": PROCESSES, "seconds": SECONDS}
    reports = writers.run(*({**order, "process": process} for process in range(PROCESSES)))
    assert len(reports) == PROCESSES
    failures = [failure for report in reports for failure in report["failed"]]
    assert not failures, "\n".join(failures)
    rounds: Counter[str] = sum((Counter(report["rounds"]) for report in reports), Counter())
    assert set(rounds) == {"log", "agent", "object", "keeper", "observer"}
    tried.update({f"rounds of the {kind} kind": number for kind, number in rounds.items()})
    require_acknowledged(db, Board(board, names_of(PROCESSES)))


def test_whoever_is_interrupted_loses_nothing_and_holds_nobody_up(
    writers: Crew, tmp_path: Path, tried: Counter[str]
) -> None:
    """Signals whose handler raises come while messages are written and read and agents made, alone and among others.

    What was acknowledged is stored, what was interrupted is stored whole or not at all, the next call goes on, and
    those on other threads notice nothing. A process that is stuck says where, and ends without its report.
    """
    db, board = tmp_path / "sessions.db", tmp_path / "board"
    order = {"db": str(db), "board": str(board), "process": 0, "processes": 1, "seconds": 3600}
    reports = writers.run({**order, "interrupts": INTERRUPTS})
    assert len(reports) == 1, "it was stuck, and has said on standard error where"
    (report,) = reports
    assert report["failed"] == []
    assert set(report["rounds"]) == {"log", "agent", "object", "keeper", "observer"}
    tried.update(report["tried"])
    require_acknowledged(db, Board(board, names_of(1)))


@pytest.mark.parametrize(("plant", "noticed"), NOTICED.items())
def test_readers_notice_what_is_planted(writers: Crew, tmp_path: Path, plant: str, noticed: str) -> None:
    """Writes that are acknowledged early, errors that go to others, bytes that are freed too soon: somebody sees it."""
    order = {"db": str(tmp_path / "sessions.db"), "board": str(tmp_path / "board"), "processes": 2, "seconds": 60}
    reports = writers.run(*({**order, "process": process, "plant": plant} for process in range(2)))
    assert [bool(report["failed"]) for report in reports] == [True, True], [report["rounds"] for report in reports]
    failures = [failure for report in reports for failure in report["failed"]]
    assert any(re.search(noticed, failure) for failure in failures), "\n".join(failures)


def require_acknowledged(db: Path, board: Board) -> None:
    """Hold that the file has what was acknowledged, and nothing else."""
    assert [name for name in board.names if board.begun(name) != board.acknowledged(name)] == []
    sessions: set[str] = set()
    with SessionStore(db) as store, SQLiteStorage(store) as storage:
        for name in board.names:
            step = board.acknowledged(name)
            if name.startswith("session/"):
                assert asyncio.run(storage.read(name)) == (kept(name, step) if step else None)
            elif name.startswith("notes"):
                sessions.add(name)
                assert store.summarize_session(name).info.title == (f"title {step}" if step else None)
            elif not name.startswith("writer") and step:
                sessions.add(conversation(name, step)[0])
                require_conversation(store, name, step)
        found = {info.session_id for info in store.list_sessions(limit=1000).sessions}
        assert {session for session in found if not session.startswith(SESSIONS)} == sessions
        assert store.verify() == []
    connection = apsw.Connection(str(db))
    assert connection.pragma("integrity_check") == "ok"
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def require_conversation(store: SessionStore, name: str, step: int) -> None:
    session, messages = conversation(name, step)
    found: list[Any] = store.read_messages(session)
    assert len(found) == messages
    for number, each in enumerate(found):
        if name.startswith("log"):
            require_said(session, number, each.message_id, each.message, redacted=each.redacted)
        else:
            assert each.message["content"][0]["text"] == line_of(session, number)
