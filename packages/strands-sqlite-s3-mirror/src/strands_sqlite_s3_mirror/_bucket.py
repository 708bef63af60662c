"""One bucket of S3: objects put, read, copied, listed and deleted; conditions, counted requests, typed errors."""

from __future__ import annotations

import base64
import builtins
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from ._signals import EmptyRangeError, ObjectAbsentError, PreconditionFailed, UnsupportedError
from .errors import ConditionsIgnoredError, ObjectConflictError

__all__ = ["Body", "Bucket", "Head", "Listed", "PreconditionFailed"]

DELETED_AT_ONCE = 1000
"""The most keys that S3 deletes with one request."""

LISTED_AT_ONCE = 1000
"""The most keys that S3 lists with one request."""

PIECE = 4 * 2**20
"""Bytes that `Bucket.lines` fetches at a time: no connection stays open while the lines are used."""

_NO_ETAG = "0" * 32
_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Body(NamedTuple):
    """An object as it was read."""

    data: bytes
    etag: str


class Head(NamedTuple):
    """What S3 says of an object without sending it."""

    size: int
    etag: str


class Listed(NamedTuple):
    """An object in a listing."""

    key: str
    size: int
    etag: str


class Bucket:
    """A bucket, for as many threads as want it at once.

    Entity tags come and go without quotes. Whatever boto3 raises comes out as a `MirrorError`:
    `CredentialsError`, `BucketError`, `UnreachableError` and the others of `errors`.

    Example:
        ```python
        from strands_sqlite_s3_mirror._bucket import Bucket

        bucket = Bucket("my-bucket", region_name="eu-west-1")  # nothing is sent yet
        assert not bucket.requests
        bucket.close()
        ```

    Attributes:
        name: The bucket's name.
    """

    def __init__(  # noqa: PLR0913 - the options of S3SessionManager
        self,
        name: str,
        *,
        boto_session: Any = None,
        boto_client_config: Any = None,
        region_name: str | None = None,
        endpoint_url: str | None = None,
        workers: int = 16,
    ) -> None:
        """Build the client; nothing is sent yet.

        Args:
            name: The bucket.
            boto_session: A `boto3.Session`; by default boto3 finds the credentials.
            boto_client_config: A `botocore.config.Config`, with timeouts, retries, proxies.
            region_name: Region of the bucket.
            endpoint_url: Where S3 is, if not at AWS.
            workers: How many threads will call at once: each gets a connection.

        Raises:
            CredentialsError: The profile does not exist.
            BucketError: The region or the endpoint is not usable.
        """
        from ._client import Client  # noqa: PLC0415 - boto3 takes a third of a second, and is needed only here

        self.name = name
        self._client = Client(
            name,
            boto_session=boto_session,
            boto_client_config=boto_client_config,
            region_name=region_name,
            endpoint_url=endpoint_url,
            workers=workers,
        )

    @property
    def requests(self) -> Counter[str]:
        """How many HTTP requests were made, by operation (`PutObject`), repeated ones included."""
        return self._client.traffic.requests

    @property
    def sent(self) -> int:
        """Bytes of the bodies that were sent."""
        return self._client.traffic.sent

    @property
    def received(self) -> int:
        """Bytes of the objects that were received."""
        return self._client.traffic.received

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def put(
        self,
        key: str,
        body: bytes,
        *,
        if_absent: bool = False,
        if_match: str | None = None,
        content_type: str | None = None,
    ) -> str:
        """Write an object, with a SHA-256 that S3 checks and keeps.

        Where an answer was lost and the repeated request finds the condition broken, the object is read: if it has
        these bytes, the first request did its work, and that is no failure.

        Args:
            key: Where.
            body: What.
            if_absent: Only if there is no object.
            if_match: Only over the version with this entity tag.
            content_type: Its media type.

        Returns:
            The entity tag.

        Raises:
            PreconditionFailed: The condition does not hold. Nothing was written.
            MirrorConflictError: Other requests for this key kept S3 busy, try after try.
        """
        params = _body_params(body)
        if content_type is not None:
            params["ContentType"] = content_type
        if if_absent:
            params["IfNoneMatch"] = "*"
        if if_match is not None:
            params["IfMatch"] = f'"{if_match}"'
        try:
            return _etag(self._client.call("put_object", key, **params))
        except PreconditionFailed as error:
            found = self.get(key) if error.repeated else None
            if found is None or found.data != body:
                raise
            return found.etag

    def get(self, key: str) -> Body | None:
        """Read an object whole; None if there is none."""
        answer = self._read(key)
        return None if answer is None else Body(answer["Body"], _etag(answer))

    def lines(self, key: str) -> Iterator[bytes] | None:
        r"""Read an object line by line, 4 MiB at a time; None if there is none.

        Returns:
            The lines, without their `\n`.

        Raises:
            ObjectConflictError: It was replaced while it was read.
        """
        try:
            first = self._read(key, Range=f"bytes=0-{PIECE - 1}")
        except EmptyRangeError:
            return iter(())
        return None if first is None else _lines(self._pieces(key, first))

    def head(self, key: str) -> Head | None:
        """Ask for an object's size and entity tag; None if there is none."""
        try:
            answer = self._client.call("head_object", key)
        except ObjectAbsentError:
            self._client.call(
                "head_bucket", None
            )  # this answer does not say whether the object or the bucket is missing
            return None
        return Head(int(answer["ContentLength"]), _etag(answer))

    def copy(self, source_key: str, key: str, *, source_etag: str) -> str:
        """Copy an object on the server, over what may be at `key`.

        Args:
            source_key: From where, in this bucket.
            key: Where to.
            source_etag: The version that is to be copied.

        Returns:
            The entity tag of the copy.

        Raises:
            PreconditionFailed: The source is another version, or gone. Nothing was written.
            MirrorConflictError: Other requests for this key kept S3 busy, try after try.
        """
        source = {"CopySource": {"Bucket": self.name, "Key": source_key}, "CopySourceIfMatch": f'"{source_etag}"'}
        return _etag(self._client.call("copy_object", key, **source)["CopyObjectResult"])

    def list(self, prefix: str) -> Iterator[Listed]:
        """List the objects whose keys begin with `prefix`, in the order of S3: by their bytes of UTF-8 at AWS."""
        for page in self._pages(Prefix=prefix):
            for item in page.get("Contents", ()):
                yield Listed(item["Key"], int(item["Size"]), _etag(item))

    def last_modified(self, prefix: str) -> datetime | None:
        """Return when the newest object below `prefix` was written; None if there is none."""
        items = (item for page in self._pages(Prefix=prefix) for item in page.get("Contents", ()))
        return max((item["LastModified"] for item in items), default=None)

    def folders(self, prefix: str) -> Iterator[str]:
        """List what begins with `prefix` and ends with the next slash, each once."""
        for page in self._pages(Prefix=prefix, Delimiter="/"):
            for item in page.get("CommonPrefixes", ()):
                yield item["Prefix"]

    def delete(self, keys: Iterable[str]) -> int:
        """Delete objects, 1,000 with a request where the server can; one that is not there counts as deleted.

        Returns:
            How many keys were given.

        Raises:
            MirrorError: Some could not be deleted; the type is that of the first. Others of its thousand are gone.
        """
        count = 0
        remaining = iter(keys)
        while batch := list_of(islice(remaining, DELETED_AT_ONCE)):
            together = [key for key in batch if not _NOT_IN_XML.search(key)]
            singly = [key for key in batch if _NOT_IN_XML.search(key)]
            try:
                self._client.delete_together(together)
            except UnsupportedError:
                singly = batch
            for key in singly:
                self._client.call("delete_object", key)
            count += len(batch)
        return count

    def require_conditions(self, key: str, body: bytes) -> None:
        """Make sure that the server honours conditions, by two requests that must fail.

        Args:
            key: An object that is there.
            body: Exactly what it holds, so that a server that ignores conditions changes nothing.

        Raises:
            ConditionsIgnoredError: It does not.
        """
        for name, value in (("IfNoneMatch", "*"), ("IfMatch", f'"{_NO_ETAG}"')):
            try:
                self._client.call("put_object", key, **_body_params(body), **{name: value})
            except PreconditionFailed:
                continue
            message = f"bucket=<{self.name}>, key=<{key!a}> | the server ignores {name}"
            raise ConditionsIgnoredError(message)

    def _read(self, key: str, **params: Any) -> dict[str, Any] | None:
        try:
            return self._client.call("get_object", key, **params)
        except ObjectAbsentError:
            return None

    def _pieces(self, key: str, piece: dict[str, Any]) -> Iterator[bytes]:
        start = 0
        total = int(piece.get("ContentRange", "").rpartition("/")[2] or len(piece["Body"]))
        while True:
            yield piece["Body"]
            start += len(piece["Body"])
            if start >= total:
                return
            try:
                following = self._read(key, Range=f"bytes={start}-{start + PIECE - 1}", IfMatch=piece["ETag"])
            except (PreconditionFailed, EmptyRangeError):
                following = None
            if following is None or not following["Body"]:
                message = f"bucket=<{self.name}>, key=<{key!a}> was replaced while it was read"
                raise ObjectConflictError(message)
            piece = following

    def _pages(self, **params: Any) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            page = self._client.call("list_objects_v2", None, MaxKeys=LISTED_AT_ONCE, **params, **token)
            yield page
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}


list_of = builtins.list  # `Bucket.list` hides the type inside of the class


def _body_params(body: bytes) -> dict[str, Any]:
    return {"Body": body, "ChecksumSHA256": base64.b64encode(hashlib.sha256(body).digest()).decode()}


def _etag(answer: dict[str, Any]) -> str:
    return str(answer["ETag"]).strip('"')


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        yield rest
