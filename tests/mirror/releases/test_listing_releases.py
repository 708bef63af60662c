"""`releases` and `compare`: what there is in S3, and what changed from one release to another."""

from __future__ import annotations

import pytest

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._compare import ObjectChange, SessionChange, compare
from strands_sqlite_s3_mirror._releases import releases
from strands_sqlite_s3_mirror.errors import (
    InvalidReleaseError,
    ObjectDamagedError,
    ReleaseIncompleteError,
    ReleaseNotFoundError,
)
from strands_sqlite_session_manager._database import Database
from tests.core.store.retained import add_session, text

from . import released
from .released import PLACES, message_path


def test_no_releases(s3_bucket: Bucket) -> None:
    """In an empty bucket there are none, and two requests are enough to know."""
    before = s3_bucket.requests.total()
    assert releases(s3_bucket, PLACES) == []
    assert s3_bucket.requests.total() - before == 2


def test_releases_in_the_order_of_time(s3_bucket: Bucket, database: Database) -> None:
    """Each release tells what is in it, the newest last, with a request for each and two for all."""
    for label in ("9", "10", "neue Größe"):
        released.release(database, s3_bucket, label)
        released.say(database, "order", label)
    before = s3_bucket.requests.total()
    nine, ten, newest = releases(s3_bucket, PLACES)
    assert s3_bucket.requests.total() - before == 5
    assert [each.label for each in (nine, ten, newest)] == ["9", "10", "neue Größe"]
    assert (nine.sessions, nine.messages, ten.messages, newest.messages) == (2, 7, 8, 9)
    assert (nine.parent, ten.parent, newest.parent) == (None, "9", "10")
    assert [each.latest for each in (nine, ten, newest)] == [False, False, True]
    assert nine.sealed
    assert nine.created_at is not None
    found = released.content(s3_bucket, PLACES.release("9"))
    bodies = [body for path, body in found.items() if not path.startswith("manifest.")]
    assert (nine.objects, nine.bytes) == (len(bodies), sum(map(len, bodies)))


def test_releases_that_are_not_sealed(bucket: Bucket, database: Database) -> None:
    """One without manifest is shown as incomplete, and one with a damaged manifest with what is wrong; both last."""
    for label in ("a", "b", "c"):
        released.release(database, bucket, label)
    bucket.delete([f"{PLACES.release('a')}manifest.json"])
    bucket.put(f"{PLACES.release('b')}manifest.json", b"{")
    sealed, incomplete, damaged = releases(bucket, PLACES)
    assert (sealed.label, sealed.sealed) == ("c", True)
    assert (incomplete.label, incomplete.sealed, incomplete.problem, incomplete.messages) == ("a", False, "", None)
    assert (damaged.label, damaged.sealed) == ("b", False)
    assert "manifest.json" in damaged.problem


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"release": 1}', b"\xff"])
def test_a_damaged_latest(bucket: Bucket, database: Database, body: bytes) -> None:
    """Where `latest.json` is damaged, no release is the newest, and all are listed."""
    released.release(database, bucket, "a")
    bucket.put(PLACES.latest, body)
    assert [(each.label, each.latest) for each in releases(bucket, PLACES)] == [("a", False)]


@pytest.fixture
def changed(bucket: Bucket, database: Database) -> Bucket:
    """A release `old`, then in the release `new` and in the live copy a change of every kind."""
    add_session(database, "same", text("as it is"))
    released.release(database, bucket, "old")
    released.say(database, "order", "one more")
    database.write(
        lambda connection: connection.run(
            "UPDATE messages SET change_id = (SELECT max(change_id) + 1 FROM messages), redact_message = "
            '\'{"role": "user", "content": []}\' WHERE session_id = \'order\' AND message_id = 1'
        )
    )
    add_session(database, "new", text("hello"), text("you"))
    released.delete_session(database, "order-b")
    released.put_object(database, "session/snap/scopes/agent/a/snapshots/snapshot_latest.json", b'{"data": 1 }')
    released.put_object(database, "notes/a.txt", b"another note")
    released.release(database, bucket, "new")
    released.live(database, bucket)
    return bucket


ADDED = message_path("order", 4)
REDACTED = message_path("order", 1)


@pytest.mark.parametrize("other", ["new", None])
def test_what_changed(changed: Bucket, other: str | None) -> None:
    """Sessions that are new, gone and changed, with how many messages; objects of the same size among them."""
    found = compare(changed, PLACES, "old", other)
    by_id = {each.session_id: each for each in found.sessions}
    assert list(by_id) == ["new", "order", "order-b", "snap"]
    assert by_id["order"] == SessionChange("order", "changed", 1, 0, 1, 2)
    assert (by_id["new"].change, by_id["new"].messages_added) == ("added", 2)
    assert (by_id["order-b"].change, by_id["order-b"].messages_removed) == ("removed", 3)
    assert by_id["snap"] == SessionChange("snap", "changed", 0, 0, 0, 1)
    of_order = [each for each in found.objects if "session_order/" in each.path]
    assert of_order == [ObjectChange(REDACTED, "changed"), ObjectChange(ADDED, "added")]
    assert ObjectChange("notes/a.txt", "changed") in found.objects
    assert found.same == 10
    assert (found.one, found.other) == ("old", other)


def test_the_other_way_round(changed: Bucket) -> None:
    """What was added is removed, seen from the other side."""
    there, back = compare(changed, PLACES, "old", "new"), compare(changed, PLACES, "new", "old")
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    assert [(each.path, turned[each.change]) for each in there.objects] == [
        (each.path, each.change) for each in back.objects
    ]
    assert compare(changed, PLACES, "new", "new").objects == ()


def test_comparing_reads_manifests_only(changed: Bucket) -> None:
    """Two releases are compared with two requests for each; the live copy without reading what its ETag tells."""
    before = changed.requests.copy()
    compare(changed, PLACES, "old", "new")
    assert changed.requests - before == {"GetObject": 4}
    before = changed.requests.copy()
    compare(changed, PLACES, "new")
    assert changed.requests - before == {"GetObject": 3, "ListObjectsV2": 1}


def test_what_cannot_be_compared(changed: Bucket) -> None:
    """A label that is a mistake, a release that is incomplete or damaged: a typed error each."""
    with pytest.raises(ReleaseNotFoundError):
        compare(changed, PLACES, "old", "nwe")
    with pytest.raises(InvalidReleaseError):
        compare(changed, PLACES, "../old", "new")
    changed.put(f"{PLACES.release('new')}manifest.objects.jsonl", b"{}\n")
    with pytest.raises(ObjectDamagedError):
        compare(changed, PLACES, "old", "new")
    changed.delete([f"{PLACES.release('new')}manifest.json"])
    with pytest.raises(ReleaseIncompleteError):
        compare(changed, PLACES, "old", "new")
    changed.delete([f"{PLACES.live}manifest.json"])
    with pytest.raises(ReleaseNotFoundError, match="no live copy"):
        compare(changed, PLACES, "old")
