"""Whose the live copy is: a database knows its own again, whatever went wrong on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._push import push_live
from strands_sqlite_s3_mirror.errors import MirrorConflictError, UnreachableError
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database

from .pushing import PLACES, add_session, copied, rendered, say, stored
from .servers import Server

LIVE = PLACES.live


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database with a session in which nothing is said yet."""
    database = open_database(tmp_path / "sessions.db")
    add_session(database, "talk")
    yield database
    database.close()


@pytest.fixture
def moto_bucket(moto_server: Server) -> Iterator[Bucket]:
    """A new bucket of moto's."""
    made = moto_server.bucket()
    yield made
    made.close()


class Late(Bucket):
    """A bucket where the answer to the first manifest does not come in time, and the manifest arrives later."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.pending: list[Callable[[], object]] = []
        self.arrived = False

    def put(self, key: str, body: bytes, **how: Any) -> str:
        if key == f"{LIVE}manifest.json" and not self.arrived:
            put = super().put
            if not self.pending:
                self.pending.append(lambda: put(key, body, **how))
                message = f"key=<{key}>"
                raise UnreachableError(message)
            self.arrived = True
            self.pending[0]()
        return super().put(key, body, **how)


@pytest.mark.parametrize("take_over", [False, True])
def test_a_claim_that_arrives_late_is_still_this_database_s(
    *, take_over: bool, database: Database, moto_server: Server, moto_bucket: Bucket
) -> None:
    """A request timed out here, and was carried out there after the next push had looked: that one is told, once."""
    say(database, "talk", "one")
    push_live(database, moto_bucket, PLACES)
    say(database, "talk", "two")
    late = Late(moto_bucket.name, **moto_server.options())
    with pytest.raises(UnreachableError):
        push_live(database, late, PLACES, take_over=take_over)
    with pytest.raises(MirrorConflictError, match="another push won"):
        push_live(database, late, PLACES)
    push_live(database, late, PLACES)
    assert copied(moto_bucket, LIVE) == rendered(database)
    late.close()


class Deaf(Bucket):
    """A bucket that may be read only."""

    def put(self, key: str, body: bytes, **how: Any) -> str:  # type: ignore[override]
        message = f"key=<{key}>, {len(body)}, {len(how)}"
        raise UnreachableError(message)


def test_however_often_a_push_fails_the_copy_stays_this_database_s(
    database: Database, moto_server: Server, moto_bucket: Bucket
) -> None:
    """Each attempt has a token to remember; that of the copy is never forgotten for them."""
    push_live(database, moto_bucket, PLACES)
    say(database, "talk", "one")
    deaf = Deaf(moto_bucket.name, **moto_server.options())
    for _ in range(101):
        with pytest.raises(UnreachableError):
            push_live(database, deaf, PLACES)
    push_live(database, moto_bucket, PLACES)
    assert copied(moto_bucket, LIVE) == rendered(database)
    deaf.close()


def test_two_servers_with_a_bucket_of_the_same_name_are_told_apart(database: Database, moto_bucket: Bucket) -> None:
    """Their manifests differ: a push to one makes the copy on the other no stranger's."""
    push_live(database, moto_bucket, PLACES)
    first = stored(moto_bucket)
    moto_bucket.delete(first)
    say(database, "talk", "one")
    push_live(database, moto_bucket, PLACES)
    moto_bucket.delete(list(stored(moto_bucket)))
    for key, body in first.items():
        moto_bucket.put(key, body)
    say(database, "talk", "two")
    push_live(database, moto_bucket, PLACES)
    assert copied(moto_bucket, LIVE) == rendered(database)
