"""The sessions of an SQLite database in S3: each release's, a live copy, and the way back.

Importing this imports nothing of the SDK and nothing of boto3: a name brings its room when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import version

    from ._compare import Comparison, ObjectChange, SessionChange
    from ._loading import Restored, RestoreProgress
    from ._prune import Pruned, PrunePlan, ReleasePolicy
    from ._redact import RedactedRelease, Redaction, RedactPlan
    from ._releases import LiveCopy, Release
    from ._sending import Progress, Pushed
    from ._verify import Finding
    from .errors import (
        BucketError,
        ConditionsIgnoredError,
        CredentialsError,
        EmptyDatabaseError,
        InvalidPrefixError,
        InvalidReleaseError,
        KeyTooLongError,
        LocalDiskError,
        MirrorConflictError,
        MirrorError,
        ObjectConflictError,
        ObjectDamagedError,
        ObjectMissingError,
        ReleaseExistsError,
        ReleaseIncompleteError,
        ReleaseNotFoundError,
        ReservedKeyError,
        UnreachableError,
    )
    from .mirror import S3Mirror

    __version__ = version("strands-sqlite-s3-mirror")

_ROOMS = {
    "BucketError": "errors",
    "Comparison": "_compare",
    "ConditionsIgnoredError": "errors",
    "CredentialsError": "errors",
    "EmptyDatabaseError": "errors",
    "Finding": "_verify",
    "InvalidPrefixError": "errors",
    "InvalidReleaseError": "errors",
    "KeyTooLongError": "errors",
    "LiveCopy": "_releases",
    "LocalDiskError": "errors",
    "MirrorConflictError": "errors",
    "MirrorError": "errors",
    "ObjectChange": "_compare",
    "ObjectConflictError": "errors",
    "ObjectDamagedError": "errors",
    "ObjectMissingError": "errors",
    "Progress": "_sending",
    "PrunePlan": "_prune",
    "Pruned": "_prune",
    "Pushed": "_sending",
    "RedactPlan": "_redact",
    "RedactedRelease": "_redact",
    "Redaction": "_redact",
    "Release": "_releases",
    "ReleaseExistsError": "errors",
    "ReleaseIncompleteError": "errors",
    "ReleaseNotFoundError": "errors",
    "ReleasePolicy": "_prune",
    "ReservedKeyError": "errors",
    "RestoreProgress": "_loading",
    "Restored": "_loading",
    "S3Mirror": "mirror",
    "SessionChange": "_compare",
    "UnreachableError": "errors",
}

__all__ = [
    "BucketError",
    "Comparison",
    "ConditionsIgnoredError",
    "CredentialsError",
    "EmptyDatabaseError",
    "Finding",
    "InvalidPrefixError",
    "InvalidReleaseError",
    "KeyTooLongError",
    "LiveCopy",
    "LocalDiskError",
    "MirrorConflictError",
    "MirrorError",
    "ObjectChange",
    "ObjectConflictError",
    "ObjectDamagedError",
    "ObjectMissingError",
    "Progress",
    "PrunePlan",
    "Pruned",
    "Pushed",
    "RedactPlan",
    "RedactedRelease",
    "Redaction",
    "Release",
    "ReleaseExistsError",
    "ReleaseIncompleteError",
    "ReleaseNotFoundError",
    "ReleasePolicy",
    "ReservedKeyError",
    "RestoreProgress",
    "Restored",
    "S3Mirror",
    "SessionChange",
    "UnreachableError",
    "__version__",
]

if not TYPE_CHECKING:  # a type checker knows the names, and reports those that are none

    def __getattr__(name: str) -> object:
        """Import the room that has `name`, or is it."""
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415 - few ask

            return version("strands-sqlite-s3-mirror")
        if name in {"errors", "mirror"}:
            return import_module(f".{name}", __name__)
        if name not in _ROOMS:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = getattr(import_module(f".{_ROOMS[name]}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """Return what the package offers, imported or not."""
    return sorted({*globals(), *__all__})
