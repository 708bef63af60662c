"""Sessions as the files of the SDK's `FileSessionManager`: its bytes, and a folder that holds whole sessions."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from strands import Agent
from strands.session.file_session_manager import FileSessionManager
from strands.types.session import SessionAgent, SessionMessage

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import (
    AlreadyExistsError,
    NotFoundError,
    SQLiteSessionError,
    SQLiteSessionManager,
    TransferError,
)
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.transfer import Exported, ExportProgress, export_files, import_files

from .transferring import EARLY, GONE, IMAGE, LATE, ODD, ODD_ID, add_session, exported, fill, note, say, start, tree

SIDECAR = "strands_sqlite.json"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    database = open_database(tmp_path / "sessions.db")
    yield database
    database.close()


class Crew:
    """What the SDK's managers ask of a graph or swarm."""

    id = ODD_ID

    def serialize_state(self) -> dict[str, Any]:
        """Return what is stored."""
        return {"nodes": [1e16, float("nan"), 10**400], "ü\u2028": None}


def talk(manager: Any) -> None:
    """Let a manager store what an agent and a crew would."""
    session_id = manager.session_id
    for agent_id in ("silent", ODD_ID):
        manager.create_agent(session_id, SessionAgent(agent_id, {}, {}, {}, EARLY, EARLY))
    content: Any = [{"odd": ODD}, {"image": IMAGE}]
    for message_id in (0, 1, 10):
        record = SessionMessage({"role": "user", "content": content}, message_id, None, EARLY, EARLY)
        manager.create_message(session_id, ODD_ID, record)
    redaction: Any = GONE
    manager.update_message(
        session_id, ODD_ID, SessionMessage({"role": "user", "content": content}, 1, redaction, LATE, LATE)
    )
    manager.update_agent(session_id, SessionAgent(ODD_ID, {"odd": ODD}, {"n": 1e-7}, {"i": [None]}, LATE, LATE))
    manager.create_multi_agent(session_id, Crew())


def test_the_files_are_those_of_the_sdk_byte_for_byte(database: Database, tmp_path: Path) -> None:
    """The same calls on the SDK's own manager leave the same folders and files, permissions included."""
    files = FileSessionManager(ODD_ID, str(tmp_path / "sdk"))
    talk(files)
    with SQLiteSessionManager(ODD_ID, database.path) as manager:
        manager.session.created_at, manager.session.updated_at = files.session.created_at, files.session.updated_at
        manager.delete_session(ODD_ID)
        manager.create_session(manager.session)
        talk(manager)
    assert export_files(database, tmp_path / "ours") == Exported(sessions=1, messages=3, multi_agents=1)
    ours, theirs = tree(tmp_path / "ours"), tree(tmp_path / "sdk")
    assert ours.pop(f"session_{ODD_ID}/{SIDECAR}").startswith(b'{"format":"strands-sqlite-session","version":1,')
    assert ours == theirs
    for path in theirs:
        assert (tmp_path / "ours" / path).stat().st_mode == (tmp_path / "sdk" / path).stat().st_mode


def test_an_agent_of_the_sdk_resumes_from_the_files_and_ours_from_what_it_wrote(tmp_path: Path) -> None:
    """A conversation moves to files, goes on there, moves back, and goes on here: everybody knows what was said."""
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    with SQLiteSessionManager("trip", first) as manager:
        agent = Agent(model=ScriptedModel("Hello, Ada."), session_manager=manager, agent_id="a", callback_handler=None)
        agent("I am Ada.")
        agent.state.set("place", "Rome")
        manager.sync_agent(agent)
    database = open_database(first)
    export_files(database, tmp_path / "files")
    database.close()

    files = FileSessionManager("trip", str(tmp_path / "files"))
    agent = Agent(model=ScriptedModel("Ada, in Rome."), session_manager=files, agent_id="a", callback_handler=None)
    assert agent.state.get("place") == "Rome"
    agent("Who am I?")
    agent.state.set("place", "Paris")
    files.sync_agent(agent)

    database = open_database(second)
    import_files(database, tmp_path / "files")
    changes = database.read(
        lambda connection: connection.rows("SELECT changes FROM agent_state_history ORDER BY change_number")
    )
    database.close()
    assert "Rome" in "".join(row[0] for row in changes[:-1])
    assert json.loads(changes[-1][0])["state"] == {"replace": {"place": "Paris"}}
    with SQLiteSessionManager("trip", second) as manager:
        model = ScriptedModel("Bye.")
        agent = Agent(model=model, session_manager=manager, agent_id="a", callback_handler=None)
        agent("Bye.")
        assert agent.state.get("place") == "Paris"
        said = [block["text"] for message in agent.messages for block in message["content"]]
        assert [text.strip() for text in said] == [
            *["I am Ada.", "Hello, Ada.", "Who am I?", "Ada, in Rome.", "Bye.", "Bye."]
        ]


