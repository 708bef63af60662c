"""What a process leaves behind that is killed while it writes."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import apsw
import pytest
from strands import Agent
from strands.agent.conversation_manager import NullConversationManager

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import SQLiteSessionManager

KILLS = int(os.environ.get("STRANDS_SQLITE_KILLS", "20"))


def kill_at_random(crew: Any, chance: random.Random, order: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    """Let a worker talk, kill it at a random moment; return what it had restored and what was acknowledged to it."""
    crew.send(order)
    first = crew.line()
    assert "restored" in first, first
    reports = [crew.line() for _ in range(chance.randrange(12))]
    if (found := crew.line(chance.uniform(0, 0.004))) is not None:
        reports.append(found)
    os.kill(first["worker"], signal.SIGKILL)
    reports += crew.until_exit()
    assert all("stored" in report for report in reports), reports
    return first["restored"], [report["stored"] for report in reports]


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_a_killed_process_loses_no_acknowledged_message_and_the_session_resumes(
    crew: Any, tmp_path: Path, durability: str
) -> None:
    """However often a process is killed while an agent talks, each acknowledged message is there, once, in order.

    The next process resumes from it, `integrity_check` finds nothing, and no row lacks its parent.
    """
    chance = random.Random(f"kill {durability}")
    db = str(tmp_path / "sessions.db")
    order = {"task": "talk", "db": db, "session": "s", "durability": durability}
    stored: list[Any] = []
    for _ in range(KILLS):
        restored, acknowledged = kill_at_random(crew, chance, order)
        with SQLiteSessionManager("s", db) as manager:
            found = [record.to_message() for record in manager.list_messages("s", "default")]
            ids = [record.message_id for record in manager.list_messages("s", "default")]
        assert ids == list(range(len(ids)))
        assert found[: len(stored)] == stored
        assert found[len(stored) :][: len(acknowledged)] == acknowledged
        assert len(found) - len(stored) - len(acknowledged) in (0, 1), "at most the one message in flight"
        assert restored >= len(stored)
        stored = found
    assert len(stored) > KILLS
    connection = apsw.Connection(db)
    assert connection.pragma("integrity_check") == "ok"
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    with SQLiteSessionManager("s", db) as manager:
        model, keep_all = ScriptedModel("still here"), NullConversationManager()
        agent = Agent(model=model, session_manager=manager, conversation_manager=keep_all, callback_handler=None)
        assert str(agent("and now?")).strip() == "still here"
