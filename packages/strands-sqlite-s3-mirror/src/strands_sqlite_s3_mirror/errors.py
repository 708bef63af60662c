"""The errors that mirroring can meet, each with what to do about it."""

from __future__ import annotations

from strands_sqlite_session_manager.errors import SQLiteSessionError

__all__ = [
    "BucketError",
    "ConditionsIgnoredError",
    "CredentialsError",
    "EmptyDatabaseError",
    "InvalidPrefixError",
    "InvalidReleaseError",
    "KeyTooLongError",
    "LocalDiskError",
    "MirrorConflictError",
    "MirrorError",
    "ObjectConflictError",
    "ObjectDamagedError",
    "ObjectMissingError",
    "ReleaseExistsError",
    "ReleaseIncompleteError",
    "ReleaseNotFoundError",
    "ReservedKeyError",
    "UnreachableError",
]


class MirrorError(SQLiteSessionError):
    """Base of every error of this package; raised itself for what S3 refuses in a way that has no type of its own."""

    default_hint = "look at what S3 said and at the error that caused this one"


class CredentialsError(MirrorError):
    """There are no AWS credentials, or S3 does not take them. Nothing was written with them."""

    default_hint = (
        "check the credentials that boto3 finds (AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role), "
        "that they have not expired, and that the clock of this machine is right"
    )


class BucketError(MirrorError):
    """The bucket does not exist, is in another region, or these credentials may not do this in it."""

    default_hint = "check the name of the bucket, its region and endpoint_url, and what its policy allows"


class UnreachableError(MirrorError):
    """S3 could not be reached, or went on failing after retries. What was written until then stays."""

    default_hint = "check the network and endpoint_url, then run it again: it goes on where it stopped"


class ConditionsIgnoredError(MirrorError):
    """The server overwrites an object although it was told not to, so releases on it could not be write-once."""

    default_hint = (
        "use a server that honours If-None-Match and If-Match (AWS S3 does), or allow it explicitly where nobody else "
        "writes to this prefix"
    )


class ReleaseExistsError(MirrorError):
    """The release is sealed, with other content. It was not changed."""

    default_hint = "choose another release label, or compare the two; a sealed release is never overwritten"


class EmptyDatabaseError(MirrorError):
    """The database has never held anything, so that a release of it is most likely one of the wrong file."""

    default_hint = "check the path: a file that was missing was just created, with nothing in it"


class ReleaseNotFoundError(MirrorError):
    """There is nothing under this release label."""

    default_hint = "list the releases; the label, the bucket and the prefix must be those of the push"


class ReleaseIncompleteError(MirrorError):
    """The release was never sealed: its push did not reach the end."""

    default_hint = "run the push of this release again: it goes on where it stopped"


class MirrorConflictError(MirrorError):
    """The copy in S3 is another database's, or of a later state of this one, or another push won. It is unchanged."""

    default_hint = (
        "run one push at a time; where this database is to replace what is in S3, say that it takes the copy over"
    )


class ObjectConflictError(MirrorError):
    """An object in S3 has other content than this push would write, or changed while it was used. It is unchanged."""

    default_hint = "somebody else writes below this prefix: find out who, or push to another release label"


class KeyTooLongError(MirrorError, ValueError):
    """A key would be longer than the 1,024 bytes of UTF-8 that S3 allows. Nothing was written under it."""

    default_hint = "use a shorter prefix or release label, or leave out the session with the long ids"


class ReservedKeyError(MirrorError, ValueError):
    """A storage object has a key that the mirror needs for itself. Nothing was written under it."""

    default_hint = (
        "store the object under a key that is not manifest.json, manifest.objects.jsonl, or below strands_sqlite/ or "
        "session_…/"
    )


class InvalidReleaseError(MirrorError, ValueError):
    """The release label is empty, too long, or holds what a folder in S3 should not."""

    default_hint = "use at most 200 bytes without slashes, backslashes and control characters, such as 1.4.0"


class InvalidPrefixError(MirrorError, ValueError):
    """The prefix has empty or dotted segments, backslashes or control characters."""

    default_hint = "use names with single slashes between them, such as backups/my-agent"


class ObjectMissingError(MirrorError):
    """An object that the manifest of a release names is not in S3."""

    default_hint = "verify the release to see all that is missing, then restore another release"


class ObjectDamagedError(MirrorError):
    """An object in S3 is not what was written: its SHA-256 or its form is another."""

    default_hint = "verify the release to see all that is damaged, then restore another release"


class LocalDiskError(MirrorError):
    """A temporary file could not be written or read on this machine. The database and S3 are as they were."""

    default_hint = "free some space where temporary files go, or set TMPDIR to a larger disk, and run it again"
