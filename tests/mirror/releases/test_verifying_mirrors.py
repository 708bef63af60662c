"""`verify`: what is missing, modified and extra in S3 is told, and all is well where nothing is."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._manifest import Entry, write_entries
from strands_sqlite_s3_mirror._verify import Finding, Level, verify_release
from strands_sqlite_s3_mirror._verify_live import verify_live
from strands_sqlite_s3_mirror.errors import MirrorError, ReleaseNotFoundError
from strands_sqlite_session_manager._database import Database

from . import released
from .released import PLACES, message_path

ROOT = PLACES.release("1.0")
FIRST = message_path("order", 0)
LEVELS: tuple[Level, ...] = ("listing", "checksum", "read")


@pytest.fixture
def pushed(database: Database, bucket: Bucket) -> Bucket:
    released.release(database, bucket, "1.0")
    return bucket


def found(findings: list[Finding]) -> list[tuple[str, str]]:
    assert all(finding.problem and finding.advice for finding in findings)
    return [(finding.kind, finding.path) for finding in findings]


def test_a_release_as_it_was_pushed(pushed: Bucket) -> None:
    """Nothing is found in what was pushed, and nothing is changed; only `read` downloads the objects."""
    before = released.content(pushed)
    downloaded = []
    for level in LEVELS:
        received = pushed.received
        assert verify_release(pushed, PLACES, "1.0", level=level) == []
        downloaded.append(pushed.received - received)
    listing, checksum, read = downloaded
    assert listing == checksum == read - sum(len(body) for path, body in before.items() if is_object(path))
    assert released.content(pushed) == before


def is_object(path: str) -> bool:
    return path.rpartition("/")[2] not in ("latest.json", "manifest.json", "manifest.objects.jsonl")


def test_few_requests(pushed: Bucket) -> None:
    """Without `read`, one request for the manifest, one for its list and one for the listing are enough."""
    for level in ("listing", "checksum"):
        before = pushed.requests.total()
        verify_release(pushed, PLACES, "1.0", level=level)
        assert pushed.requests.total() - before == 3


def test_an_object_that_is_gone(pushed: Bucket) -> None:
    """An object that somebody deleted is missing, at every level."""
    pushed.delete([ROOT + FIRST])
    for level in LEVELS:
        assert found(verify_release(pushed, PLACES, "1.0", level=level)) == [("missing", FIRST)]


def test_objects_that_were_not_pushed(pushed: Bucket) -> None:
    """What an agent wrote into a release is extra, at every level; the order of the listing does not matter."""
    paths = [message_path("order", 4), "session_order-b-c/session.json", "session_a/session.json"]
    for path in paths:
        pushed.put(ROOT + path, b"{}")
    for level in LEVELS:
        assert found(verify_release(pushed, PLACES, "1.0", level=level)) == [("extra", path) for path in sorted(paths)]


def test_an_object_of_another_size(pushed: Bucket) -> None:
    """An object that became shorter is modified, at every level."""
    pushed.put(ROOT + FIRST, b"{}")
    for level in LEVELS:
        assert found(verify_release(pushed, PLACES, "1.0", level=level)) == [("modified", FIRST)]


def test_an_object_of_the_same_size(pushed: Bucket) -> None:
    """One letter that changed is seen by its checksum, though not in a listing."""
    body = released.content(pushed, ROOT)[FIRST]
    pushed.put(ROOT + FIRST, body.replace(b"parcel", b"barcel"))
    for level in LEVELS:
        expected = [] if level == "listing" else [("modified", FIRST)]
        assert found(verify_release(pushed, PLACES, "1.0", level=level)) == expected


def with_other_etags(bucket: Bucket) -> None:
    """Let the list of objects name other ETags, as if the server that was copied from had called them so."""
    key = f"{ROOT}manifest.objects.jsonl"
    head, *lines = released.content(bucket, ROOT)["manifest.objects.jsonl"].splitlines()
    entries = [{**json.loads(line), "etag": "another"} for line in lines]
    body = b"".join(write_entries(json.loads(head)["token"], [Entry(**entry) for entry in entries]))
    bucket.put(key, body)
    reseal(bucket, body)


def reseal(bucket: Bucket, objects: bytes) -> None:
    manifest = json.loads(released.content(bucket, ROOT)["manifest.json"])
    bucket.put(f"{ROOT}manifest.json", json.dumps({**manifest, "objects_sha256": sha256(objects).hexdigest()}).encode())


def test_other_etags_of_the_same_content(pushed: Bucket) -> None:
    """A server that calls the same content otherwise is no finding: such objects are read."""
    with_other_etags(pushed)
    assert verify_release(pushed, PLACES, "1.0") == []
    pushed.put(ROOT + FIRST, released.content(pushed, ROOT)[FIRST].replace(b"parcel", b"barcel"))
    assert found(verify_release(pushed, PLACES, "1.0")) == [("modified", FIRST)]


def change(document: bytes, **values: Any) -> bytes:
    return json.dumps({**json.loads(document), **values}).encode()


DAMAGES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "cut manifest": ("manifest.json", lambda body: body[:40]),
    "manifest that is no object": ("manifest.json", lambda _: b"[]"),
    "manifest of another release": ("manifest.json", lambda body: change(body, release="2.0")),
    "cut list": ("manifest.objects.jsonl", lambda body: body[:-200]),
    "line missing": ("manifest.objects.jsonl", lambda body: b"\n".join(body.splitlines()[:-1]) + b"\n"),
    "other hash in the list": ("manifest.objects.jsonl", lambda body: body.replace(b'"sha256":"', b'"sha256":"0')),
    "list that is no list": ("manifest.objects.jsonl", lambda _: b"\xff\xfe"),
    "empty list": ("manifest.objects.jsonl", lambda _: b""),
}


def test_damaged_manifests(pushed: Bucket) -> None:
    """A damaged manifest is a finding too, and says what to do; nothing is made of what it says."""
    before = released.content(pushed, ROOT)
    for name, (file, damage) in DAMAGES.items():
        pushed.put(ROOT + file, damage(before[file]))
        assert {kind for kind, _ in found(verify_release(pushed, PLACES, "1.0"))} == {"manifest"}, name
        pushed.put(ROOT + file, before[file])


def test_a_missing_list(pushed: Bucket) -> None:
    """A release without its list of objects has a finding for it."""
    pushed.delete([f"{ROOT}manifest.objects.jsonl"])
    assert found(verify_release(pushed, PLACES, "1.0")) == [("manifest", "manifest.json")]


def test_a_newer_manifest(pushed: Bucket) -> None:
    """A manifest of a newer version is no damage: the error says to upgrade."""
    pushed.put(f"{ROOT}manifest.json", change(released.content(pushed, ROOT)["manifest.json"], version=2))
    with pytest.raises(MirrorError, match="upgrade"):
        verify_release(pushed, PLACES, "1.0")


def test_an_incomplete_release(pushed: Bucket) -> None:
    """A release that was never sealed is told as one."""
    pushed.delete([f"{ROOT}manifest.json"])
    findings = verify_release(pushed, PLACES, "1.0")
    assert found(findings) == [("manifest", "manifest.json")]
    assert "incomplete" in findings[0].problem


def test_no_such_release(pushed: Bucket) -> None:
    """A label that is a mistake is an error, not a finding: nothing was looked at."""
    with pytest.raises(ReleaseNotFoundError):
        verify_release(pushed, PLACES, "1")


def test_progress(pushed: Bucket) -> None:
    """The objects are counted up to all of them."""
    steps: list[tuple[int, int]] = []
    verify_release(pushed, PLACES, "1.0", progress=lambda done, total: steps.append((done, total)))
    assert steps == [(number, len(steps)) for number in range(1, len(steps) + 1)]
    assert steps


@pytest.fixture
def live(database: Database, bucket: Bucket) -> Bucket:
    released.live(database, bucket)
    return bucket


def test_a_live_copy(live: Bucket, database: Database) -> None:
    """Nothing is found in a copy that was just pushed, nor in one that is behind the database."""
    for level in LEVELS:
        assert verify_live(live, PLACES, database, level=level) == []
    released.say(database, "order", "not pushed yet")
    released.put_object(database, "notes/b.txt", b"not pushed yet")
    released.delete_session(database, "order-b")
    for level in LEVELS:
        assert verify_live(live, PLACES, database, level=level) == []


def test_a_live_copy_that_somebody_changed(live: Bucket, database: Database) -> None:
    """What is missing, modified or extra in the live copy is found by comparing it with the database."""
    second = message_path("order", 1)
    live.delete([PLACES.live + FIRST])
    live.put(PLACES.live + second, released.content(live, PLACES.live)[second].replace(b"parcel", b"barcel"))
    live.put(f"{PLACES.live}session_typo/session.json", b"{}")
    missing, modified, extra = ("missing", FIRST), ("modified", second), ("extra", "session_typo/session.json")
    assert found(verify_live(live, PLACES, database, level="listing")) == [missing, extra]
    assert found(verify_live(live, PLACES, database)) == [missing, modified, extra]
    assert found(verify_live(live, PLACES, database, level="read")) == [missing, modified, extra]


def test_the_live_copy_of_another_database(live: Bucket, tmp_path: Path) -> None:
    """A database that never pushed there says so, instead of finding everything changed."""
    with released.opened(tmp_path / "other.db") as other:
        findings = verify_live(live, PLACES, other)
    assert found(findings) == [("manifest", "manifest.json")]
    assert "does not know this copy" in findings[0].problem


def test_a_live_copy_with_a_damaged_manifest(live: Bucket, database: Database) -> None:
    """That is a finding."""
    live.put(f"{PLACES.live}manifest.json", b"{")
    assert found(verify_live(live, PLACES, database)) == [("manifest", "manifest.json")]


def test_no_live_copy(bucket: Bucket, database: Database) -> None:
    """Where nothing was pushed, that is an error."""
    with pytest.raises(ReleaseNotFoundError):
        verify_live(bucket, PLACES, database)
