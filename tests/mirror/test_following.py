"""`follow`: when it pushes, what it waits for, and what ends it; time is an event that does not wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from strands_sqlite_s3_mirror._follow import LONGEST_PAUSE, follow
from strands_sqlite_s3_mirror._sending import Pushed
from strands_sqlite_s3_mirror._verify_live import verify_live
from strands_sqlite_s3_mirror.errors import CredentialsError, MirrorConflictError, UnreachableError
from strands_sqlite_s3_mirror.mirror import S3Mirror
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import DatabaseBusyError

from .proxy import Proxy
from .releases import released
from .servers import Server

NOTHING = Pushed(None, 0, 0, 0, 0, 0, 0, "")


class Clock(threading.Event):
    """An event that does not wait: what is to happen while somebody waits happens at once, then it is set."""

    def __init__(self, *meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self.waited: list[float | None] = []
        self._meanwhile = iter(meanwhile)

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        happens = next(self._meanwhile, self.set)
        happens()
        return self.is_set()


class Source:
    """A database that counts its changes, and a copy of it that may fail."""

    def __init__(self, *errors: Exception | None) -> None:
        self.state = 0
        self.copied: list[int] = []
        self._errors = iter(errors)

    def change(self) -> None:
        self.state += 1

    def look(self) -> int:
        return self.state

    def push(self) -> Pushed:
        error = next(self._errors, None)
        if error is not None:
            raise error
        self.copied.append(self.state)
        return NOTHING


def stay() -> None:
    """Let nothing happen."""


def test_pushes_only_what_changed() -> None:
    """It pushes at the beginning, then after each interval in which something changed, and not in the others."""
    source = Source()
    clock = Clock(source.change, stay, stay, source.change)
    follow(source.push, source.look, interval=2, stop=clock)
    assert source.copied == [0, 1, 2]
    assert clock.waited == [2, 2, 2, 2, 2]


def test_pushes_once_more_at_the_end() -> None:
    """What was written before it was told to stop is in S3 when it returns."""
    source = Source()
    clock = Clock()

    def last() -> None:
        source.change()
        clock.set()

    clock._meanwhile = iter([last])
    follow(source.push, source.look, interval=2, stop=clock)
    assert source.copied == [0, 1]


def test_what_is_written_during_a_push() -> None:
    """It is pushed by the next: the state is looked at before the push, never after it."""
    source = Source()
    real = source.push

    def push() -> Pushed:
        done = real()
        if len(source.copied) == 1:
            source.change()
        return done

    follow(push, source.look, interval=2, stop=Clock(stay))
    assert source.copied == [0, 1]


def test_acknowledges_after_the_push() -> None:
    """Whoever is told of a push is told when it is done, and of no push that failed."""
    source = Source(UnreachableError("no network"))
    told: list[list[int]] = []
    failed: list[float] = []
    follow(
        source.push,
        source.look,
        interval=2,
        stop=Clock(stay),
        on_push=lambda _: told.append(list(source.copied)),
        on_error=lambda _, pause: failed.append(pause),
    )
    assert told == [[0]]
    assert failed == [2]


def test_what_passes_is_tried_again() -> None:
    """No network, throttling, a locked database: the pauses grow up to a limit, and begin anew after a success."""
    errors = [UnreachableError("gone"), DatabaseBusyError("locked")] * 1000
    source = Source(*errors, None, UnreachableError("gone"))
    pauses: list[float] = []
    clock = Clock(*[stay] * 2000, source.change)
    follow(source.push, source.look, interval=2, stop=clock, on_error=lambda _, pause: pauses.append(pause))
    assert pauses[:9] == [2, 4, 8, 16, 32, 64, 128, 256, LONGEST_PAUSE]
    assert set(pauses[9:-1]) == {LONGEST_PAUSE}
    assert pauses[-1] == 2
    assert source.copied == [0, 1]


def test_a_long_interval_is_not_shortened() -> None:
    """Where the interval is longer than the longest pause, it is the pause."""
    pauses: list[float] = []
    source = Source(UnreachableError("gone"), UnreachableError("gone"))
    follow(
        source.push, source.look, interval=900, stop=Clock(stay, stay), on_error=lambda _, pause: pauses.append(pause)
    )
    assert pauses == [900, 900]


def test_passing_errors_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody wants to be told, a warning says what failed, and when it is tried again."""
    with caplog.at_level(logging.WARNING):
        follow(Source(UnreachableError("gone")).push, lambda: 1, interval=2, stop=Clock())
    assert "push failed, trying again" in caplog.text
    assert "gone" in caplog.text


