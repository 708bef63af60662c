"""What there is below a root: as S3 lists it, as its manifest says, and the two side by side."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ._manifest import Manifest, read_entries
from ._places import MANIFEST, OBJECTS, SIDECARS
from .errors import ReleaseIncompleteError, ReleaseNotFoundError

if TYPE_CHECKING:
    from ._bucket import Bucket

WORKERS = 16
"""How many objects are read at once."""

One = TypeVar("One")
Other = TypeVar("Other")

_SESSION = re.compile(rf"session_([^/]*)/|{SIDECARS}session_([^/]*)\.json$|(?:session|context)/([^/]+)/", re.DOTALL)
_MESSAGE = re.compile(r"session_([^/]*)/agents/agent_([^/]+)/messages/message_(-?\d+)\.json", re.DOTALL)


class Stored(NamedTuple):
    """An object below a root.

    Attributes:
        path: Where it lies below the root.
        size: In bytes.
        etag: What S3 calls its content.
        sha256: Of its content; None where S3 says it, and not a manifest.
        kind: What it is; empty where S3 says it.
    """

    path: str
    size: int
    etag: str
    sha256: str | None = None
    kind: str = ""


class Message(NamedTuple):
    """Which message an object is.

    Attributes:
        session_id: Of its session.
        agent_id: Of its agent.
        message_id: Its place in the conversation.
    """

    session_id: str
    agent_id: str
    message_id: int


class Sealed(NamedTuple):
    """The manifest of a root, as it was read.

    Attributes:
        manifest: What it says.
        etag: What S3 calls its content, for who replaces it.
        body: Its content.
    """

    manifest: Manifest
    etag: str
    body: bytes


def sealed_manifest(bucket: Bucket, root: str) -> Sealed | None:
    """Return the manifest below `root`; None where there is none.

    Raises:
        ObjectDamagedError: It cannot be read.
        MirrorError: A newer version of this package wrote it.
    """
    key = root + MANIFEST
    found = bucket.get(key)
    return None if found is None else Sealed(Manifest.from_bytes(found.data, key), found.etag, found.data)


def require_sealed(bucket: Bucket, root: str, label: str) -> Sealed:
    """Return the manifest of a release.

    Raises:
        ReleaseNotFoundError: There is nothing of this release.
        ReleaseIncompleteError: It was never sealed.
        ObjectDamagedError: Its manifest cannot be read.
    """
    sealed = sealed_manifest(bucket, root)
    if sealed is not None:
        return sealed
    if next(iter(bucket.list(root)), None) is None:
        message = f"release=<{label}> is not in bucket=<{bucket.name}>"
        raise ReleaseNotFoundError(message)
    message = f"release=<{label}> is incomplete: it has no {MANIFEST}"
    raise ReleaseIncompleteError(message)


def listed(bucket: Bucket, root: str) -> Iterator[Stored]:
    """Yield what S3 has below `root`, but for the manifest; the order is the server's."""
    for found in bucket.list(root):
        path = found.key[len(root) :]
        if path not in (MANIFEST, OBJECTS):
            yield Stored(path, found.size, found.etag)


def recorded(bucket: Bucket, root: str, manifest: Manifest) -> Iterator[Stored]:
    """Yield what the manifest of a release says is below `root`.

    Raises:
        ObjectMissingError: The list of its objects is not there.
        ObjectDamagedError: The list is not what was written; nothing that came before can be trusted.
    """
    sha256 = manifest.objects_sha256 if manifest.complete else None
    for entry in read_entries(bucket, root + OBJECTS, sha256):
        yield Stored(entry.path, entry.size, entry.etag, entry.sha256, entry.kind)


def joined(
    one: Iterable[One],
    other: Iterable[Other],
    key: Callable[[One | Other], Hashable] = lambda item: item.path,  # type: ignore[union-attr]  # of Stored
) -> Iterator[tuple[One | None, Other | None]]:
    """Yield the items of both that have the same key, and each that the other has not, with None in its place.

    Both are read side by side. Where their order is about the same, memory stays constant; servers disagree on the
    order of `a-b/` and `a/`.
    """
    ones, others = iter(one), iter(other)
    left: dict[Hashable, One] = {}
    right: dict[Hashable, Other] = {}
    more = True
    while more:
        more = False
        for first in _next(ones):
            more = True
            if (partner := right.pop(key(first), None)) is None:
                left[key(first)] = first
            else:
                yield first, partner
        for second in _next(others):
            more = True
            if (match := left.pop(key(second), None)) is None:
                right[key(second)] = second
            else:
                yield match, second
    yield from ((item, None) for item in left.values())
    yield from ((None, item) for item in right.values())


def _next(items: Iterator[One]) -> Iterator[One]:
    """Yield one item, or nothing at the end."""
    for item in items:
        yield item
        return


def is_content(body: bytes, sha256: str) -> bool:
    """Tell whether `body` is what was written."""
    return hashlib.sha256(body).hexdigest() == sha256


def session_of(path: str) -> str | None:
    """Return the id of the session to which an object belongs, if it belongs to one."""
    match = _SESSION.match(path)
    return None if match is None else next(group for group in match.groups() if group is not None)


def message_of(path: str) -> Message | None:
    """Return which message of a session manager's session lies at `path`, if one does."""
    match = _MESSAGE.fullmatch(path)
    return None if match is None else Message(match[1], match[2], int(match[3]))
