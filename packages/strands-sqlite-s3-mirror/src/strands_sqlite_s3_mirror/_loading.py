"""Groups of objects from S3 into the database: each session whole or not at all, and none over another unless told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strands_sqlite_session_manager.errors import TransferError
from strands_sqlite_session_manager.transfer._session_files import is_session, read_session
from strands_sqlite_session_manager.transfer._spool import Spool
from strands_sqlite_session_manager.transfer._storing import store_session
from strands_sqlite_session_manager.transfer._storing_objects import store_objects
from strands_sqlite_session_manager.transfer._values import Conflict, require_conflict

from ._fetching import Ahead, ChangedError
from ._groups import SessionObjects, is_message
from ._inventory import Stored
from ._places import SIDECARS
from .errors import LocalDiskError, ObjectConflictError

if TYPE_CHECKING:
    from strands_sqlite_session_manager._database import Database

    from ._bucket import Bucket
    from ._groups import Group, StorageObjects

_ATTEMPTS = 4
"""How often a session is listed that changes while it is read."""


@dataclass(frozen=True)
class RestoreProgress:
    """How far a restore or an import has come.

    Attributes:
        done: How many objects were read.
        total: How many there are; None where nothing says it.
        bytes: How many bytes were read.
    """

    done: int
    total: int | None
    bytes: int


Report = Callable[[RestoreProgress], None]


@dataclass(frozen=True)
class Restored:
    """What a restore or an import did.

    Attributes:
        sessions: How many sessions of session managers were written.
        messages: How many messages in them.
        multi_agents: How many states of graphs and swarms in them.
        objects: How many objects of storages were written: snapshots, stashes, memories.
        skipped: How many sessions and objects were left as they are in the database, with other content than in S3.
        unchanged: How many sessions and objects were there already with the same content.
        passed_over: What was left in S3 because the same is elsewhere below the prefix, and newer: folders of
            sessions, and keys of storage objects.
        partial: Of what the live copy has only a part: folders of sessions and of agents, and messages before which one
            is missing. Where a push was interrupted or is under way, all of that was left in S3, with the messages that
            come after those. Else somebody has deleted what is missing, or the server has changed the keys; then the
            messages were written all the same.
    """

    sessions: int
    messages: int
    multi_agents: int
    objects: int
    skipped: int
    unchanged: int
    passed_over: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()


class Loader:
    """Writes what it is given, and counts."""

    def __init__(  # noqa: PLR0913, PLR0917 - where from, where to, and how
        self,
        database: Database,
        bucket: Bucket,
        on_conflict: Conflict,
        report: Report | None,
        total: int | None = None,
        is_cut: Callable[[], bool] | None = None,
    ) -> None:
        """Prepare to write into `database` what is in `bucket`.

        Args:
            database: Where to write.
            bucket: Where to read.
            on_conflict: What to do with what is there with other content.
            report: Called after each object that was read.
            total: How many objects there are, where that is known.
            is_cut: Of a live copy: tells whether a push to it is under way, or was interrupted; asked where a session
                is there only in part, which is an error otherwise, unless only messages are missing.

        Raises:
            ValueError: `on_conflict` is none of the words for it.
        """
        require_conflict(on_conflict)
        self._database = database
        self._bucket = bucket
        self._on_conflict = on_conflict
        self._report = report
        self._total = total
        self._is_cut = is_cut
        self._partial: list[str] = []
        self._done = self._bytes = 0
        self._tally: Counter[str] = Counter()

    def load(self, groups: Iterable[Group]) -> None:
        """Write all of `groups`. A session that changes while it is read is listed anew and read again.

        Raises:
            AlreadyExistsError: A session or an object is there with other content, and `on_conflict` is `"fail"`.
            ObjectConflictError: A session went on changing.
            LocalDiskError: There is no room for temporary files.
            MirrorError: S3 could not be read, or what is in it is not what its manifest says.
            TransferError: An object of a session is damaged, or another's; the message names it.
        """
        attempts = 1
        while changed := self._load_once(groups):
            if attempts == _ATTEMPTS:
                message = f"session=<{changed[0].session_id}> changes as fast as it is read"
                raise ObjectConflictError(message, hint="run it again when nobody writes there")
            attempts += 1
            groups = (list_session(self._bucket, each.root, each.session_id) for each in changed)

    def restored(self, passed_over: Iterable[str] = ()) -> Restored:
        """Return what was done so far."""
        tally = self._tally
        counts = (tally["session"], tally["message"], tally["multi_agent"], tally["object"])
        partial = tuple(dict.fromkeys(self._partial))
        return Restored(*counts, tally["skipped"], tally["unchanged"], tuple(passed_over), partial)

    def _load_once(self, groups: Iterable[Group]) -> list[SessionObjects]:
        """Write what can be read as it was listed; return the sessions that cannot."""
        changed = []
        with Spool() as spool, Ahead(self._bucket, map(self._without_parts, groups), self._tell) as ahead:
            for group in ahead.groups():
                if not isinstance(group, SessionObjects):
                    self._load_objects(group, ahead)
                    continue
                try:
                    with _on_local_disk():
                        self._load_session(group, ahead, spool)
                except ChangedError:
                    changed.append(group)
        return changed

    def _without_parts(self, group: Group) -> Group:
        """Leave out what a push has brought only in part, before it is read; else only name what has a hole."""
        if self._is_cut is None or not isinstance(group, SessionObjects) or not (parts := group.parts()):
            return group
        if self._is_cut():
            group.leave_out(parts)
        else:
            parts = group.holes()
        self._partial += (f"{group.root}{part}{'' if is_message(part) else '/'}" for part in parts)
        return group

    def _load_session(self, group: SessionObjects, ahead: Ahead, spool: Spool) -> None:
        group.read_with(lambda stored: ahead.read(group, stored))
        if not is_session(group, group.folder):
            if self._is_cut is not None:
                self._partial += (f"{group.root}{part}/" for part in group.parts())
            return
        read_session(group, group.folder, group.session_id, group.sidecar, spool)
        outcome = store_session(self._database, group.session_id, spool, self._on_conflict)
        if outcome == "imported":
            self._tally.update(spool.counts)
        else:
            self._tally[outcome] += 1

    def _load_objects(self, group: StorageObjects, ahead: Ahead) -> None:
        objects = []
        for stored in group.wanted:
            try:
                objects.append((stored.path, ahead.read(group, stored)))
            except ChangedError:  # each stands for itself: what is there now will do
                body = self._bucket.get(f"{group.root}{stored.path}")
                if body is not None:
                    objects.append((stored.path, body.data))
        outcomes = store_objects(self._database, objects, self._on_conflict)
        self._tally["object"] += outcomes["imported"]
        self._tally["skipped"] += outcomes["skipped"]
        self._tally["unchanged"] += outcomes["unchanged"]

    def _tell(self, size: int) -> None:
        self._done += 1
        self._bytes += size
        if self._report is not None:
            total = self._total
            self._report(RestoreProgress(self._done, None if total is None else max(total, self._done), self._bytes))


@contextmanager
def _on_local_disk() -> Iterator[None]:
    """Tell what went wrong with a temporary file from what is wrong with an object."""
    try:
        yield
    except (OSError, TransferError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise
        message = f"a temporary file cannot be used: {cause.strerror or cause}"
        raise LocalDiskError(message) from error


def list_below(bucket: Bucket, root: str, prefix: str = "") -> Iterator[Stored]:
    """Give what S3 has below `root` that begins with `prefix` there."""
    return (Stored(found.key[len(root) :], found.size, found.etag) for found in bucket.list(f"{root}{prefix}"))


def list_session(bucket: Bucket, root: str, session_id: str) -> SessionObjects:
    """Return what S3 has of one session below `root`."""
    sidecar = list_sidecars(bucket, root, session_id).get(session_id)
    stored = list_below(bucket, root, f"session_{session_id}/")
    return SessionObjects(bucket.name, root, session_id, stored, sidecar)


def list_sidecars(bucket: Bucket, root: str, session_id: str | None = None) -> dict[str, Stored]:
    """Return what lies below `strands_sqlite/`, by session; without an id, of all."""
    name = "session_" if session_id is None else f"session_{session_id}.json"
    found = list_below(bucket, root, f"{SIDECARS}{name}")
    return {id_: each for each in found if (id_ := sidecar_of(each.path)) is not None}


def sidecar_of(path: str) -> str | None:
    """Return whose sidecar lies at `path`; None if none does."""
    name = path.removeprefix(f"{SIDECARS}session_")
    return name.removesuffix(".json") if name != path and name.endswith(".json") and "/" not in name else None
