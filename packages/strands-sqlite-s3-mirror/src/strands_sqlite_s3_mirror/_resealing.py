"""One release that is redacted: what changes in it, and how it is sealed anew."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from strands_sqlite_session_manager.transfer import changed_objects, positions

from ._inventory import WORKERS, Stored, joined, listed, require_sealed
from ._manifest import Entry, Manifest, new_token, read_entries, write_entries
from ._places import MANIFEST, OBJECTS
from ._plan import Plan
from ._redacting import ARCHIVE, Redaction
from ._sending import JSON
from ._workers import run_all
from .errors import ObjectDamagedError, ReleaseIncompleteError

if TYPE_CHECKING:
    from strands_sqlite_session_manager._connection import Connection
    from strands_sqlite_session_manager._database import Database

    from ._bucket import Bucket

_NAMED = "redacted"
"""Under this name a manifest has the paths of messages that were redacted because somebody named them."""

_NOT_REDACTED = b'"redact_message": null'
_SAME_AGAIN = "run that redaction again, with the same arguments; or delete the object, if it belongs to nobody"


@dataclass(frozen=True)
class RedactedRelease:
    """What is redacted in a release, or was.

    Attributes:
        release: Its label.
        messages: How many objects hold less than before.
        removed: How many objects of sessions go.
        unfinished: Whether an earlier redaction of it was interrupted, and is completed.
    """

    release: str
    messages: int
    removed: int
    unfinished: bool


class _Rewrite(NamedTuple):
    """An object that gets other content.

    Attributes:
        body: What it is to hold.
        etag: What S3 calls that; a guess until it is there.
        replaces: What S3 calls that which it holds; None: it holds `body` already.
        sha256: Of what it holds.
    """

    body: bytes
    etag: str
    replaces: str | None
    sha256: str


@dataclass
class Changes:
    """What becomes of a release.

    Attributes:
        rewrites: Objects that get other content, by their paths.
        doomed: The paths of objects that go.
    """

    rewrites: dict[str, _Rewrite] = field(default_factory=dict)
    doomed: set[str] = field(default_factory=set)


class ReleaseRedaction:
    """A release that is redacted."""

    def __init__(self, bucket: Bucket, root: str, label: str, redaction: Redaction, database: Database | None) -> None:
        if redaction.redacted and database is None:
            message = "redacted needs a database: it says what was redacted"
            raise ValueError(message)
        self._bucket = bucket
        self._root = root
        self._label = label
        self._redaction = redaction
        self._database = database
        self._dirty: set[str] = set()
        self._sealed = require_sealed(bucket, root, label)
        self._named_before = _named_in(self._sealed.body)

    def changes(self) -> Changes:
        """Find out what has to change; refuse what is damaged there.

        Raises:
            ObjectDamagedError: An object that has to change, or the list of objects, is not what was pushed.
            ReleaseIncompleteError: Another redaction was interrupted, and this one would not complete it.
        """
        changes = Changes()
        self._dirty = set(self._left_behind()) if self._unfinished else set()
        for path, rewrite in run_all(chain(self._shown(), self._named(changes)), self._rewrite, WORKERS):
            if rewrite is not None and (rewrite.replaces is not None or path not in changes.rewrites):
                changes.rewrites[path] = rewrite
        for folder in self._redaction.folders():
            changes.doomed.update(found.key[len(self._root) :] for found in self._bucket.list(self._root + folder))
        for _ in self._new_entries(changes):
            continue
        if left := self._dirty - changes.rewrites.keys() - changes.doomed:
            raise self._left(min(left))
        return changes

    def summary(self, changes: Changes) -> RedactedRelease | None:
        """Return what becomes of it; None: nothing."""
        if not (changes.rewrites or changes.doomed or self._unfinished):
            return None
        rewritten = sum(rewrite.replaces is not None for rewrite in changes.rewrites.values())
        return RedactedRelease(self._label, rewritten, len(changes.doomed), self._unfinished)

    def carry_out(self, changes: Changes) -> None:
        """Change it, in an order in which nothing says of it what is not so.

        Raises:
            MirrorConflictError: Somebody else changed it at the same time.
        """
        bucket, root = self._bucket, self._root
        manifest = replace(self._sealed.manifest, token=new_token(), complete=False)
        listed_at = bucket.head(root + OBJECTS)
        named = self._named_before | {path for path in changes.rewrites if self._redaction.names(path)}
        etag = bucket.put(root + MANIFEST, _noted(manifest, named), if_match=self._sealed.etag)
        manifest, list_etag = self._put_list(
            manifest, self._new_entries(changes), "" if listed_at is None else listed_at.etag
        )
        rewrites = [(path, rewrite) for path, rewrite in changes.rewrites.items() if rewrite.replaces is not None]
        put = run_all(rewrites, self._put, WORKERS)
        differing = {path: found for path, found in put if found != changes.rewrites[path].etag}
        bucket.delete(root + path for path in sorted(changes.doomed))
        if differing:  # servers that encrypt do not call content by its MD5
            entries = read_entries(bucket, root + OBJECTS, manifest.objects_sha256)
            again = (replace(entry, etag=differing.get(entry.path, entry.etag)) for entry in entries)
            manifest, _ = self._put_list(manifest, again, list_etag)
        bucket.put(root + MANIFEST, _noted(replace(manifest, complete=True), named), if_match=etag)

    @property
    def _unfinished(self) -> bool:
        return not self._sealed.manifest.complete

    def _entries(self) -> Iterator[Entry]:
        """Yield what is in the list of objects; of a redaction that was interrupted, it may be the old or the new."""
        sha256 = None if self._unfinished else self._sealed.manifest.objects_sha256
        return read_entries(self._bucket, self._root + OBJECTS, sha256)

    def _left_behind(self) -> Iterator[str]:
        """Yield what an interrupted redaction has left: what is not as the list says, or not in it."""
        stored = (Stored(entry.path, entry.size, entry.etag) for entry in self._entries())
        for expected, found in joined(stored, listed(self._bucket, self._root)):
            if expected != found:
                yield (expected or found).path  # type: ignore[union-attr]  # one of them is there

    def _left(self, path: str) -> ReleaseIncompleteError:
        message = f"release=<{self._label}>, object=<{path}> | another redaction was interrupted before it came to this"
        return ReleaseIncompleteError(message, hint=_SAME_AGAIN)

    def _shown(self) -> Iterator[tuple[str, bytes | None]]:
        """Yield the messages of the release that the database has otherwise, with what it has; empty where it has none.

        Those that are redacted in both are among them.
        """
        if self._database is None or not self._redaction.redacted:
            return
        with Plan() as plan:
            for entry in self._entries():
                if entry.kind == "message" and entry.path not in self._named_before:  # else the database may hold more
                    plan.found(entry.path, entry.etag)
                    plan.add_parent(() if entry.path in self._dirty else (entry,))
            redacted = self._database.read(partial(_add_messages, plan))
            for step in plan.steps(first=True):
                if step.replaces is not None and (step.body is not None or step.path in redacted):
                    yield step.path, step.body or b""
            yield from ((path, b"") for path in plan.extras())

    def _named(self, changes: Changes) -> Iterator[tuple[str, bytes | None]]:
        """Yield what is looked at whatever the database holds; take note of what goes."""
        for entry in self._entries():
            if self._redaction.removes(entry.path):
                changes.doomed.add(entry.path)
            elif self._redaction.looks_at(entry.path) or entry.path in self._dirty:
                yield entry.path, None

    def _rewrite(self, item: tuple[str, bytes | None]) -> tuple[str, _Rewrite | None]:
        path, shown = item
        found = self._bucket.get(self._root + path)
        if found is None:
            return path, None  # the database has it, the release has not
        sha256 = hashlib.sha256(found.data).hexdigest()
        body = self._redaction.redact(path, found.data, shown)
        if body != found.data:
            guess = hashlib.md5(body, usedforsecurity=False).hexdigest()
            return path, _Rewrite(body, guess, found.etag, sha256)
        return path, _Rewrite(body, found.etag, None, sha256) if path in self._dirty else None

    def _new_entries(self, changes: Changes) -> Iterator[Entry]:
        """Yield what is to be in the release."""
        for entry in self._entries():
            rewrite = changes.rewrites.get(entry.path)
            if entry.path in changes.doomed:
                continue
            if rewrite is None:
                yield entry
                continue
            if rewrite.sha256 != entry.sha256 and (rewrite.replaces is None or not self._unfinished):
                raise self._left(entry.path) if self._unfinished else _damaged(self._root + entry.path)
            sha256 = hashlib.sha256(rewrite.body).hexdigest()
            yield replace(entry, size=len(rewrite.body), sha256=sha256, etag=rewrite.etag)

    def _put_list(self, manifest: Manifest, entries: Iterable[Entry], etag: str) -> tuple[Manifest, str]:
        """Write the list of objects; return the manifest that goes with it, and what S3 calls the list."""
        counts: Counter[str] = Counter()
        sizes: Counter[str] = Counter()

        def counted() -> Iterator[Entry]:
            for entry in entries:
                counts[entry.kind] += 1
                sizes[entry.kind] += entry.size
                yield entry

        body = b"".join(write_entries(manifest.token, counted()))
        put = self._bucket.put(self._root + OBJECTS, body, if_match=etag)
        sha256 = hashlib.sha256(body).hexdigest()
        objects, size = counts.total(), sizes.total()
        return replace(
            manifest, objects_sha256=sha256, objects=objects, bytes=size, counts=dict(sorted(counts.items()))
        ), put

    def _put(self, item: tuple[str, _Rewrite]) -> tuple[str, str]:
        path, rewrite = item
        content_type = None if path.endswith(ARCHIVE) else JSON
        key = self._root + path
        return path, self._bucket.put(key, rewrite.body, if_match=rewrite.replaces, content_type=content_type)


def _add_messages(plan: Plan, connection: Connection) -> set[str]:
    """Add the messages of the database to the plan; return the paths of those that are redacted."""
    redacted = set()
    for found in changed_objects(connection, positions(connection)._replace(messages=0)):
        plan.add(*found)
        if _NOT_REDACTED not in found.body:
            redacted.add(found.path)
    return redacted


def _noted(manifest: Manifest, named: Iterable[str]) -> bytes:
    """Return a manifest with notes: when its release was redacted, and where messages were that somebody named."""
    now = datetime.now(timezone.utc).isoformat()
    values = {**json.loads(manifest.to_bytes()), "redacted_at": now, _NAMED: sorted(named)}
    return json.dumps(values, indent=2, ensure_ascii=False).encode() + b"\n"


def _named_in(manifest: bytes) -> frozenset[str]:
    named = json.loads(manifest).get(_NAMED, ())
    return frozenset(map(str, named)) if isinstance(named, list) else frozenset()


def _damaged(key: str) -> ObjectDamagedError:
    return ObjectDamagedError(f"object=<{key}> is not what was pushed, so that it cannot be redacted")
