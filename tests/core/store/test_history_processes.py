"""Forks and rewinds while another process writes, and those whose process is killed in the middle."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strands_sqlite_session_manager._database import Database, Options
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.history import fork_session, read_checkpoint, rewind_session

from . import history_process
from .histories import everything, no_damage, query

LARGE = 3_000
"""Messages of a session that is large enough to be killed in the middle of."""

_AGENT = """
INSERT INTO agents (session_id, agent_id, state, conversation_manager_state, internal_state, created_at)
VALUES (?, 'agent', '{"last": -1}', '{}', '{}', '2026')
"""
_MESSAGE = """
INSERT INTO messages (session_id, agent_id, message_id, message, created_at)
VALUES ('s', 'agent', ?, '{"role": "user", "content": [{"text": "' || ? || '"}]}', '2026')
"""
_HISTORY = """
INSERT INTO agent_state_history (session_id, agent_id, change_number, message_id, changes)
VALUES (?, 'agent', ?, ?, '{"state": {"set": {"last": ' || ? || '}}}')
"""
_BLOB = "INSERT INTO blobs (blob_id, sha256, content) VALUES (?, ?, randomblob(600))"
_LINK = "INSERT INTO message_blobs (session_id, agent_id, message_id, blob_id) VALUES ('s', 'agent', ?, ?)"


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """The file; nothing in it is damaged after the test."""
    file = tmp_path / "sessions.db"
    yield file
    assert no_damage(file)


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    """The open database, with an agent that has said nothing in the sessions "s" and "t"."""
    opened = open_database(path, Options(durability="normal"))

    def fill(connection: Any) -> None:
        for session_id in ("s", "t"):
            connection.run("INSERT INTO sessions (session_id, session_type) VALUES (?, 'AGENT')", (session_id,))
            connection.run(_AGENT, (session_id,))
            connection.run(_HISTORY, (session_id, 1, None, -1))

    opened.write(fill)
    yield opened
    opened.close()


def process(path: Path, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Start a process that does as the arguments say."""
    command = [sys.executable, history_process.__file__, str(path), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)


def line(child: subprocess.Popen[str]) -> str:
    """Return what the process says next."""
    assert child.stdout is not None
    return child.stdout.readline().strip()


def end(child: subprocess.Popen[str]) -> list[str]:
    """Let the process come to its end; return what it has said until then."""
    said, _ = child.communicate()
    return said.split()


def ids(path: Path, session_id: str) -> list[int]:
    """The ids of a session's messages."""
    found = query(path, "SELECT message_id FROM messages WHERE session_id = ? ORDER BY message_id", session_id)
    return [message_id for (message_id,) in found]


def test_a_fork_is_one_instant_of_a_session_that_goes_on(path: Path, database: Database) -> None:
    """While another process appends, each fork has all messages up to one, with the state that belongs to it."""
    child = process(path, "append", "s")
    forks = []
    for number in range(12):
        line(child)
        forks.append(fork_session(database, "s", f"fork {number}"))
        assert len(ids(path, f"fork {number}")) == forks[-1].messages
    acknowledged = end(child)

    assert [fork.messages for fork in forks] == sorted(fork.messages for fork in forks)
    for fork in forks:
        assert ids(path, fork.session_id) == list(range(fork.messages))
        for at in (-1, fork.messages - 1):
            assert read_checkpoint(database, fork.session_id, at).state == {"last": at}
    assert ids(path, "s") == list(range(int(acknowledged[-1]) + 1))


def test_a_rewind_takes_nothing_from_a_session_that_another_process_writes(path: Path, database: Database) -> None:
    """What was acknowledged there is stored, with counters of its own; the rewound session is where it should be."""
    for _ in range(20):
        history_process.append(database, "s")
    child = process(path, "append", "t")
    first = int(line(child))
    for at in range(18, -1, -1):
        assert rewind_session(database, "s", at=at).removed_messages == 1
        line(child)
        assert read_checkpoint(database, "s", at).state == {"last": at}
    acknowledged = end(child)

    assert first == 0
    assert ids(path, "s") == [0]
    assert ids(path, "t") == list(range(int(acknowledged[-1]) + 1))
    taken = query(path, "SELECT change_id FROM messages UNION ALL SELECT change_id FROM deletions")
    assert len(set(taken)) == len(taken)


def test_two_processes_take_a_session_back_and_forth(path: Path, database: Database) -> None:
    """A session that is rewound while another process appends to it is one or the other, never a mixture."""
    child = process(path, "append", "s")
    for _ in range(30):
        line(child)
        rewind_session(database, "s", at=0)
        found = ids(path, "s")
        assert found == list(range(len(found)))
        last = found[-1]
        assert read_checkpoint(database, "s", 0).state == {"last": 0}
        assert last >= 0
    end(child)
    found = ids(path, "s")
    assert found == list(range(len(found)))
    assert [read_checkpoint(database, "s", at).state for at in found] == [{"last": at} for at in found]


def fill(connection: Any) -> None:
    """Make the session "s" large, each tenth message with a binary value of its own."""
    connection.executemany(_MESSAGE, ((number, f"{number} " * 100) for number in range(LARGE)))
    connection.executemany(_HISTORY, (("s", number + 2, number, number) for number in range(LARGE)))
    connection.executemany(_BLOB, ((number + 1, f"{number}") for number in range(0, LARGE, 10)))
    connection.executemany(_LINK, ((number, number + 1) for number in range(0, LARGE, 10)))


@pytest.mark.parametrize("task", ["fork", "rewind"])
def test_what_a_killed_process_began_is_not_there(path: Path, database: Database, task: str) -> None:
    """A process that is killed in the middle of a fork or rewind has changed nothing; one that ends has done it all."""
    database.write(fill)
    before = everything(path)
    killed, steps = 0, 0
    while True:
        child = process(path, task, "s", steps)
        said = end(child)
        if child.returncode == 0:
            break
        assert (child.returncode, said) == (-9, [])
        assert everything(path) == before
        assert no_damage(path)
        killed += 1
        steps = max(1, steps * 5)

    assert killed >= 4, "the session is large enough to be killed at several moments"
    if task == "fork":
        assert ids(path, "fork") == list(range(LARGE))
        assert query(path, "SELECT count(*) FROM message_blobs") == [(LARGE // 10 * 2,)]
        assert read_checkpoint(database, "fork", LARGE - 2).state == {"last": LARGE - 2}
    else:
        assert ids(path, "s") == list(range(history_process.KEPT + 1))
        assert query(path, "SELECT count(*) FROM blobs") == [((history_process.KEPT + 1) // 10,)]
        assert read_checkpoint(database, "s", history_process.KEPT).state == {"last": history_process.KEPT}
