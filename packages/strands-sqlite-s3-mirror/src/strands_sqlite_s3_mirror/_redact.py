"""Content taken out of releases that are sealed, which are then sealed anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._redacting import Redaction
from ._releases import releases
from ._resealing import RedactedRelease, ReleaseRedaction

if TYPE_CHECKING:
    from strands_sqlite_session_manager._database import Database

    from ._bucket import Bucket
    from ._places import Places

__all__ = ["RedactPlan", "RedactedRelease", "Redaction", "plan_redact", "redact"]


@dataclass(frozen=True)
class RedactPlan:
    """What a redaction would change.

    Attributes:
        releases: The releases in which there is something to redact.
        incomplete: Releases that were never sealed, or whose manifest cannot be read. They are left alone: prune them,
            they may hold the same content.
    """

    releases: tuple[RedactedRelease, ...]
    incomplete: tuple[str, ...]


def plan_redact(
    bucket: Bucket,
    places: Places,
    redaction: Redaction,
    *,
    labels: Iterable[str] | None = None,
    database: Database | None = None,
) -> RedactPlan:
    """Return what a redaction would change; nothing is changed.

    Args:
        bucket: Where the releases are.
        places: The keys of the mirror.
        redaction: What has to go.
        labels: From which releases; all if None.
        database: What to follow, for `Redaction.redacted`.

    Raises:
        ReleaseNotFoundError: There is nothing of one of the releases.
        ReleaseIncompleteError: One of those that are named was never sealed.
        ObjectDamagedError: A release is damaged where it is to be changed.
        ValueError: `redacted` needs a database.
        MirrorError: S3 could not be read.
    """
    chosen, incomplete = _chosen(bucket, places, labels)
    found = []
    for label in chosen:
        work = ReleaseRedaction(bucket, places.release(label), label, redaction, database)
        planned = work.summary(work.changes())
        if planned is not None:
            found.append(planned)
    return RedactPlan(tuple(found), incomplete)


def redact(  # noqa: PLR0913 - what, where, and by what
    bucket: Bucket,
    places: Places,
    redaction: Redaction,
    *,
    labels: Iterable[str] | None = None,
    database: Database | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RedactPlan:
    """Take content out of releases, one after the other, and seal them anew.

    The manifest says first that the release is being redacted, then its list of objects says what they are to be, then
    they are changed, then it is sealed. Where this is interrupted, `verify` says so, and the same call completes it.

    A bucket with versioning keeps what was overwritten and deleted: let it expire there.

    Args:
        bucket: Where the releases are.
        places: The keys of the mirror.
        redaction: What has to go.
        labels: From which releases; all if None.
        database: What to follow, for `Redaction.redacted`.
        progress: Called with how many releases are done, and of how many.

    Returns:
        What was done.

    Raises:
        MirrorConflictError: Somebody else changed a release at the same time.
        MirrorError: As `plan_redact`; releases that were done before stay redacted.
        ValueError: `redacted` needs a database.
    """
    chosen, incomplete = _chosen(bucket, places, labels)
    done = []
    for number, label in enumerate(chosen, 1):
        work = ReleaseRedaction(bucket, places.release(label), label, redaction, database)
        changes = work.changes()
        summary = work.summary(changes)
        if summary is not None:
            work.carry_out(changes)
            done.append(summary)
        if progress is not None:
            progress(number, len(chosen))
    return RedactPlan(tuple(done), incomplete)


def _chosen(bucket: Bucket, places: Places, labels: Iterable[str] | None) -> tuple[list[str], tuple[str, ...]]:
    if labels is not None:
        return list(dict.fromkeys([labels] if isinstance(labels, str) else labels)), ()
    found = releases(bucket, places)
    sealed = [release.label for release in found if release.sealed]
    return sealed, tuple(release.label for release in found if not release.sealed)
