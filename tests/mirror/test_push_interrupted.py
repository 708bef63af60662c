"""Pushes that are cut anywhere: nothing is broken by it, and the next push ends where an undisturbed one would have."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from botocore.config import Config

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._places import MANIFEST, Places
from strands_sqlite_s3_mirror._push import Pushed, push_live, push_release
from strands_sqlite_s3_mirror.errors import MirrorError, UnreachableError
from strands_sqlite_session_manager import SessionStore
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from tests.campaign.effort import LONG

from .proxy import Effect, Proxy
from .pushing import (
    PLACES,
    Stopped,
    add_session,
    comparable,
    copied,
    manifest_of,
    rendered,
    require_sealed,
    require_sound,
    say,
    stop_at,
    stored,
    write,
)
from .servers import ADMIN, Server

PATIENCE = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 1})
"""None: a request that is cut is an error."""

PROCESS = Path(__file__).parent / "pushing_process.py"

Push = Callable[[Database, Bucket, Places], Pushed]


def live(database: Database, bucket: Bucket, places: Places = PLACES) -> Pushed:
    """Push to the live copy."""
    return push_live(database, bucket, places)


def release(database: Database, bucket: Bucket, places: Places = PLACES) -> Pushed:
    """Push a release that has a parent, if there was one before."""
    return push_release(database, bucket, places, "2")


def root_of(push: Push, places: Places = PLACES) -> str:
    """Where it pushes to."""
    return places.live if push is live else places.release("2")


def begin(database: Database) -> None:
    """What is there before the first push."""
    add_session(database, "s")
    say(database, "s", "one", "two")
    add_session(database, "t")
    write(database, "context/x", b"x")


def go_on(database: Database) -> None:
    """What happens between two pushes: something new, something changed, something deleted."""
    with SessionStore(database.path) as store:
        store.rewind_session("s", at=0)
        store.erase(["t"])
    say(database, "s", "three")
    write(database, "context/x", b"y")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database with something in it."""
    database = open_database(tmp_path / "sessions.db")
    begin(database)
    yield database
    database.close()


class Fragile(NamedTuple):
    """A bucket behind a proxy, and the same one without it, to look into it."""

    bucket: Bucket
    proxy: Proxy
    plain: Bucket


@pytest.fixture
def fragile(s3_server: Server, proxy: Proxy) -> Iterator[Fragile]:
    """A new bucket behind the proxy."""
    bucket = s3_server.bucket(endpoint_url=proxy.endpoint_url, boto_client_config=PATIENCE)
    plain = s3_server.bucket(bucket.name)
    yield Fragile(bucket, proxy, plain)
    plain.close()
    bucket.close()


def prepare(database: Database, bucket: Bucket, places: Places = PLACES) -> None:
    """Push once to both places, and change the database."""
    push_live(database, bucket, places)
    push_release(database, bucket, places, "1")
    go_on(database)


@pytest.mark.parametrize("effect", ["cut_before", "cut_after"])
@pytest.mark.parametrize("start", [None, prepare], ids=["first", "incremental"])
@pytest.mark.parametrize("push", [live, release])
def test_cut_at_every_request_in_turn(
    push: Push, start: Push | None, effect: Effect, fragile: Fragile, tmp_path: Path
) -> None:
    """From the n-th request on the network is gone, for every n; then it is back, and the push is run again.

    `cut_before` loses requests, `cut_after` the answers to requests that were carried out. The copy ends as the
    database is; nothing ever calls itself complete that is not, and nothing that is sealed changes. In the long form
    of the campaign it is every n, else the first three and then every fourth, for both effects in turn.
    """
    bucket, proxy, plain = fragile
    number, cut = 0, True
    while cut:
        number += 1 if LONG or number < 3 else 4 if number == 3 and effect == "cut_after" else 8
        database, places = open_database(tmp_path / f"{number}.db"), Places(f"cut-{number}")
        begin(database)
        if start is not None:
            start(database, plain, places)
        before = stored(plain, places.release("1"))
        proxy.heal()
        proxy.from_on(number, effect)
        try:
            push(database, bucket, places)
            cut = False
        except UnreachableError:
            cut = True
        proxy.heal()
        require_sound(plain, database, places)
        push(database, bucket, places)
        assert copied(plain, root_of(push, places)) == rendered(database)
        require_sound(plain, database, places)
        assert stored(plain, places.release("1")) == before
        database.close()
    assert number > 9


@pytest.mark.parametrize("start", [None, prepare], ids=["first", "incremental"])
@pytest.mark.parametrize("push", [live, release])
def test_the_whole_bucket_is_as_if_nothing_had_happened(
    push: Push, start: Push | None, s3_server: Server, fragile: Fragile, database: Database
) -> None:
    """Cut in the middle, twice, and run again: no object more, none less, none other than after an undisturbed push."""
    bucket, proxy, plain = fragile
    twin_path = f"{database.path}.twin"
    if start is not None:
        start(database, plain, PLACES)
    smooth = s3_server.bucket()
    for key, body in stored(plain).items():
        smooth.put(key, body)
    with SessionStore(database.path) as store:
        store.back_up(twin_path)
    twin = open_database(twin_path)
    twin.write(
        lambda connection: connection.run("UPDATE mirrors SET place = replace(place, ?, ?)", (bucket.name, smooth.name))
    )
    proxy.heal()
    for number in (5, 7):
        proxy.from_on(number, "cut_after")
        with pytest.raises(MirrorError):
            push(database, bucket, PLACES)
        proxy.heal()
    push(database, bucket, PLACES)
    push(twin, smooth, PLACES)
    assert comparable(plain) == comparable(smooth)
    smooth.close()
    twin.close()


