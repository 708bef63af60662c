"""Sessions that the SDK's own managers wrote to S3, into a database: the way from S3 to one file."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from strands_sqlite_session_manager.errors import TransferError

from ._groups import in_groups, storage_objects
from ._loading import Loader, Restored, list_below, list_session, list_sidecars
from ._restore import no_session, required_ids

if TYPE_CHECKING:
    from strands_sqlite_session_manager._database import Database
    from strands_sqlite_session_manager.transfer import Conflict

    from ._bucket import Bucket
    from ._groups import Group
    from ._inventory import Stored
    from ._loading import Report

_SLASHES = re.compile("/+")
_OF_THE_SDK = re.compile(
    r"(session/([^/]+)/scopes/(?:agent|multiAgent)|context/([^/]+)/scopes/agent)/[^/]+/.", re.DOTALL
)
_STATES = re.compile(r"session_[^/]*/(?:session\.json|agents/agent_[^/]*/agent\.json)", re.DOTALL)
_NEVER = datetime.min.replace(tzinfo=timezone.utc)


def import_sessions(  # noqa: PLR0913 - what says how is given by name
    database: Database,
    bucket: Bucket,
    prefix: str = "",
    *,
    session_ids: Iterable[str] | None = None,
    on_conflict: Conflict = "fail",
    objects: bool = True,
    progress: Report | None = None,
) -> Restored:
    """Read sessions that the SDK wrote into a bucket; each becomes visible whole or not at all. S3 stays as it is.

    Sessions of `S3SessionManager` of any SDK from 1.15 are read, and what `SnapshotSessionManager` and the SDK's
    context managers keep in an `S3Storage`: all below the `prefix` that these were given. Until 1.31 the SDK put a
    slash of its own behind the prefix, so that keys without a prefix began with one; those are read too. Where a
    session is at both places, the one is taken whose agents were active last, and the other is named in the result.
    Objects that are none of the SDK's are left alone.

    A session that is there already with the same content is passed over: an import that was interrupted can simply be
    run again. One that went on in S3 has other content, also where all of what is there is the beginning of it: with
    `"replace"` it becomes what is in S3. Let no agent write below the prefix meanwhile.

    Args:
        database: Where to put the sessions.
        bucket: Where they are.
        prefix: As it was given to `S3SessionManager` or `S3Storage`; also the root of a release or live copy of a
            mirror on which agents went on.
        session_ids: Which sessions; all without it. Their snapshots and stashes come too.
        on_conflict: What to do with a session, or a storage object, that is there with other content: `"fail"`,
            `"skip"` it, or `"replace"` the one that is there.
        objects: Whether snapshots and stashes are wanted too.
        progress: Called after each object that was read.

    Returns:
        What was done.

    Raises:
        NotFoundError: There is no such session. Nothing was written.
        AlreadyExistsError: A session or an object is there with other content, and `on_conflict` is `"fail"`.
        TransferError: There is nothing of the SDK's below the prefix, or an object of it is damaged, or another's; the
            message names it.
        ObjectConflictError: A session changed as fast as it was read.
        LocalDiskError: There is no room for temporary files.
        MirrorError: S3 could not be read. What was written until then stays, whole sessions only.
    """
    ids = None if session_ids is None else required_ids(session_ids)
    source = _Source(bucket, prefix, ids, objects=objects)
    source.look()
    loader = Loader(database, bucket, on_conflict, progress)
    loader.load(source.groups())
    return loader.restored(source.passed_over)


class _Source:
    """What the SDK has below a prefix.

    Attributes:
        passed_over: What is left because the same is elsewhere below the prefix.
    """

    def __init__(self, bucket: Bucket, prefix: str, ids: list[str] | None, *, objects: bool) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._ids = ids
        self._roots = _session_roots(prefix)
        self._storage_roots = _storage_roots(prefix) if objects else []
        self._folders: dict[str, list[str]] = {}
        self.passed_over: list[str] = []

    def look(self) -> None:
        """List the sessions, and refuse a prefix below which there is nothing, or not what was asked for.

        Raises:
            NotFoundError: There is no such session.
            TransferError: There is nothing of the SDK's.
        """
        where = f"bucket=<{self._bucket.name}>, prefix=<{self._prefix}>"
        for session_id in self._ids or ():
            if not any(self._has(root, session_id) for root in self._roots) and not self._with_objects([session_id]):
                raise no_session(session_id, where)
        self._folders = {root: self._session_ids(root) for root in self._roots}
        if self._ids is None and not any(self._folders.values()) and not self._with_objects(None):
            message = f"{where} holds no session"
            raise TransferError(message, hint="give the bucket and prefix of the S3SessionManager or S3Storage")

    def groups(self) -> Iterator[Group]:
        """Give everything that is wanted, each session from one place."""
        taken = self._choose()
        for root, there in self._folders.items():
            ids = [session_id for session_id in there if taken.get(session_id, root) == root]
            if self._ids is None and len(ids) == len(there) and ids:
                stored = list_below(self._bucket, root, "session_")
                yield from in_groups(self._bucket.name, root, stored, list_sidecars(self._bucket, root), objects=False)
            else:
                yield from (list_session(self._bucket, root, session_id) for session_id in ids)
        yield from self._object_groups()

    def _has(self, root: str, session_id: str) -> bool:
        return next(self._bucket.list(f"{root}session_{session_id}/"), None) is not None

    def _with_objects(self, ids: list[str] | None) -> list[str]:
        """Return the roots below which there are objects of these sessions; None: of any."""
        return [root for root in self._storage_roots if next(self._objects(root, ids), None) is not None]

    def _session_ids(self, root: str) -> list[str]:
        if self._ids is not None:
            return [session_id for session_id in self._ids if self._has(root, session_id)]
        start = f"{root}session_"
        return [folder[len(start) : -1] for folder in self._bucket.folders(start)]

    def _choose(self) -> dict[str, str]:
        """Return the root from which each session is taken that is below more than one."""
        counts = Counter(session_id for ids in self._folders.values() for session_id in ids)
        taken = {}
        for session_id in (session_id for session_id, count in counts.items() if count > 1):
            roots = [root for root, ids in self._folders.items() if session_id in ids]
            taken[session_id] = max(roots, key=lambda root: self._active_at(root, session_id))
            self.passed_over += [f"{root}session_{session_id}/" for root in roots if root != taken[session_id]]
        return taken

    def _active_at(self, root: str, session_id: str) -> datetime:
        times = [_NEVER]
        for stored in list_below(self._bucket, root, f"session_{session_id}/"):
            if _STATES.fullmatch(stored.path):
                body = self._bucket.get(f"{root}{stored.path}")
                times.append(_NEVER if body is None else _updated_at(body.data))
        return max(times)

    def _object_groups(self) -> Iterator[Group]:
        roots = self._with_objects(self._ids)
        for root in roots[:1]:
            yield from storage_objects(root, self._objects(root, self._ids))
        for root in roots[1:]:
            there = {stored.path for stored in self._objects(roots[0], self._ids)}
            found = list(self._objects(root, self._ids))
            self.passed_over += [f"{root}{stored.path}" for stored in found if stored.path in there]
            yield from storage_objects(root, [stored for stored in found if stored.path not in there])

    def _objects(self, root: str, ids: list[str] | None) -> Iterator[Stored]:
        for folder in ("session/", "context/"):
            for prefix in (folder,) if ids is None else (f"{folder}{session_id}/" for session_id in ids):
                for stored in list_below(self._bucket, root, prefix):
                    if _OF_THE_SDK.match(stored.path):
                        yield stored


def _session_roots(prefix: str) -> list[str]:
    """Return where sessions can lie: as of SDK 1.31 first, then as the SDKs before it took the prefix."""
    name = prefix.strip("/")
    today = f"{name}/" if name else ""
    before = [f"{prefix}/", f"/{today}", f"{name}//", f"/{name}//" if name else "//"]
    return list(dict.fromkeys([today, *before]))


def _storage_roots(prefix: str) -> list[str]:
    """Return where an `S3Storage` with the prefix puts its objects, then where it does with the other spelling.

    It keeps a slash at the end of the prefix, and puts one of its own behind it.
    """
    spelled = _SLASHES.sub("/", prefix).lstrip("/")
    name = spelled.rstrip("/")
    if not name:
        return [""]
    roots = [f"{name}/", f"{name}//"]
    return roots[::-1] if spelled.endswith("/") else roots


def _updated_at(data: bytes) -> datetime:
    try:
        values: Any = json.loads(data)
        time = datetime.fromisoformat(str(values["updated_at"]).replace("Z", "+00:00"))
    except (ValueError, TypeError, KeyError, RecursionError):
        return _NEVER
    return time if time.tzinfo is not None else time.replace(tzinfo=timezone.utc)
