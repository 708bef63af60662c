"""The live copy: what a push brings there, what it costs, and what it refuses to write over."""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._manifest import VERSION
from strands_sqlite_s3_mirror._places import MANIFEST, Places
from strands_sqlite_s3_mirror._push import Progress, Pushed, push_live
from strands_sqlite_s3_mirror.errors import (
    ConditionsIgnoredError,
    KeyTooLongError,
    LocalDiskError,
    MirrorConflictError,
    MirrorError,
    ObjectDamagedError,
    ReservedKeyError,
)
from strands_sqlite_session_manager import SessionStore
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.transfer import _spool

from .proxy import Proxy
from .pushing import (
    IMAGE,
    PLACES,
    Counted,
    Stopped,
    add_session,
    copied,
    delete,
    manifest_of,
    new_database,
    redact,
    rendered,
    say,
    stop_at,
    stored,
    write,
)
from .servers import Server

LIVE = PLACES.live


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database with something in it."""
    database = new_database(tmp_path / "sessions.db")
    yield database
    database.close()


def test_a_first_push_brings_everything(database: Database, s3_bucket: Bucket) -> None:
    """Each object with the bytes that the SDK would write; the answer says what was done."""
    pushed = push_live(database, s3_bucket, PLACES)
    expected = rendered(database)
    assert copied(s3_bucket, LIVE) == expected
    sizes = sum(len(body) for body in expected.values())
    assert pushed == Pushed(None, len(expected), 0, 0, 0, sizes, pushed.requests, pushed.token)
    manifest = manifest_of(s3_bucket, LIVE)
    assert (manifest.token, manifest.complete, manifest.release) == (pushed.token, True, None)


def test_most_requests_of_a_first_push_are_one_for_each_object(s3_bucket: Bucket, tmp_path: Path) -> None:
    """Nine others, however many objects there are: 1 % of them at 900."""
    database = open_database(tmp_path / "sessions.db")
    add_session(database, "long")
    say(database, "long", *(f"line {number}" for number in range(300)))
    counted = Counted(s3_bucket)
    pushed = push_live(database, s3_bucket, PLACES)
    assert pushed.uploaded == 303
    assert counted.requests["PutObject"] <= 303 + 4
    assert counted.requests.total() == pushed.requests <= 303 + 9
    database.close()


def test_nothing_changed_costs_one_request(database: Database, s3_bucket: Bucket) -> None:
    """The manifest is read, and nothing is written, here or there."""
    first = push_live(database, s3_bucket, PLACES)
    before = stored(s3_bucket)
    assert push_live(database, s3_bucket, PLACES) == Pushed(None, 0, 0, 0, 0, 0, 1, first.token)
    assert stored(s3_bucket) == before


def test_a_turn_costs_as_many_requests_as_it_changed_objects(database: Database, s3_bucket: Bucket) -> None:
    """Two messages, their agent and its history; besides, the manifest is read once and written twice."""
    add_session(database, "long")
    say(database, "long", *(f"line {number}" for number in range(100)))
    push_live(database, s3_bucket, PLACES)
    say(database, "long", "Hello?", "Hello.")
    counted = Counted(s3_bucket)
    pushed = push_live(database, s3_bucket, PLACES)
    assert (pushed.uploaded, pushed.unchanged, pushed.deleted) == (4, 0, 0)
    assert counted.requests == {"GetObject": 1, "PutObject": 6}
    assert copied(s3_bucket, LIVE) == rendered(database)


def test_every_kind_of_change_arrives(database: Database, s3_bucket: Bucket) -> None:
    """Forks, titles, redactions, rewinds, deletions, objects: after each push the copy is the database."""
    path = database.path
    with SessionStore(path) as store:
        for change in (
            lambda: store.fork_session("talk", "other", at=0),
            lambda: store.set_title("talk", "Títle"),
            lambda: store.add_tags("other", "a", "b"),
            lambda: redact(database, "talk", 0),
            lambda: store.erase_redacted(["talk"]),
            lambda: store.rewind_session("talk", at=0),
            lambda: say(database, "talk", "Again", "and again"),
            lambda: (store.rewind_session("talk", at=0), say(database, "talk", "Other words")),
            lambda: write(database, "context/stash", b"less"),
            lambda: (delete(database, "context/stash"), write(database, "context/other", b"")),
            lambda: store.erase(["other"]),
            lambda: (store.erase(["talk"]), add_session(database, "talk", "z")),
            store.compact,
        ):
            change()
            push_live(database, s3_bucket, PLACES)
            assert copied(s3_bucket, LIVE) == rendered(database)


def test_sessions_whose_ids_begin_alike_are_told_apart(database: Database, s3_bucket: Bucket) -> None:
    """What is deleted of one takes nothing of the others with it."""
    for session_id in ("s", "s2", "s.json", "S", "s.", "s\u00e9", "s0"):
        add_session(database, session_id)
        say(database, session_id, "Hello")
    push_live(database, s3_bucket, PLACES)
    with SessionStore(database.path) as store:
        store.erase(["s"])
    push_live(database, s3_bucket, PLACES)
    assert copied(s3_bucket, LIVE) == rendered(database)
    assert "session_s.json/session.json" in copied(s3_bucket, LIVE)


def test_another_database_is_refused(database: Database, s3_bucket: Bucket, tmp_path: Path) -> None:
    """It would delete and mix up what is there. Told to, it takes the copy over, and the first one is refused then."""
    push_live(database, s3_bucket, PLACES)
    before = stored(s3_bucket)
    other = open_database(tmp_path / "other.db")
    add_session(other, "talk")
    say(other, "talk", "Something else")
    with pytest.raises(MirrorConflictError, match="another database"):
        push_live(other, s3_bucket, PLACES)
    assert stored(s3_bucket) == before
    push_live(other, s3_bucket, PLACES, take_over=True)
    assert copied(s3_bucket, LIVE) == rendered(other)
    with pytest.raises(MirrorConflictError):
        push_live(database, s3_bucket, PLACES)
    assert push_live(other, s3_bucket, PLACES).uploaded == 0
    other.close()


def test_a_backup_that_was_put_back_is_refused(database: Database, s3_bucket: Bucket, tmp_path: Path) -> None:
    """Its counters stand for other rows than those of the copy. It takes it over only when told to."""
    push_live(database, s3_bucket, PLACES)
    with SessionStore(database.path) as store:
        store.back_up(tmp_path / "backup.db")
    say(database, "talk", "After the backup")
    push_live(database, s3_bucket, PLACES)
    database.close()
    backup = open_database(tmp_path / "backup.db")
    say(backup, "talk", "Another world")
    with pytest.raises(MirrorConflictError, match="later state"):
        push_live(backup, s3_bucket, PLACES)
    pushed = push_live(backup, s3_bucket, PLACES, take_over=True)
    assert pushed.uploaded < len(rendered(backup))
    assert copied(s3_bucket, LIVE) == rendered(backup)
    backup.close()


def test_a_backup_of_the_last_push_goes_on(database: Database, s3_bucket: Bucket, tmp_path: Path) -> None:
    """It holds what the copy holds, and knows so."""
    push_live(database, s3_bucket, PLACES)
    with SessionStore(database.path) as store:
        store.back_up(tmp_path / "backup.db")
    say(database, "talk", "Never pushed")
    backup = open_database(tmp_path / "backup.db")
    say(backup, "talk", "Another world")
    assert push_live(backup, s3_bucket, PLACES).uploaded == 3
    assert copied(s3_bucket, LIVE) == rendered(backup)
    backup.close()


def test_objects_that_no_push_put_there_are_not_touched(database: Database, s3_bucket: Bucket) -> None:
    """Somebody's sessions may lie there. Told to take over, the push deletes what the database has not."""
    key = f"{LIVE}session_mine/session.json"
    s3_bucket.put(key, b"{}")
    with pytest.raises(MirrorConflictError, match="no push"):
        push_live(database, s3_bucket, PLACES)
    assert stored(s3_bucket) == {key: b"{}"}
    push_live(database, s3_bucket, PLACES, take_over=True)
    assert copied(s3_bucket, LIVE) == rendered(database)


