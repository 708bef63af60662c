"""Databases to push, and looks at what a push left in S3."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._manifest import Manifest, read_entries
from strands_sqlite_s3_mirror._places import MANIFEST, OBJECTS, Places
from strands_sqlite_s3_mirror._push import Progress
from strands_sqlite_s3_mirror._workers import run_all
from strands_sqlite_s3_mirror.errors import BucketError
from strands_sqlite_session_manager import transfer
from strands_sqlite_session_manager._bases import Bases
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._objects import WriteObject, delete_object
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.repository import agents, messages, multi_agents, sessions

PLACES = Places("base")
IMAGE = bytes(range(256)) * 8
UPLOADS = {"PutObject", "CopyObject"}


def add_session(database: Database, session_id: str, *agent_ids: str) -> None:
    """Store a session with agents that have said nothing."""
    sessions.create_session(database, Session(session_id, SessionType.AGENT))
    for agent_id in agent_ids or ("a",):
        agents.create_agent(database, session_id, SessionAgent(agent_id, {}, {}))


def say(database: Database, session_id: str, *texts: str, agent_id: str = "a") -> None:
    """Let an agent say more, and note in its state how much it said."""
    first = len(messages.list_messages(database, session_id, agent_id, None, 0))
    for message_id, text in enumerate(texts, first):
        said: Any = {"role": "user", "content": [{"text": text}]}
        messages.create_message(database, session_id, agent_id, SessionMessage(said, message_id))
    agents.update_agent(database, session_id, SessionAgent(agent_id, {"said": first + len(texts)}, {}))


def redact(database: Database, session_id: str, message_id: int, agent_id: str = "a") -> None:
    """Redact a message, as a guardrail does."""
    found = messages.read_message(database, session_id, agent_id, message_id)
    assert found is not None
    found.redact_message = {"role": "user", "content": [{"text": "[redacted]"}]}
    messages.update_message(database, session_id, agent_id, found)


def write(database: Database, key: str, data: bytes) -> None:
    """Store an object of a storage."""
    database.write(WriteObject(key, data, Bases()))


def delete(database: Database, key: str) -> None:
    """Delete an object of a storage."""
    database.write(delete_object(key))


def fill(database: Database) -> None:
    """Store two sessions, a graph and two objects."""
    add_session(database, "talk")
    say(database, "talk", "Hello, wörld 🎉", "How are you?")
    add_session(database, "ü漢", "a", "b c")
    say(database, "ü漢", "Image", agent_id="b c")
    multi_agents.create_multi_agent(database, "ü漢", "graph", {"nodes": ["é"]})
    write(database, "session/talk/scopes/agent/a/snapshots/snapshot_latest.json", b'{"n": 1}')
    write(database, "context/stash", IMAGE * 20)


def new_database(path: Path) -> Database:
    """A database with something in it."""
    database = open_database(path)
    fill(database)
    return database


def rendered(database: Database) -> dict[str, bytes]:
    """What a copy of the database is to hold, by path."""
    changed = database.read(lambda connection: list(transfer.changed_objects(connection, transfer.Positions())))
    assert len(changed) == len({each.path for each in changed})
    return {each.path: each.body for each in changed}


def stored(bucket: Bucket, root: str = "") -> dict[str, bytes]:
    """What there is below a root, by path."""

    def read(key: str) -> tuple[str, bytes]:
        body = bucket.get(key)
        assert body is not None
        return key[len(root) :], body.data

    return dict(run_all([found.key for found in bucket.list(root)], read, 8))


def copied(bucket: Bucket, root: str) -> dict[str, bytes]:
    """What there is below a root, by path, without what the mirror says of it."""
    return {path: body for path, body in stored(bucket, root).items() if path not in {MANIFEST, OBJECTS}}


def manifest_of(bucket: Bucket, root: str) -> Manifest:
    """The manifest below a root."""
    body = bucket.get(root + MANIFEST)
    assert body is not None
    return Manifest.from_bytes(body.data)


def comparable(bucket: Bucket) -> dict[str, bytes]:
    """The whole bucket, but for tokens, times, and hashes of what holds them."""
    return {key: _timeless(key, body) for key, body in stored(bucket).items()}


def _timeless(key: str, body: bytes) -> bytes:
    if key.endswith(MANIFEST):
        values = json.loads(body)
        return json.dumps({**values, "token": "", "created_at": "", "objects_sha256": ""}).encode()
    if key.endswith(OBJECTS):
        return re.sub(rb'"token":"[0-9a-f]*"', b"", body)
    return body


def require_sound(bucket: Bucket, database: Database, places: Places = PLACES) -> None:
    """Assert that whatever says it is complete is: live as its positions say, releases as they list."""
    now = database.read(transfer.positions)._asdict()
    if bucket.get(places.live + MANIFEST) is not None:
        live = manifest_of(bucket, places.live)
        assert not live.complete or live.positions != now or copied(bucket, places.live) == rendered(database)
    for folder in bucket.folders(places.releases):
        if bucket.get(folder + MANIFEST) is not None:
            require_sealed(bucket, folder)


def require_sealed(bucket: Bucket, root: str) -> dict[str, bytes]:
    """Assert that a release holds exactly what it lists; return that."""
    manifest = manifest_of(bucket, root)
    found = copied(bucket, root)
    etags = {each.key[len(root) :]: each.etag for each in bucket.list(root)}
    entries = list(read_entries(bucket, root + OBJECTS, manifest.objects_sha256))
    assert [entry.path for entry in entries] == sorted(found)
    for entry in entries:
        assert (entry.size, entry.etag) == (len(found[entry.path]), etags[entry.path])
    assert manifest.objects == len(found)
    assert manifest.bytes == sum(len(body) for body in found.values())
    assert manifest.counts == Counter(entry.kind for entry in entries)
    return found


class Refusing(Bucket):
    """A bucket into which these credentials may not write."""

    def put(self, key: str, body: bytes, **how: Any) -> str:  # type: ignore[override]
        message = f"key=<{key}>, {len(body)}, {len(how)}"
        raise BucketError(message)


class Stopped(BaseException):
    """What somebody raises who has seen enough."""


def stop_at(phase: str, number: int = 1) -> Callable[[Progress], None]:
    """Return what stops a push when it tells for the n-th time that it is in this phase."""
    told: Counter[str] = Counter()

    def stop(progress: Progress) -> None:
        told[progress.phase] += 1
        if (progress.phase, told[progress.phase]) == (phase, number):
            raise Stopped

    return stop


class Counted:
    """Counts the requests that are made in a `with` block."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._before = Counter(bucket.requests)

    @property
    def requests(self) -> Counter[str]:
        """By operation."""
        return Counter(self._bucket.requests) - self._before