WRITES = ("PutObject", "CopyObject")
REQUESTS = (*WRITES, "GetObject", "ListObjectsV2", "DeleteObjects")


@pytest.mark.parametrize(
    ("effect", "operations"),
    [("cut_before", REQUESTS), ("cut_after", REQUESTS), ("slow_down", REQUESTS), ("conflict", WRITES)],
    ids=["cut_before", "cut_after", "slow_down", "conflict"],  # 409 is for writes of one key
)
def test_one_failure_of_each_kind_of_request_is_none(
    effect: Effect, operations: tuple[str, ...], s3_server: Server, proxy: Proxy, database: Database
) -> None:
    """Each kind of request is repeated, and finds what the first one did to be its own."""
    plain = s3_server.bucket()
    bucket = s3_server.bucket(plain.name, endpoint_url=proxy.endpoint_url)
    prepare(database, plain)
    for operation in operations:
        proxy.at(1, effect, operation)
    push_live(database, bucket, PLACES)
    push_release(database, bucket, PLACES, "2")
    assert {seen.operation for seen in proxy.seen} >= set(operations)
    assert copied(plain, PLACES.live) == rendered(database)
    assert require_sealed(plain, PLACES.release("2")) == rendered(database)
    bucket.close()
    plain.close()


@pytest.mark.parametrize("push", [live, release])
def test_what_happens_meanwhile_is_in_the_next_push(push: Push, fragile: Fragile, database: Database) -> None:
    """Cut, then more is said, rewound and deleted before it is run again: what the cut push had put is no more."""
    bucket, proxy, plain = fragile
    say(database, "t", "will be gone")
    proxy.from_on(12, "cut_before")
    with pytest.raises(UnreachableError):
        push(database, bucket, PLACES)
    proxy.heal()
    go_on(database)
    push(database, bucket, PLACES)
    assert copied(plain, root_of(push)) == rendered(database)
    require_sound(plain, database)


def wait_for(push: Push, phase: str, database: Database, bucket: Bucket) -> None:
    """Bring things to where the next push comes through this phase."""
    if phase == "list" and push is live:  # it lists everything where a first push was cut
        with pytest.raises(Stopped):
            push_live(database, bucket, PLACES, take_over=True, progress=stop_at("send"))
    if phase == "delete" and push is release:  # only what a cut push left is ever deleted from a release
        with pytest.raises(Stopped):
            push_release(database, bucket, PLACES, "2", progress=stop_at("send", 4))
        with SessionStore(database.path) as store:
            store.erase(["s"])


@pytest.mark.parametrize("phase", ["read", "list", "send", "delete"])
@pytest.mark.parametrize("push", [live, release])
def test_an_interrupt_leaves_nothing_behind(
    push: Push, phase: str, s3_bucket: Bucket, database: Database, tmp_path: Path
) -> None:
    """No thread, no file, no descriptor; and the next push goes on."""
    if (push, phase) != (live, "list"):
        prepare(database, s3_bucket)
    wait_for(push, phase, database, s3_bucket)
    files, threads, descriptors = set(tmp_path.iterdir()), set(threading.enumerate()), open_files()
    told = (
        partial(push_live, progress=stop_at(phase))
        if push is live
        else partial(push_release, release="2", progress=stop_at(phase))
    )
    with pytest.raises(Stopped):
        told(database, s3_bucket, PLACES)
    assert set(tmp_path.iterdir()) == files
    assert set(threading.enumerate()) <= threads
    assert open_files() <= descriptors
    require_sound(s3_bucket, database)
    push(database, s3_bucket, PLACES)
    assert copied(s3_bucket, root_of(push)) == rendered(database)


def open_files() -> set[str]:
    """The files that this process has open; connections come and go."""
    names = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            names.add(str(descriptor.readlink()))
        except FileNotFoundError:
            continue
    return {name for name in names if not name.startswith(("socket:", "pipe:", "anon_inode:"))}


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
@pytest.mark.parametrize("push", [live, release])
def test_a_process_that_ends_in_the_middle(
    push: Push, kind: signal.Signals, s3_server: Server, database: Database, tmp_path: Path
) -> None:
    """Nothing that is there calls itself complete; the next push, of another process, completes it."""
    before, bucket = set(tmp_path.iterdir()), s3_server.bucket()
    command = [sys.executable, PROCESS, database.path, str(s3_server.endpoint_url), bucket.name]
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": ADMIN[0],
        "AWS_SECRET_ACCESS_KEY": ADMIN[1],
        "TMPDIR": str(tmp_path),
    }
    with subprocess.Popen(
        [*command, "2"] if push is release else command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in process.stdout:
            if line == "send 4\n":
                break
            process.stdin.write("\n")
            process.stdin.flush()
        process.send_signal(kind)
        rest, _ = process.communicate(timeout=60)
    assert ("interrupted" in rest) == (kind == signal.SIGINT)
    root = root_of(push)
    assert len(copied(bucket, root)) > 3
    assert MANIFEST not in stored(bucket, root) or not manifest_of(bucket, root).complete
    push(database, bucket, PLACES)
    assert copied(bucket, root) == rendered(database)
    assert set(tmp_path.iterdir()) == before
    bucket.close()
