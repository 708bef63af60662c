"""Sessions, **ours**: races for their creation, and what is left of a deleted one."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from strands import Agent
from strands.types.session import Session

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import AlreadyExistsError, NotFoundError, SQLiteSessionManager

from .backends import SQLiteBackend
from .samples import agent, crew, said, session, stock, text_of

ROUNDS = 12

CONTENDER = """
import sys
from strands_sqlite_session_manager import SQLiteSessionManager
print("ready", flush=True)
for line in sys.stdin:
    with SQLiteSessionManager(line.strip(), sys.argv[1]) as manager:
        print(manager.read_session(manager.session_id).created_at, flush=True)
"""


def test_sqlite_existing_session_has_its_own_error_type(sqlite: SQLiteBackend) -> None:
    """**Ours.** The error has a type that can be caught without looking at its text."""
    manager = sqlite.open("s")

    with pytest.raises(AlreadyExistsError):
        manager.create_session(session("s"))


def test_sqlite_missing_session_has_its_own_error_type(sqlite: SQLiteBackend) -> None:
    """**Ours.** The error has a type that can be caught without looking at its text."""
    manager = sqlite.open("s")

    with pytest.raises(NotFoundError):
        manager.delete_session("missing")


def test_sqlite_deleted_session_leaves_no_row(sqlite: SQLiteBackend) -> None:
    """No table keeps anything of a deleted session but the record that it was deleted, and no binary part is left."""
    manager = sqlite.open("s")
    stock(manager, "s")
    image: Any = {"image": {"format": "png", "source": {"bytes": b"\x00\xff" * 4096}}}
    manager.create_message("s", "a", said(2, content=[image]))
    manager.update_agent("s", agent("a", step=2))

    manager.delete_session("s")

    tables = sqlite.rows(
        "SELECT t.name FROM pragma_table_list AS t, pragma_table_info(t.name) AS c"
        " WHERE t.type = 'table' AND c.name = 'session_id' AND t.name <> 'deletions'"
    )
    assert {"sessions", "agents", "messages", "multi_agents"} <= {name for (name,) in tables}
    left = {name: sqlite.rows(f'SELECT * FROM "{name}" WHERE session_id = ?', "s") for (name,) in tables}
    assert left == {name: [] for (name,) in tables}
    assert sqlite.rows("SELECT sha256 FROM blobs") == []


class Overtaken(SQLiteSessionManager):
    """A manager that another one overtakes between its look for the session and its creation."""

    def read_session(self, session_id: str, **kwargs: Any) -> Session | None:
        found = super().read_session(session_id, **kwargs)
        if found is None:
            with SQLiteSessionManager(session_id, self.db_path) as faster:
                Agent(
                    agent_id="a",
                    model=ScriptedModel(),
                    messages=[said(0, "from the winner").message],
                    state={"winner": True},
                    session_manager=faster,
                )
        return found


def test_sqlite_create_session_race_lost_between_look_and_creation(sqlite: SQLiteBackend) -> None:
    """**Ours.** A manager that finds its new session created in the meantime is built, and uses that session."""
    with Overtaken("new", sqlite.path) as manager:
        assert text_of(manager.read_message("new", "a", 0)) == "from the winner"

    assert sqlite.rows("SELECT count(*) FROM sessions") == [(1,)]


def test_sqlite_loser_of_the_race_resumes_the_winners_conversation(sqlite: SQLiteBackend) -> None:
    """**Ours.** An agent on the overtaken manager starts from what the winner stored, and overwrites nothing."""
    with Overtaken("new", sqlite.path) as manager:
        late = Agent(agent_id="a", model=ScriptedModel(), session_manager=manager, callback_handler=None)

        assert [message["content"] for message in late.messages] == [[{"text": "from the winner"}]]
        assert late.state.get() == {"winner": True}


def test_sqlite_create_session_race_of_threads(sqlite: SQLiteBackend) -> None:
    """**Ours.** Threads that build a manager on the same new session at once all succeed, round after round."""
    contenders = 4
    start = threading.Barrier(contenders)

    def contend(_number: int) -> list[str]:
        seen = []
        try:
            for turn in range(ROUNDS):
                start.wait()
                with SQLiteSessionManager(f"race-{turn}", sqlite.path) as manager:
                    stored = manager.read_session(f"race-{turn}")
                seen.append("nothing" if stored is None else stored.created_at)
        except BaseException:
            start.abort()  # the others must not wait for one that has failed
            raise
        return seen

    with ThreadPoolExecutor(contenders) as pool:
        first, *others = pool.map(contend, range(contenders))

    assert "nothing" not in first
    assert others == [first] * (contenders - 1)
    assert sqlite.rows("SELECT count(*) FROM sessions") == [(ROUNDS,)]


@pytest.fixture
def contenders(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that wait for names of sessions and build a manager on each; ended after the test."""
    command = [sys.executable, "-c", CONTENDER, str(tmp_path / "race.db")]
    pipe = subprocess.PIPE
    started = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
    yield started
    for process in started:
        process.kill()
        process.communicate()


def test_sqlite_create_session_race_of_processes(contenders: list[subprocess.Popen[str]]) -> None:
    """**Ours.** Two processes that build a manager on the same new session at once both succeed and see one session.

    The first round races for the creation of the file too.
    """
    orders = "".join(f"race-{turn}\n" for turn in range(ROUNDS))
    for process in contenders:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    with ThreadPoolExecutor(2) as pool:
        (one, errors), (other, other_errors) = pool.map(lambda process: process.communicate(orders), contenders)

    assert [process.returncode for process in contenders] == [0, 0], errors + other_errors
    assert one == other
    assert len(one.splitlines()) == ROUNDS


def test_sqlite_children_of_a_deleted_session_are_refused(sqlite: SQLiteBackend) -> None:
    """**Ours.** A manager whose session was deleted by another writes no orphans; it is told what is missing."""
    manager = sqlite.open("s")
    stock(manager, "s")
    sqlite.open("other").delete_session("s")

    for write in (
        lambda: manager.create_agent("s", agent("a")),
        lambda: manager.create_message("s", "a", said(2)),
        lambda: manager.create_multi_agent("s", crew()),
    ):
        with pytest.raises(NotFoundError, match=r"\bs\b.*does not exist"):
            write()
    assert sqlite.rows("SELECT count(*) FROM messages") == [(0,)]
