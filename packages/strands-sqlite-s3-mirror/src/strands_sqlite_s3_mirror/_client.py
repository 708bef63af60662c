"""The client of boto3: how it is built, and how it is called."""

from __future__ import annotations

import random
import time
from importlib.metadata import version
from typing import Any, NoReturn

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from ._failures import FAILURES, code_of, described, meaning, status_of
from ._signals import EmptyRangeError, ObjectAbsentError, PreconditionFailed, TryAgainError, UnsupportedError
from ._traffic import Traffic
from .errors import MirrorError

_TRIES = 8
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
"""Seconds, for what boto3 does not try again by itself."""

_SHOWN = 200
"""The most characters of a key in a message."""

_ABSENT = frozenset({"NoSuchKey", "404"})
_BUSY = frozenset({"ConditionalRequestConflict", "OperationAborted"})
_UNSUPPORTED = frozenset({"MethodNotAllowed", "MissingContentMD5", "NotImplemented"})
_CONDITIONS = frozenset({"CopySourceIfMatch", "IfMatch", "IfNoneMatch"})


class Client:
    """A client of S3 for one bucket.

    Attributes:
        traffic: What was sent and received.
    """

    def __init__(self, bucket: str, **options: Any) -> None:
        """Build the client of boto3; the options are those of `Bucket`.

        Raises:
            CredentialsError: The profile does not exist.
            BucketError: The region or the endpoint is not usable.
        """
        self._bucket = bucket
        self.traffic = Traffic()
        try:
            self._client = _build(**options)
        except FAILURES as error:
            self._fail(error, f"bucket=<{bucket}>")
        self.traffic.watch(self._client)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(self, operation: str, key: str | None, **params: Any) -> dict[str, Any]:
        """Call one operation of boto3's client; a body in the answer is read.

        Raises:
            ObjectAbsentError: There is no such object.
            EmptyRangeError: The object ends before the range among `params`.
            PreconditionFailed: A condition among `params` does not hold.
            MirrorError: Anything else that went wrong, by its type.
        """
        for attempt in range(_TRIES - 1):
            try:
                return self._call_once(operation, key, params)
            except TryAgainError:
                time.sleep(random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt)))  # noqa: S311 - no secret
        try:
            return self._call_once(operation, key, params)
        except TryAgainError as error:
            raise error.typed from error.typed.__cause__

    def delete_together(self, keys: list[str]) -> None:
        """Delete up to 1,000 objects with one request.

        Raises:
            UnsupportedError: The server knows no such request, or wants another checksum than boto3 sends with it.
            MirrorError: Some could not be deleted; the type is that of the first.
        """
        if not keys:
            return
        answer = self.call("delete_objects", None, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True})
        for refused in answer.get("Errors", ()):
            said = ClientError({"Error": refused}, "DeleteObjects")
            self._fail(said, self._where("delete_objects", refused.get("Key")))

    def _call_once(self, operation: str, key: str | None, params: dict[str, Any]) -> dict[str, Any]:
        where = self._where(operation, key)
        named = params if key is None else params | {"Key": key}
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(Bucket=self._bucket, **named)
        except ClientError as error:
            self._refuse(error, where, named)
        except FAILURES as error:
            self._fail(error, where)
        if "Body" in answer:
            try:
                answer["Body"] = answer["Body"].read()
            except BotoCoreError as error:
                raise TryAgainError(self._typed(error, where)) from None
            self.traffic.add_received(len(answer["Body"]))
        return answer

    def _refuse(self, error: ClientError, where: str, params: dict[str, Any]) -> NoReturn:
        """Raise what an answer means that is none of success."""
        status, code = status_of(error), code_of(error)
        conditional = not _CONDITIONS.isdisjoint(params)
        absent = status == 404 and code in _ABSENT and "Key" in params  # noqa: PLR2004 - HTTP's number
        if status == 412 or (absent and conditional):  # noqa: PLR2004 - AWS answers 404 for a condition on nothing
            failed = PreconditionFailed(f"{where} | {self.traffic.redact(described(error))}")
            failed.repeated = error.response["ResponseMetadata"].get("RetryAttempts", 0) > 0
            raise failed from None
        if absent:
            raise ObjectAbsentError(where) from None
        if status == 416:  # noqa: PLR2004 - HTTP's number
            raise EmptyRangeError(where) from None
        if "Delete" in params and code in _UNSUPPORTED:
            raise UnsupportedError(where) from None
        typed = self._typed(error, where, conditional=conditional)
        if code in _BUSY:
            raise TryAgainError(typed) from None
        raise typed

    def _fail(self, error: Exception, where: str) -> NoReturn:
        raise self._typed(error, where)

    def _typed(self, error: Exception, where: str, *, conditional: bool = False) -> MirrorError:
        """Return the error to raise; `error` is its cause, unless that shows a secret."""
        kind, hint = meaning(error, conditional=conditional)
        said = described(error)
        typed = kind(f"{where} | {self.traffic.redact(said)}", hint=hint)
        typed.__cause__ = error if self.traffic.redact(said) == said else None
        typed.__suppress_context__ = True
        return typed

    def _where(self, operation: str, key: str | None) -> str:
        place = f"operation=<{operation}>, bucket=<{self._bucket}>"
        if key is None:
            return place
        return f"{place}, key=<{key!a}>" if len(key) <= _SHOWN else f"{place}, key=<{key[:_SHOWN]!a}…>"


def session_of(profile: str, region_name: str | None) -> Any:
    """Return a session of boto3 with the credentials of a profile, whatever keys the environment has.

    Raises:
        CredentialsError: There is no such profile.
    """
    try:
        return boto3.Session(profile_name=profile, region_name=region_name)
    except FAILURES as error:
        kind, hint = meaning(error)
        message = f"profile=<{profile}> | {described(error)}"
        raise kind(message, hint=hint) from error


def _build(
    *, boto_session: Any, boto_client_config: Any, region_name: str | None, endpoint_url: str | None, workers: int
) -> Any:
    session = boto_session or boto3.Session(region_name=region_name)
    config = Config(max_pool_connections=max(workers, 10)).merge(boto_client_config or Config())
    product = f"strands-sqlite-s3-mirror/{version('strands-sqlite-s3-mirror')}"
    extra = f"{config.user_agent_extra} {product}" if config.user_agent_extra else product
    config = config.merge(Config(user_agent_extra=extra))
    return session.client("s3", region_name=region_name, endpoint_url=endpoint_url, config=config)
