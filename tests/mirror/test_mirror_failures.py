"""Every operation of a mirror when S3 cannot be used: an error that says what to do, and nothing broken or lost."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore.config import Config

from strands_sqlite_s3_mirror import (
    BucketError,
    ConditionsIgnoredError,
    CredentialsError,
    KeyTooLongError,
    MirrorConflictError,
    MirrorError,
    Redaction,
    ReleasePolicy,
    ReservedKeyError,
    S3Mirror,
    UnreachableError,
)
from strands_sqlite_session_manager import SessionStore
from strands_sqlite_session_manager._schema import open_database

from .proxy import Proxy
from .pushing import new_database, write
from .restoring import contents
from .servers import ADMIN, QUICK, READER, Server, session_of_nobody

_ALIKE = 2

ONCE = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 1})
IMPATIENT = ONCE.merge(Config(read_timeout=0.5))
"""For servers that never answer: an answer may take longer on a busy machine."""

READING: dict[str, Callable[[S3Mirror], object]] = {
    "releases": lambda mirror: mirror.releases(),
    "verify": lambda mirror: mirror.verify(release="1", level="read"),
    "verify live": lambda mirror: mirror.verify(level="read"),
    "compare": lambda mirror: mirror.compare("1"),
    "restore": lambda mirror: mirror.restore(release="1", on_conflict="skip"),
    "pull": lambda mirror: mirror.pull(on_conflict="skip"),
    "import": lambda mirror: mirror.import_sessions("base/live", on_conflict="skip"),
    "plan prune": lambda mirror: mirror.plan_prune(ReleasePolicy(keep_last=1)),
    "plan redact": lambda mirror: mirror.plan_redact(Redaction(sessions=("talk",))),
}
WRITING: dict[str, Callable[[S3Mirror], object]] = {
    "push": lambda mirror: mirror.push(),
    "push release": lambda mirror: mirror.push(release="2"),
}
OPERATIONS = READING | WRITING

LOADING: dict[str, Callable[[S3Mirror], object]] = {
    "restore": lambda mirror: mirror.restore(release="1"),
    "pull": lambda mirror: mirror.pull(),
    "import": lambda mirror: mirror.import_sessions("base/live"),
}
LOOKING = {name: operation for name, operation in READING.items() if name not in LOADING}
SOME = {name: OPERATIONS[name] for name in ("releases", "pull", "push release")}
"""For what `test_mirror_errors` holds for every request."""

every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
some_operations = pytest.mark.parametrize("operation", SOME.values(), ids=SOME)


class Place(NamedTuple):
    """A database that was pushed to a bucket, live and as release 1."""

    path: Path
    bucket: str
    server: Server

    def mirror(self, bucket: str | None = None, prefix: str = "base", **options: Any) -> S3Mirror:
        """A mirror of it."""
        return S3Mirror(self.path, bucket or self.bucket, prefix, **self.server.options(**options))


@pytest.fixture(scope="module")
def pushed(s3_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One for the tests that change nothing in it."""
    place = Place(tmp_path_factory.mktemp("pushed") / "agent.db", s3_server.new_bucket(), s3_server)
    new_database(place.path).close()
    with place.mirror() as mirror:
        mirror.push()
        mirror.push(release="1")
    return place


@pytest.fixture
def place(s3_server: Server, tmp_path: Path) -> Place:
    """A database that was not pushed yet."""
    new_database(tmp_path / "agent.db").close()
    return Place(tmp_path / "agent.db", s3_server.new_bucket(), s3_server)


def failure_of(operation: Callable[[S3Mirror], object], mirror: S3Mirror) -> MirrorError:
    """The error that an operation ends with: one of ours, with a hint, and nothing secret in what a log shows of it."""
    with mirror, pytest.raises(Exception) as caught:  # noqa: PT011 - that it is one of ours is what is checked
        operation(mirror)
    error = caught.value
    assert isinstance(error, MirrorError), "".join(traceback.format_exception(error))
    assert error.hint
    assert error.hint in str(error)
    shown = "".join(traceback.format_exception(error))
    assert ADMIN[0] not in shown
    assert ADMIN[1] not in shown
    return error


@some_operations
def test_wrong_credentials(pushed: Place, operation: Callable[[S3Mirror], object]) -> None:
    """It is the credentials that are wrong, whatever was to be done with them."""
    session = pushed.server.session((ADMIN[0], "wrong"))

    assert type(failure_of(operation, pushed.mirror(boto_session=session))) is CredentialsError


@some_operations
def test_no_credentials(pushed: Place, operation: Callable[[S3Mirror], object]) -> None:
    """Nothing is sent without any."""
    assert type(failure_of(operation, pushed.mirror(boto_session=session_of_nobody()))) is CredentialsError


