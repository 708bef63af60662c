"""A release or the live copy back into a database: everything, whole sessions, and never over others unless told."""

from __future__ import annotations

import errno
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from strands_sqlite_s3_mirror._bucket import Body, Bucket
from strands_sqlite_s3_mirror._loading import RestoreProgress
from strands_sqlite_s3_mirror._places import Places
from strands_sqlite_s3_mirror._push import Pushed, push_live, push_release
from strands_sqlite_s3_mirror._restore import restore
from strands_sqlite_s3_mirror.errors import (
    LocalDiskError,
    MirrorError,
    ObjectConflictError,
    ObjectDamagedError,
    ObjectMissingError,
    ReleaseIncompleteError,
    ReleaseNotFoundError,
)
from strands_sqlite_session_manager import (
    AlreadyExistsError,
    InvalidIdError,
    NotFoundError,
    SQLiteSessionError,
    TransferError,
)
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.repository import sessions
from strands_sqlite_session_manager.transfer._storing_objects import store_objects

from .proxy import Proxy
from .restoring import (
    OBJECTS,
    ODD_ID,
    PLAIN_ID,
    SNAPSHOTS,
    add_session,
    contents,
    exported,
    fill_all,
    say,
    session_ids,
    stored_objects,
    talk,
)
from .servers import Server

