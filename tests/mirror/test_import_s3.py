"""Sessions that the SDK's own managers wrote to S3, of any version and below any prefix, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from strands.session.s3_session_manager import S3SessionManager
from strands.storage import S3Storage
from strands.types.session import Session, SessionAgent, SessionType

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._imports import import_sessions
from strands_sqlite_s3_mirror._loading import RestoreProgress
from strands_sqlite_session_manager import AlreadyExistsError, NotFoundError, SQLiteSessionManager, TransferError
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.transfer import export_files
from tests.core.store.test_export_files import talk
from tests.core.store.transferring import EARLY, LATE, ODD_ID, rows

from .restoring import exported, session_ids, stored_objects
from .servers import Server


class BeforeFix(S3SessionManager):
    """Keys as the SDK made them before 1.31: with a slash behind the prefix as it was given."""

    def _get_session_path(self, session_id: str) -> str:
        return f"{self.prefix}/session_{session_id}/"


class OneClient:
    """Stands in for `boto3.Session`: a client for every manager would take most of the time of these tests."""

    def __init__(self, server: Server) -> None:
        self._client = server.client()

    def client(self, *_: object, **__: object) -> Any:
        """The client."""
        return self._client


@pytest.fixture
def session(moto_server: Server) -> OneClient:
    """What the SDK's managers reach the bucket with."""
    return OneClient(moto_server)


@pytest.fixture
def there(moto_server: Server) -> Iterator[Bucket]:
    """A new bucket."""
    bucket = moto_server.bucket()
    yield bucket
    bucket.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    database = open_database(tmp_path / "sessions.db")
    yield database
    database.close()


Opener = Callable[..., S3SessionManager]


@pytest.fixture
def opened(there: Bucket, session: OneClient) -> Opener:
    """Builds the SDK's manager on the bucket."""

    def open_(session_id: str, prefix: str = "", kind: type[S3SessionManager] = S3SessionManager) -> S3SessionManager:
        return kind(session_id, there.name, prefix, boto_session=session)

    return open_


def write(bucket: Bucket, prefix: str, objects: dict[str, bytes], session: OneClient) -> None:
    """Store objects through the SDK's storage."""
    storage = S3Storage(bucket.name, prefix=prefix, boto_session=session)
    for key, data in objects.items():
        asyncio.run(storage.write(key, data))


def objects_of(bucket: Bucket) -> dict[str, bytes]:
    """Everything in the bucket."""
    return {each.key: (bucket.get(each.key) or pytest.fail(each.key)).data for each in bucket.list("")}


def test_sessions_come_as_the_sdk_reads_them(there: Bucket, database: Database, opened: Opener, tmp_path: Path) -> None:
    """Messages, states and graphs; they go out as the very same objects, and S3 stays as it was."""
    talk(opened("s", "agents/prod"))
    talk(opened(ODD_ID, "agents/prod"))
    opened("bare", "agents/prod")
    before = objects_of(there)
    done = import_sessions(database, there, "agents/prod")
    assert (done.sessions, done.messages, done.multi_agents, done.unchanged) == (3, 6, 2, 0)
    assert import_sessions(database, there, "agents/prod").unchanged == 3
    assert objects_of(there) == before
    theirs = opened("s", "agents/prod")
    with SQLiteSessionManager("s", database.path) as ours:
        assert repr(ours.list_messages("s", ODD_ID)) == repr(theirs.list_messages("s", ODD_ID))
        assert repr(ours.read_agent("s", ODD_ID)) == repr(theirs.read_agent("s", ODD_ID))
        assert repr(ours.read_multi_agent("s", ODD_ID)) == repr(theirs.read_multi_agent("s", ODD_ID))
        assert ours.session.created_at == theirs.session.created_at
    export_files(database, tmp_path / "out")
    files = {path.relative_to(tmp_path / "out"): path.read_bytes() for path in (tmp_path / "out").rglob("*.json")}
    assert {f"agents/prod/{path}": data for path, data in files.items()} == before


@pytest.mark.parametrize("kind", [S3SessionManager, BeforeFix])
@pytest.mark.parametrize("prefix", ["", "/", "p", "p/", "/p", "/p/", "a/b", "a/b//"])
def test_any_spelling_of_the_prefix(
    there: Bucket, database: Database, opened: Opener, prefix: str, kind: type[S3SessionManager]
) -> None:
    """What a manager wrote is found by the prefix that it was given, whatever SDK it was of; by ids too."""
    state(opened("s", prefix, kind), 1, EARLY)
    assert import_sessions(database, there, prefix).sessions == 1
    assert import_sessions(database, there, prefix, session_ids=["s"]).unchanged == 1
    other = open_database(":memory:")
    if prefix != "a/b//":
        assert import_sessions(other, there, prefix.strip("/")).sessions == 1
    other.close()


def state(manager: S3SessionManager, value: int, updated_at: str) -> None:
    """Store a session with one agent."""
    manager.create_agent(manager.session_id, SessionAgent("a", {"value": value}, {}, {}, EARLY, updated_at))


