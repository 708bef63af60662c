"""What goes wrong between here and S3: each failure is an error of its own type, with what to do, without secrets."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

import strands_sqlite_s3_mirror
from strands_sqlite_s3_mirror._bucket import Body, Bucket, PreconditionFailed
from strands_sqlite_s3_mirror.errors import (
    BucketError,
    ConditionsIgnoredError,
    CredentialsError,
    KeyTooLongError,
    MirrorConflictError,
    MirrorError,
    ObjectDamagedError,
    UnreachableError,
)
from strands_sqlite_session_manager.errors import SQLiteSessionError

from .proxy import Proxy
from .servers import ADMIN, QUICK, READER, Server, session_of_nobody

ONCE = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 1})
IMPATIENT = ONCE.merge(Config(read_timeout=0.3))
"""For servers that never answer: an answer may take longer on a busy machine."""

NO_ETAG = "0" * 32

CALLS: dict[str, Callable[[Bucket], object]] = {
    "put": lambda bucket: bucket.put("a", b"one"),
    "put_if_absent": lambda bucket: bucket.put("new", b"one", if_absent=True),
    "get": lambda bucket: bucket.get("a"),
    "lines": lambda bucket: bucket.lines("a"),
    "head": lambda bucket: bucket.head("a"),
    "copy": lambda bucket: bucket.copy("a", "b", source_etag=NO_ETAG),
    "list": lambda bucket: list(bucket.list("")),
    "folders": lambda bucket: list(bucket.folders("")),
    "delete": lambda bucket: bucket.delete(["a"]),
    "require_conditions": lambda bucket: bucket.require_conditions("a", b"one"),
}
WRITES = ("put", "put_if_absent", "copy", "delete")

every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def failure_of(call: Callable[[Bucket], object], bucket: Bucket) -> MirrorError:
    """The error that a call ends with; whatever it is, it is one of ours, and says what to do."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - that it is one of ours is what is checked
        call(bucket)
    error = caught.value
    assert isinstance(error, MirrorError)
    assert isinstance(error, SQLiteSessionError)
    assert not isinstance(error, (BotoCoreError, ClientError))
    assert error.hint
    assert error.hint in str(error)
    assert bucket.name in str(error)
    return error


@pytest.fixture
def through(s3_server: Server, proxy: Proxy) -> Callable[..., Bucket]:
    """A bucket with one object, seen through the proxy, which has counted nothing yet."""
    name = s3_server.new_bucket()
    s3_server.bucket(name).put("a", b"one")
    return lambda **options: s3_server.bucket(name, **({"endpoint_url": proxy.endpoint_url} | options))


@every_call
@pytest.mark.parametrize("credentials", [("other", ADMIN[1]), (ADMIN[0], "other")], ids=["key", "secret"])
def test_wrong_credentials(s3_server: Server, call: Callable[[Bucket], object], credentials: tuple[str, str]) -> None:
    """A key or a secret that S3 does not take; the answer to HEAD does not say which of the two 403 is meant."""
    bucket = s3_server.bucket("some-bucket", boto_session=s3_server.session(credentials))

    error = failure_of(call, bucket)

    expected = BucketError if call is CALLS["head"] else CredentialsError
    assert type(error) is expected
    assert "check" in error.hint
    assert "credentials" in error.hint


@every_call
def test_no_credentials_at_all(s3_server: Server, call: Callable[[Bucket], object]) -> None:
    """Nothing in the environment, no file, no role: it is said where boto3 looks."""
    bucket = s3_server.bucket("some-bucket", boto_session=session_of_nobody())

    error = failure_of(call, bucket)

    assert type(error) is CredentialsError
    assert "AWS_ACCESS_KEY_ID" in error.hint
    assert bucket.requests.total() == 0


