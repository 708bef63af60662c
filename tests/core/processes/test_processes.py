"""Several processes on one file."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import apsw
import pytest

from strands_sqlite_session_manager import DatabaseBusyError, SQLiteSessionManager, _schema

PROCESSES, MESSAGES = 8, 500


def stored(db: str, session: str) -> list[tuple[int, str]]:
    """Return id and text of each message of the session."""
    with SQLiteSessionManager(session, db) as manager:
        records = manager.list_messages(session, "a")
    return [(record.message_id, record.message["content"][0]["text"]) for record in records]


def test_eight_processes_on_eight_sessions_lose_nothing_and_never_meet_a_lock(crew: Any, tmp_path: Path) -> None:
    """Processes that write to sessions of their own in one file do not disturb one another."""
    db = str(tmp_path / "sessions.db")
    names = [f"s{number}" for number in range(PROCESSES)]
    reports = crew.run(
        *({"task": "append", "db": db, "session": name, "agent": "a", "messages": MESSAGES} for name in names)
    )
    assert [report.get("appended") for report in reports] == [MESSAGES] * PROCESSES, reports
    for name in names:
        found = stored(db, name)
        assert [number for number, _ in found] == list(range(MESSAGES))
        assert len({text for _, text in found}) == 1, "one process wrote all of it"


def test_eight_processes_on_one_session_are_told_of_conflicts_and_what_was_acknowledged_is_there(
    crew: Any, tmp_path: Path
) -> None:
    """Of two writers that append at one place, one is told so; nothing acknowledged is overwritten or lost."""
    db = str(tmp_path / "sessions.db")
    order = {"task": "compete", "db": db, "session": "s", "agent": "a", "messages": MESSAGES}
    reports = crew.run(*[order] * PROCESSES)
    assert not [report for report in reports if "failed" in report]
    acknowledged = sorted((number, text) for report in reports for number, text in report["appended"])
    assert stored(db, "s") == acknowledged
    assert [number for number, _ in acknowledged] == list(range(PROCESSES * MESSAGES))
    assert sum(report["conflicts"] for report in reports) > 0
    for report in reports:
        numbers = [number for number, _ in report["appended"]]
        assert numbers == sorted(numbers), "each writer's messages are in the order in which it wrote them"


@pytest.mark.parametrize("same_session", [True, False])
def test_many_processes_may_open_a_new_file_at_once(crew: Any, tmp_path: Path, *, same_session: bool) -> None:
    """Whoever opens a file that is not there yet, at the same moment as others, gets it."""
    for round_ in range(5):
        db = str(tmp_path / f"{round_}.db")
        names = ["s" if same_session else f"s{number}" for number in range(16)]
        reports = crew.run(*({"task": "open_first", "db": db, "session": name} for name in names))
        assert [report for report in reports if "failed" in report] == []
        assert sorted(report["opened"] for report in reports) == sorted(names)
        connection = apsw.Connection(db)
        assert connection.execute("SELECT count(*) FROM migrations").get == _schema.VERSION
        assert connection.execute("SELECT count(*) FROM sessions").get == len(set(names))
        connection.close()


def test_a_fork_gets_connections_of_its_own_and_an_in_memory_database_stays_behind(crew: Any, tmp_path: Path) -> None:
    """Parent and child both go on with a manager that was open at the fork; a private database does not travel."""
    db = str(tmp_path / "sessions.db")
    reports = crew.run({"task": "fork_while_open", "db": db, "session": "s"})
    found = {key: value for report in reports for key, value in report.items() if key != "worker"}
    assert "belongs to the process that opened it" in found.pop("in_memory")
    assert found == {"child": 2, "parent": 3, "in_memory_lives": True}
    assert stored(db, "s") == [(0, "before"), (1, "child"), (2, "parent")]


def test_forks_in_the_middle_of_writing_threads_lose_nothing(crew: Any, tmp_path: Path) -> None:
    """A fork waits for the transactions under way; afterwards the threads of the parent and the child write on."""
    db = str(tmp_path / "sessions.db")
    (found,) = crew.run({"task": "fork_under_load", "db": db, "session": "s", "forks": 20})
    assert found.get("statuses") == [0] * 20, found
    connection = apsw.Connection(db)
    assert connection.pragma("integrity_check") == "ok"
    counts = dict(connection.execute("SELECT agent_id, count(*) FROM messages GROUP BY agent_id"))
    connection.close()
    threads = {f"thread {number}": written for number, written in enumerate(found["written"])}
    assert counts == threads | {f"child {number}": 1 for number in range(20)}


@pytest.mark.parametrize("protected", ["file", "folder"])
def test_a_file_or_folder_that_may_not_be_written_is_named(crew: Any, protected: str) -> None:
    """Where the user may not write, opening fails with the path and with what to do."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        db = folder / "sessions.db"
        if protected == "file":
            SQLiteSessionManager("s", db).close()
            db.chmod(0o444)
        folder.chmod(0o777 if protected == "file" else 0o555)
        (found,) = crew.run({"task": "open_as_nobody", "db": str(db), "session": "s"})
        folder.chmod(0o700)
        assert found.get("error") == "DatabaseReadOnlyError", found
        assert str(db) in found["text"]
        assert "make the file and its folder writable" in found["text"]


def test_a_lock_held_past_the_deadline_is_a_busy_error_and_nothing_is_written(crew: Any, tmp_path: Path) -> None:
    """Another process that keeps the write lock is waited for until the deadline, then named as the reason."""
    db = str(tmp_path / "sessions.db")
    SQLiteSessionManager("s", db).close()
    with SQLiteSessionManager("s", db, busy_timeout=0.2) as manager:
        crew.send({"task": "lock", "db": db})
        locked = crew.line()
        assert locked["locked"]
        with pytest.raises(DatabaseBusyError, match="locked by another process") as caught:
            manager.delete_session("s")
        assert db in str(caught.value)
        assert isinstance(caught.value.__cause__, apsw.BusyError)
        assert manager.read_session("s") is not None, "readers go on"
        os.kill(locked["worker"], signal.SIGKILL)
        crew.until_exit()
        manager.delete_session("s")
        assert manager.read_session("s") is None


def test_a_lock_of_a_moment_is_waited_for(crew: Any, tmp_path: Path) -> None:
    """A lock that is released before the deadline costs time, not an error."""
    db = str(tmp_path / "sessions.db")
    with SQLiteSessionManager("s", db) as manager:
        crew.send({"task": "lock", "db": db})
        locked = crew.line()
        attempts: list[int] = []
        connection = manager._database._file.writer.connection
        assert connection is not None

        def wait(attempt: int) -> bool:
            attempts.append(attempt)
            if attempt == 3:
                os.kill(locked["worker"], signal.SIGKILL)
            return connection.wait_again(attempt)

        connection.set_busy_handler(wait)
        manager.delete_session("s")
        crew.until_exit()
        assert len(attempts) > 3
        assert manager.read_session("s") is None