def test_a_damaged_manifest_is_not_taken_for_none(database: Database, s3_bucket: Bucket) -> None:
    """Nothing is written, unless the push is told to take over."""
    push_live(database, s3_bucket, PLACES)
    s3_bucket.put(LIVE + MANIFEST, b'{"format": "strands-sqlite-mirror"')
    before = stored(s3_bucket)
    with pytest.raises(ObjectDamagedError):
        push_live(database, s3_bucket, PLACES)
    assert stored(s3_bucket) == before
    assert push_live(database, s3_bucket, PLACES, take_over=True).uploaded == 0
    assert copied(s3_bucket, LIVE) == rendered(database)


def test_a_newer_manifest_is_left_alone(database: Database, s3_bucket: Bucket) -> None:
    """A newer version of the package wrote it; taking over does not help either."""
    push_live(database, s3_bucket, PLACES)
    body = manifest_of(s3_bucket, LIVE).to_bytes().replace(b'"version": 1', f'"version": {VERSION + 1}'.encode())
    s3_bucket.put(LIVE + MANIFEST, body)
    for take_over in (False, True):
        with pytest.raises(MirrorError, match="upgrade"):
            push_live(database, s3_bucket, PLACES, take_over=take_over)


def test_a_server_that_ignores_conditions_is_refused(database: Database, s3_server: Server, proxy: Proxy) -> None:
    """Before any object is put; it can be allowed."""
    proxy.always("ignore_conditions")
    bucket = s3_server.bucket(endpoint_url=proxy.endpoint_url)
    with pytest.raises(ConditionsIgnoredError):
        push_live(database, bucket, PLACES)
    assert copied(bucket, LIVE) == {}
    push_live(database, bucket, PLACES, check_conditions=False)
    assert copied(bucket, LIVE) == rendered(database)
    bucket.close()


