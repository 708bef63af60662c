"""A process that ends without closing what it opened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from strands_sqlite_session_manager import SQLiteSessionManager

PROGRAM = """
import asyncio, sys
from strands.types.session import SessionAgent, SessionMessage
from strands_sqlite_session_manager import SQLiteSessionManager

manager = SQLiteSessionManager("s", sys.argv[1])
in_memory = SQLiteSessionManager("s", ":memory:")
manager.create_agent("s", SessionAgent("a", {}, {}))

async def write(number):
    record = SessionMessage({"role": "user", "content": [{"text": "x"}]}, number)
    await manager._database.collect(lambda: manager.create_message("s", "a", record)).commit_async()

async def main():
    await asyncio.gather(*(write(number) for number in range(20)))

asyncio.run(main())
manager.list_messages("s", "a")
"""


def test_a_program_that_ends_without_close_ends_cleanly_and_leaves_one_file(tmp_path: Path) -> None:
    """The interpreter's end closes the database: no thread holds it up, nothing is printed, the WAL is folded in."""
    db = tmp_path / "sessions.db"
    ended = subprocess.run([sys.executable, "-c", PROGRAM, db], capture_output=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
    assert [found.name for found in tmp_path.iterdir()] == ["sessions.db"]
    with SQLiteSessionManager("s", db) as manager:
        assert len(manager.list_messages("s", "a")) == 20
