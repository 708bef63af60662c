"""Whether what is in S3 is what was pushed; nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ._inventory import WORKERS, Stored, is_content, joined, listed, recorded, sealed_manifest
from ._places import MANIFEST, OBJECTS
from ._workers import run_all
from .errors import ObjectDamagedError, ObjectMissingError, ReleaseNotFoundError

if TYPE_CHECKING:
    from ._bucket import Bucket
    from ._manifest import Manifest
    from ._places import Places

Level = Literal["listing", "checksum", "read"]
"""How closely a verification looks."""

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""

_REPUSH = "push this release again: it goes on where it stopped; or prune it"
_RESTORE = "restore another release, and push what is in the database as a new one"
_EXTRA = "somebody writes below this release: give agents a copy, and delete what is extra"
_REDACT = "run the redaction again: it completes its work"


@dataclass(frozen=True)
class Finding:
    """Something in S3 that is not as it was pushed.

    Attributes:
        kind: `manifest` (the release is incomplete, or its manifest is damaged), `redaction` (one was interrupted),
            `missing`, `modified` or `extra` (an object).
        path: Where, below the root of the release.
        problem: What is wrong.
        advice: What to do about it.
    """

    kind: Literal["manifest", "redaction", "missing", "modified", "extra"]
    path: str
    problem: str
    advice: str


def verify_release(
    bucket: Bucket, places: Places, label: str, *, level: Level = "checksum", progress: Progress | None = None
) -> list[Finding]:
    """Compare a release with its manifest; nothing is changed.

    Args:
        bucket: Where it is.
        places: The keys of the mirror.
        label: Which release.
        level: `listing` looks at which objects there are and how large they are; `checksum` at their ETags too, with as
            many requests, and reads those that have another; `read` downloads everything and compares SHA-256.
        progress: Called with how many objects were looked at, and of how many.

    Returns:
        What is not as it was pushed, in the order of the paths; empty when all is well.

    Raises:
        ReleaseNotFoundError: There is nothing of this release.
        MirrorError: S3 could not be read.
    """
    root = places.release(label)
    try:
        sealed = sealed_manifest(bucket, root)
        if sealed is None:
            return [_unsealed(bucket, root, label)]
        findings = list(_about_manifest(sealed.manifest, label))
        stored = joined(recorded(bucket, root, sealed.manifest), listed(bucket, root))
        findings += _compared(bucket, root, stored, level, _counting(progress, sealed.manifest.objects or 0))
    except (ObjectDamagedError, ObjectMissingError) as error:
        return [Finding("manifest", MANIFEST, str(error).removesuffix(f" | {error.hint}"), _RESTORE)]
    return sorted(findings, key=lambda finding: finding.path)


def _unsealed(bucket: Bucket, root: str, label: str) -> Finding:
    if next(iter(bucket.list(root)), None) is None:
        message = f"release=<{label}> is not in bucket=<{bucket.name}>"
        raise ReleaseNotFoundError(message)
    return Finding("manifest", MANIFEST, "the release is incomplete: it was never sealed", _REPUSH)


def _about_manifest(manifest: Manifest, label: str) -> Iterator[Finding]:
    if manifest.release != label:
        problem = f"it is the manifest of another release: {manifest.release}"
        yield Finding("manifest", MANIFEST, problem, _RESTORE)
    if not manifest.complete:
        yield Finding("redaction", OBJECTS, "a redaction of this release was interrupted", _REDACT)


def _counting(progress: Progress | None, total: int) -> Callable[[int], None]:
    if progress is None:
        return lambda _: None
    return lambda done: progress(done, max(done, total))


Pairs = Iterable[tuple["Stored | None", "Stored | None"]]


def _compared(bucket: Bucket, root: str, pairs: Pairs, level: Level, count: Callable[[int], None]) -> list[Finding]:
    """Return what differs between what should be and what is."""
    findings: list[Finding] = []

    def to_be_read() -> Iterator[Stored]:
        for done, (expected, found) in enumerate(pairs, 1):
            count(done)
            finding = _difference(expected, found)
            if finding is not None:
                findings.append(finding)
            elif expected is not None and found is not None and _needs_reading(expected, found, level):
                yield expected

    read = run_all(to_be_read(), lambda expected: _read(bucket, root, expected), WORKERS)
    findings += [finding for finding in read if finding is not None]
    return findings


def _difference(expected: Stored | None, found: Stored | None) -> Finding | None:
    """Return what the listing alone tells."""
    if expected is None:
        return None if found is None else Finding("extra", found.path, "it was not pushed", _EXTRA)
    if found is None:
        return Finding("missing", expected.path, "it is not there any more", _RESTORE)
    if found.size != expected.size:
        problem = f"it has {found.size:,} bytes; {expected.size:,} were pushed"
        return Finding("modified", expected.path, problem, _RESTORE)
    return None


def _needs_reading(expected: Stored, found: Stored, level: Level) -> bool:
    return level == "read" or (level == "checksum" and expected.etag != found.etag)


def _read(bucket: Bucket, root: str, expected: Stored) -> Finding | None:
    body = bucket.get(root + expected.path)
    if body is None:
        return Finding("missing", expected.path, "it is not there any more", _RESTORE)
    if expected.sha256 is not None and is_content(body.data, expected.sha256):
        return None
    return Finding("modified", expected.path, "it has other content than was pushed", _RESTORE)