@pytest.mark.parametrize(("times", "taken"), [((EARLY, LATE), 2), ((LATE, EARLY), 1), ((EARLY, EARLY), 2)])
def test_of_two_places_the_newer_is_taken(
    there: Bucket, database: Database, opened: Opener, times: tuple[str, str], taken: int
) -> None:
    """An agent that went on with an SDK from 1.31 began anew there; what was passed over is named."""
    for manager in (opened("s", "", BeforeFix), opened("s")):
        older = manager.session
        manager.delete_session("s")
        manager.create_session(Session("s", older.session_type, EARLY, EARLY))
    state(opened("s", "", BeforeFix), 1, times[0])
    state(opened("s"), 2, times[1])
    opened("only old", "", BeforeFix)
    opened("only new")
    for ids in (None, ["s", "only old", "only new"]):
        done = import_sessions(database, there, session_ids=ids)
        assert done.passed_over == (("/session_s/", "session_s/")[taken == 1],)
    assert [row[2] for row in rows(database)["agents"]] == [f'{{"value":{taken}}}']
    assert session_ids(database) == ["only new", "only old", "s"]


STORED = {
    "session/chat/scopes/agent/helper/snapshots/snapshot_latest.json": b'{"a": 1}',
    "session/chat/scopes/agent/helper/snapshots/immutable_history/snapshot_1.json": b"\x00\xff",
    "session/crew/scopes/multiAgent/graph/snapshots/snapshot_latest.json": b"{}",
    "context/chat/scopes/agent/helper/c0_0": b"put aside",
}


@pytest.mark.parametrize("prefix", ["", "p", "p/", "a/b"])
def test_snapshots_and_stashes(there: Bucket, database: Database, session: OneClient, prefix: str) -> None:
    """What an `S3Storage` with the prefix holds is there under the same keys, byte for byte; with ids, theirs."""
    write(there, prefix, STORED, session)
    done = import_sessions(database, there, prefix, session_ids=["crew"])
    assert (done.objects, done.sessions) == (1, 0)
    assert import_sessions(database, there, prefix).objects == 3
    assert stored_objects(database) == STORED
    assert import_sessions(database, there, prefix).unchanged == 4
    with pytest.raises(NotFoundError, match="Session nobody does not exist"):
        import_sessions(database, there, prefix, session_ids=["crew", "nobody"])


def test_both_spellings_of_a_storage(there: Bucket, database: Database, session: OneClient) -> None:
    """The one that was named comes first; the other adds what the first has not, and the rest is named."""
    key, other, *_ = STORED
    write(there, "p", {key: b"plain", other: b"x"}, session)
    write(there, "p/", {key: b"slash"}, session)
    assert "p//" in next(each.key for each in there.list("p//"))
    done = import_sessions(database, there, "p/")
    assert done.passed_over == (f"p/{key}",)
    assert stored_objects(database) == {key: b"slash", other: b"x"}


def test_what_is_none_of_the_sdk_is_left_alone(
    there: Bucket, database: Database, opened: Opener, session: OneClient
) -> None:
    """Neither read nor a reason to fail: other programs' objects, near misses, and folders without a session."""
    talk(opened("s"))
    write(there, "", STORED, session)
    for key in (
        *("notes.txt", "session_notes.txt", "session_begun/", "session_empty/agents/"),
        *("session/2026.log", "session/chat/notes", "context/chat/readme", "session/chat/scopes/tool/x/y"),
        *(
            "session_s/notes.json",
            "session_s/agents/agent_begun/",
            "session_s/agents/readme",
            "xsession_t/session.json",
        ),
        *("a/session_t/session.json", f"session_s/agents/agent_{ODD_ID}/messages/message_1.json.bak"),
    ):
        there.put(key, b"{")
    done = import_sessions(database, there)
    assert (done.sessions, done.messages, done.objects) == (1, 3, 4)
    assert import_sessions(database, there, objects=False).unchanged == 1


def test_a_prefix_with_nothing_below_it(there: Bucket, database: Database, opened: Opener) -> None:
    """Is a mistake, and is told; so is a session that is not there, before anything is written."""
    opened("s", "p")
    for prefix in ("q", "p/session_s", ""):
        with pytest.raises(TransferError, match="holds no session"):
            import_sessions(database, there, prefix)
    with pytest.raises(NotFoundError, match="Session t does not exist"):
        import_sessions(database, there, "p", session_ids=["s", "t"])
    with pytest.raises(TypeError, match="list of ids"):
        import_sessions(database, there, "p", session_ids="s")
    assert session_ids(database) == []


MESSAGE = f"session_s/agents/agent_{ODD_ID}/messages/message_0.json"
AGENT = f"session_s/agents/agent_{ODD_ID}/agent.json"