def test_half_of_the_credentials(s3_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key without its secret is found out before anything is sent."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "half")

    with pytest.raises(CredentialsError):
        s3_server.bucket("some-bucket", boto_session=None).get("a")


def test_a_profile_that_does_not_exist(s3_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket cannot even be built, and the profile is named."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    with pytest.raises(CredentialsError, match="nobody"):
        s3_server.bucket("some-bucket", boto_session=None)


@every_call
def test_a_bucket_that_does_not_exist(s3_server: Server, call: Callable[[Bucket], object]) -> None:
    """Reading from a bucket that is not there is an error too, not an object that is not there."""
    error = failure_of(call, s3_server.bucket("no-such-bucket"))

    assert type(error) is BucketError
    assert "name" in error.hint


@every_call
def test_a_name_that_no_bucket_can_have(s3_server: Server, call: Callable[[Bucket], object]) -> None:
    """Boto3 refuses it before anything is sent."""
    assert type(failure_of(call, s3_server.bucket("No bucket!"))) is BucketError


@pytest.mark.parametrize("name", WRITES)
def test_a_bucket_that_may_only_be_read(s3_server: Server, s3_bucket: Bucket, name: str) -> None:
    """Credentials that may read cannot write, and what is there stays."""
    etag = s3_bucket.put("a", b"kept")
    reader = s3_server.bucket(s3_bucket.name, boto_session=s3_server.session(READER))

    error = failure_of(CALLS[name], reader)

    assert type(error) is BucketError
    assert "policy" in error.hint
    assert reader.get("a") == Body(b"kept", etag)


def test_one_key_of_many_that_may_not_be_deleted(through: Callable[..., Bucket], proxy: Proxy) -> None:
    """S3 answers 200 and names the keys that it left: that is no success."""
    proxy.always("key_refused", "DeleteObjects")

    error = failure_of(CALLS["delete"], through())

    assert type(error) is BucketError
    assert "key=<'a'>" in str(error)


@pytest.mark.parametrize("effect", ["no_md5", "not_implemented"])
def test_a_server_that_cannot_delete_many_at_once(through: Callable[..., Bucket], proxy: Proxy, effect: Any) -> None:
    """Some stores know no such request, or want the checksum of old clients: they are asked for one key at a time."""
    proxy.always(effect, "DeleteObjects")
    bucket = through(boto_client_config=ONCE)
    bucket.put("b", b"")

    assert bucket.delete(["a", "b", "c"]) == 3

    assert list(bucket.list("")) == []
    assert proxy.counts["DeleteObject"] == 3


@every_call
@pytest.mark.parametrize("endpoint_url", ["http://127.0.0.1:9", "http://no-such-host.invalid"], ids=["port", "host"])
def test_no_network(s3_server: Server, call: Callable[[Bucket], object], endpoint_url: str) -> None:
    """A port where nobody listens, and a name that means nothing."""
    error = failure_of(call, s3_server.bucket("some-bucket", endpoint_url=endpoint_url, boto_client_config=ONCE))

    assert type(error) is UnreachableError
    assert "network" in error.hint


@pytest.mark.parametrize("endpoint_url", ["nonsense", "ftp:/x"])
def test_an_endpoint_that_is_none(s3_server: Server, endpoint_url: str) -> None:
    """The bucket cannot even be built."""
    with pytest.raises(BucketError, match="endpoint"):
        s3_server.bucket("some-bucket", endpoint_url=endpoint_url)


@every_call
def test_a_server_that_does_not_answer(
    through: Callable[..., Bucket], proxy: Proxy, call: Callable[[Bucket], object]
) -> None:
    """Requests end with the timeout of the client's configuration."""
    proxy.always("hang")

    error = failure_of(call, through(boto_client_config=IMPATIENT))

    assert type(error) is UnreachableError
    assert "ReadTimeoutError" in str(error)


@every_call
@pytest.mark.parametrize("effect", ["slow_down", "failed", "cut_before"])
def test_a_server_that_goes_on_failing(
    through: Callable[..., Bucket], proxy: Proxy, call: Callable[[Bucket], object], effect: Any
) -> None:
    """Throttled, broken or cut off for ever: it ends after boto3's retries."""
    proxy.always(effect)

    assert type(failure_of(call, through(boto_client_config=ONCE))) is UnreachableError


@every_call
@pytest.mark.parametrize("effect", ["slow_down", "failed", "cut_before"])
def test_a_server_that_fails_once(
    through: Callable[..., Bucket], proxy: Proxy, call: Callable[[Bucket], object], effect: Any
) -> None:
    """What fails once is repeated, and nobody hears of it."""
    proxy.at(1, effect)
    bucket = through()

    try:
        call(bucket)
    except PreconditionFailed:
        assert call is CALLS["copy"]  # its source is another version in these tests

    assert bucket.requests.total() == len(proxy.seen) > 1


def test_an_object_whose_answer_is_lost_was_put(through: Callable[..., Bucket], proxy: Proxy) -> None:
    """A put-if-absent is done, its answer lost, and the repeated one refused: it was ours, so that is success."""
    proxy.at(1, "cut_after")
    bucket = through()

    etag = bucket.put("new", b"mine", if_absent=True)

    assert bucket.get("new") == Body(b"mine", etag)


def test_an_object_that_another_put_while_an_answer_was_lost(through: Callable[..., Bucket], proxy: Proxy) -> None:
    """Where the object has other bytes, somebody else put it, and the caller is told."""
    bucket = through()
    bucket.put("new", b"another's")
    proxy.heal()
    proxy.at(1, "cut_before")

    with pytest.raises(PreconditionFailed):
        bucket.put("new", b"mine", if_absent=True)

    assert proxy.counts == {"PutObject": 2, "GetObject": 1}


def test_a_replacement_whose_answer_is_lost_was_made(through: Callable[..., Bucket], proxy: Proxy) -> None:
    """The repeated put finds another version than the one it names: its own."""
    bucket = through()
    first = bucket.put("new", b"first")
    proxy.heal()
    proxy.at(1, "cut_after")

    etag = bucket.put("new", b"second", if_match=first)

    assert bucket.get("new") == Body(b"second", etag)


@pytest.mark.parametrize("name", ["list", "folders", "delete", "put", "get"])
def test_other_answers_that_are_lost(through: Callable[..., Bucket], proxy: Proxy, name: str) -> None:
    """What can be done twice is done twice."""
    proxy.at(1, "cut_after")

    CALLS[name](through())

    assert len(proxy.seen) == 2


@pytest.mark.usefixtures("quick_pauses")
@pytest.mark.parametrize("effect", ["cut_body", "damage"])
def test_a_body_that_breaks_off_or_is_damaged_is_read_again(
    through: Callable[..., Bucket], proxy: Proxy, effect: Any
) -> None:
    """Half an object, or one with another byte, never reaches the caller."""
    proxy.at(1, effect)
    bucket = through()

    found = bucket.get("a")

    assert found is not None
    assert found.data == b"one"
    assert proxy.counts == {"GetObject": 2}


@pytest.mark.usefixtures("quick_pauses")
@pytest.mark.parametrize(("effect", "kind"), [("cut_body", UnreachableError), ("damage", ObjectDamagedError)])
def test_a_body_that_never_arrives(
    through: Callable[..., Bucket], proxy: Proxy, effect: Any, kind: type[MirrorError]
) -> None:
    """After some tries it is an error, which says whether bytes were missing or wrong."""
    proxy.always(effect)

    assert type(failure_of(CALLS["get"], through())) is kind


@pytest.mark.usefixtures("quick_pauses")
@pytest.mark.parametrize("name", WRITES)
def test_a_key_that_is_busy_is_tried_again(through: Callable[..., Bucket], proxy: Proxy, name: str) -> None:
    """AWS answers 409 where requests for one key cross: boto3 takes that for final, we do not."""
    proxy.at(1, "conflict")
    proxy.at(2, "conflict")

    try:
        CALLS[name](through())
    except PreconditionFailed:
        assert name == "copy"

    assert len(proxy.seen) == 3


@pytest.mark.usefixtures("quick_pauses")
@pytest.mark.parametrize("name", WRITES)
def test_a_key_that_stays_busy(through: Callable[..., Bucket], proxy: Proxy, name: str) -> None:
    """After some tries it is an error: somebody else is at work there."""
    proxy.always("conflict")

    error = failure_of(CALLS[name], through())

    assert type(error) is MirrorConflictError
    assert "one push at a time" in error.hint
    assert len(proxy.seen) == 8


def test_a_server_that_knows_no_conditions(through: Callable[..., Bucket], proxy: Proxy) -> None:
    """Some servers answer 501 to a condition: that is as good as ignoring it, and an unconditional 501 is not."""
    proxy.always("not_implemented")
    bucket = through(boto_client_config=ONCE)

    assert type(failure_of(CALLS["put_if_absent"], bucket)) is ConditionsIgnoredError
    assert type(failure_of(CALLS["require_conditions"], bucket)) is ConditionsIgnoredError
    assert type(failure_of(CALLS["put"], bucket)) is UnreachableError


def test_a_clock_that_is_wrong(through: Callable[..., Bucket], proxy: Proxy) -> None:
    """S3 refuses signatures of another time: the hint is about the clock, not about the keys."""
    proxy.always("skewed")

    error = failure_of(CALLS["put"], through(boto_client_config=ONCE))

    assert type(error) is CredentialsError
    assert "clock" in error.hint


def test_a_bucket_in_another_region(through: Callable[..., Bucket], proxy: Proxy) -> None:
    """A redirection that boto3 cannot follow: the hint is about the region."""
    proxy.always("other_region", "PutObject")  # boto3 then asks HeadBucket for the region, and is not told

    error = failure_of(CALLS["put"], through(boto_client_config=ONCE))

    assert type(error) is BucketError
    assert "region" in error.hint


def test_a_key_that_is_too_long(s3_bucket: Bucket) -> None:
    """S3 itself refuses it; the message does not repeat all of the key."""
    error = failure_of(lambda bucket: bucket.put("k" * 1025, b""), s3_bucket)

    assert type(error) is KeyTooLongError
    assert isinstance(error, ValueError)
    assert "k" * 201 not in str(error)


def test_what_a_request_is_signed_with_stays_out_of_messages(s3_server: Server, proxy: Proxy) -> None:
    """A server that repeats the key, the signature or the token of a session gets none of them into a message."""
    session = boto3.Session(
        region_name="us-east-1",
        aws_access_key_id="visible-key",
        aws_secret_access_key="visible-secret",  # noqa: S106 - opens nothing
        aws_session_token="visible-token",  # noqa: S106 - opens nothing
    )
    proxy.always("echo")
    bucket = s3_server.bucket("some-bucket", boto_session=session, endpoint_url=proxy.endpoint_url)

    error = failure_of(CALLS["put"], bucket)

    signature = proxy.seen[0].headers["authorization"].rpartition("=")[2]
    shown = "".join(traceback.format_exception(error))
    for secret in ("visible-key", "visible-secret", "visible-token", signature):
        assert secret not in shown
    assert "Odd" in shown


@pytest.mark.parametrize("endpoint_url", ["http://127.0.0.1:9", "http://user:visible-secret@127.0.0.1:9"])
def test_presigned_addresses_stay_out_of_messages(s3_server: Server, endpoint_url: str) -> None:
    """Where requests are signed in their address, or the address holds a password, it is shown without."""
    config = ONCE.merge(Config(signature_version="s3v4-query"))
    bucket = s3_server.bucket("some-bucket", boto_client_config=config, endpoint_url=endpoint_url)

    error = failure_of(CALLS["get"], bucket)

    shown = "".join(traceback.format_exception(error))
    assert "127.0.0.1:9" in shown
    assert "X-Amz-Signature=***" in shown
    assert ADMIN[0] not in shown
    assert "visible-secret" not in shown


def test_an_error_has_its_cause(s3_server: Server) -> None:
    """What boto3 raised can be looked at where it holds nothing secret."""
    error = failure_of(CALLS["get"], s3_server.bucket("no-such-bucket"))

    assert isinstance(error.__cause__, ClientError)


def test_requests_say_who_sends_them(through: Callable[..., Bucket], proxy: Proxy) -> None:
    """The user agent names this package and its version, behind what a caller's configuration adds."""
    config = QUICK.merge(Config(user_agent_extra="team/7"))

    through(boto_client_config=config).get("a")

    agent = proxy.seen[0].headers["user-agent"]
    assert agent.endswith(f"team/7 strands-sqlite-s3-mirror/{strands_sqlite_s3_mirror.__version__}")
