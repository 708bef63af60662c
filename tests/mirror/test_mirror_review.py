"""A lost machine, a server without conditions, a rewind: what a cut push leaves in S3, and what is made of it."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from strands.types.session import SessionAgent

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._follow import follow
from strands_sqlite_s3_mirror._lock import PushUnderWayError, one_push
from strands_sqlite_s3_mirror._push import push_live, push_release
from strands_sqlite_s3_mirror._restore import restore
from strands_sqlite_s3_mirror._verify_live import verify_live
from strands_sqlite_s3_mirror.errors import BucketError, ConditionsIgnoredError, LocalDiskError, MirrorConflictError
from strands_sqlite_session_manager import SessionStore, transfer
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import TransferError
from strands_sqlite_session_manager.repository import agents, messages

from .pushing import (
    PLACES,
    Refusing,
    Stopped,
    add_session,
    copied,
    manifest_of,
    new_database,
    rendered,
    say,
    stop_at,
    stored,
    write,
)
from .restoring import contents
from .servers import Server


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database with something in it."""
    database = new_database(tmp_path / "sessions.db")
    yield database
    database.close()


def begin_session(database: Database) -> None:
    add_session(database, "aaa")
    say(database, "aaa", "one", "two")


def begin_agent(database: Database) -> None:
    agents.create_agent(database, "talk", SessionAgent("new", {}, {}))
    say(database, "talk", "one", "two", agent_id="new")


