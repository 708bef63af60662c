"""A release, or the live copy, back into a database: new or existing, all sessions or some."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from strands_sqlite_session_manager.errors import NotFoundError
from strands_sqlite_session_manager.transfer._records import require_id

from ._groups import in_groups, session_folder, storage_objects
from ._inventory import recorded, require_sealed, sealed_manifest, session_of
from ._loading import Loader, Restored, list_below, list_session, list_sidecars, sidecar_of
from .errors import ReleaseIncompleteError, ReleaseNotFoundError

if TYPE_CHECKING:
    from strands_sqlite_session_manager._database import Database
    from strands_sqlite_session_manager.transfer import Conflict

    from ._bucket import Bucket
    from ._groups import Group
    from ._inventory import Sealed
    from ._loading import Report
    from ._manifest import Manifest
    from ._places import Places

_FOLDERS = ("session/{}/", "context/{}/")
"""Where the SDK keeps what belongs to a session in a storage: its snapshots, and what was put aside for its agents."""

_LOOK = "look at the bucket and the prefix, and at what was pushed there"


def restore(  # noqa: PLR0913 - what says how is given by name
    database: Database,
    bucket: Bucket,
    places: Places,
    *,
    release: str | None = None,
    session_ids: Iterable[str] | None = None,
    on_conflict: Conflict = "fail",
    objects: bool = True,
    progress: Report | None = None,
) -> Restored:
    """Read sessions of a release, or of the live copy, into a database; each becomes visible whole or not at all.

    Every object of a release is compared with the SHA-256 in its manifest. Of the live copy, each session is read as
    it is listed at one instant; a new session or agent of which an interrupted push has brought only a part is left
    there, and named in the result. What is there already with the same content is passed over: a restore that was cut
    can simply be run again.

    Args:
        database: Where to put them.
        bucket: Where they are.
        places: The keys of the mirror.
        release: Which release; None: the live copy.
        session_ids: Which sessions; all without it. Of those, the snapshots below `session/<id>/` and what lies below
            `context/<id>/` come too.
        on_conflict: What to do with a session, or a storage object, that is there with other content: `"fail"`,
            `"skip"` it, or `"replace"` the one that is there.
        objects: Whether storage objects are wanted too: snapshots, stashes, memories.
        progress: Called after each object that was read.

    Returns:
        What was done.

    Raises:
        ReleaseNotFoundError: There is no such release, or no live copy.
        ReleaseIncompleteError: The release was never sealed, or a redaction of it was cut.
        NotFoundError: It has no such session. Nothing was written.
        AlreadyExistsError: A session or an object is there with other content, and `on_conflict` is `"fail"`.
        ObjectMissingError: An object of the release is missing; the message names it.
        ObjectDamagedError: An object is not what the manifest of the release says; the message names it.
        ObjectConflictError: A session of the live copy changed as fast as it was read.
        TransferError: An object of the live copy is damaged, or another's; the message names it.
        LocalDiskError: There is no room for temporary files.
        MirrorError: S3 could not be read. What was written until then stays, whole sessions only.
    """
    ids = None if session_ids is None else required_ids(session_ids)
    is_cut: Callable[[], bool] | None = None
    if release is None:
        total, before = None, sealed_manifest(bucket, places.live)
        groups = _live(bucket, places.live, before, ids, objects=objects)
        is_cut = partial(_is_cut, bucket, places.live, before)
    else:
        root = places.release(release)
        manifest = require_sealed(bucket, root, release).manifest
        if not manifest.complete:
            message = f"release=<{release}> is incomplete: a redaction of it was interrupted"
            raise ReleaseIncompleteError(message, hint="run the redaction again: it completes its work")
        total = manifest.objects if ids is None and objects else None
        groups = _sealed(bucket, root, manifest, ids, objects=objects)
    loader = Loader(database, bucket, on_conflict, progress, total, is_cut)
    loader.load(groups)
    return loader.restored()


def required_ids(session_ids: Iterable[str]) -> list[str]:
    """Return each of the ids once.

    Raises:
        TypeError: It is one text, which would be taken for a list of its letters.
        InvalidIdError: No session can have such an id.
    """
    if isinstance(session_ids, str):
        message = "session_ids must be a list of ids, not str"
        raise TypeError(message)
    return [require_id(session_id) for session_id in dict.fromkeys(session_ids)]


def no_session(session_id: str, where: str) -> NotFoundError:
    """Return the error for a session that is not in S3."""
    return NotFoundError(f"Session {session_id} does not exist in {where}", hint=_LOOK)


def _sealed(bucket: Bucket, root: str, manifest: Manifest, ids: list[str] | None, *, objects: bool) -> Iterator[Group]:
    """Return what the manifest names, once all of the manifest was read and found as it was written."""
    missing: set[str | None] = set(ids or ())
    sidecars = {}
    for stored in recorded(bucket, root, manifest):
        owner = session_of(stored.path) if objects else session_folder(stored.path)
        missing -= {owner}
        session_id = sidecar_of(stored.path)
        if session_id is not None and (ids is None or session_id in ids):
            sidecars[session_id] = stored
    if missing:
        raise no_session(min(filter(None, missing), default=""), f"release=<{manifest.release}>")
    wanted = recorded(bucket, root, manifest)
    if ids is not None:
        chosen = frozenset(ids)
        wanted = (stored for stored in wanted if session_of(stored.path) in chosen)
    return in_groups(bucket.name, root, wanted, sidecars, objects=objects)


def _is_cut(bucket: Bucket, root: str, before: Sealed | None) -> bool:
    """Tell whether a push to the live copy is under way, was since `before`, or was interrupted."""
    now = sealed_manifest(bucket, root)
    return now != before or (now is not None and not now.manifest.complete)


def _live(
    bucket: Bucket, root: str, manifest: Sealed | None, ids: list[str] | None, *, objects: bool
) -> Iterator[Group]:
    if manifest is None and next(bucket.list(root), None) is None:
        message = f"there is no live copy in bucket=<{bucket.name}> below <{root}>"
        raise ReleaseNotFoundError(message, hint=_LOOK)
    if ids is None:
        prefix = "" if objects else "session_"
        return in_groups(
            bucket.name, root, list_below(bucket, root, prefix), list_sidecars(bucket, root), objects=objects
        )
    folders = _FOLDERS if objects else ()
    for session_id in ids:
        prefixes = (f"session_{session_id}/", *(folder.format(session_id) for folder in folders))
        if all(next(bucket.list(f"{root}{prefix}"), None) is None for prefix in prefixes):
            raise no_session(session_id, "the live copy")
    return _named(bucket, root, ids, folders)


def _named(bucket: Bucket, root: str, ids: list[str], folders: Iterable[str]) -> Iterator[Group]:
    for session_id in ids:
        yield list_session(bucket, root, session_id)
        for folder in folders:
            yield from storage_objects(root, list_below(bucket, root, folder.format(session_id)))
