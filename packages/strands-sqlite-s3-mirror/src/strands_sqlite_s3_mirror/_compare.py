"""What changed between two releases, or from a release to the live copy, by their manifests."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast, get_args

from ._inventory import (
    WORKERS,
    Stored,
    is_content,
    joined,
    listed,
    message_of,
    recorded,
    require_sealed,
    sealed_manifest,
    session_of,
)
from ._places import MANIFEST
from ._workers import run_all
from .errors import ReleaseNotFoundError

if TYPE_CHECKING:
    from ._bucket import Bucket
    from ._places import Places

Change = Literal["added", "removed", "changed"]
"""What became of something, from the first to the second."""

Pairs = Iterable[tuple["Stored | None", "Stored | None"]]


@dataclass(frozen=True)
class ObjectChange:
    """An object that is not the same in both.

    Attributes:
        path: Where it lies, below the roots of both.
        change: What became of it.
    """

    path: str
    change: Change


@dataclass(frozen=True)
class SessionChange:
    """A session that is not the same in both.

    Attributes:
        session_id: Its id.
        change: What became of it.
        messages_added: How many messages the second has and the first has not.
        messages_removed: The other way round, as after a rewind.
        messages_changed: How many are there in both, with other content.
        objects: How many of its objects differ, messages and states and snapshots together.
    """

    session_id: str
    change: Change
    messages_added: int
    messages_removed: int
    messages_changed: int
    objects: int


@dataclass(frozen=True)
class Comparison:
    """What changed from one release to another.

    Attributes:
        one: The first.
        other: The second; None: the live copy.
        sessions: The sessions that differ, in the order of their ids.
        objects: The objects that differ, in the order of their paths.
        same: How many objects are the same in both.
    """

    one: str
    other: str | None
    sessions: tuple[SessionChange, ...]
    objects: tuple[ObjectChange, ...]
    same: int


def compare(bucket: Bucket, places: Places, one: str, other: str | None = None) -> Comparison:
    """Return what changed from one release to another, or to the live copy.

    Between releases the manifests alone are read. The live copy has no list of objects: it is listed, and those of its
    objects are read whose ETag is not that of the release although they are of the same size.

    Args:
        bucket: Where they are.
        places: The keys of the mirror.
        one: The first release.
        other: The second; None: the live copy.

    Raises:
        ReleaseNotFoundError: There is nothing of one of them.
        ReleaseIncompleteError: One of them was never sealed.
        ObjectDamagedError: The manifest of one of them cannot be read.
        MirrorError: S3 could not be read.
    """
    root = places.release(one)
    first = recorded(bucket, root, require_sealed(bucket, root, one).manifest)
    if other is None:
        second = _live(bucket, places)
    else:
        other_root = places.release(other)
        second = recorded(bucket, other_root, require_sealed(bucket, other_root, other).manifest)
    return _Tally(bucket, places.live).compare(one, other, joined(first, second))


def _live(bucket: Bucket, places: Places) -> Iterator[Stored]:
    if sealed_manifest(bucket, places.live) is None:
        message = f"bucket=<{bucket.name}>, key=<{places.live}{MANIFEST}> | there is no live copy"
        raise ReleaseNotFoundError(message, hint="push to it first, or name a second release")
    return listed(bucket, places.live)


class _Tally:
    """Counts what differs, object by object."""

    def __init__(self, bucket: Bucket, live: str) -> None:
        self._bucket = bucket
        self._live = live
        self._changes: list[ObjectChange] = []
        self._same = 0
        self._found: defaultdict[str, set[Change | None]] = defaultdict(set)
        self._objects: Counter[str] = Counter()
        self._messages: Counter[tuple[str, Change]] = Counter()

    def compare(self, one: str, other: str | None, pairs: Pairs) -> Comparison:
        """Go through the pairs; what has to be read is read by several threads."""
        for path, is_same in run_all(self._doubtful(pairs), self._read, WORKERS):
            self._note(path, None if is_same else "changed")
        sessions = tuple(self._session(each) for each in sorted(self._objects))
        return Comparison(one, other, sessions, tuple(sorted(self._changes, key=lambda each: each.path)), self._same)

    def _doubtful(self, pairs: Pairs) -> Iterator[Stored]:
        """Note what the lists alone tell, and give those that have to be read."""
        for first, second in pairs:
            if first is None:
                self._note(cast("Stored", second).path, "added")
            elif second is None:
                self._note(first.path, "removed")
            elif (same := _is_same(first, second)) is None:
                yield first
            else:
                self._note(first.path, None if same else "changed")

    def _read(self, first: Stored) -> tuple[str, bool]:
        body = self._bucket.get(self._live + first.path)
        return first.path, body is not None and is_content(body.data, first.sha256 or "")

    def _note(self, path: str, change: Change | None) -> None:
        session_id = session_of(path)
        if session_id is not None:
            self._found[session_id].add(change)
        if change is None:
            self._same += 1
            return
        self._changes.append(ObjectChange(path, change))
        if session_id is not None:
            self._objects[session_id] += 1
            self._messages[session_id, change] += message_of(path) is not None

    def _session(self, session_id: str) -> SessionChange:
        found = self._found[session_id]
        change = next(iter(found)) if len(found) == 1 else "changed"
        added, removed, changed = (self._messages[session_id, each] for each in get_args(Change))
        objects = self._objects[session_id]
        return SessionChange(session_id, change or "changed", added, removed, changed, objects)


def _is_same(first: Stored, second: Stored) -> bool | None:
    """Tell whether two objects have the same content; None where that takes reading."""
    if first.size != second.size:
        return False
    if second.sha256 is not None:
        return first.sha256 == second.sha256
    return True if first.etag == second.etag else None
