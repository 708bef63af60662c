"""Objects in a bucket: on a real server and on moto's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from strands_sqlite_s3_mirror import _bucket
from strands_sqlite_s3_mirror._bucket import Body, Bucket, Head, Listed, PreconditionFailed
from strands_sqlite_s3_mirror.errors import ConditionsIgnoredError, ObjectConflictError

from .proxy import Proxy
from .servers import Server

NO_ETAG = "0" * 32
ODD_KEYS = [
    "ü 😀",
    "&<>\"'",
    "+plus%41",
    "q?x=1#f",
    "control\x01",
    "cr\rx",
    "nl\nx",
    "\ufffe",
    "p/" * 200 + "e",
]


def test_what_is_put_is_what_is_read_asked_for_and_listed(bucket: Bucket) -> None:
    """An object comes back with its bytes, its size and the entity tag that `put` returned, without quotes."""
    etag = bucket.put("base/a", b"one")

    assert '"' not in etag
    assert bucket.get("base/a") == Body(b"one", etag)
    assert bucket.head("base/a") == Head(3, etag)
    assert list(bucket.list("base/")) == [Listed("base/a", 3, etag)]


def test_what_is_not_there_is_none(bucket: Bucket) -> None:
    """An object that does not exist is no error."""
    assert bucket.get("a") is None
    assert bucket.head("a") is None
    assert bucket.lines("a") is None
    assert list(bucket.list("a")) == []
    assert list(bucket.folders("")) == []


def test_an_object_that_is_there_is_not_overwritten(bucket: Bucket) -> None:
    """With `if_absent` the first writer wins, and the second is told."""
    bucket.put("a", b"first", if_absent=True)

    with pytest.raises(PreconditionFailed):
        bucket.put("a", b"second", if_absent=True)

    found = bucket.get("a")
    assert found is not None
    assert found.data == b"first"


def test_only_the_version_that_was_named_is_replaced(bucket: Bucket) -> None:
    """With `if_match` an object is replaced only while it is the version that the writer has seen."""
    first = bucket.put("a", b"first")
    second = bucket.put("a", b"second", if_match=first)

    with pytest.raises(PreconditionFailed):
        bucket.put("a", b"third", if_match=first)

    assert bucket.get("a") == Body(b"second", second)


def test_a_version_of_nothing_is_not_replaced(bucket: Bucket) -> None:
    """AWS answers 404 where SeaweedFS answers 412: for the caller it is one refusal, and nothing is written."""
    with pytest.raises(PreconditionFailed):
        bucket.put("a", b"one", if_match=NO_ETAG)

    assert bucket.get("a") is None


def test_of_many_writers_of_one_key_one_wins(s3_bucket: Bucket) -> None:
    """Threads that put the same key if it is absent: exactly one gets it, also where they share one `Bucket`."""

    def wins(number: int) -> bool:
        try:
            s3_bucket.put("a", b"%d" % number, if_absent=True)
        except PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = [number for number, one in enumerate(pool.map(wins, range(24))) if one]

    found = s3_bucket.get("a")
    assert found is not None
    assert [b"%d" % number for number in won] == [found.data]


def test_a_media_type_is_kept_by_a_copy(bucket: Bucket, server: Server) -> None:
    """A copy on the server has the bytes, the entity tag and the media type of its source."""
    etag = bucket.put("a", b"{}", content_type="application/json")

    assert bucket.copy("a", "b", source_etag=etag) == etag

    answer = server.client().get_object(Bucket=bucket.name, Key="b")
    assert (answer["ContentType"], answer["Body"].read()) == ("application/json", b"{}")


def test_only_the_version_that_was_named_is_copied(s3_bucket: Bucket) -> None:
    """A source that changed, or is gone, is not copied."""
    etag = s3_bucket.put("a", b"first")
    s3_bucket.put("a", b"second")

    with pytest.raises(PreconditionFailed):
        s3_bucket.copy("a", "b", source_etag=etag)
    with pytest.raises(PreconditionFailed):
        s3_bucket.copy("gone", "b", source_etag=etag)

    assert s3_bucket.get("b") is None


@pytest.mark.parametrize("key", ODD_KEYS, ids=lambda key: ascii(key)[:20])
def test_odd_keys_are_keys(s3_bucket: Bucket, key: str) -> None:
    """Whatever a key holds: it is written, read, listed, copied and deleted under exactly this name."""
    etag = s3_bucket.put(f"base/{key}", key.encode())
    s3_bucket.copy(f"base/{key}", f"base/{key}-copy", source_etag=etag)

    found = s3_bucket.get(f"base/{key}")
    assert found is not None
    assert found.data == key.encode()
    assert {item.key for item in s3_bucket.list("base/")} == {f"base/{key}", f"base/{key}-copy"}
    assert s3_bucket.delete([f"base/{key}", f"base/{key}-copy"]) == 2
    assert list(s3_bucket.list("")) == []


def test_lists_and_folders_go_over_pages(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one page of keys and of folders comes in order, each once; and all of it is deleted."""
    keys = [f"base/{number:02}/x" for number in range(30)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: bucket.put(key, b""), keys))
    monkeypatch.setattr(_bucket, "DELETED_AT_ONCE", 7)
    monkeypatch.setattr(_bucket, "LISTED_AT_ONCE", 7)

    assert [item.key for item in bucket.list("base/")] == keys
    assert list(bucket.folders("base/")) == [key.removesuffix("x") for key in keys]
    assert bucket.delete(keys) == 30
    assert list(bucket.list("")) == []
    assert bucket.requests["DeleteObjects"] == 5


