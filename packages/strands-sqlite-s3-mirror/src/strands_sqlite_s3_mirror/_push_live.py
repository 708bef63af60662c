"""The live copy: objects that change with the database, and a manifest that says up to where they have followed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from strands_sqlite_session_manager.transfer import Positions

from ._bucket import PreconditionFailed
from ._manifest import Manifest, new_token
from ._places import MANIFEST
from ._plan import Plan
from ._reading import Snapshot, describe, look, read_changes, remember, since
from ._sending import (
    JSON,
    WORKERS,
    Pushed,
    Sent,
    Target,
    delete_extras,
    list_root,
    send,
    send_states,
    skip_same_messages,
)
from ._workers import run_all
from .errors import MirrorConflictError, ObjectDamagedError

if TYPE_CHECKING:
    from strands_sqlite_session_manager._database import Database

    from ._bucket import Bucket
    from ._places import Places
    from ._sending import Report


class _Found(NamedTuple):
    """The manifest that is in S3: None for one that cannot be read; without entity tag there is none."""

    manifest: Manifest | None
    etag: str | None


class LivePush:
    """A push to the live copy.

    The manifest is put twice. The first, before anything else, says that the objects are being changed: whoever else
    pushes there finds its condition broken. The second says that they are as the database was.

    Attributes:
        place: How the database calls the live copy.
    """

    def __init__(self, database: Database, bucket: Bucket, places: Places, report: Report) -> None:
        """Prepare one."""
        self.place = f"{bucket.name}/{places.live}"
        self._database = database
        self._bucket = bucket
        self._root = places.live
        self._key = f"{places.live}{MANIFEST}"
        self._report = report
        self._requests = bucket.requests.total()

    def run(self, *, take_over: bool, check_conditions: bool) -> Pushed:
        """Push; see `push_live`."""
        found = self._find(take_over=take_over)
        now, tokens = look(self._database, self.place)
        known = found.manifest if found.manifest is not None and found.manifest.token in tokens else None
        ours = None if take_over else known  # what is taken over is compared as a whole, be it this database's own
        if ours is not None and ours.complete and since(ours) == now:
            return self._pushed(ours.token)
        if ours is None:
            self._require_may_write(found, now, take_over=take_over)
        positions = Positions() if ours is None else since(ours)
        whole = positions == Positions()
        with Plan() as plan:
            snapshot = read_changes(self._database, plan, positions, self._root, self._report)
            token = new_token()
            self._remember(tokens, known, token)
            manifest = replace(describe(token, snapshot.positions, snapshot.schema), created_at=snapshot.read_at)
            claim = _claim(manifest, positions, found.manifest)
            etag = self._put(claim, found.etag)
            if whole and check_conditions:
                self._bucket.require_conditions(self._key, claim.to_bytes())
            pushed = self._carry_out(plan, snapshot, token, whole=whole)
            try:
                self._put(manifest, etag)
            except MirrorConflictError:
                self._let_owner_compare()
                raise
        return replace(pushed, requests=self._requests_made())

    def _remember(self, tokens: tuple[str, ...], known: Manifest | None, token: str) -> None:
        """Remember `token` too; that of the manifest in S3 is forgotten last, however many pushes fail one by one.

        None is forgotten at once: what was given up as lost on its way may arrive later.
        """
        there = () if known is None else (known.token,)
        remember(self._database, self.place, (*(each for each in tokens if each not in there), *there, token))

    def _find(self, *, take_over: bool) -> _Found:
        body = self._bucket.get(self._key)
        if body is None:
            return _Found(None, None)
        try:
            return _Found(Manifest.from_bytes(body.data, self._key), body.etag)
        except ObjectDamagedError:
            if not take_over:
                raise
            return _Found(None, body.etag)

    def _require_may_write(self, found: _Found, now: Positions, *, take_over: bool) -> None:
        """Refuse to overwrite what this database does not know, and to replace it by nothing at all.

        Raises:
            MirrorConflictError: There is something.
        """
        if take_over and (now != Positions() or all(each.key == self._key for each in self._bucket.list(self._root))):
            return
        if take_over:
            message = f"place=<{self.place}> holds a copy, and database=<{self._database.path}> is empty"
            hint = "give the right database, or restore the copy first; to have an empty copy, delete what is there"
            raise MirrorConflictError(message, hint=hint)
        if found.etag is not None:
            message = f"place=<{self.place}> holds the copy of another database, or of a later state of this one"
            raise MirrorConflictError(message)
        if next(self._bucket.list(self._root), None) is not None:
            message = f"place=<{self.place}> holds objects that no push put there"
            raise MirrorConflictError(message)

    def _carry_out(self, plan: Plan, snapshot: Snapshot, token: str, *, whole: bool) -> Pushed:
        if whole:
            list_root(plan, self._bucket, self._root, self._report)
        else:
            self._list_touched(plan, snapshot)
        target = Target(self._bucket, self._root)
        unchanged = plan.skip_unchanged() + skip_same_messages(plan, target)
        early = Sent(0, 0, 0) if whole else send_states(plan, target)
        # no session ever shows what was said instead beside what was said before, wherever this is cut
        deleted = delete_extras(plan, self._bucket, self._root, self._report)
        self._bucket.delete(self._root + message.path for message in plan.replaced_messages())
        sent = send(plan, target, self._report)
        uploaded, size = early.uploaded + sent.uploaded, early.bytes + sent.bytes
        return replace(self._pushed(token), uploaded=uploaded, bytes=size, unchanged=unchanged, deleted=deleted)

    def _list_touched(self, plan: Plan, snapshot: Snapshot) -> None:
        """Find what is there of sessions that lost something."""
        for path in snapshot.gone:
            plan.found(path, "")
        prefixes = (f"{self._root}session_{session_id}/" for session_id in snapshot.touched)
        for listed in run_all(prefixes, lambda prefix: list(self._bucket.list(prefix)), WORKERS):
            for key, _, etag in listed:
                plan.found(key[len(self._root) :], etag)

    def _put(self, manifest: Manifest, etag: str | None) -> str:
        """Put the manifest in place of the one with this entity tag; None: there must be none."""
        body = manifest.to_bytes()
        try:
            return self._bucket.put(self._key, body, if_absent=etag is None, if_match=etag, content_type=JSON)
        except PreconditionFailed as error:
            message = f"place=<{self.place}> | another push won"
            raise MirrorConflictError(message) from error

    def _let_owner_compare(self) -> None:
        """Let the manifest of whoever took the copy over say that anything may be there: the owner will compare all."""
        body = self._bucket.get(self._key)
        if body is not None:
            manifest = Manifest.from_bytes(body.data, self._key)
            self._put(replace(manifest, complete=False, positions=Positions()._asdict()), body.etag)

    def _pushed(self, token: str) -> Pushed:
        return Pushed(None, 0, 0, 0, 0, 0, self._requests_made(), token)

    def _requests_made(self) -> int:
        return self._bucket.requests.total() - self._requests


def _claim(manifest: Manifest, positions: Positions, before: Manifest | None) -> Manifest:
    """Return the first manifest of a push: the copy has followed so far, and holds what it held `before`."""
    created_at = manifest.created_at if before is None else before.created_at
    return replace(manifest, positions=positions._asdict(), complete=False, created_at=created_at)