@some_operations
def test_a_missing_bucket(pushed: Place, operation: Callable[[S3Mirror], object]) -> None:
    """A mistyped bucket is not an empty one."""
    assert type(failure_of(operation, pushed.mirror("no-such-bucket"))) is BucketError


@every_operation
def test_no_network(pushed: Place, operation: Callable[[S3Mirror], object]) -> None:
    """Nobody listens."""
    mirror = pushed.mirror(endpoint_url="http://127.0.0.1:9", boto_client_config=ONCE)

    assert type(failure_of(operation, mirror)) is UnreachableError


@every_operation
@pytest.mark.parametrize("effect", ["slow_down", "cut_before", "hang"])
def test_a_server_that_never_works(
    pushed: Place, proxy: Proxy, operation: Callable[[S3Mirror], object], effect: Any
) -> None:
    """Throttled, cut off or silent for ever."""
    proxy.always(effect)
    config = IMPATIENT if effect == "hang" else ONCE
    mirror = pushed.mirror(endpoint_url=proxy.endpoint_url, boto_client_config=config)

    assert type(failure_of(operation, mirror)) is UnreachableError


@pytest.mark.parametrize("operation", WRITING.values(), ids=WRITING)
def test_a_bucket_that_may_only_be_read(place: Place, operation: Callable[[S3Mirror], object]) -> None:
    """A push is refused, and can be made when it is allowed."""
    error = failure_of(operation, place.mirror(boto_session=place.server.session(READER)))

    assert type(error) is BucketError
    assert "policy" in error.hint
    with place.mirror() as mirror:
        operation(mirror)


@pytest.mark.parametrize("operation", READING.values(), ids=READING)
def test_who_only_reads_needs_no_more_than_to_read(pushed: Place, operation: Callable[[S3Mirror], object]) -> None:
    """Nothing is written to look, to compare, to restore or to plan."""
    with pushed.mirror(boto_session=pushed.server.session(READER)) as mirror:
        operation(mirror)


@pytest.mark.usefixtures("quick_pauses")
@pytest.mark.parametrize("operation", LOOKING.values(), ids=LOOKING)
@pytest.mark.parametrize("effect", ["cut_before", "cut_body"])
def test_failing_at_each_request_in_turn(
    pushed: Place, proxy: Proxy, operation: Callable[[S3Mirror], object], effect: Any
) -> None:
    """Whichever request fails: the result is as without it, or the error is ours; never half a result."""
    with pushed.mirror(endpoint_url=proxy.endpoint_url, boto_client_config=ONCE) as mirror:
        whole = operation(mirror)
        kinds = [seen.operation for seen in proxy.seen]
        for number in _samples(kinds):
            proxy.heal()
            proxy.at(number, effect)
            try:
                assert operation(mirror) == whole
            except UnreachableError:
                continue


@pytest.mark.usefixtures("quick_pauses")
@pytest.mark.parametrize("operation", LOADING.values(), ids=LOADING)
@pytest.mark.parametrize("effect", ["cut_before", "cut_body"])
def test_loading_that_fails_at_each_request_in_turn(
    pushed: Place, proxy: Proxy, tmp_path: Path, operation: Callable[[S3Mirror], object], effect: Any
) -> None:
    """Whichever request fails: run again, it makes of a new file the same database as without it."""

    def into(name: str) -> S3Mirror:
        place = pushed._replace(path=tmp_path / name)
        return place.mirror(endpoint_url=proxy.endpoint_url, boto_client_config=ONCE)

    with into("whole.db") as mirror:
        operation(mirror)
    expected = contents_of(tmp_path / "whole.db")
    assert expected[0] == contents_of(pushed.path)[0]  # an import leaves out objects that the SDK did not write
    for number in _samples([seen.operation for seen in proxy.seen]):
        proxy.heal()
        proxy.at(number, effect)
        with into(f"{number}.db") as mirror:
            with suppress(UnreachableError):
                operation(mirror)
            proxy.heal()
            operation(mirror)
        assert contents_of(tmp_path / f"{number}.db") == expected, number


def contents_of(path: Path) -> tuple[bytes, dict[str, bytes]]:
    """All that is in a database."""
    with closing(open_database(path)) as database:
        return contents(database)


def _samples(kinds: list[str]) -> list[int]:
    """The numbers of all requests of a few; of many alike, the first ones and the last one of each kind."""
    numbers: dict[str, list[int]] = {}
    for number, kind in enumerate(kinds, 1):
        numbers.setdefault(kind, []).append(number)
    return sorted({number for found in numbers.values() for number in (*found[:_ALIKE], found[-1])})


