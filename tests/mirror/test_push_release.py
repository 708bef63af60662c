"""Releases: what is sealed, what is copied instead of uploaded, and what is never written over."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._manifest import Manifest, head_line
from strands_sqlite_s3_mirror._places import MANIFEST, OBJECTS
from strands_sqlite_s3_mirror._push import Progress, Pushed, push_live, push_release
from strands_sqlite_s3_mirror._redact import Redaction
from strands_sqlite_s3_mirror._redact import redact as redact_releases
from strands_sqlite_s3_mirror.errors import (
    ConditionsIgnoredError,
    EmptyDatabaseError,
    InvalidReleaseError,
    MirrorConflictError,
    ObjectConflictError,
    ReleaseExistsError,
    ReleaseIncompleteError,
)
from strands_sqlite_session_manager import SessionStore
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.repository import sessions

from .proxy import Proxy
from .pushing import (
    PLACES,
    UPLOADS,
    Counted,
    Stopped,
    delete,
    manifest_of,
    new_database,
    redact,
    rendered,
    require_sealed,
    say,
    stop_at,
    stored,
    write,
)
from .servers import Server

ONE, TWO, THREE = (PLACES.release(label) for label in ("1", "2", "3"))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database with something in it."""
    database = new_database(tmp_path / "sessions.db")
    yield database
    database.close()


def latest(bucket: Bucket) -> str:
    """The release that `latest.json` names."""
    body = bucket.get(PLACES.latest)
    assert body is not None
    return str(json.loads(body.data)["release"])


def test_a_database_that_has_never_held_anything_is_not_released(tmp_path: Path, s3_bucket: Bucket) -> None:
    """A path with a slip in it makes a new file: a release of that would be taken for one in which nothing was said."""
    database = open_database(tmp_path / "sesions.db")
    with pytest.raises(EmptyDatabaseError, match=r"sesions\.db"):
        push_release(database, s3_bucket, PLACES, "1")
    database.close()
    assert stored(s3_bucket, "") == {}


def test_a_database_in_which_everything_was_deleted_is_released(database: Database, s3_bucket: Bucket) -> None:
    """That nothing is left may be what is to be kept."""
    for session_id in ("talk", "ü漢"):
        sessions.delete_session(database, session_id)
    for key in ("session/talk/scopes/agent/a/snapshots/snapshot_latest.json", "context/stash"):
        delete(database, key)
    assert push_release(database, s3_bucket, PLACES, "1").uploaded == 0
    assert require_sealed(s3_bucket, ONE) == {}


def test_a_release_holds_everything_and_is_sealed(database: Database, s3_bucket: Bucket) -> None:
    """Its manifest lists what is there; `latest.json` names it."""
    pushed = push_release(database, s3_bucket, PLACES, "1")
    expected = rendered(database)
    assert require_sealed(s3_bucket, ONE) == expected
    sizes = sum(len(body) for body in expected.values())
    assert pushed == Pushed("1", len(expected), 0, 0, 0, sizes, pushed.requests, pushed.token)
    manifest = manifest_of(s3_bucket, ONE)
    assert (manifest.release, manifest.parent, manifest.token) == ("1", None, pushed.token)
    assert latest(s3_bucket) == "1"


def test_pushed_again_it_costs_two_requests(database: Database, s3_bucket: Bucket) -> None:
    """Nothing is read of the database but its counters, and nothing is written."""
    first = push_release(database, s3_bucket, PLACES, "1")
    before = stored(s3_bucket)
    pushed = push_release(database, s3_bucket, PLACES, "1")
    assert pushed == Pushed("1", 0, 0, len(rendered(database)), 0, 0, 2, first.token)
    assert stored(s3_bucket) == before


def test_a_database_that_has_changed_does_not_change_a_release(database: Database, s3_bucket: Bucket) -> None:
    """The sealed one stays as it is. What is the same again, by whatever way, is no difference."""
    push_release(database, s3_bucket, PLACES, "1")
    before = stored(s3_bucket)
    for change in (
        lambda: say(database, "talk", "More"),
        lambda: delete(database, "context/stash"),
        lambda: redact(database, "talk", 0),
    ):
        change()
        with pytest.raises(ReleaseExistsError):
            push_release(database, s3_bucket, PLACES, "1")
    assert stored(s3_bucket) == before


def test_the_same_content_from_another_database_is_no_conflict(
    database: Database, s3_bucket: Bucket, tmp_path: Path
) -> None:
    """A database that was moved pushes the release again, and nothing is uploaded."""
    with SessionStore(database.path) as store:
        store.back_up(tmp_path / "moved.db")
    push_release(database, s3_bucket, PLACES, "1")
    moved = open_database(tmp_path / "moved.db")
    pushed = push_release(moved, s3_bucket, PLACES, "1")
    assert (pushed.uploaded, pushed.copied, pushed.unchanged) == (0, 0, len(rendered(database)))
    say(moved, "talk", "More")
    with pytest.raises(ReleaseExistsError):
        push_release(moved, s3_bucket, PLACES, "1")
    moved.close()


