"""Releases that may go: which, and how they go so that nothing sealed is ever incomplete."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ._inventory import sealed_manifest
from ._journal import begin_journal, end_journal, read_journal
from ._places import MANIFEST
from ._releases import Release, latest_body, read_latest, releases
from .errors import ObjectDamagedError

if TYPE_CHECKING:
    from ._bucket import Bucket
    from ._places import Places


@dataclass(frozen=True, kw_only=True)
class ReleasePolicy:
    """Which releases stay.

    A sealed release goes if none of `keep_last`, `keep_within` and `keep` keeps it; without any of the three all of
    them stay. Incomplete ones, and those whose manifest is damaged, stay unless `incomplete_older_than` lets them go.

    Attributes:
        keep_last: So many stay, those that were sealed last.
        keep_within: Those stay that were sealed within this time.
        keep: Those stay whose label is like one of these: `*.0`, `2026-*`, as in a shell.
        incomplete_older_than: Those go to which nothing was written for so long, and which were never sealed or have a
            damaged manifest.
    """

    keep_last: int | None = None
    keep_within: timedelta | None = None
    keep: tuple[str, ...] = ()
    incomplete_older_than: timedelta | None = None

    def __post_init__(self) -> None:
        """Refuse a policy that says nothing, and limits that mean nothing.

        Raises:
            ValueError: Nothing is set, or a number or time is too small.
            TypeError: `keep` is one text instead of several.
        """
        if any(isinstance(keep, str) for keep in (self.keep,)):
            message = "keep must be a tuple of texts, not one text"
            raise TypeError(message)
        if not self.limits_sealed and self.incomplete_older_than is None:
            message = "the policy says nothing | set keep_last, keep_within, keep or incomplete_older_than"
            raise ValueError(message)
        nothing = timedelta()
        times = (self.keep_within or nothing, self.incomplete_older_than or nothing)
        if (self.keep_last is not None and self.keep_last < 1) or min(times) < nothing:
            message = "keep_last must be at least 1, and times must not be negative"
            raise ValueError(message)

    @property
    def limits_sealed(self) -> bool:
        """Whether it lets sealed releases go."""
        return self.keep_last is not None or self.keep_within is not None or bool(self.keep)


@dataclass(frozen=True)
class PrunePlan:
    """What `prune` would delete.

    Attributes:
        releases: The releases that go, those that were sealed first at the beginning.
        kept: Those that stay.
        latest: The release that `latest.json` will name; None: none.
        objects: How many objects go with the sealed ones.
        bytes: How many bytes are in them.
        unfinished: Whether an earlier `prune` was interrupted, and is completed.
    """

    releases: tuple[Release, ...]
    kept: tuple[Release, ...]
    latest: str | None
    objects: int
    bytes: int
    unfinished: bool


@dataclass(frozen=True)
class Pruned:
    """What was deleted.

    Attributes:
        releases: The labels of the releases.
        objects: How many objects.
        skipped: The labels of releases that were sealed anew since the plan was made, and stay.
    """

    releases: tuple[str, ...]
    objects: int
    skipped: tuple[str, ...]


def plan_prune(bucket: Bucket, places: Places, policy: ReleasePolicy, *, now: datetime | None = None) -> PrunePlan:
    """Return what a policy would delete; nothing is deleted.

    What an earlier `prune` began to delete is in the plan too, whatever the policy says.

    Args:
        bucket: Where the releases are.
        places: The keys of the mirror.
        policy: What may go.
        now: The time from which ages are counted, with its time zone; the present if None.

    Raises:
        MirrorError: S3 could not be read.
        ValueError: `now` has no time zone.
    """
    now = datetime.now(timezone.utc) if now is None else now
    if now.tzinfo is None:
        message = f"now=<{now}> | must have a time zone"
        raise ValueError(message)
    found = releases(bucket, places)
    sealed = [release for release in found if release.sealed]
    kept = set(_kept(sealed, policy, now)) if policy.limits_sealed else {release.label for release in sealed}
    going = [release for release in sealed if release.label not in kept]
    begun, etag = read_journal(bucket, places)
    going += _incomplete(bucket, places, found, begun, policy.incomplete_older_than, now)
    staying = tuple(release for release in found if release not in going)
    return PrunePlan(
        tuple(going),
        staying,
        _newest(staying),
        sum(release.objects or 0 for release in going),
        sum(release.bytes or 0 for release in going),
        etag is not None,
    )


def _kept(sealed: Sequence[Release], policy: ReleasePolicy, now: datetime) -> Iterator[str]:
    if policy.keep_last is not None:
        yield from (release.label for release in sealed[-policy.keep_last :])
    for release in sealed:
        sealed_at = datetime.fromisoformat(release.created_at or "")
        if policy.keep_within is not None and now - sealed_at <= policy.keep_within:
            yield release.label
        if any(fnmatchcase(release.label, pattern) for pattern in policy.keep):
            yield release.label


def _incomplete(  # noqa: PLR0913, PLR0917 - what there is, and what may go of it
    bucket: Bucket, places: Places, found: Sequence[Release], begun: set[str], limit: timedelta | None, now: datetime
) -> Iterator[Release]:
    for release in found:
        if release.sealed:
            continue
        if release.label in begun or (
            limit is not None and _is_older(bucket, places.release(release.label), now - limit)
        ):
            yield release


def _is_older(bucket: Bucket, root: str, moment: datetime) -> bool:
    """Tell whether nothing was written below `root` since `moment`."""
    written = bucket.last_modified(root)
    return written is not None and written < moment


def _newest(staying: Sequence[Release]) -> str | None:
    """Return the release that `latest.json` is to name: the one that it names, or else the newest."""
    sealed = [release for release in staying if release.sealed]
    named = [release.label for release in sealed if release.latest]
    return next(iter([*named, *(release.label for release in reversed(sealed))]), None)


def prune(
    bucket: Bucket, places: Places, plan: PrunePlan, *, progress: Callable[[int, int], None] | None = None
) -> Pruned:
    """Delete the releases of a plan: their manifests first, so that none is sealed that is not complete.

    Where this is interrupted, plan again and call it again: it goes on where it stopped. Until then
    the releases that go cannot be pushed.

    Args:
        bucket: Where the releases are.
        places: The keys of the mirror.
        plan: What goes.
        progress: Called with how many objects were deleted, and of how many.

    Raises:
        MirrorConflictError: Another prune or push came in between. What was deleted until then is gone.
        MirrorError: S3 refused; run it again.
    """
    if not plan.releases and not plan.unfinished:
        return Pruned((), 0, ())
    etag = begin_journal(bucket, places, {release.label for release in plan.releases})
    _move_latest(bucket, places, plan)
    gone: list[str] = []
    skipped: list[str] = []
    objects = 0
    for release in plan.releases:
        count = _delete_release(bucket, places, release)
        (skipped if count is None else gone).append(release.label)
        objects += count or 0
        if progress is not None:
            progress(objects, max(objects, plan.objects))
    end_journal(bucket, places, etag)
    return Pruned(tuple(gone), objects, tuple(skipped))


def _delete_release(bucket: Bucket, places: Places, release: Release) -> int | None:
    """Delete a release; return how many objects that were, None where it was sealed anew."""
    root = places.release(release.label)
    try:
        sealed = sealed_manifest(bucket, root)
    except ObjectDamagedError:
        if release.sealed or not release.problem:
            raise
        return bucket.delete(found.key for found in bucket.list(root))  # it was chosen as damaged
    if sealed is not None and sealed.manifest.token != release.token:
        return None
    if sealed is not None:
        bucket.delete([root + MANIFEST])
    return bucket.delete(found.key for found in bucket.list(root)) + (sealed is not None)


def _move_latest(bucket: Bucket, places: Places, plan: PrunePlan) -> None:
    """Let `latest.json` name a release that stays, if it names one that goes."""
    going = {release.label for release in plan.releases}
    latest = read_latest(bucket, places)
    if latest is None or latest.release not in going:
        return
    if plan.latest is None:
        bucket.delete([places.latest])
    else:
        bucket.put(places.latest, latest_body(plan.latest), if_match=latest.etag)