PLACES = Places("base")
RELEASE = PLACES.release("1.0")
MESSAGE = "session_talk/agents/agent_a/messages/message_1.json"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a database in which there is something of everything."""
    path = tmp_path_factory.mktemp("filled") / "sessions.db"
    database = open_database(path)
    fill_all(database)
    database.close()
    return path


@pytest.fixture
def database(filled: Path, tmp_path: Path) -> Iterator[Database]:
    """A database in which there is something of everything."""
    shutil.copy(filled, tmp_path / "sessions.db")
    database = open_database(tmp_path / "sessions.db")
    yield database
    database.close()


def push(database: Database, bucket: Bucket, release: str | None) -> Pushed:
    """Push to a release, or to the live copy."""
    return push_live(database, bucket, PLACES) if release is None else push_release(database, bucket, PLACES, release)


@pytest.mark.parametrize("release", ["1.0", None])
def test_everything_comes_back(server: Server, tmp_path: Path, other: Database, release: str | None) -> None:
    """Every session, message, state, note, change of state and storage object; and again is no change."""
    bucket, database = server.bucket(), open_database(tmp_path / "sessions.db")
    fill_all(database, ODD_ID if server.name == "moto" else PLAIN_ID)
    push(database, bucket, release)
    done = restore(other, bucket, PLACES, release=release)
    assert contents(other) == contents(database)
    assert (done.sessions, done.multi_agents, done.objects, done.skipped, done.unchanged) == (6, 2, 5, 0, 0)
    again = restore(other, bucket, PLACES, release=release)
    assert (again.sessions, again.messages, again.objects, again.unchanged) == (0, 0, 0, 11)
    database.close()


@pytest.mark.parametrize("release", ["1.0", None])
def test_some_sessions_come_with_what_storages_keep_of_them(
    moto_bucket: Bucket, database: Database, other: Database, release: str | None
) -> None:
    """No other session and no other object; one that is in storages only is a session too."""
    push(database, moto_bucket, release)
    done = restore(other, moto_bucket, PLACES, release=release, session_ids=["talk", ODD_ID, "chat", "talk"])
    assert (done.sessions, done.objects) == (2, 3)
    assert exported(other, ["talk", ODD_ID]) == exported(database, ["talk", ODD_ID])
    assert session_ids(other) == sorted([ODD_ID, "talk"])
    assert stored_objects(other) == {key: OBJECTS[key] for key in OBJECTS if "/chat/" in key}


@pytest.mark.parametrize("release", ["1.0", None])
def test_a_session_that_is_not_there_is_named(
    moto_bucket: Bucket, database: Database, other: Database, release: str | None
) -> None:
    """Before anything is written; an id cannot lead to what lies in a session, and one text is no list."""
    push(database, moto_bucket, release)
    with pytest.raises(NotFoundError, match="Session nobody does not exist"):
        restore(other, moto_bucket, PLACES, release=release, session_ids=["talk", "nobody"])
    with pytest.raises(NotFoundError, match="Session tal does not exist"):
        restore(other, moto_bucket, PLACES, release=release, session_ids=["tal"])
    with pytest.raises(InvalidIdError):
        restore(other, moto_bucket, PLACES, release=release, session_ids=["talk/agents"])
    with pytest.raises(TypeError, match="list of ids"):
        restore(other, moto_bucket, PLACES, release=release, session_ids="talk")
    assert session_ids(other) == []


def test_long_ids_and_ids_that_differ_in_case_only(moto_bucket: Bucket, tmp_path: Path) -> None:
    """No file system has a say in which ids there can be."""
    database, other = open_database(tmp_path / "a.db"), open_database(tmp_path / "b.db")
    for session_id in ("ü" * 400, "A" * 300, "a" * 300, "a" * 299, "a.b", "a-b", "a", "a b"):
        add_session(database, session_id, "a", "A")
        say(database, session_id, 0, {"text": session_id})
        say(database, session_id, 0, {"text": session_id}, agent="A")
    push_release(database, moto_bucket, PLACES, "1.0")
    assert restore(other, moto_bucket, PLACES, release="1.0").sessions == 8
    assert contents(other) == contents(database)
    database.close()
    other.close()


@pytest.mark.parametrize("release", ["1.0", None])
def test_nothing_is_written_over_unless_told(
    moto_bucket: Bucket, database: Database, other: Database, release: str | None
) -> None:
    """A session with other content is refused, left or replaced as a whole; what else is there stays."""
    push(database, moto_bucket, release)
    talk(other, "mine")
    add_session(other, "talk", "a")
    say(other, "talk", 40, {"text": "something else"})
    before = exported(other)
    with pytest.raises(AlreadyExistsError, match="Session talk already exists with other content"):
        restore(other, moto_bucket, PLACES, release=release, session_ids=["talk"])
    assert exported(other) == before
    skipped = restore(other, moto_bucket, PLACES, release=release, on_conflict="skip")
    assert (skipped.sessions, skipped.skipped) == (5, 1)
    assert exported(other, ["mine", "talk"]) == before
    replaced = restore(other, moto_bucket, PLACES, release=release, on_conflict="replace")
    assert (replaced.sessions, replaced.unchanged) == (1, 10)
    assert exported(other, ["talk"]) == exported(database, ["talk"])
    assert session_ids(other) == sorted([*session_ids(database), "mine"])


def test_no_storage_object_is_written_over_unless_told(
    moto_bucket: Bucket, database: Database, other: Database
) -> None:
    """The same rule for each key."""
    push_release(database, moto_bucket, PLACES, "1.0")
    latest = f"{SNAPSHOTS}/snapshot_latest.json"
    store_objects(other, [(latest, b"newer"), ("mine", b"x")], "fail")
    with pytest.raises(AlreadyExistsError, match=f"Object {latest} already exists with other content"):
        restore(other, moto_bucket, PLACES, release="1.0")
    assert stored_objects(other)[latest] == b"newer"
    assert restore(other, moto_bucket, PLACES, release="1.0", on_conflict="skip").skipped == 1
    assert stored_objects(other) == OBJECTS | {latest: b"newer", "mine": b"x"}
    assert restore(other, moto_bucket, PLACES, release="1.0", on_conflict="replace").objects == 1
    assert stored_objects(other) == OBJECTS | {"mine": b"x"}
    with pytest.raises(ValueError, match="on_conflict"):
        restore(other, moto_bucket, PLACES, release="1.0", on_conflict="merge")


@pytest.mark.parametrize("release", ["1.0", None])
def test_sessions_alone(moto_bucket: Bucket, database: Database, other: Database, release: str | None) -> None:
    """Without the objects of storages."""
    push(database, moto_bucket, release)
    done = restore(other, moto_bucket, PLACES, release=release, objects=False)
    assert (done.sessions, done.objects) == (6, 0)
    assert stored_objects(other) == {}
    assert exported(other) == exported(database)


DAMAGES: list[tuple[str, Callable[[bytes], bytes] | None]] = [
    (MESSAGE, lambda data: data.replace(b"line 1", b"line 2")),
    (MESSAGE, None),
    ("session_talk/session.json", None),
    ("session_talk/agents/agent_a/agent.json", lambda data: data + b" "),
    ("strands_sqlite/session_talk.json", lambda data: data + b" "),
    ("strands_sqlite/session_talk.json", None),
    ("tea.txt", lambda _: b"black"),
    ("tea.txt", None),
]


def test_a_damaged_object_of_a_release_is_named(moto_bucket: Bucket, database: Database) -> None:
    """Nothing of its session is stored; once it is mended, a rerun completes the rest."""
    push_release(database, moto_bucket, PLACES, "1.0")
    for path, damage in DAMAGES:
        other = open_database(":memory:")
        whole = body_of(moto_bucket, RELEASE + path)
        moto_bucket.delete([RELEASE + path])
        if damage is not None:
            moto_bucket.put(RELEASE + path, damage(whole))
        kind = ObjectMissingError if damage is None else ObjectDamagedError
        with pytest.raises(kind) as caught:
            restore(other, moto_bucket, PLACES, release="1.0", session_ids=None if path == "tea.txt" else ["talk"])
        assert f"object=<{RELEASE}{path}>" in str(caught.value)
        assert caught.value.hint
        assert "talk" not in session_ids(other) or path == "tea.txt"
        moto_bucket.put(RELEASE + path, whole)
    restore(other, moto_bucket, PLACES, release="1.0")
    assert contents(other) == contents(database)
    other.close()


def test_a_release_that_is_not_whole_is_refused(moto_bucket: Bucket, database: Database, other: Database) -> None:
    """None, one that was never sealed, and one whose list of objects was touched: before anything is written."""
    with pytest.raises(ReleaseNotFoundError, match=r"1\.0"):
        restore(other, moto_bucket, PLACES, release="1.0")
    with pytest.raises(ReleaseNotFoundError, match="no live copy"):
        restore(other, moto_bucket, PLACES)
    push_release(database, moto_bucket, PLACES, "1.0")
    listing = body_of(moto_bucket, f"{RELEASE}manifest.objects.jsonl")
    moto_bucket.put(f"{RELEASE}manifest.objects.jsonl", listing.replace(b'"size":5', b'"size":6'))
    with pytest.raises(ObjectDamagedError, match=r"manifest\.objects\.jsonl"):
        restore(other, moto_bucket, PLACES, release="1.0")
    moto_bucket.delete([f"{RELEASE}manifest.objects.jsonl"])
    with pytest.raises(ObjectMissingError, match=r"manifest\.objects\.jsonl"):
        restore(other, moto_bucket, PLACES, release="1.0")
    moto_bucket.delete([f"{RELEASE}manifest.json"])
    with pytest.raises(ReleaseIncompleteError, match="is incomplete"):
        restore(other, moto_bucket, PLACES, release="1.0")
    assert contents(other) == (exported(open_database(":memory:")), {})


def test_a_damaged_object_of_the_live_copy_is_named(moto_bucket: Bucket, database: Database, other: Database) -> None:
    """Nothing of its session is stored, and the others can be had by their ids."""
    push_live(database, moto_bucket, PLACES)
    moto_bucket.put(PLACES.live + MESSAGE, b"{")
    with pytest.raises(TransferError, match="is not readable JSON") as caught:
        restore(other, moto_bucket, PLACES)
    assert f"file=<s3://{moto_bucket.name}/{PLACES.live}{MESSAGE}>" in str(caught.value)
    assert "talk" not in session_ids(other)
    restore(other, moto_bucket, PLACES, session_ids=["Talk", "talk.b"])
    assert {"Talk", "talk.b"} <= set(session_ids(other))


class Meddler(Bucket):
    """A bucket in which somebody writes while we read: `meddle` is called before an object is read."""

    meddle: Callable[[str], None] | None = None

    def get(self, key: str) -> Body | None:
        """Read an object, after somebody may have written."""
        if self.meddle is not None:
            self.meddle(key)
        return super().get(key)


def test_a_session_that_is_pushed_while_it_is_read(
    moto_server: Server, moto_bucket: Bucket, database: Database, other: Database
) -> None:
    """It comes as it was before or after, never half: with messages that its state does not know of, or without."""
    push_live(database, moto_bucket, PLACES)
    before = exported(database, ["talk"])
    bucket = Meddler(moto_bucket.name, **moto_server.options())
    lock, pushed = threading.Lock(), threading.Event()

    def push_once(key: str) -> None:
        with lock:
            if key.endswith("message_2.json") and "/session_talk/" in key and not pushed.is_set():
                pushed.set()
                say(database, "talk", 3, {"text": "more"})
                sessions.delete_session(database, "talk.b")
                store_objects(database, [("tea.txt", b"black"), ("memory/new", b"1")], "replace")
                push_live(database, moto_bucket, PLACES)

    bucket.meddle = push_once
    restore(other, bucket, PLACES, on_conflict="replace")
    assert pushed.is_set()
    assert exported(other, ["talk"]) in (before, exported(database, ["talk"]))
    bucket.meddle = None
    restore(other, bucket, PLACES, on_conflict="replace")
    assert exported(other, session_ids(database)) == exported(database)
    assert stored_objects(other) == stored_objects(database)
    bucket.close()


def test_a_session_that_never_comes_to_rest_is_named(
    moto_server: Server, moto_bucket: Bucket, database: Database, other: Database
) -> None:
    """After some attempts; nothing of it is written, all others are."""
    push_live(database, moto_bucket, PLACES)
    bucket = Meddler(moto_bucket.name, **moto_server.options())
    numbers = iter(range(1000))

    def change(key: str) -> None:
        if key.endswith("session_talk/session.json"):
            moto_bucket.put(PLACES.live + "session_talk/session.json", b"{}" + b" " * next(numbers))

    bucket.meddle = change
    with pytest.raises(ObjectConflictError, match="session=<talk> changes as fast as it is read"):
        restore(other, bucket, PLACES)
    assert session_ids(other) == [session_id for session_id in session_ids(database) if session_id != "talk"]
    bucket.close()


def test_eight_objects_are_on_their_way_at_once(
    moto_server: Server, moto_bucket: Bucket, tmp_path: Path, other: Database
) -> None:
    """Those of many small sessions too: each request waits until there are eight."""
    database = open_database(tmp_path / "small.db")
    for number in range(16):
        add_session(database, f"s{number}", "a")
    push_release(database, moto_bucket, PLACES, "1.0")
    bucket = Meddler(moto_bucket.name, **moto_server.options())
    together = threading.Barrier(8, timeout=60)
    bucket.meddle = lambda key: together.wait() and None if "/session_" in key else None
    assert restore(other, bucket, PLACES, release="1.0").sessions == 16
    bucket.close()
    database.close()


def test_the_requests_are_those_for_the_objects(moto_bucket: Bucket, database: Database, other: Database) -> None:
    """A GET for each object, and a few more; progress counts them, and ends at their number."""
    push_live(database, moto_bucket, PLACES)
    pushed = push_release(database, moto_bucket, PLACES, "1.0")
    steps: list[RestoreProgress] = []
    before = moto_bucket.requests.copy()
    restore(other, moto_bucket, PLACES, release="1.0", progress=steps.append)
    assert moto_bucket.requests - before == {"GetObject": pushed.uploaded + 3}
    assert [step.done for step in steps] == list(range(1, pushed.uploaded + 1))
    assert {step.total for step in steps} == {pushed.uploaded}
    assert steps[-1].bytes == pushed.bytes
    before = moto_bucket.requests.copy()
    restore(other, moto_bucket, PLACES, progress=steps.append)
    # the manifest; and again where ids have gaps: was a push cut there?
    assert moto_bucket.requests - before == {"GetObject": pushed.uploaded + 2, "ListObjectsV2": 2}
    assert steps[-1] == RestoreProgress(pushed.uploaded, None, pushed.bytes)


@pytest.mark.parametrize("release", ["1.0", None])
def test_cut_at_every_request(s3_server: Server, proxy: Proxy, tmp_path: Path, release: str | None) -> None:
    """A rerun ends in the same state; meanwhile every session is whole or not there, and what was there is there."""
    database, name = open_database(tmp_path / "sessions.db"), s3_server.new_bucket()
    for session_id in ("one", "two"):
        add_session(database, session_id, "a")
        say(database, session_id, 0, {"text": session_id})
    store_objects(database, [("session/one/x", b"1"), ("z", b"2")], "fail")
    plain = s3_server.bucket(name)
    push(database, plain, release)
    whole = {session_id: exported(database, [session_id]) for session_id in session_ids(database)}
    number, cut = 0, True
    while cut:
        number += 1
        proxy.heal()
        proxy.from_on(number, "cut_before" if number % 2 else "cut_after")
        other = open_database(tmp_path / f"other{number}.db")
        talk(other, "mine")
        mine = exported(other)
        bucket = s3_server.bucket(name, endpoint_url=proxy.endpoint_url)
        cut = _is_cut(lambda into=other, source=bucket: restore(into, source, PLACES, release=release))
        assert exported(other, ["mine"]) == mine
        for session_id in set(session_ids(other)) - {"mine"}:
            assert exported(other, [session_id]) == whole[session_id]
        proxy.heal()
        restore(other, bucket, PLACES, release=release)
        assert exported(other, ["one", "two"]) == exported(database)
        assert stored_objects(other) == stored_objects(database)
        bucket.close()
        other.close()
    assert number > 10
    plain.close()
    database.close()


def _is_cut(task: Callable[[], object]) -> bool:
    try:
        task()
    except MirrorError:
        return True
    return False


def test_a_full_disk_for_temporary_files(
    moto_bucket: Bucket, database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told from what is wrong with an object; a rerun on a larger one completes the rest."""
    say(database, "talk", 99, {"text": "x" * 400_000})
    push_release(database, moto_bucket, PLACES, "1.0")

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "TemporaryFile", full)
        with pytest.raises(LocalDiskError, match="No space left on device"):
            restore(other, moto_bucket, PLACES, release="1.0")
    assert "talk" not in session_ids(other)
    restore(other, moto_bucket, PLACES, release="1.0")
    assert contents(other) == contents(database)


def test_a_full_disk_for_the_database(moto_bucket: Bucket, database: Database, tmp_path: Path) -> None:
    """A typed error; the sessions until then are there, and a rerun with more room completes the rest."""
    for number in range(8):
        say(database, "talk", 100 + number, {"text": "x" * 100_000})
    push_release(database, moto_bucket, PLACES, "1.0")
    other = open_database(tmp_path / "small.db")
    pages = other.read(lambda connection: connection.pragma("page_count"))
    other.write(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages + 40}"))
    with pytest.raises(SQLiteSessionError, match="full"):
        restore(other, moto_bucket, PLACES, release="1.0")
    assert "talk" not in session_ids(other)
    other.close()
    other = open_database(tmp_path / "small.db")
    restore(other, moto_bucket, PLACES, release="1.0")
    assert contents(other) == contents(database)
    other.close()


def body_of(bucket: Bucket, key: str) -> bytes:
    """What is at `key`."""
    body = bucket.get(key)
    assert body is not None
    return body.data