def test_the_next_release_of_an_unchanged_database_uploads_no_body(database: Database, s3_bucket: Bucket) -> None:
    """One copy for each object; besides, what the mirror says of them."""
    push_release(database, s3_bucket, PLACES, "1")
    counted, sent = Counted(s3_bucket), s3_bucket.sent
    pushed = push_release(database, s3_bucket, PLACES, "2")
    number = len(rendered(database))
    assert (pushed.uploaded, pushed.copied, pushed.bytes) == (0, number, 0)
    assert counted.requests["CopyObject"] == number
    own = stored(s3_bucket, TWO)
    head, probes = len(head_line(pushed.token)), 2
    most = len(own[MANIFEST]) + len(own[OBJECTS]) + (1 + probes) * head + len(b'{"release": "2"}') + 100
    assert s3_bucket.sent - sent <= most
    assert require_sealed(s3_bucket, TWO) == rendered(database)
    assert manifest_of(s3_bucket, TWO).parent == "1"


def test_only_what_changed_since_the_last_release_is_uploaded(database: Database, s3_bucket: Bucket) -> None:
    """Whatever the changes were, the release is the database; those before it stay as they were."""
    push_release(database, s3_bucket, PLACES, "0")
    with SessionStore(database.path) as store:
        for label, change in enumerate(
            (
                lambda: say(database, "talk", "More", "and more"),
                lambda: store.fork_session("talk", "other", at=1),
                lambda: store.rewind_session("talk", at=0),
                lambda: (store.rewind_session("other", at=0), say(database, "other", "Other words")),
                lambda: (delete(database, "context/stash"), write(database, "context/new", b"n")),
                lambda: store.erase(["talk"]),
            ),
            1,
        ):
            before = stored(s3_bucket)
            change()
            pushed = push_release(database, s3_bucket, PLACES, str(label))
            assert require_sealed(s3_bucket, PLACES.release(str(label))) == rendered(database)
            assert pushed.copied > 0
            assert before.items() - stored(s3_bucket).items() == {(PLACES.latest, before[PLACES.latest])}


def test_a_database_that_does_not_know_the_parent_still_copies_what_is_the_same(
    database: Database, s3_bucket: Bucket, tmp_path: Path
) -> None:
    """A backup that was put back reads everything and uploads what differs."""
    with SessionStore(database.path) as store:
        store.back_up(tmp_path / "backup.db")
    say(database, "talk", "Lost")
    push_release(database, s3_bucket, PLACES, "1")
    backup = open_database(tmp_path / "backup.db")
    say(backup, "talk", "Other words")
    pushed = push_release(backup, s3_bucket, PLACES, "2")
    assert pushed.uploaded == 3
    assert require_sealed(s3_bucket, TWO) == rendered(backup)
    backup.close()


@pytest.mark.parametrize("damaged", [MANIFEST, OBJECTS, "session_talk/session.json"])
@pytest.mark.parametrize("how", ["gone", "changed"])
def test_a_damaged_parent_costs_uploads_and_nothing_else(
    database: Database, s3_bucket: Bucket, damaged: str, how: str
) -> None:
    """What is copied is what the parent's manifest says, or else it is uploaded."""
    push_release(database, s3_bucket, PLACES, "1")
    if how == "gone":
        s3_bucket.delete([ONE + damaged])
    else:
        s3_bucket.put(ONE + damaged, b'{"not": "what was written"}')
    push_release(database, s3_bucket, PLACES, "2")
    assert require_sealed(s3_bucket, TWO) == rendered(database)
    assert latest(s3_bucket) == "2"


def test_a_release_that_another_database_began_is_refused(
    database: Database, s3_bucket: Bucket, tmp_path: Path
) -> None:
    """Two databases never mix in one release; whose push began it finishes it."""
    other = new_database(tmp_path / "other.db")
    with pytest.raises(Stopped):
        push_release(other, s3_bucket, PLACES, "1", progress=stop_at("send"))
    before = stored(s3_bucket)
    with pytest.raises(MirrorConflictError, match="another database"):
        push_release(database, s3_bucket, PLACES, "1")
    assert stored(s3_bucket) == before
    push_release(other, s3_bucket, PLACES, "1")
    assert require_sealed(s3_bucket, ONE) == rendered(other)
    other.close()


@pytest.mark.parametrize("path", ["session_talk/session.json", "context/of/others"])
def test_what_is_there_of_others_is_not_touched(database: Database, s3_bucket: Bucket, path: str) -> None:
    """In the place of an object, or beside them."""
    s3_bucket.put(ONE + path, b"mine")
    with pytest.raises(ObjectConflictError):
        push_release(database, s3_bucket, PLACES, "1")
    found = stored(s3_bucket, ONE)
    assert found[path] == b"mine"
    assert found.keys() == {path, OBJECTS}


