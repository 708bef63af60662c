"""Real agents go on in S3 from what was pushed, with the SDK's own managers, and what they changed comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from strands import Agent
from strands.session import SnapshotSessionManager
from strands.session.s3_session_manager import S3SessionManager
from strands.storage import S3Storage

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._imports import import_sessions
from strands_sqlite_s3_mirror._places import Places
from strands_sqlite_s3_mirror._push import push_live, push_release
from strands_sqlite_s3_mirror._restore import restore
from strands_sqlite_session_manager import AlreadyExistsError, SessionStore, SQLiteSessionManager, SQLiteStorage
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from tests.core.store.transferring import rows

from .restoring import exported, stored_objects
from .servers import Server

PLACES = Places("base")


class At:
    """Stands in for `boto3.Session`: `S3Storage` takes no endpoint."""

    def __init__(self, server: Server) -> None:
        self._client = server.client()

    def client(self, *_: object, **__: object) -> Any:
        """A client of the server."""
        return self._client


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """The database of an application."""
    database = open_database(tmp_path / "sessions.db")
    yield database
    database.close()


def agent(manager: Any, *answers: str, **more: Any) -> Agent:
    """An agent with a script."""
    return Agent(
        agent_id="helper", model=ScriptedModel(*answers), session_manager=manager, callback_handler=None, **more
    )


def said(one: Agent) -> list[str]:
    """Everything that was said."""
    return [block["text"] for message in one.messages for block in message["content"]]


@pytest.mark.parametrize("release", ["1.0", None])
def test_an_agent_goes_on_in_s3_and_comes_back(
    s3_server: Server, s3_bucket: Bucket, database: Database, release: str | None
) -> None:
    """Two turns here, one there by the stock manager, one here again; notes and history of the state stay."""
    with SQLiteSessionManager("chat", database.path) as manager:
        here = agent(manager, "Hello.", "Fine.", state={"mood": "calm"})
        here("Hi")
        here.state.set("mood", "glad")
        here("How are you?")
    with SessionStore(database.path) as store:
        store.set_title("chat", "Greetings")
    push_live(database, s3_bucket, PLACES)
    push_release(database, s3_bucket, PLACES, "1.0")
    root = PLACES.live if release is None else PLACES.release(release)
    there = agent(S3SessionManager("chat", s3_bucket.name, root, boto_session=At(s3_server)), "Still here.")
    assert said(there) == ["Hi", "Hello.", "How are you?", "Fine."]
    assert there.state.get("mood") == "glad"
    there.state.set("mood", "curious")
    there("Are you there?")
    before = exported(database)
    with pytest.raises(AlreadyExistsError, match="Session chat already exists with other content"):
        import_sessions(database, s3_bucket, root)
    assert exported(database) == before
    assert import_sessions(database, s3_bucket, root, on_conflict="replace").messages == 6
    assert rows(database)["sessions"][0][4] == "Greetings"
    assert len(rows(database)["agent_state_history"]) > 1
    with SQLiteSessionManager("chat", database.path) as manager:
        back = agent(manager, "Good.")
        assert said(back)[-2:] == ["Are you there?", "Still here."]
        assert back.state.get("mood") == "curious"
        back("Well then.")
        assert len(back.messages) == 8


def test_snapshots_go_on_in_s3_and_come_back(s3_server: Server, s3_bucket: Bucket, database: Database) -> None:
    """By the SDK's snapshot manager on its own storage, below the root of the live copy."""
    with SQLiteStorage(database.path) as storage:
        agent(SnapshotSessionManager("chat", storage=storage), "Hello.")("Hi")
    push_live(database, s3_bucket, PLACES)
    theirs = S3Storage(s3_bucket.name, prefix=PLACES.live.rstrip("/"), boto_session=At(s3_server))
    there = agent(SnapshotSessionManager("chat", storage=theirs), "Still here.")
    assert said(there) == ["Hi", "Hello."]
    there("Are you there?")
    before = stored_objects(database)
    with pytest.raises(AlreadyExistsError, match=r"snapshot_latest\.json already exists"):
        import_sessions(database, s3_bucket, PLACES.live)
    assert stored_objects(database) == before
    assert import_sessions(database, s3_bucket, PLACES.live, on_conflict="replace").objects == 1
    with SQLiteStorage(database.path) as storage:
        back = agent(SnapshotSessionManager("chat", storage=storage), "Good.")
        assert said(back) == ["Hi", "Hello.", "Are you there?", "Still here."]
        back("Well then.")


TALKER = """
import os, signal, sys
from strands import Agent
from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import SQLiteSessionManager

model = ScriptedModel(*[f"answer {number}" for number in range(4)])
agent = Agent(agent_id="helper", model=model, session_manager=SQLiteSessionManager("chat", sys.argv[1]),
              callback_handler=None)
for number in range(3):
    agent(f"question {number}")
print("pushed?", flush=True)
sys.stdin.readline()
agent("question 3")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_lost_machine(s3_bucket: Bucket, tmp_path: Path) -> None:
    """Its process is killed, its file deleted: elsewhere the agent goes on from what was pushed last."""
    path = tmp_path / "lost" / "sessions.db"
    process = subprocess.Popen(
        [sys.executable, "-c", TALKER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "pushed?\n"
    database = open_database(path)
    push_live(database, s3_bucket, PLACES)
    database.close()
    process.communicate("go on\n")
    assert process.returncode == -signal.SIGKILL
    for file in path.parent.iterdir():
        file.unlink()
    elsewhere = open_database(tmp_path / "elsewhere" / "sessions.db")
    restore(elsewhere, s3_bucket, PLACES)
    with SQLiteSessionManager("chat", elsewhere.path) as manager:
        back = agent(manager, "Welcome back.")
        assert said(back) == [f"{what} {number}" for number in range(3) for what in ("question", "answer")]
        back("question 3, again")
    assert push_live(elsewhere, s3_bucket, PLACES, take_over=True).uploaded > 0
    again = open_database(tmp_path / "again.db")
    restore(again, s3_bucket, PLACES)
    assert exported(again) == exported(elsewhere)
    again.close()
    elsewhere.close()
