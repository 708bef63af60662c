"""Databases, their releases, and what is in a bucket, for the tests of what is done with releases."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.config import Config

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._places import Places
from strands_sqlite_s3_mirror._push import push_live, push_release
from strands_sqlite_s3_mirror.errors import UnreachableError
from strands_sqlite_session_manager._bases import Bases
from strands_sqlite_session_manager._database import Database, Options
from strands_sqlite_session_manager._objects import WriteObject
from strands_sqlite_session_manager._schema import open_database
from tests.campaign.effort import LONG
from tests.core.store.retained import add_message, add_session, text
from tests.mirror.proxy import Effect, Proxy
from tests.mirror.servers import Server

PLACES = Places("base")
SECRET = "my card is 4711 0815"


@contextmanager
def opened(path: Path) -> Iterator[Database]:
    """A database, without waiting for the disk."""
    database = open_database(path, Options(durability="normal"))
    try:
        yield database
    finally:
        database.close()


def fill(database: Database) -> None:
    """Write two sessions of messages, one of them with a redacted message, and one of snapshots."""
    add_session(database, "order", *(text(f"parcel {number}") for number in range(4)))
    add_session(database, "order-b", text("another"), text(SECRET), text("thank you", "assistant"))
    put_object(database, "session/snap/scopes/agent/a/snapshots/snapshot_latest.json", b'{"data": {}}')
    put_object(database, "notes/a.txt", b"a note")


def put_object(database: Database, key: str, content: bytes) -> None:
    database.write(WriteObject(key, content, Bases()))


def say(database: Database, session_id: str, words: str) -> None:
    """Append a message."""
    database.write(lambda connection: add_message(connection, session_id, text(words)))


def delete_session(database: Database, session_id: str) -> None:
    """Delete a session as the repository does."""

    def delete(connection: Any) -> None:
        connection.run("DELETE FROM sessions WHERE session_id = ?", (session_id,))
        connection.run(
            "INSERT INTO deletions (change_id, session_id) VALUES ((SELECT ifnull(max(change_id), 0) + 1 FROM "
            "(SELECT change_id FROM deletions UNION SELECT change_id FROM sessions)), ?)",
            (session_id,),
        )

    database.write(delete)


def release(database: Database, bucket: Bucket, label: str) -> None:
    push_release(database, bucket, PLACES, label)


def live(database: Database, bucket: Bucket) -> None:
    push_live(database, bucket, PLACES)


def content(bucket: Bucket, prefix: str = "base/") -> dict[str, bytes]:
    """Everything below a prefix, by its path there."""
    found = {}
    for each in bucket.list(prefix):
        body = bucket.get(each.key)
        assert body is not None
        found[each.key[len(prefix) :]] = body.data
    return found


def message_path(session_id: str, message_id: int) -> str:
    return f"session_{session_id}/agents/agent_a/messages/message_{message_id}.json"


def message_in(bucket: Bucket, label: str, session_id: str, message_id: int) -> Any:
    body = bucket.get(PLACES.release(label) + message_path(session_id, message_id))
    return None if body is None else json.loads(body.data)


def cut_everywhere(
    server: Server, proxy: Proxy, bucket: Bucket, run: Callable[[Bucket], object]
) -> Iterator[tuple[str, int]]:
    """Run something again and again, with the network gone at each of its requests in turn, before it or behind it.

    In the long form of the campaign both are tried at each request, else one and the other in turn at every third.

    Before each run the bucket holds what it held at the beginning. The last run makes fewer requests than that, and so
    is not cut.
    """
    before, etags = content(bucket), state(bucket)
    through = cut(server, proxy, bucket)
    both: tuple[Effect, Effect] = ("cut_before", "cut_after")
    is_cut = True
    for number in itertools.count(1, 1 if LONG else 3):
        for effect in both if LONG else (both[number % 2],):
            put_back(bucket, before, etags)
            proxy.heal()
            proxy.at(number, effect)
            proxy.from_on(number + 1, "cut_before")
            try:
                run(through)
            except UnreachableError:
                proxy.heal()
                yield effect, number
            else:
                assert len(proxy.seen) < number, "what was cut says that all is well"
                is_cut = False
        if not is_cut:
            break
    proxy.heal()
    through.close()


def cut(server: Server, proxy: Proxy, bucket: Bucket) -> Bucket:
    """The same bucket, through the proxy and without a second attempt."""
    once = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 1})
    return server.bucket(bucket.name, boto_client_config=once, endpoint_url=proxy.endpoint_url)


def state(bucket: Bucket, prefix: str = "base/") -> dict[str, str]:
    """What S3 calls the content of everything below a prefix, by its path there."""
    return {found.key[len(prefix) :]: found.etag for found in bucket.list(prefix)}


def put_back(bucket: Bucket, before: dict[str, bytes], etags: dict[str, str]) -> None:
    """Let the bucket hold what it held, below the prefix."""
    now = state(bucket)
    bucket.delete(f"base/{path}" for path in now if path not in before)
    for path, body in before.items():
        if now.get(path) != etags[path]:
            bucket.put(f"base/{path}", body)
