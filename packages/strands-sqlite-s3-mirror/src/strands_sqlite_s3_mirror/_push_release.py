"""Releases: everything that the database holds at one instant, written once, and sealed by its manifest."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, NamedTuple

from strands_sqlite_session_manager.transfer import Positions

from ._bucket import PreconditionFailed
from ._journal import read_journal
from ._manifest import Manifest, head_line, new_token, read_entries, read_token, write_entries
from ._places import MANIFEST, OBJECTS
from ._plan import Plan
from ._reading import Snapshot, describe, look, read_changes, remember, since
from ._releases import latest_body, read_latest
from ._sending import JSON, Pushed, SourceChangedError, Target, delete_extras, list_root, send
from .errors import (
    EmptyDatabaseError,
    InvalidReleaseError,
    LocalDiskError,
    MirrorConflictError,
    ObjectConflictError,
    ObjectDamagedError,
    ObjectMissingError,
    ReleaseExistsError,
    ReleaseIncompleteError,
)

if TYPE_CHECKING:
    from strands_sqlite_session_manager._database import Database

    from ._bucket import Bucket
    from ._places import Places
    from ._sending import Report

LINES = "application/x-ndjson"

_TRIES = 5


class _Parent(NamedTuple):
    """A sealed release from which what did not change is copied."""

    root: str
    manifest: Manifest
    known: bool
    """Whether this database pushed it, so that only what changed since then has to be read."""


class _Claim(NamedTuple):
    """The list of objects, while it only says which push is at work."""

    token: str
    etag: str
    fresh: bool
    """Whether no push began the release before."""


class ReleasePush:
    """A push of one release.

    The list of its objects is put first, without any: so a release belongs to the push that began it, and whoever else
    pushes it finds out before anything is put. At the end the list is completed, and the manifest seals the release.

    Attributes:
        place: How the database calls the release.
    """

    def __init__(self, database: Database, bucket: Bucket, places: Places, label: str, report: Report) -> None:
        """Prepare one.

        Raises:
            InvalidReleaseError: The label is not allowed.
        """
        self._root = places.release(label)
        self.place = f"{bucket.name}/{self._root}"
        self._database = database
        self._bucket = bucket
        self._places = places
        self._label = label
        self._report = report
        self._requests = bucket.requests.total()

    def run(self, *, check_conditions: bool) -> Pushed:
        """Push; see `push_release`."""
        sealed = self._sealed(self._root)
        if sealed is not None:
            return self._again(sealed)
        latest = read_latest(self._bucket, self._places)
        before = None if latest is None else latest.release
        try:
            return self._push(before, self._parent(before), check_conditions=check_conditions)
        except SourceChangedError:  # somebody deletes it, or it is damaged: it is only there to save uploads
            return self._push(before, None, check_conditions=check_conditions)

    def _again(self, sealed: Manifest) -> Pushed:
        """Return what was pushed before, if it is what the database holds.

        Raises:
            ReleaseExistsError: It is not.
            ReleaseIncompleteError: A redaction of it was cut.
        """
        if not sealed.complete:
            message = f"release=<{self._label!a}> is incomplete: a redaction of it was interrupted"
            raise ReleaseIncompleteError(message, hint="run the redaction again: it completes its work")
        now, tokens = look(self._database, self.place)
        parent = _Parent(self._root, sealed, sealed.token in tokens)
        if not (parent.known and since(sealed) == now):
            with Plan() as plan:
                self._read(plan, parent)
                if differences := plan.differences():
                    message = f"release=<{self._label!a}> is sealed, and differs in {differences} objects"
                    raise ReleaseExistsError(message)
        self._set_latest(sealed.parent)
        return Pushed(self._label, 0, 0, sealed.objects or 0, 0, 0, self._requests_made(), sealed.token)

    def _push(self, before: str | None, parent: _Parent | None, *, check_conditions: bool) -> Pushed:
        with Plan() as plan:
            try:
                snapshot = self._read(plan, parent)
            except (ObjectDamagedError, ObjectMissingError) as error:
                raise SourceChangedError(str(error)) from error
            if snapshot.positions == Positions():
                message = f"database=<{self._database.path}> has nothing to release"
                raise EmptyDatabaseError(message)
            claim = self._claim()
            self._require_stays()
            if check_conditions:
                self._bucket.require_conditions(f"{self._root}{OBJECTS}", head_line(claim.token))
            pushed = self._carry_out(plan, claim, "" if parent is None else parent.root)
            self._seal(plan, claim, replace(self._describe(claim, snapshot), parent=before))
        self._set_latest(before)
        return replace(pushed, requests=self._requests_made())

    def _read(self, plan: Plan, parent: _Parent | None) -> Snapshot:
        positions = Positions()
        if parent is not None:
            key = f"{parent.root}{OBJECTS}"
            plan.add_parent(read_entries(self._bucket, key, parent.manifest.objects_sha256))
            if parent.known:
                plan.begin_with_parent()
                positions = since(parent.manifest)
        return read_changes(self._database, plan, positions, self._root, self._report)

    def _claim(self) -> _Claim:
        """Say in S3 that this push is at work on the release.

        Raises:
            MirrorConflictError: Another database began it.
        """
        key = f"{self._root}{OBJECTS}"
        _, tokens = look(self._database, self.place)
        token = new_token()
        head = head_line(token)
        remember(self._database, self.place, (*tokens, token))
        try:
            return _Claim(token, self._bucket.put(key, head, if_absent=True, content_type=LINES), fresh=True)
        except PreconditionFailed as error:
            body = self._bucket.get(key)
            if body is None or read_token(body.data, key) not in tokens:
                message = f"release=<{self._label!a}> was begun by another database, or by a later state of this one"
                hint = "choose another release label, or delete what there is of this one"
                raise MirrorConflictError(message, hint=hint) from error
        return _Claim(token, self._put(key, head, body.etag, LINES), fresh=False)

    def _require_stays(self) -> None:
        """Make sure that nobody is deleting the release: what is put now could be listed, and go, later.

        Raises:
            MirrorConflictError: A prune is, or was cut.
        """
        going, _ = read_journal(self._bucket, self._places)
        if self._label in going:
            message = f"release=<{self._label!a}> is being deleted by a prune"
            raise MirrorConflictError(message, hint="wait for the prune or run another one, then push again")

    def _carry_out(self, plan: Plan, claim: _Claim, source_root: str) -> Pushed:
        list_root(plan, self._bucket, self._root, self._report)
        unchanged = plan.skip_unchanged()
        if claim.fresh and (path := plan.first_clash()) is not None:
            message = f"object=<{self._root}{path}> is there, although no push began this release"
            raise ObjectConflictError(message)
        target = Target(self._bucket, self._root, write_once=True, source_root=source_root)
        deleted = delete_extras(plan, self._bucket, self._root, self._report)
        sent = send(plan, target, self._report)
        return Pushed(self._label, sent.uploaded, sent.copied, unchanged, deleted, sent.bytes, 0, claim.token)

    def _describe(self, claim: _Claim, snapshot: Snapshot) -> Manifest:
        return replace(describe(claim.token, snapshot.positions, snapshot.schema), release=self._label)

    def _seal(self, plan: Plan, claim: _Claim, manifest: Manifest) -> None:
        data = _list_of(plan, claim.token)
        self._put(f"{self._root}{OBJECTS}", data, claim.etag, LINES)
        counts, size = plan.totals()
        manifest = replace(
            manifest,
            objects=counts.total(),
            bytes=size,
            counts=dict(sorted(counts.items())),
            objects_sha256=hashlib.sha256(data).hexdigest(),
        )
        self._put(f"{self._root}{MANIFEST}", manifest.to_bytes(), None, JSON)

    def _set_latest(self, before: str | None) -> None:
        """Let `latest.json` name this release, if it names the one before it, or none.

        Raises:
            MirrorConflictError: Others replace it all the time.
        """
        body = latest_body(self._label)
        for _ in range(_TRIES):
            latest = read_latest(self._bucket, self._places)
            if latest is not None and latest.release not in {before, None}:
                return
            etag = None if latest is None else latest.etag
            try:
                self._put(self._places.latest, body, etag, JSON)
            except MirrorConflictError:
                continue
            return
        message = f"object=<{self._places.latest}> is being replaced by others all the time"
        raise MirrorConflictError(message)

    def _put(self, key: str, body: bytes, etag: str | None, content_type: str) -> str:
        """Put in place of the object with this entity tag; None: there must be none."""
        try:
            return self._bucket.put(key, body, if_absent=etag is None, if_match=etag, content_type=content_type)
        except PreconditionFailed as error:
            message = f"object=<{key}> | another push won"
            raise MirrorConflictError(message) from error

    def _parent(self, label: str | None) -> _Parent | None:
        if label in {None, self._label}:
            return None
        try:
            root = self._places.release(str(label))
            manifest = self._sealed(root)
        except (InvalidReleaseError, ObjectDamagedError):
            return None
        if manifest is None or not manifest.complete:
            return None
        _, tokens = look(self._database, f"{self._bucket.name}/{root}")
        return _Parent(root, manifest, manifest.token in tokens)

    def _sealed(self, root: str) -> Manifest | None:
        key = f"{root}{MANIFEST}"
        body = self._bucket.get(key)
        return None if body is None else Manifest.from_bytes(body.data, key)

    def _requests_made(self) -> int:
        return self._bucket.requests.total() - self._requests


def _list_of(plan: Plan, token: str) -> bytes:
    """Return the list of all objects; it is gathered on disk, to be in memory only once.

    Raises:
        LocalDiskError: There is no room for it.
    """
    try:
        with TemporaryFile() as file:
            file.writelines(write_entries(token, plan.entries()))
            file.seek(0)
            return file.read()
    except OSError as error:
        message = f"the temporary file of this push could not be written: {error}"
        raise LocalDiskError(message) from error
