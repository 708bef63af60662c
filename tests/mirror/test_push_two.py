"""Two pushers at once: one wins, the other is told, and what is in S3 is whole."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._places import MANIFEST, Places
from strands_sqlite_s3_mirror._push import Progress, Pushed, push_live, push_release
from strands_sqlite_s3_mirror.errors import MirrorConflictError, MirrorError
from strands_sqlite_session_manager import SessionStore
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database

from .pushing import PLACES, copied, manifest_of, new_database, rendered, require_sealed, require_sound, say, stored
from .servers import ADMIN, Server

PROCESS = Path(__file__).parent / "pushing_process.py"
ROUNDS = 4

Push = Callable[..., Pushed]


def live(database: Database, bucket: Bucket, places: Places = PLACES, **options: object) -> Pushed:
    """Push to the live copy."""
    return push_live(database, bucket, places, **options)  # type: ignore[arg-type]


def release(database: Database, bucket: Bucket, places: Places = PLACES, **options: object) -> Pushed:
    """Push a release."""
    return push_release(database, bucket, places, "1", **options)  # type: ignore[arg-type]


def root_of(push: Push, places: Places = PLACES) -> str:
    """Where it pushes to."""
    return places.live if push is live else places.release("1")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database with something in it."""
    database = new_database(tmp_path / "sessions.db")
    yield database
    database.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Database]:
    """Another database, with the same sessions and something more."""
    database = new_database(tmp_path / "other.db")
    say(database, "talk", "Only here")
    yield database
    database.close()


@pytest.mark.parametrize("push", [live, release])
def test_a_second_push_of_the_same_database_is_told_and_the_first_goes_on(
    push: Push, database: Database, s3_bucket: Bucket
) -> None:
    """Wherever the first one is. The database may go on meanwhile: what is pushed is as of one instant."""
    expected = rendered(database)
    told = []

    def push_too(progress: Progress) -> None:
        say(database, "talk", progress.phase)
        with pytest.raises(MirrorConflictError, match="under way"):
            push(database, s3_bucket)
        told.append(progress.phase)

    push(database, s3_bucket, progress=push_too)
    assert set(told) == {"read", "list", "send"}
    assert copied(s3_bucket, root_of(push)) == expected
    if push is live:
        push(database, s3_bucket)
        assert copied(s3_bucket, PLACES.live) == rendered(database)


