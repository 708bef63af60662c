"""A plan carried out: its objects put, copied and deleted, many at once, with what is counted and told of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from ._bucket import PreconditionFailed
from ._places import MANIFEST, OBJECTS
from ._workers import Room, run_all
from .errors import ObjectConflictError

if TYPE_CHECKING:
    from ._bucket import Bucket
    from ._plan import Message, Plan, Step

JSON = "application/json"
"""The media type that `S3SessionManager` gives its objects."""

WORKERS = 16
"""How many requests are made at once."""

IN_MEMORY = 16 * 2**20
"""Up to so many bytes of bodies are on their way at once; one that is larger goes alone."""

_OWN = frozenset({MANIFEST, OBJECTS})

Phase = Literal["read", "list", "send", "delete"]


@dataclass(frozen=True)
class Progress:
    """How far a push has come.

    Attributes:
        phase: What it does: `"read"` from the database, `"list"` what is in S3, `"send"` objects, `"delete"` some.
        done: How many objects of this phase are done.
        total: How many there are; None where that is not known yet.
        bytes: How many bytes of bodies were read or uploaded in this phase.
    """

    phase: Phase
    done: int
    total: int | None
    bytes: int


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Pushed:
    """What a push did.

    Attributes:
        release: The release; None for the live copy.
        uploaded: How many objects were uploaded.
        copied: How many were copied from the release before, on the server.
        unchanged: How many were found there with the same content.
        deleted: How many were deleted.
        bytes: How many bytes of bodies were uploaded, manifests not among them.
        requests: How many requests were made.
        token: What the manifest names this push; that of the one before, where there was nothing to do.
    """

    release: str | None
    uploaded: int
    copied: int
    unchanged: int
    deleted: int
    bytes: int
    requests: int
    token: str


class SourceChangedError(ObjectConflictError):
    """An object of the parent is not what its manifest says, or gone."""


class Target(NamedTuple):
    """Where objects go.

    Attributes:
        bucket: The bucket.
        root: What their keys begin with.
        write_once: Whether nothing may be overwritten but what the plan knows of.
        source_root: Where unchanged ones are copied from.
    """

    bucket: Bucket
    root: str
    write_once: bool = False
    source_root: str = ""


class Sent(NamedTuple):
    """What was sent: so many uploads, copies, and bytes of the uploads."""

    uploaded: int
    copied: int
    bytes: int


def send(plan: Plan, target: Target, report: Report) -> Sent:
    """Put and copy what is left in the plan, messages and objects before what points to them.

    Raises:
        SourceChangedError: The parent is not what its manifest says.
        ObjectConflictError: Somebody else writes there.
        MirrorError: S3 refused.
    """
    uploaded = copied = sent = 0
    total = plan.left()
    for first in (True, False):
        for step in _send_each(plan, target, plan.steps(first=first)):
            if step.body is None:
                copied += 1
            else:
                uploaded += 1
                sent += step.size
            report(Progress("send", uploaded + copied, total, sent))
    return Sent(uploaded, copied, sent)


def send_states(plan: Plan, target: Target) -> Sent:
    """Put the states of agents that are there, before messages are taken from them.

    A state counts the messages that its agent no longer reads: that of before would count some that are gone then.

    Raises:
        MirrorError: S3 refused.
    """
    sizes = [step.size for step in _send_each(plan, target, plan.states())]
    return Sent(len(sizes), 0, sum(sizes))


def skip_same_messages(plan: Plan, target: Target) -> int:
    """Read the messages that look replaced, and leave those out that are the same; return how many.

    With a KMS key, no entity tag is the MD5 of what is there: all look replaced.

    Raises:
        MirrorError: S3 refused.
    """
    room = Room(IN_MEMORY)

    def let_in() -> Iterator[Message]:
        for message in plan.replaced_messages():
            room.enter(message.size)
            yield message

    def look(message: Message) -> tuple[str, str | None]:
        try:
            found = target.bucket.get(target.root + message.path)
            same = found is not None and hashlib.sha256(found.data).hexdigest() == message.sha256
            return message.path, found.etag if found is not None and same else None
        finally:
            room.leave(message.size)

    count = 0
    for path, etag in run_all(let_in(), look, WORKERS):
        if etag is not None:
            plan.done(path, etag)
            count += 1
    return count


def _send_each(plan: Plan, target: Target, steps: Iterator[Step]) -> Iterator[Step]:
    """Carry out these steps, and give each that is done."""
    room = Room(IN_MEMORY)

    def work(step: Step) -> tuple[Step, str]:
        try:
            return step, _send_one(target, step)
        finally:
            room.leave(_weight(step))

    for step, etag in run_all(_let_in(steps, room), work, WORKERS):
        plan.done(step.path, etag)
        yield step


def _let_in(steps: Iterator[Step], room: Room) -> Iterator[Step]:
    for step in steps:
        room.enter(_weight(step))
        yield step


def _weight(step: Step) -> int:
    return 0 if step.body is None else step.size


def _send_one(target: Target, step: Step) -> str:
    """Put or copy an object; return its entity tag."""
    key = target.root + step.path
    if step.body is None:
        try:
            return target.bucket.copy(target.source_root + step.path, key, source_etag=step.source or "")
        except PreconditionFailed as error:
            message = f"object=<{target.source_root}{step.path}> is not what its manifest says"
            raise SourceChangedError(message) from error
    content_type = None if step.kind == "object" else JSON
    if not target.write_once:
        return target.bucket.put(key, step.body, content_type=content_type)
    try:
        absent = step.replaces is None
        return target.bucket.put(key, step.body, if_absent=absent, if_match=step.replaces, content_type=content_type)
    except PreconditionFailed as error:
        return _same_there(target.bucket, key, step.body, error)


def _same_there(bucket: Bucket, key: str, body: bytes, error: PreconditionFailed) -> str:
    """Return the entity tag of what is at `key`, if it is what was to be put."""
    found = bucket.get(key)
    if found is not None and found.data == body:
        return found.etag
    message = f"object=<{key}> is there with other content"
    raise ObjectConflictError(message) from error


def list_root(plan: Plan, bucket: Bucket, root: str, report: Report) -> None:
    """Take note in the plan of everything below `root` but the manifest."""
    done = 0
    for listed in bucket.list(root):
        path = listed.key[len(root) :]
        if path not in _OWN:
            plan.found(path, listed.etag)
            done += 1
    report(Progress("list", done, done, 0))


def delete_extras(plan: Plan, bucket: Bucket, root: str, report: Report) -> int:
    """Delete what was found and is not to be there; return how many objects."""
    deleted = bucket.delete(root + path for path in plan.extras())
    if deleted:
        report(Progress("delete", deleted, deleted, 0))
    return deleted
