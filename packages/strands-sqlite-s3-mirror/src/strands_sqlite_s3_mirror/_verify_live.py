"""Whether the live copy is what was pushed to it: compared with the database, for it has no list of objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from strands_sqlite_session_manager import transfer

from ._inventory import WORKERS, Sealed, listed, sealed_manifest
from ._places import MANIFEST, SIDECARS
from ._plan import Plan
from ._reading import since
from ._verify import Finding, Level, Progress
from ._workers import run_all
from .errors import ObjectDamagedError, ReleaseNotFoundError

if TYPE_CHECKING:
    from strands_sqlite_session_manager._connection import Connection
    from strands_sqlite_session_manager._database import Database
    from strands_sqlite_session_manager.transfer import Positions

    from ._bucket import Bucket
    from ._manifest import Manifest
    from ._places import Places
    from ._plan import Step

_REPUSH = "push to the live copy, and take it over: everything is compared, and what differs is written anew"
_PUSH = "push again: it does that work once more"
_STRANGE = "make sure that this is the database that is mirrored here; if it is, push and take the copy over"

_TRIES = 3
"""So often it begins again, where a push came in between."""


@dataclass
class _Pending:
    """What the database has changed since the last push, so that the copy may have either.

    Attributes:
        paths: Objects that were written.
        folders: What the paths begin with of sessions that lost something.
    """

    paths: set[str] = field(default_factory=set)
    folders: tuple[str, ...] = ()

    def has(self, path: str) -> bool:
        return path in self.paths or path.startswith(self.folders)


def verify_live(
    bucket: Bucket,
    places: Places,
    database: Database,
    *,
    level: Level = "checksum",
    progress: Progress | None = None,
) -> list[Finding]:
    """Compare the live copy with the database; neither is changed.

    What was written to the database since the last push is not looked at: `follow`, or the next push, brings it.

    Args:
        bucket: Where it is.
        places: The keys of the mirror.
        database: Whose copy it is; it may be open for reading only.
        level: `listing` looks at which objects there are; `checksum` at their ETags too, with as many requests, and
            reads those that have another than expected; `read` downloads everything and compares it.
        progress: Called with how many objects were looked at, and of how many.

    Returns:
        What is not as it was pushed, in the order of the paths; empty when all is well.

    Raises:
        ReleaseNotFoundError: There is no live copy.
        LocalDiskError: There is no room for temporary files.
        MirrorError: S3 could not be read.
    """
    findings: list[Finding] = []
    for _ in range(_TRIES):
        before = _manifest(bucket, places)
        findings = before if isinstance(before, list) else _verify(bucket, places, database, before, level, progress)
        if not findings or before == _manifest(bucket, places):
            break
    return findings


def _manifest(bucket: Bucket, places: Places) -> Sealed | list[Finding]:
    """Return the manifest of the live copy, or that it is damaged."""
    try:
        sealed = sealed_manifest(bucket, places.live)
    except ObjectDamagedError as error:
        return [Finding("manifest", MANIFEST, str(error).removesuffix(f" | {error.hint}"), _REPUSH)]
    if sealed is None:
        message = f"bucket=<{bucket.name}>, key=<{places.live}{MANIFEST}> | there is no live copy"
        raise ReleaseNotFoundError(message, hint="push to it first")
    return sealed


def _verify(  # noqa: PLR0913, PLR0917 - as verify_live
    bucket: Bucket, places: Places, database: Database, sealed: Sealed, level: Level, progress: Progress | None
) -> list[Finding]:
    with Plan() as plan:
        place = f"{bucket.name}/{places.live}"
        pending = database.read(partial(_read, plan=plan, manifest=sealed.manifest, place=place))
        if pending is None:
            problem = "this database does not know this copy: it is another's, or of a later state of this one"
            return [Finding("manifest", MANIFEST, problem, _STRANGE)]
        findings = [] if sealed.manifest.complete else [_unfinished()]
        findings += _compared(bucket, places.live, plan, pending, level, progress)
    return sorted(findings, key=lambda finding: finding.path)


def _unfinished() -> Finding:
    return Finding("manifest", MANIFEST, "a push is under way, or was interrupted", _PUSH)


def _read(connection: Connection, plan: Plan, manifest: Manifest, place: str) -> _Pending | None:
    """Put what is to be there into the plan; return what may differ, None where the copy is not of this database."""
    if manifest.token not in transfer.read_mirror_tokens(connection, place):
        return None
    for path, kind, body in transfer.changed_objects(connection, transfer.Positions()):
        plan.add(path, kind, body)
    return _changed(connection, since(manifest))


def _changed(connection: Connection, positions: Positions) -> _Pending:
    paths = {found.path for found in transfer.changed_objects(connection, positions)}
    paths.update(transfer.deleted_keys(connection, positions))
    touched = transfer.touched_sessions(connection, positions)
    folders = (folder for each in touched for folder in (f"session_{each}/", f"{SIDECARS}session_{each}.json"))
    return _Pending(paths, tuple(folders))


def _compared(  # noqa: PLR0913, PLR0917 - one comparison, from all that it needs
    bucket: Bucket, root: str, plan: Plan, pending: _Pending, level: Level, progress: Progress | None
) -> Iterator[Finding]:
    """Yield what differs between the plan and what is listed."""
    for found in listed(bucket, root):
        plan.found(found.path, found.etag)
    if level != "read":
        plan.skip_unchanged()
    total = plan.left()
    check = partial(_difference, bucket, root, level)
    for done, finding in enumerate(run_all(_steps(plan, pending), check, WORKERS), 1):
        if progress is not None:
            progress(done, max(done, total))
        if finding is not None:
            yield finding
    for path in plan.extras():
        if not pending.has(path):
            yield Finding("extra", path, "the database does not have it", _REPUSH)


def _steps(plan: Plan, pending: _Pending) -> Iterator[Step]:
    for first in (True, False):
        for step in plan.steps(first=first):
            if not pending.has(step.path):
                yield step


def _difference(bucket: Bucket, root: str, level: Level, step: Step) -> Finding | None:
    if step.replaces is None:
        return Finding("missing", step.path, "it is not there", _REPUSH)
    if level == "listing":
        return None
    body = bucket.get(root + step.path)
    if body is None:
        return Finding("missing", step.path, "it is not there any more", _REPUSH)
    if body.data == step.body:
        return None
    return Finding("modified", step.path, "it has other content than the database", _REPUSH)
