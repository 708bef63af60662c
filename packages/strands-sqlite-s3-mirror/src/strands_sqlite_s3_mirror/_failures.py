"""What the errors of boto3 mean in this package's terms."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from .errors import (
    BucketError,
    ConditionsIgnoredError,
    CredentialsError,
    KeyTooLongError,
    MirrorConflictError,
    MirrorError,
    ObjectDamagedError,
    UnreachableError,
)

FAILURES = (BotoCoreError, ValueError, RuntimeError)
"""What boto3 raises without an answer: a bad endpoint is a ValueError, credentials that stay expired a RuntimeError."""

_SERVER_FAILED = 500
"""The first HTTP status that means: the server failed."""

_REGION = "give the region of the bucket as region_name, and the endpoint_url that belongs to it"
_CLOCK = "set the clock of this machine: S3 refuses requests that are 15 minutes off"
_ARCHIVED = "the object is in an archive class: restore it with S3 first"
_BUSY = "another request was at work on the same key, try after try: run one push at a time"
_DAMAGED = "the bytes changed on their way: look at what lies between here and S3, then run it again"
_NAME = "check the name of the bucket and endpoint_url"
_NO_CONDITIONS = (
    "use a server that honours If-None-Match and If-Match (AWS S3 does): this one refuses them, so that allowing it to "
    "ignore conditions does not help"
)
_ALLOW = "let the policy of these credentials and of the bucket allow this operation on this key, and on a KMS key too"

_BY_CODE: dict[str, tuple[type[MirrorError], str | None]] = {
    **dict.fromkeys(("RequestTimeTooSkewed", "RequestExpired"), (CredentialsError, _CLOCK)),
    **dict.fromkeys(
        (
            "ExpiredToken",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSecurity",
            "InvalidToken",
            "NotSignedUp",
            "SignatureDoesNotMatch",
            "TokenRefreshRequired",
            "UnrecognizedClientException",
        ),
        (CredentialsError, None),
    ),
    **dict.fromkeys(("404", "InvalidBucketName", "NoSuchBucket"), (BucketError, _NAME)),
    **dict.fromkeys(
        ("301", "307", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"),
        (BucketError, _REGION),
    ),
    **dict.fromkeys(
        ("BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"),
        (UnreachableError, _DAMAGED),
    ),
    **dict.fromkeys(
        ("InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling"), (UnreachableError, None)
    ),
    "403": (BucketError, f"check the credentials, and {_ALLOW}"),
    "AccessDenied": (BucketError, _ALLOW),
    "ConditionalRequestConflict": (MirrorConflictError, _BUSY),
    "InvalidObjectState": (MirrorError, _ARCHIVED),
    "KeyTooLongError": (KeyTooLongError, None),
    "OperationAborted": (MirrorConflictError, _BUSY),
}

_BY_STATUS: dict[int, tuple[type[MirrorError], str | None]] = {
    301: (BucketError, _REGION),
    307: (BucketError, _REGION),
    401: (CredentialsError, None),
    403: (BucketError, _ALLOW),
    408: (UnreachableError, None),
    429: (UnreachableError, None),
}

_BY_TYPE: dict[str, tuple[type[MirrorError], str | None]] = {
    **dict.fromkeys(
        (
            "ConfigNotFound",
            "ConfigParseError",
            "CredentialRetrievalError",
            "InfiniteLoopConfigError",
            "LoginError",
            "MetadataRetrievalError",
            "MissingDependencyException",
            "NoAuthTokenError",
            "NoCredentialsError",
            "PartialCredentialsError",
            "ProfileNotFound",
            "RefreshWithMFAUnsupportedError",
            "RuntimeError",
            "SSOError",
            "TokenRetrievalError",
            "UnknownCredentialError",
        ),
        (CredentialsError, None),
    ),
    **dict.fromkeys(
        ("BaseEndpointResolverError", "EndpointResolutionError", "InvalidRegionError"), (BucketError, _REGION)
    ),
    "RecursionError": (BucketError, _REGION),  # of boto3, where a server redirects whatever it is asked
    **dict.fromkeys(("ParamValidationError", "ValidationError", "ValueError"), (BucketError, _NAME)),
    **dict.fromkeys(
        ("ConnectionError", "HTTPClientError", "IncompleteReadError", "ReadTimeoutError"), (UnreachableError, None)
    ),
    **dict.fromkeys(("ChecksumError", "FlexibleChecksumError"), (ObjectDamagedError, _DAMAGED)),
}
"""By the name of a class of botocore or of one below it: names that an older botocore lacks do no harm."""


def meaning(error: Exception, *, conditional: bool = False) -> tuple[type[MirrorError], str | None]:
    """Return the type that `error` of boto3 has here, and a hint that is better than the type's own.

    Args:
        error: A `ClientError`, which is an answer of S3, or one of `FAILURES`.
        conditional: The request carried a condition, so "not implemented" is about that.
    """
    if isinstance(error, ClientError):
        return _meaning_of_answer(code_of(error), status_of(error), conditional=conditional)
    for ancestor in type(error).__mro__:
        if ancestor.__name__ in _BY_TYPE:
            return _BY_TYPE[ancestor.__name__]
    return MirrorError, None


def described(error: Exception) -> str:
    """Return in one line what `error` of boto3 says."""
    if not isinstance(error, ClientError):
        return f"{type(error).__name__}: {error}"
    said = f"{code_of(error)}: {error.response.get('Error', {}).get('Message') or 'no message'}"
    status = status_of(error)
    return f"{said} (HTTP {status})" if status else said


def status_of(error: ClientError) -> int:
    """Return the HTTP status of an answer; 0 for what is said of one key among many."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code_of(error: ClientError) -> str:
    """Return S3's code in an answer; the HTTP status as text where the answer has no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _meaning_of_answer(code: str, status: int, *, conditional: bool) -> tuple[type[MirrorError], str | None]:
    if code == "NotImplemented" and conditional:
        return ConditionsIgnoredError, _NO_CONDITIONS
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return (UnreachableError if status >= _SERVER_FAILED else MirrorError), None