@pytest.mark.parametrize("error", [MirrorConflictError("another"), CredentialsError("expired"), ZeroDivisionError()])
def test_what_does_not_pass_ends_it(error: Exception) -> None:
    """Other errors are raised at once: to go on would hide them, or overwrite somebody's copy."""
    source = Source(None, error)
    with pytest.raises(type(error)):
        follow(source.push, source.look, interval=2, stop=Clock(source.change, stay, stay))
    assert source.copied == [0]


def test_the_last_push_does_not_fail_silently() -> None:
    """Who stops it must know that S3 has not everything, even where the error could pass."""
    source = Source(UnreachableError("gone"), UnreachableError("gone"))
    with pytest.raises(UnreachableError):
        follow(source.push, source.look, interval=2, stop=Clock())


@pytest.mark.parametrize("interval", [0, -1, float("nan")])
def test_an_interval_is_above_zero(interval: float) -> None:
    """An interval of nothing would never let go of the processor."""
    with pytest.raises(ValueError, match="interval"):
        follow(Source().push, lambda: 0, interval=interval, stop=Clock())


def test_in_a_thread() -> None:
    """In a thread of its own it follows until somebody sets the event."""
    source = Source()
    pushed, stop = threading.Event(), threading.Event()
    options = {"interval": 60, "stop": stop, "on_push": lambda _: pushed.set()}
    thread = threading.Thread(target=follow, args=(source.push, source.look), kwargs=options)
    thread.start()
    assert pushed.wait(60)
    source.change()
    stop.set()
    thread.join(60)
    assert source.copied == [0, 1]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with released.opened(tmp_path / "agents.db") as opened:
        released.fill(opened)
        yield opened


def test_no_request_while_nothing_changes(s3_server: Server, database: Database) -> None:
    """A database that rests costs no request, however long; what another process writes is seen."""
    name = s3_server.new_bucket()
    requests: list[int] = []
    with (
        S3Mirror(database.path, name, "base", **s3_server.options()) as mirror,
        released.opened(Path(database.path)) as other,
    ):

        def count() -> None:
            requests.append(mirror._bucket.requests.total())

        steps = [count, count, lambda: released.say(other, "order", "more"), count]
        mirror.follow(interval=1, stop=Clock(*steps))
        count()
        assert verify_live(mirror._bucket, released.PLACES, database) == []
    first, rested, changed, end = requests
    assert first == rested < changed == end


def test_a_network_that_comes_and_goes(s3_server: Server, proxy: Proxy, database: Database) -> None:
    """Cut at one request after the other it goes on, and in the end S3 has everything, each time from where it was."""
    name = s3_server.new_bucket()
    bucket = s3_server.bucket(name)
    through = released.cut(s3_server, proxy, bucket)
    failed = []
    with S3Mirror(database.path, name, "base", **s3_server.options()) as mirror:
        mirror._bucket.close()
        mirror._bucket = through

        def again(number: int) -> Callable[[], object]:
            def heal() -> None:
                released.say(database, "order", f"message {number}")
                proxy.heal()
                proxy.from_on(number, "cut_before")

            return heal

        clock = Clock(*(again(number) for number in range(1, 12)), proxy.heal)
        mirror.follow(interval=1, stop=clock, on_error=lambda error, _: failed.append(error))
        assert len(failed) > 4
        assert verify_live(bucket, released.PLACES, database, level="read") == []
    bucket.close()