def test_a_later_export_brings_the_files_up_to_date(database: Database, tmp_path: Path) -> None:
    """Whatever was said, redacted, noted or cleared since; files of others stay."""
    fill(database)
    export_files(database, tmp_path / "files")
    (tmp_path / "files" / "session_talk" / "notes.txt").write_text("mine")
    say(database, "talk", 30, {"text": "new"})
    note(database, "talk", "Other", "{}")
    note(database, "bare", "Bare", "{}")
    export_files(database, tmp_path / "files")
    assert (tmp_path / "files" / "session_talk" / "notes.txt").read_text() == "mine"
    database.write(lambda connection: connection.run("UPDATE sessions SET title = NULL, metadata = NULL"))
    export_files(database, tmp_path / "files", ["bare"])
    other = open_database(":memory:")
    import_files(other, tmp_path / "files")
    assert exported(other, ["bare"]) == exported(database, ["bare"])
    assert b"new" in exported(other)
    assert b'"title":"Other"' in exported(other)
    other.close()


def test_what_the_folder_holds_beyond_the_session_is_not_mixed_up_with_it(database: Database, tmp_path: Path) -> None:
    """Another session of the same id, or messages that the database has not: nothing of the session is written."""
    add_session(database, "s", "a")
    say(database, "s", 0, {"text": "hi"})
    FileSessionManager("s", str(tmp_path / "files"))
    before = tree(tmp_path / "files")
    with pytest.raises(AlreadyExistsError, match=r"session\.json> belongs to another session"):
        export_files(database, tmp_path / "files")
    assert tree(tmp_path / "files") == before
    export_files(database, tmp_path / "more")
    message = tmp_path / "more" / "session_s" / "agents" / "agent_a" / "messages" / "message_1.json"
    message.write_text("{}")
    say(database, "s", 2, {"text": "later"})
    before = tree(tmp_path / "more")
    with pytest.raises(AlreadyExistsError, match=r"message_1\.json> is not in the session"):
        export_files(database, tmp_path / "more")
    assert tree(tmp_path / "more") == before


@pytest.mark.parametrize(
    "place", ["session_s", "session_s/agents", "session_s/session.json", "session_s/agents/agent_a"]
)
def test_no_link_is_followed(database: Database, tmp_path: Path, place: str) -> None:
    """Not even one to a folder in which everything could be written."""
    add_session(database, "s", "a")
    export_files(database, tmp_path / "files")
    (tmp_path / "files" / place).rename(tmp_path / "elsewhere")
    (tmp_path / "files" / place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TransferError, match="is a symbolic link"):
        export_files(database, tmp_path / "files")


def test_what_has_no_place_in_files_is_refused(database: Database, tmp_path: Path) -> None:
    """An id that is too long for a name, unknown fields that the SDK would take for its own, a session that is not."""
    add_session(database, "x" * 300)
    with pytest.raises(TransferError, match=r"File name too long \| .*export_jsonl"):
        export_files(database, tmp_path / "files")
    add_session(database, "s")
    database.write(lambda connection: connection.run("UPDATE sessions SET extra = '{\"created_at\":1}'"))
    with pytest.raises(TransferError, match="unknown field 'created_at'"):
        export_files(database, tmp_path / "files", ["s"])
    with pytest.raises(NotFoundError, match="nobody"):
        export_files(database, tmp_path / "files", ["nobody"])


@pytest.mark.parametrize("odd", ["'a' || char(0) || 'b'", "CAST(x'61eda080' AS TEXT)"], ids=["NUL", "half a character"])
def test_an_id_that_no_file_can_have_is_refused_by_name(database: Database, tmp_path: Path, odd: str) -> None:
    """Another program may have written it; what it is refused with says so."""
    add_session(database, "s")
    with apsw.Connection(str(database.path)) as other:
        other.execute(f"UPDATE sessions SET session_id = {odd}")
    with pytest.raises(SQLiteSessionError) as raised:
        export_files(database, tmp_path / "out")
    assert raised.value.hint
    assert not list((tmp_path / "out").glob("session_*"))


def test_an_export_to_files_that_is_killed_is_finished_by_the_next(database: Database, tmp_path: Path) -> None:
    """What was written is whole files; a session is one for others when all of its files are there."""
    for session_id in ("a", "b"):
        add_session(database, session_id, "a")
        for message_id in range(100):
            say(database, session_id, message_id, {"text": "x" * 1000})
    process = start("export_files", database.path, tmp_path / "files")
    assert process.stdout is not None
    assert process.stdout.readline() == "a\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for path in (tmp_path / "files").rglob("*.json"):
        json.loads(path.read_bytes())
    assert (tmp_path / "files" / "session_a" / "session.json").exists()
    export_files(database, tmp_path / "files")
    export_files(database, tmp_path / "again")
    found = {path: data for path, data in tree(tmp_path / "files").items() if not path.endswith(".tmp")}
    assert found == tree(tmp_path / "again")


def test_nothing_is_locked_while_files_are_told_of(database: Database, tmp_path: Path) -> None:
    """Progress is told between transactions, with the number of sessions."""
    fill(database)
    other = apsw.Connection(database.path)
    steps: list[tuple[int, int]] = []

    def progress(step: ExportProgress) -> None:
        other.execute("UPDATE sessions SET updated_at = updated_at")
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0] == 0
        steps.append((step.done, step.total))

    export_files(database, tmp_path / "files", progress=progress)
    other.close()
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
