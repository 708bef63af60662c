"""Which releases there are, and which of them is the newest."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ._inventory import WORKERS, sealed_manifest
from ._workers import run_all
from .errors import ObjectDamagedError

if TYPE_CHECKING:
    from ._bucket import Bucket
    from ._places import Places


@dataclass(frozen=True)
class Release:
    """A release in S3.

    Attributes:
        label: Its label.
        sealed: Whether its push reached the end. Of one that did not, only the label is known.
        created_at: When it was sealed: ISO 8601 in UTC.
        sessions: How many sessions of session managers are in it.
        messages: How many messages.
        objects: How many objects S3 has of it.
        bytes: How many bytes are in them.
        parent: The release from which it copied what had not changed, if any.
        latest: Whether it is the one from which the next will copy.
        problem: What keeps its manifest from being read, if anything does.
        token: Of its manifest; another one means that the release was written anew.
    """

    label: str
    sealed: bool
    created_at: str | None = None
    sessions: int | None = None
    messages: int | None = None
    objects: int | None = None
    bytes: int | None = None
    parent: str | None = None
    latest: bool = False
    problem: str = ""
    token: str | None = field(default=None, repr=False)


class Latest(NamedTuple):
    """What `latest.json` says.

    Attributes:
        release: The newest release; None where it names none.
        etag: What S3 calls its content, for who replaces it.
    """

    release: str | None
    etag: str


def releases(bucket: Bucket, places: Places) -> list[Release]:
    """Return all releases, those that are incomplete among them.

    Takes one request for each release, another one for those that are incomplete, and two for all.

    Args:
        bucket: Where they are.
        places: The keys of the mirror.

    Returns:
        The sealed ones in the order in which they were sealed, then the others in the order of their labels.

    Raises:
        MirrorError: S3 could not be read.
    """
    latest = read_latest(bucket, places)
    newest = None if latest is None else latest.release
    labels = [folder[len(places.releases) : -1] for folder in bucket.folders(places.releases)]
    found = run_all(labels, lambda label: _release(bucket, places, label, latest=label == newest), WORKERS)
    there = (release for release in found if release is not None)
    return sorted(there, key=lambda release: (not release.sealed, release.created_at or "", release.label))


def _release(bucket: Bucket, places: Places, label: str, *, latest: bool) -> Release | None:
    root = f"{places.releases}{label}/"
    try:
        sealed = sealed_manifest(bucket, root)
    except ObjectDamagedError as error:
        return Release(label, sealed=False, latest=latest, problem=str(error).removesuffix(f" | {error.hint}"))
    if sealed is None:
        is_empty = next(iter(bucket.list(root)), None) is None  # some servers keep folders in which nothing is left
        return None if is_empty else Release(label, sealed=False, latest=latest)
    manifest = sealed.manifest
    return Release(
        label,
        sealed=True,
        created_at=manifest.created_at,
        sessions=manifest.counts.get("session", 0),
        messages=manifest.counts.get("message", 0),
        objects=manifest.objects,
        bytes=manifest.bytes,
        parent=manifest.parent,
        latest=latest,
        problem="" if manifest.complete else "a redaction of it was interrupted: run it again",
        token=manifest.token,
    )


def read_latest(bucket: Bucket, places: Places) -> Latest | None:
    """Return what `latest.json` says; None where there is none."""
    found = bucket.get(places.latest)
    if found is None:
        return None
    try:
        release = json.loads(found.data).get("release")
    except (ValueError, AttributeError, RecursionError):
        release = None
    return Latest(release if isinstance(release, str) else None, found.etag)


def latest_body(label: str) -> bytes:
    """Return what stands in `latest.json` where `label` is the newest release."""
    return json.dumps({"release": label}, ensure_ascii=False).encode()


@dataclass(frozen=True)
class LiveCopy:
    """The live copy in S3.

    Attributes:
        as_of: When the database began to be read that it holds: ISO 8601 in UTC. What was written until then is in it.
        complete: Whether all of it is as of then; False where a push is under way, or was interrupted: then some
            objects may be newer, and of a first push or a take-over some may be missing.
    """

    as_of: str
    complete: bool


def live_copy(bucket: Bucket, places: Places) -> LiveCopy | None:
    """Return what the live copy says of itself; None where there is none.

    Raises:
        ObjectDamagedError: Its manifest cannot be read.
        MirrorError: S3 could not be read.
    """
    sealed = sealed_manifest(bucket, places.live)
    return None if sealed is None else LiveCopy(sealed.manifest.created_at, sealed.manifest.complete)