DAMAGES = [
    (MESSAGE, b"{", "is not readable JSON"),
    (MESSAGE, b'{"message_id": 1}', "says that it is message 1"),
    (AGENT, b"[]", "does not hold a JSON object"),
    (AGENT, None, "is missing, but there are messages"),
    ("session_s/session.json", None, "is missing, but there is more"),
    ("session_s/session.json", b'{"session_id": "s"}', "does not say when the session was created"),
    (MESSAGE.replace("_0", "_01"), b"{}", "no number in it"),
    (f"session_s/multi_agents/multi_agent_{ODD_ID}/multi_agent.json", b"", "is not readable JSON"),
    ("session_s/strands_sqlite.json", b"{}", "was not written by this package"),
]


def test_a_damaged_object_is_named(there: Bucket, database: Database, opened: Opener) -> None:
    """Nothing of its session is stored; the sessions before it are."""
    opened("earlier", "p")
    talk(opened("s", "p"))
    for key, data, what in DAMAGES:
        found = there.get(f"p/{key}")
        there.delete([f"p/{key}"])
        if data is not None:
            there.put(f"p/{key}", data)
        with pytest.raises(TransferError) as caught:
            import_sessions(database, there, "p")
        assert f"file=<s3://{there.name}/p/{key}> " in str(caught.value)
        assert what in str(caught.value)
        assert caught.value.hint
        assert session_ids(database) == ["earlier"]
        there.delete([f"p/{key}"])
        if found is not None:
            there.put(f"p/{key}", found.data)
    assert import_sessions(database, there, "p").sessions == 1


def test_what_an_older_sdk_did_not_write_gets_its_default(there: Bucket, database: Database) -> None:
    """No graphs, no internal state, no redactions, no times of change; messages in the order of their numbers."""
    agent = {"agent_id": "a", "state": {"x": 1}, "conversation_manager_state": {}, "created_at": LATE}
    there.put("/session_s/session.json", json.dumps({"session_id": "s", "created_at": EARLY}).encode())
    there.put("/session_s/agents/agent_a/agent.json", json.dumps(agent).encode())
    for number in (10, 9, 2):
        message = {"message": {"role": "user", "content": [{"text": str(number)}]}, "message_id": number}
        there.put(f"/session_s/agents/agent_a/messages/message_{number}.json", json.dumps(message).encode())
    for _ in range(2):
        import_sessions(database, there)
    found = rows(database)
    assert found["sessions"] == [("s", "AGENT", EARLY, EARLY, None, None, None)]
    assert found["agents"] == [("s", "a", '{"x":1}', "{}", "{}", LATE, LATE, None)]
    assert [(row[2], row[4], row[5]) for row in found["messages"]] == [
        (2, None, LATE),
        (9, None, LATE),
        (10, None, LATE),
    ]


def test_a_folder_that_was_exported_and_uploaded(
    there: Bucket, database: Database, opened: Opener, tmp_path: Path
) -> None:
    """With titles, tags and the history of states, which lie beside `session.json` there."""
    talk(opened("s", "p"))
    import_sessions(database, there, "p")
    database.write(lambda connection: connection.run("UPDATE sessions SET title = 'Tea' WHERE session_id = 's'"))
    export_files(database, tmp_path / "out")
    for path in (tmp_path / "out").rglob("*.json"):
        there.put(f"up/{path.relative_to(tmp_path / 'out')}", path.read_bytes())
    other = open_database(":memory:")
    import_sessions(other, there, "up")
    assert exported(other) == exported(database)
    other.close()


def test_other_content_is_a_conflict(there: Bucket, database: Database, opened: Opener) -> None:
    """Refused, left, or replaced; a session that went on in S3 is no exception."""
    manager = opened("s", "p")
    talk(manager)
    import_sessions(database, there, "p")
    before = exported(database)
    record = manager.list_messages("s", ODD_ID)[-1]
    record.message_id = 11
    manager.create_message("s", ODD_ID, record)
    opened("t", "p")
    with pytest.raises(AlreadyExistsError, match="Session s already exists with other content"):
        import_sessions(database, there, "p")
    assert exported(database) == before
    skipped = import_sessions(database, there, "p", on_conflict="skip")
    assert (skipped.sessions, skipped.skipped) == (1, 1)
    assert exported(database, ["s"]) == before
    assert import_sessions(database, there, "p", on_conflict="replace").messages == 4
    with pytest.raises(ValueError, match="on_conflict"):
        import_sessions(database, there, "p", on_conflict="merge")


def test_progress_counts_what_was_read(there: Bucket, database: Database, opened: Opener) -> None:
    """Object by object; how many there are, nobody knows before."""
    talk(opened("s", "p"))
    steps: list[RestoreProgress] = []
    import_sessions(database, there, "p", progress=steps.append)
    size = sum(each.size for each in there.list("p/"))
    assert [step.done for step in steps] == list(range(1, 8))
    assert steps[-1] == RestoreProgress(7, None, size)


def test_a_session_of_a_graph(there: Bucket, database: Database, opened: Opener) -> None:
    """Its type comes along."""
    manager = opened("s", "p")
    manager.delete_session("s")
    manager.create_session(Session("s", SessionType.AGENT, EARLY, LATE))
    import_sessions(database, there, "p")
    assert rows(database)["sessions"] == [("s", "AGENT", EARLY, LATE, None, None, None)]
