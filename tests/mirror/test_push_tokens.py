"""Whose the live copy is: a database knows its own again, whatever went wrong on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._push import push_live
from strands_sqlite_s3_mirror.errors import BucketError, MirrorConflictError, UnreachableError
from strands_sqlite_session_manager._database import Database

from .pushing import PLACES, Refusing, copied, rendered, say, stored
from .servers import Server

LIVE = PLACES.live


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


def test_however_often_a_push_fails_the_copy_stays_this_database_s(
    database: Database, moto_server: Server, moto_bucket: Bucket
) -> None:
    """Each attempt has a token to remember; that of the copy is never forgotten for them."""
    push_live(database, moto_bucket, PLACES)
    say(database, "talk", "one")
    refusing = Refusing(moto_bucket.name, **moto_server.options())
    for _ in range(101):
        with pytest.raises(BucketError):
            push_live(database, refusing, PLACES)
    push_live(database, moto_bucket, PLACES)
    assert copied(moto_bucket, LIVE) == rendered(database)
    refusing.close()


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