def test_a_disk_that_cannot_lock_is_not_taken_for_a_push_under_way(
    database: Database, moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems have no locks: to wait for another push would be to wait for ever."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(LocalDiskError, match="cannot be locked"):
        push_live(database, moto_bucket, PLACES)
    assert stored(moto_bucket) == {}


@pytest.mark.parametrize("by_name", ["all", "by name"])
@pytest.mark.parametrize(
    ("begin", "part"), [(begin_session, "session_aaa/"), (begin_agent, "session_talk/agents/agent_new/")]
)
def test_what_a_cut_push_began_does_not_stand_in_the_way_of_the_rest(  # noqa: PLR0913, PLR0917 - two cases of two
    begin: Callable[[Database], None],
    part: str,
    by_name: str,
    database: Database,
    other: Database,
    moto_bucket: Bucket,
) -> None:
    """A machine is lost while the first messages of a session go to S3: the rest comes back, and that is named.

    Pushed once more from where they are, the messages come too.
    """
    push_live(database, moto_bucket, PLACES)
    before = contents(database)
    begin(database)
    with pytest.raises(Stopped):
        push_live(database, moto_bucket, PLACES, progress=stop_at("send"))
    ids = None if by_name == "all" else ["talk", "ü漢", part.partition("/")[0].removeprefix("session_")]
    restored = restore(other, moto_bucket, PLACES, session_ids=ids)
    assert restored.partial == (f"{PLACES.live}{part}",)
    assert contents(other)[0] == before[0]
    push_live(database, moto_bucket, PLACES)
    again = restore(other, moto_bucket, PLACES, on_conflict="replace")
    assert again.partial == ()
    assert contents(other) == contents(database)


def test_messages_behind_a_hole_that_a_cut_push_left_wait_in_s3(
    database: Database, other: Database, moto_bucket: Bucket
) -> None:
    """Messages go to S3 side by side: where a later one came first, a beginning of the talk comes back."""
    push_live(database, moto_bucket, PLACES)
    before = contents(database)
    positions_before = database.read(transfer.positions)
    say(database, "talk", "first", "second", "third")
    with pytest.raises(Stopped):
        push_live(database, moto_bucket, PLACES, progress=stop_at("send"))
    said = database.read(lambda connection: list(transfer.changed_objects(connection, positions_before)))
    first, second, third = (each for each in said if each.kind == "message")
    moto_bucket.delete([f"{PLACES.live}{first.path}"])
    for each in (second, third):
        moto_bucket.put(f"{PLACES.live}{each.path}", each.body)
    restored = restore(other, moto_bucket, PLACES)
    assert restored.partial == (f"{PLACES.live}{second.path}",)
    assert contents(other)[0] == before[0]
    push_live(database, moto_bucket, PLACES)
    assert restore(other, moto_bucket, PLACES, on_conflict="replace").partial == ()
    assert contents(other) == contents(database)


def test_a_session_file_that_is_missing_is_damage_where_no_push_is_under_way(
    database: Database, other: Database, moto_bucket: Bucket
) -> None:
    """It is not passed over: somebody has deleted it."""
    push_live(database, moto_bucket, PLACES)
    moto_bucket.delete([f"{PLACES.live}session_talk/session.json"])
    with pytest.raises(TransferError, match=r"session\.json> is missing"):
        restore(other, moto_bucket, PLACES)


class Unconditional(Bucket):
    """A server that is found to ignore conditions."""

    def require_conditions(self, key: str, body: bytes) -> None:
        message = f"key=<{key}>, {len(body)}"
        raise ConditionsIgnoredError(message)


def test_a_server_that_ignores_conditions_is_refused_every_time(
    database: Database, moto_server: Server, moto_bucket: Bucket
) -> None:
    """A service that is started again after the refusal does not get through; who allows it does, from then on."""
    unconditional = Unconditional(moto_bucket.name, **moto_server.options())
    for _ in range(2):
        with pytest.raises(ConditionsIgnoredError):
            push_live(database, unconditional, PLACES)
        assert copied(moto_bucket, PLACES.live) == {}
    push_live(database, unconditional, PLACES, check_conditions=False)
    say(database, "talk", "more")
    push_live(database, unconditional, PLACES)
    assert copied(moto_bucket, PLACES.live) == rendered(database)
    unconditional.close()


@pytest.mark.parametrize("number", range(1, 4))
def test_a_rewound_session_never_has_messages_of_both_its_pasts(
    number: int, database: Database, other: Database, moto_bucket: Bucket
) -> None:
    """Wherever the push after a rewind is cut: what was taken back is gone before what was said instead arrives."""
    add_session(database, "rewound")
    say(database, "rewound", *(f"old {each}" for each in range(8)))
    push_live(database, moto_bucket, PLACES)
    with SessionStore(database.path) as store:
        store.rewind_session("rewound", at=3)
    say(database, "rewound", "new 4", "new 5", "new 6")
    with pytest.raises(Stopped):
        push_live(database, moto_bucket, PLACES, progress=stop_at("send", number))
    restore(other, moto_bucket, PLACES)
    said: list[Any] = [each.message["content"] for each in messages.list_messages(other, "rewound", "a", None, 0)]
    texts = [blocks[0]["text"] for blocks in said]
    assert texts[:4] == ["old 0", "old 1", "old 2", "old 3"]
    assert set(texts[4:]) <= {"new 4", "new 5", "new 6"}
    push_live(database, moto_bucket, PLACES)
    assert copied(moto_bucket, PLACES.live) == rendered(database)


def test_an_empty_database_takes_nothing_over(database: Database, other: Database, moto_bucket: Bucket) -> None:
    """A mistyped path, or a new machine that was not restored yet, does not delete what may be the only copy."""
    push_live(database, moto_bucket, PLACES)
    before = stored(moto_bucket)
    with pytest.raises(MirrorConflictError, match="is empty") as caught:
        push_live(other, moto_bucket, PLACES, take_over=True)
    assert "restore" in caught.value.hint
    assert stored(moto_bucket) == before
    write(other, "notes/a.txt", b"something")
    push_live(other, moto_bucket, PLACES, take_over=True)
    assert copied(moto_bucket, PLACES.live) == rendered(other)


def test_a_release_that_was_begun_stays_this_database_s(
    database: Database, moto_server: Server, moto_bucket: Bucket
) -> None:
    """However often it is refused in between, by credentials that may only read, it goes on where it stopped."""
    with pytest.raises(Stopped):
        push_release(database, moto_bucket, PLACES, "1", progress=stop_at("send"))
    refusing = Refusing(moto_bucket.name, **moto_server.options())
    for _ in range(20):
        with pytest.raises(BucketError):
            push_release(database, refusing, PLACES, "1")
    push_release(database, moto_bucket, PLACES, "1")
    assert manifest_of(moto_bucket, PLACES.release("1")).complete
    refusing.close()


def test_a_session_whose_keys_the_server_has_changed_is_named(
    database: Database, other: Database, s3_bucket: Bucket
) -> None:
    """SeaweedFS takes a backslash for a slash: verify finds it, and a restore says what it could not read."""
    add_session(database, "a\\b")
    say(database, "a\\b", "one")
    push_live(database, s3_bucket, PLACES)
    assert {each.kind for each in verify_live(s3_bucket, PLACES, database)} == {"missing", "extra"}
    assert restore(other, s3_bucket, PLACES).partial == (f"{PLACES.live}session_a/",)


def test_text_that_no_object_can_hold_is_named(database: Database, moto_bucket: Bucket) -> None:
    """Another program has put half of a character into a message: the error says into which."""

    def spoil(connection: Connection) -> None:
        connection.run(
            "UPDATE messages SET change_id = 100, message = replace(message, 'How', '\\ud83d') WHERE message_id = 1"
        )

    database.write(spoil)
    with pytest.raises(TransferError, match=r"message_1\.json> cannot hold a lone surrogate"):
        push_live(database, moto_bucket, PLACES)
    assert stored(moto_bucket) == {}


def test_a_push_by_hand_does_not_end_a_follower(database: Database, moto_bucket: Bucket) -> None:
    """Where somebody pushes at the same moment, following goes on when that push is done."""
    stop = threading.Event()
    told: list[Exception] = []
    with ExitStack() as stack:
        stack.enter_context(one_push(database, f"{moto_bucket.name}/{PLACES.live}"))

        def tell(error: Exception, _: float) -> None:
            told.append(error)
            stack.close()
            stop.set()

        follow(
            lambda: push_live(database, moto_bucket, PLACES),
            lambda: database.read(transfer.positions),
            interval=0.01,
            stop=stop,
            on_error=tell,
        )
    assert [type(each) for each in told] == [PushUnderWayError]
    assert copied(moto_bucket, PLACES.live) == rendered(database)