def test_a_server_that_refuses_conditions_is_not_allowed_to_ignore_them(
    database: Database, s3_server: Server, proxy: Proxy
) -> None:
    """It answers 501. The option that allows to ignore them would not help, and the hint says so."""
    proxy.at(1, "not_implemented", "PutObject")
    bucket = s3_server.bucket(endpoint_url=proxy.endpoint_url)
    with pytest.raises(ConditionsIgnoredError) as caught:
        push_live(database, bucket, PLACES, check_conditions=False)
    assert "refuses them" in caught.value.hint
    assert stored(bucket) == {}
    bucket.close()


@pytest.mark.parametrize("prefix", ["p" * 1000, "p" * 900])
def test_a_key_that_is_too_long_is_refused_before_anything_is_put(
    database: Database, s3_bucket: Bucket, prefix: str
) -> None:
    """Nothing is in S3, and the database remembers nothing of it."""
    add_session(database, "long" * 30)
    with pytest.raises(KeyTooLongError):
        push_live(database, s3_bucket, Places(prefix))
    assert stored(s3_bucket) == {}


@pytest.mark.parametrize(
    "key", ["manifest.json", "manifest.objects.jsonl", "strands_sqlite/x", "session_talk/session.json"]
)
def test_an_object_with_a_key_of_the_mirror_is_refused(database: Database, s3_bucket: Bucket, key: str) -> None:
    """It would stand where the mirror, or a session, has its own."""
    write(database, key, b"mine")
    with pytest.raises(ReservedKeyError):
        push_live(database, s3_bucket, PLACES)
    assert stored(s3_bucket) == {}


def test_a_full_disk_is_told_and_nothing_is_put(database: Database, s3_bucket: Bucket) -> None:
    """The plan does not fit where temporary files go. With room, the same push succeeds."""
    write(database, "context/large", bytes(12 * 2**20))
    _, hard = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 * 2**20, hard))
    try:
        with pytest.raises(LocalDiskError):
            push_live(database, s3_bucket, PLACES)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert stored(s3_bucket) == {}
    push_live(database, s3_bucket, PLACES)
    assert copied(s3_bucket, LIVE) == rendered(database)


def test_a_disk_that_is_full_while_states_are_read_is_told(
    database: Database, s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Titles and former states go through a temporary file of their own: it is this error too, and nothing is put."""

    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_spool.Spool, "add", fill)
    with pytest.raises(LocalDiskError, match="No space left"):
        push_live(database, s3_bucket, PLACES)
    assert stored(s3_bucket) == {}


def test_progress_is_told_object_by_object(database: Database, s3_bucket: Bucket) -> None:
    """Read, then sent, then deleted; while it is told, no transaction keeps others from writing."""
    told: list[Progress] = []

    def tell(progress: Progress) -> None:
        told.append(progress)
        write(database, "context/counter", str(len(told)).encode())

    push_live(database, s3_bucket, PLACES, progress=tell)
    number = len(rendered(database)) - 1
    sent = [each for each in told if each.phase == "send"]
    assert told[0] == replace(sent[-1], phase="read")
    assert [each.done for each in sent] == list(range(1, number + 1))
    assert {each.total for each in sent} == {number}


def test_objects_have_the_media_types_of_the_sdk(database: Database, s3_server: Server, s3_bucket: Bucket) -> None:
    """JSON where `S3SessionManager` says so, and what `S3Storage` leaves it at."""
    push_live(database, s3_bucket, PLACES)
    client = s3_server.client()
    client.put_object(Bucket=s3_bucket.name, Key="context/other", Body=IMAGE * 20)

    def media_type(key: str) -> str:
        return str(client.head_object(Bucket=s3_bucket.name, Key=key)["ContentType"])

    assert media_type(f"{LIVE}session_talk/session.json") == "application/json"
    assert media_type(f"{LIVE}context/stash") == media_type("context/other")


def test_the_lock_beside_the_database_goes(database: Database, s3_bucket: Bucket, tmp_path: Path) -> None:
    """Nothing is left in the folder of the database, whether the push ends well or not."""
    before = {path.name for path in tmp_path.iterdir()}
    push_live(database, s3_bucket, PLACES)
    say(database, "talk", "more")
    with pytest.raises(Stopped):
        push_live(database, s3_bucket, PLACES, progress=stop_at("send"))
    assert {path.name for path in tmp_path.iterdir()} == before