def test_what_is_not_there_can_be_deleted(bucket: Bucket) -> None:
    """Deleting again is no error: a rerun after a crash does it."""
    bucket.put("a", b"")

    assert bucket.delete(["a", "b"]) == 2
    assert bucket.delete(iter(())) == 0
    assert list(bucket.list("")) == []


@pytest.mark.parametrize("text", [b"", b"\n", b"one", b"one\n", b"one\ntwo", b"\n\none\r\n\ntwo\n"])
def test_lines_are_those_of_the_object(bucket: Bucket, text: bytes) -> None:
    """Lines end with a line feed and nothing else; the last one may lack it, and an empty object has none."""
    bucket.put("a", text)

    found = bucket.lines("a")

    assert found is not None
    assert list(found) == text.removesuffix(b"\n").split(b"\n") if text else list(found) == []


def test_lines_are_fetched_in_pieces(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long object is never in memory whole, and lines that lie across two pieces are whole."""
    monkeypatch.setattr(_bucket, "PIECE", 1000)
    lines = [b"%d" % number * (number % 90) for number in range(200)]
    bucket.put("a", b"\n".join(lines))

    found = bucket.lines("a")

    assert found is not None
    assert list(found) == lines
    assert bucket.requests["GetObject"] > 10


def test_lines_of_an_object_that_is_replaced_meanwhile_are_not_mixed(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second piece is of the version of the first, or an error says that there is another."""
    monkeypatch.setattr(_bucket, "PIECE", 10)
    bucket.put("a", b"first\n" * 10)
    found = bucket.lines("a")
    bucket.put("a", b"other\n" * 10)

    assert found is not None
    with pytest.raises(ObjectConflictError, match="was replaced while it was read"):
        list(found)


def test_a_server_that_honours_conditions_passes(s3_bucket: Bucket) -> None:
    """The probe writes nothing: the object is the same version afterwards."""
    etag = s3_bucket.put("a", b"one")

    s3_bucket.require_conditions("a", b"one")

    assert s3_bucket.head("a") == Head(3, etag)
    assert s3_bucket.requests["PutObject"] == 3


def test_a_server_that_ignores_conditions_is_found_out(s3_server: Server, proxy: Proxy) -> None:
    """A server that takes conditions and overwrites all the same is refused, and the object keeps its content."""
    name = s3_server.new_bucket()
    bucket = s3_server.bucket(name, endpoint_url=proxy.endpoint_url)
    bucket.put("a", b"one")
    proxy.always("ignore_conditions")

    with pytest.raises(ConditionsIgnoredError, match="ignores IfNoneMatch"):
        bucket.require_conditions("a", b"one")

    found = bucket.get("a")
    assert found is not None
    assert found.data == b"one"
    bucket.close()


def test_a_server_that_ignores_if_match_alone_is_found_out(s3_server: Server, proxy: Proxy) -> None:
    """If-None-Match is not enough: the live copy needs If-Match."""
    name = s3_server.new_bucket()
    bucket = s3_server.bucket(name, endpoint_url=proxy.endpoint_url)
    bucket.put("a", b"one")
    proxy.at(3, "ignore_conditions")

    with pytest.raises(ConditionsIgnoredError, match="ignores IfMatch"):
        bucket.require_conditions("a", b"one")
    bucket.close()


def test_requests_and_bytes_are_counted(bucket: Bucket) -> None:
    """Each request counts once under S3's name for it; bytes are those of objects."""
    bucket.put("a", b"12345")
    bucket.get("a")
    bucket.head("a")
    list(bucket.list(""))
    bucket.copy("a", "b", source_etag=bucket.put("a", b"1234567"))

    assert dict(bucket.requests) == {
        "PutObject": 2,
        "GetObject": 1,
        "HeadObject": 1,
        "ListObjectsV2": 1,
        "CopyObject": 1,
    }
    assert (bucket.sent, bucket.received) == (12, 5)


def test_bytes_that_change_on_their_way_are_not_stored(s3_server: Server, s3_bucket: Bucket) -> None:
    """Every object is sent with its SHA-256, which the server checks and keeps."""
    s3_bucket.put("a", b"one")

    answer = s3_server.client().head_object(Bucket=s3_bucket.name, Key="a", ChecksumMode="ENABLED")

    assert answer["ChecksumSHA256"] == "dpLDrTVAu4A8Ags67mbNiIcSMjTqDG5xQ8Ct1z/0Me0="