def test_an_object_that_comes_in_between_is_not_overwritten(database: Database, s3_bucket: Bucket) -> None:
    """Put by somebody else after the listing: with other content it is a conflict, with the same it is none."""
    path, body = next(iter(rendered(database).items()))

    def intrude(content: bytes) -> Callable[[Progress], None]:
        return lambda told: told.phase == "list" and s3_bucket.put(ONE + path, content)

    with pytest.raises(ObjectConflictError):
        push_release(database, s3_bucket, PLACES, "1", progress=intrude(b"theirs"))
    assert stored(s3_bucket, ONE)[path] == b"theirs"
    assert MANIFEST not in stored(s3_bucket, ONE)
    s3_bucket.delete([ONE + path])
    push_release(database, s3_bucket, PLACES, "1", progress=intrude(body))
    assert require_sealed(s3_bucket, ONE) == rendered(database)


def test_every_write_to_a_release_is_conditional(database: Database, s3_server: Server, proxy: Proxy) -> None:
    """Nothing can be overwritten that came in between."""
    bucket = s3_server.bucket(endpoint_url=proxy.endpoint_url)
    push_release(database, bucket, PLACES, "1")
    say(database, "talk", "More")
    push_release(database, bucket, PLACES, "2")
    for seen in proxy.seen:
        if seen.operation in UPLOADS:
            conditions = {"if-match", "if-none-match", "x-amz-copy-source-if-match"}
            assert conditions & seen.headers.keys(), seen.path
    bucket.close()


def test_a_server_that_ignores_conditions_gets_no_release(database: Database, s3_server: Server, proxy: Proxy) -> None:
    """It is found out before anything is put; it can be allowed."""
    proxy.always("ignore_conditions")
    bucket = s3_server.bucket(endpoint_url=proxy.endpoint_url)
    with pytest.raises(ConditionsIgnoredError):
        push_release(database, bucket, PLACES, "1")
    assert stored(bucket, ONE).keys() == {OBJECTS}
    push_release(database, bucket, PLACES, "1", check_conditions=False)
    assert require_sealed(bucket, ONE) == rendered(database)
    bucket.close()


class Once(Bucket):
    """A bucket that takes one object, and no more."""

    taken = False

    def put(self, key: str, body: bytes, **how: Any) -> str:
        if self.taken:
            raise Stopped
        self.taken = True
        return super().put(key, body, **how)


def test_a_release_whose_redaction_was_cut_is_not_called_up_to_date(
    database: Database, s3_server: Server, s3_bucket: Bucket
) -> None:
    """Nobody can restore it. The push says what to do, and changes nothing."""
    push_release(database, s3_bucket, PLACES, "1")
    once = Once(s3_bucket.name, **s3_server.options())
    with pytest.raises(Stopped):
        redact_releases(once, PLACES, Redaction(sessions=("talk",)))
    before = stored(s3_bucket)
    with pytest.raises(ReleaseIncompleteError, match="redaction of it was interrupted") as caught:
        push_release(database, s3_bucket, PLACES, "1")
    assert "run the redaction again" in caught.value.hint
    assert stored(s3_bucket) == before
    once.close()


@pytest.mark.parametrize("label", ["", ".", "..", "a/b", "x" * 201, "a\nb"])
def test_a_label_that_is_none_is_refused(database: Database, s3_bucket: Bucket, label: str) -> None:
    """Before anything is asked of S3."""
    counted = Counted(s3_bucket)
    with pytest.raises(InvalidReleaseError):
        push_release(database, s3_bucket, PLACES, label)
    assert not counted.requests


def test_latest_names_the_release_whose_push_was_cut_at_the_end(database: Database, s3_bucket: Bucket) -> None:
    """Sealed, but not named: pushed again it is. An older one that is pushed again is not."""
    push_release(database, s3_bucket, PLACES, "1")
    push_release(database, s3_bucket, PLACES, "2")
    s3_bucket.put(PLACES.latest, b'{"release": "1"}')
    push_release(database, s3_bucket, PLACES, "2")
    assert latest(s3_bucket) == "2"
    push_release(database, s3_bucket, PLACES, "3")
    push_release(database, s3_bucket, PLACES, "2")
    assert latest(s3_bucket) == "3"


def test_releases_and_the_live_copy_do_not_disturb_each_other(database: Database, s3_bucket: Bucket) -> None:
    """Each remembers for itself how far it has followed."""
    push_live(database, s3_bucket, PLACES)
    push_release(database, s3_bucket, PLACES, "1")
    say(database, "talk", "More")
    assert push_release(database, s3_bucket, PLACES, "2").uploaded == 3
    assert push_live(database, s3_bucket, PLACES).uploaded == 3
    assert Manifest.from_bytes(stored(s3_bucket, PLACES.live)[MANIFEST]).complete
