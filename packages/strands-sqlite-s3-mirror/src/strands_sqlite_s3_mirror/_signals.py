"""What an answer of S3 means for the caller who asked, where it is no error yet."""

from __future__ import annotations

from .errors import MirrorConflictError, MirrorError


class PreconditionFailed(MirrorConflictError):  # noqa: N818 - S3's word
    """S3 did nothing: the object is there although it was to be absent, or it is not the version that was named.

    Attributes:
        repeated: The request had been sent before, and that answer was lost: it may have been a yes.
    """

    default_hint = "somebody else wrote this object meanwhile; run it again"
    repeated = False


class ObjectAbsentError(Exception):
    """There is no such object."""


class EmptyRangeError(Exception):
    """The object ends before the range that was asked for."""


class TryAgainError(Exception):
    """S3 was busy with another request for the same key, or the body of an answer broke off.

    Attributes:
        typed: What to raise when trying again has not helped.
    """

    def __init__(self, typed: MirrorError) -> None:
        """Keep what it will be in the end."""
        super().__init__(str(typed))
        self.typed = typed


class UnsupportedError(Exception):
    """The server cannot delete many objects with one request, or not as boto3 asks for it."""