@pytest.mark.usefixtures("quick_pauses")
@pytest.mark.parametrize("operation", WRITING.values(), ids=WRITING)
@pytest.mark.parametrize("effect", ["slow_down", "failed", "conflict", "cut_before", "cut_after"])
def test_a_push_with_one_failure_of_every_kind_of_request(
    place: Place, proxy: Proxy, operation: Callable[[S3Mirror], object], effect: Any
) -> None:
    """Each kind of request fails once, and the push is as if nothing had been."""
    for kind in ("GetObject", "ListObjectsV2", "PutObject"):
        proxy.at(1, effect, kind)

    with place.mirror(endpoint_url=proxy.endpoint_url) as mirror:
        operation(mirror)
        release = "2" if mirror.releases() else None
        assert mirror.verify(release=release, level="read") == []


@pytest.mark.parametrize("operation", WRITING.values(), ids=WRITING)
def test_a_server_that_ignores_conditions(place: Place, proxy: Proxy, operation: Callable[[S3Mirror], object]) -> None:
    """It is refused before any session is sent, unless that is allowed explicitly."""
    proxy.always("ignore_conditions")

    error = failure_of(operation, place.mirror(endpoint_url=proxy.endpoint_url))

    assert type(error) is ConditionsIgnoredError
    assert not [key for key in keys_of(place) if "session_" in key]


def test_a_server_that_ignores_conditions_can_be_allowed(place: Place, proxy: Proxy) -> None:
    """Where nobody else writes, a mirror can do without."""
    proxy.always("ignore_conditions")

    with place.mirror(endpoint_url=proxy.endpoint_url) as mirror:
        mirror.push(check_conditions=False)
        mirror.push(release="1", check_conditions=False)
        assert mirror.verify(level="read") == []
        assert mirror.verify(release="1", level="read") == []


@pytest.mark.usefixtures("quick_pauses")
@pytest.mark.parametrize("operation", WRITING.values(), ids=WRITING)
def test_a_key_that_is_always_busy(place: Place, proxy: Proxy, operation: Callable[[S3Mirror], object]) -> None:
    """AWS answers 409 to a put for ever: somebody else is pushing."""
    proxy.always("conflict", "PutObject")

    error = failure_of(operation, place.mirror(endpoint_url=proxy.endpoint_url))

    assert type(error) is MirrorConflictError
    assert "one push at a time" in error.hint


@pytest.mark.parametrize("operation", WRITING.values(), ids=WRITING)
def test_a_key_that_is_too_long(place: Place, operation: Callable[[S3Mirror], object]) -> None:
    """The whole push is refused before anything is sent: no session is left out silently."""
    error = failure_of(operation, place.mirror(prefix="p" * 990))

    assert type(error) is KeyTooLongError
    assert isinstance(error, ValueError)
    assert "bytes of UTF-8" in str(error)
    assert keys_of(place) == []


@pytest.mark.parametrize("operation", WRITING.values(), ids=WRITING)
@pytest.mark.parametrize("key", ["manifest.json", "session_talk/session.json", "strands_sqlite/session_talk.json"])
def test_a_storage_object_with_a_key_of_the_mirrors_own(
    place: Place, operation: Callable[[S3Mirror], object], key: str
) -> None:
    """It is named, and nothing is sent."""
    database = new_database(place.path.with_name("other.db"))
    write(database, key, b"{}")
    database.close()

    error = failure_of(operation, place._replace(path=place.path.with_name("other.db")).mirror())

    assert type(error) is ReservedKeyError
    assert key in str(error)
    assert keys_of(place) == []


def test_the_database_is_as_it_was_after_all_that_failed(place: Place, proxy: Proxy) -> None:
    """No failure of S3 changes what is in the database, or leaves it locked."""
    with SessionStore(place.path) as store:
        before = store.stats().messages
    proxy.from_on(4, "cut_before")

    failure_of(WRITING["push"], place.mirror(endpoint_url=proxy.endpoint_url, boto_client_config=ONCE))

    with SessionStore(place.path) as store:
        assert store.stats().messages == before
        assert store.verify() == []


def test_requests_of_a_mirror_say_who_sends_them(place: Place, proxy: Proxy) -> None:
    """Whoever reads the log of a bucket can tell the mirror's requests."""
    with place.mirror(endpoint_url=proxy.endpoint_url, boto_client_config=QUICK) as mirror:
        mirror.push()

    assert all("strands-sqlite-s3-mirror/" in seen.headers["user-agent"] for seen in proxy.seen)


def test_credentials_that_expire_in_the_middle(place: Place, proxy: Proxy) -> None:
    """A push that is refused half-way goes on with new credentials."""
    proxy.at(6, "skewed")

    error = failure_of(WRITING["push"], place.mirror(endpoint_url=proxy.endpoint_url))

    assert type(error) is CredentialsError
    with place.mirror() as mirror:
        mirror.push()
        assert mirror.verify(level="read") == []


def keys_of(place: Place) -> list[str]:
    """All keys that there are in the bucket."""
    answer = place.server.client().list_objects_v2(Bucket=place.bucket)
    return [item["Key"] for item in answer.get("Contents", ())]
