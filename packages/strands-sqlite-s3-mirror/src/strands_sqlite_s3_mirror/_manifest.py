"""Manifests: what stands below a root in S3, as of when, and the list of its objects."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .errors import MirrorError, ObjectDamagedError, ObjectMissingError

if TYPE_CHECKING:
    from ._bucket import Bucket

FORMAT = "strands-sqlite-mirror"
VERSION = 1

OBJECTS_FORMAT = "strands-sqlite-mirror-objects"

KINDS = ("session", "agent", "message", "multi_agent", "sidecar", "object")
"""What an object can be."""

_Data = bytes  # `Manifest.bytes` hides the type inside of the class
_UPGRADE = "upgrade strands-sqlite-s3-mirror"


def new_token() -> str:
    """Return what tells one push from every other."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says of the objects beside it.

    Attributes:
        token: What tells this push from every other.
        positions: The change counters of the database, by table, up to which its rows are in the objects.
        created_at: When it was written, ISO 8601 in UTC.
        release: The release; None for the live copy.
        parent: The newest release at that time, from which what had not changed was copied; None: there was none.
        complete: Whether the objects are as the database was at `positions`. False: a push to the live copy is under
            way, or was cut, so that some of them may be newer. A release is always complete.
        objects: How many objects there are; None for the live copy.
        bytes: How many bytes are in them; None for the live copy.
        counts: How many objects there are of each kind; empty for the live copy.
        objects_sha256: The hash of `manifest.objects.jsonl`; None for the live copy, which has none.
        schema: The schema version of the database.
        package: What wrote it, with its version.
    """

    token: str
    positions: dict[str, int]
    created_at: str
    release: str | None = None
    parent: str | None = None
    complete: bool = True
    objects: int | None = None
    bytes: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    objects_sha256: str | None = None
    schema: int | None = None
    package: str = ""

    def to_bytes(self) -> _Data:
        """Return it as it stands in S3."""
        values = {"format": FORMAT, "version": VERSION, **asdict(self)}
        return json.dumps(values, indent=2, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: _Data, key: str = "manifest.json") -> Manifest:
        """Return what was written as `data` to `key`.

        Raises:
            ObjectDamagedError: It is no manifest.
            MirrorError: A newer version of this package wrote it.
        """
        values = _json_object(data, key)
        _require_format(values, FORMAT, key)
        names = {each.name for each in fields(cls)}
        try:
            manifest = cls(**{name: value for name, value in values.items() if name in names})
        except TypeError as error:
            raise _damaged(key) from error
        if not _is_sound(manifest):
            raise _damaged(key)
        return manifest


def _is_sound(manifest: Any) -> bool:  # of a `Manifest` whose values may be anything
    numbers = [*_values(manifest.positions), *_values(manifest.counts)]
    texts = (manifest.token, manifest.created_at)
    optional = (manifest.release, manifest.parent, manifest.objects_sha256)
    return (
        all(type(number) is int for number in numbers)
        and all(isinstance(text, str) for text in texts)
        and _is_moment(manifest.created_at)
        and all(text is None or isinstance(text, str) for text in optional)
        and type(manifest.complete) is bool
        and (manifest.release is None or None not in (manifest.objects, manifest.bytes, manifest.objects_sha256))
    )


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _values(numbers: Any) -> Iterable[Any]:
    return numbers.values() if isinstance(numbers, dict) else (None,)


@dataclass(frozen=True)
class Entry:
    """An object of a release.

    Attributes:
        path: Its key below the root of the release.
        kind: One of `KINDS`.
        size: Its bytes.
        sha256: Their hash, in hexadecimal.
        etag: What S3 answered when it was put there.
    """

    path: str
    kind: str
    size: int
    sha256: str
    etag: str


def head_line(token: str) -> bytes:
    """Return the first line of a list of objects. Alone, it says that the push with this token is at work there."""
    return _line({"format": OBJECTS_FORMAT, "version": VERSION, "token": token})


def write_entries(token: str, entries: Iterable[Entry]) -> Iterator[bytes]:
    """Give the lines of `manifest.objects.jsonl`, a head and then each of `entries`, which must be sorted by path."""
    yield head_line(token)
    for entry in entries:
        yield _line(asdict(entry))


def read_token(data: bytes, key: str) -> str:
    """Return the token in the first line of a list of objects.

    Raises:
        ObjectDamagedError: It is no list of objects.
        MirrorError: A newer version of this package wrote it.
    """
    return _token(data.partition(b"\n")[0], key)


def read_entries(bucket: Bucket, key: str, sha256: str | None) -> Iterator[Entry]:
    """Give the objects that are listed at `key`, sorted by path, as they are read.

    What was given is only sure when all of them were: the hash is compared at the end.

    Args:
        bucket: Where the list is.
        key: Its key.
        sha256: The hash that it must have, from the manifest; None: any.

    Raises:
        ObjectMissingError: There is no such object.
        ObjectDamagedError: It has another hash, or is no list of objects.
        MirrorError: A newer version of this package wrote it.
    """
    lines = bucket.lines(key)
    if lines is None:
        message = f"object=<{key}> is missing"
        raise ObjectMissingError(message)
    digest = hashlib.sha256()
    first, last = True, ""
    for line in lines:
        whole = line.rstrip(b"\n")
        digest.update(whole + b"\n")
        if first:
            _token(whole, key)
            first = False
            continue
        entry = _entry(whole, key)
        if entry.path <= last:
            raise _damaged(key)
        last = entry.path
        yield entry
    if first or (sha256 is not None and digest.hexdigest() != sha256):
        raise _damaged(key)


def _entry(line: bytes, key: str) -> Entry:
    values = _json_object(line, key)
    try:
        entry = Entry(*(values[each.name] for each in fields(Entry)))
    except KeyError as error:
        raise _damaged(key) from error
    texts = (entry.path, entry.kind, entry.sha256, entry.etag)
    if not all(isinstance(text, str) for text in texts) or type(entry.size) is not int:
        raise _damaged(key)
    return entry


def _token(line: bytes, key: str) -> str:
    values = _json_object(line, key)
    _require_format(values, OBJECTS_FORMAT, key)
    if not isinstance(values.get("token"), str):
        raise _damaged(key)
    return str(values["token"])


def _line(values: dict[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _json_object(data: bytes, key: str) -> dict[str, Any]:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(key) from error
    if not isinstance(values, dict):
        raise _damaged(key)
    return values


def _require_format(values: dict[str, Any], name: str, key: str) -> None:
    if values.get("format") != name or type(values.get("version")) is not int:
        raise _damaged(key)
    if values["version"] > VERSION:
        message = f"object=<{key}> has version {values['version']}, this package knows {VERSION}"
        raise MirrorError(message, hint=_UPGRADE)


def _damaged(key: str) -> ObjectDamagedError:
    message = f"object=<{key}> is not as the mirror wrote it"
    return ObjectDamagedError(message)