@pytest.mark.parametrize("push", [live, release])
def test_a_push_of_another_process_keeps_others_out_until_it_ends(
    push: Push, database: Database, s3_server: Server, s3_bucket: Bucket
) -> None:
    """Even when it is killed: then the lock is free, and the next push takes over what it began."""
    command = [sys.executable, PROCESS, database.path, str(s3_server.endpoint_url), s3_bucket.name]
    with subprocess.Popen(
        [*command, "1"] if push is release else command,
        env={**os.environ, "AWS_ACCESS_KEY_ID": ADMIN[0], "AWS_SECRET_ACCESS_KEY": ADMIN[1]},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("read ")
        with pytest.raises(MirrorConflictError, match="under way"):
            push(database, s3_bucket)
        process.kill()
    push(database, s3_bucket)
    assert copied(s3_bucket, root_of(push)) == rendered(database)


@pytest.mark.parametrize("push", [live, release])
def test_another_database_that_comes_in_between_wins_and_the_first_is_told(
    push: Push, database: Database, other: Database, s3_bucket: Bucket
) -> None:
    """It pushes between the first one's look and its claim. Nothing of the first gets there."""

    def intrude(progress: Progress) -> None:
        if progress.phase == "read":
            push(other, s3_bucket)

    with pytest.raises(MirrorConflictError):
        push(database, s3_bucket, progress=intrude)
    assert copied(s3_bucket, root_of(push)) == rendered(other)
    require_sound(s3_bucket, other)
    with pytest.raises(MirrorError):
        push(database, s3_bucket)
    assert copied(s3_bucket, root_of(push)) == rendered(other)


@pytest.mark.parametrize("push", [live, release])
def test_another_database_that_comes_later_is_told(
    push: Push, database: Database, other: Database, s3_bucket: Bucket
) -> None:
    """While the first one sends."""
    told = []

    def push_too(progress: Progress) -> None:
        if progress.phase in {"list", "send"}:
            with pytest.raises(MirrorConflictError):
                push(other, s3_bucket)
            told.append(progress)

    push(database, s3_bucket, progress=push_too)
    assert told
    assert copied(s3_bucket, root_of(push)) == rendered(database)
    require_sound(s3_bucket, database)


def test_a_copy_that_is_taken_over_meanwhile_is_its_new_owners(
    database: Database, other: Database, s3_bucket: Bucket
) -> None:
    """The first push is told at its end. What it put until then does not stay: the owner's next push compares all."""

    def take_over(progress: Progress) -> None:
        if progress.phase == "list":
            push_live(other, s3_bucket, PLACES, take_over=True)

    with pytest.raises(MirrorConflictError, match="another push won"):
        push_live(database, s3_bucket, PLACES, progress=take_over)
    require_sound(s3_bucket, other)
    with pytest.raises(MirrorConflictError, match="another database"):
        push_live(database, s3_bucket, PLACES)
    push_live(other, s3_bucket, PLACES)
    assert copied(s3_bucket, PLACES.live) == rendered(other)
    assert manifest_of(s3_bucket, PLACES.live).complete


@pytest.mark.parametrize("push", [live, release])
def test_two_databases_at_the_same_time(push: Push, database: Database, other: Database, s3_bucket: Bucket) -> None:
    """Two threads, one place, again and again: exactly one wins, and the copy is the winner's, whole."""
    for number in range(ROUNDS):
        places = Places(f"round-{number}")
        start = threading.Barrier(2)
        outcomes: dict[str, object] = {}

        def run(one: Database, places: Places = places, start: threading.Barrier = start) -> None:
            start.wait()
            try:
                outcomes[one.path] = push(one, s3_bucket, places)  # noqa: B023 - each round waits for its threads
            except MirrorError as error:
                outcomes[one.path] = error  # noqa: B023 - as above

        threads = [threading.Thread(target=run, args=(one,)) for one in (database, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = [one for one in (database, other) if isinstance(outcomes[one.path], Pushed)]
        assert len(winners) == 1, outcomes
        assert {type(each) for each in outcomes.values()} <= {Pushed, MirrorConflictError}
        assert copied(s3_bucket, root_of(push, places)) == rendered(winners[0])
        if push is release:
            require_sealed(s3_bucket, places.release("1"))


def test_two_releases_at_the_same_time(database: Database, s3_bucket: Bucket) -> None:
    """From one database, one within the other: both are sealed, and `latest.json` names one of them."""

    def push_too(progress: Progress) -> None:
        if progress.phase == "list":
            push_release(database, s3_bucket, PLACES, "2")

    push_release(database, s3_bucket, PLACES, "1", progress=push_too)
    for label in ("1", "2"):
        assert require_sealed(s3_bucket, PLACES.release(label)) == rendered(database)
    assert stored(s3_bucket)[PLACES.latest] in {b'{"release": "1"}', b'{"release": "2"}'}


def test_a_copy_of_the_file_is_another_database(database: Database, s3_bucket: Bucket, tmp_path: Path) -> None:
    """Both know the last push. The first to go on keeps the copy; the other is told, and nothing of it gets there."""
    push_live(database, s3_bucket, PLACES)
    with SessionStore(database.path) as store:
        store.back_up(tmp_path / "twin.db")
    twin = open_database(tmp_path / "twin.db")
    say(database, "talk", "Here")
    say(twin, "talk", "There")
    push_live(twin, s3_bucket, PLACES)
    with pytest.raises(MirrorConflictError):
        push_live(database, s3_bucket, PLACES)
    assert copied(s3_bucket, PLACES.live) == rendered(twin)
    assert MANIFEST in stored(s3_bucket, PLACES.live)
    twin.close()
