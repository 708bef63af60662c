"""Pushes: what changed in the database to the live copy, or everything to a release that is sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._lock import one_push
from ._push_live import LivePush
from ._push_release import ReleasePush
from ._sending import Progress, Pushed, Report

if TYPE_CHECKING:
    from strands_sqlite_session_manager._database import Database

    from ._bucket import Bucket
    from ._places import Places

__all__ = ["Progress", "Pushed", "Report", "push_live", "push_release"]


def push_live(  # noqa: PLR0913 - what says how is given by name
    database: Database,
    bucket: Bucket,
    places: Places,
    *,
    take_over: bool = False,
    check_conditions: bool = True,
    progress: Report | None = None,
) -> Pushed:
    """Bring the live copy to what the database holds at one instant.

    Only rows that were written since the last push are read. Where a push was cut, the next one does its work again.

    Args:
        database: Where the sessions are.
        bucket: Where to put them.
        places: The keys of the mirror.
        take_over: Replace a copy that is another database's, or of a later state of this one, or repair one that was
            damaged; delete what is in it and not in the database. It is listed and compared as a whole. Let nobody else
            push there meanwhile.
        check_conditions: Refuse a server that ignores conditions. One that answers them with an error is of no use.
        progress: Called after each object.

    Raises:
        MirrorConflictError: The copy is another database's or of a later state, or another push won; or an empty
            database was to take it over.
        ConditionsIgnoredError: The server ignores conditions.
        KeyTooLongError: A key is too long. Nothing was changed.
        ReservedKeyError: A storage object has a key that the mirror needs. Nothing was changed.
        LocalDiskError: There is no room for temporary files. Nothing was changed.
        MirrorError: S3 refused; run it again when that is mended.
    """
    push = LivePush(database, bucket, places, progress or _tell_nobody)
    with one_push(database, push.place):
        return push.run(take_over=take_over, check_conditions=check_conditions)


def push_release(  # noqa: PLR0913 - what says how is given by name
    database: Database,
    bucket: Bucket,
    places: Places,
    release: str,
    *,
    check_conditions: bool = True,
    progress: Report | None = None,
) -> Pushed:
    """Write what the database holds at one instant as a release, and seal it.

    What the release before has with the same content is copied on the server. Where a push was cut, the next one of
    the same release goes on where it stopped. A release that is sealed already with the same content is left as it is.

    Args:
        database: Where the sessions are.
        bucket: Where to put them.
        places: The keys of the mirror.
        release: Its label.
        check_conditions: Refuse a server that ignores conditions. One that answers them with an error is of no use.
        progress: Called after each object.

    Raises:
        EmptyDatabaseError: The database has never held anything.
        InvalidReleaseError: The label is not allowed.
        ReleaseExistsError: The release is sealed, with other content.
        ReleaseIncompleteError: The release is sealed, and a redaction of it was cut.
        MirrorConflictError: Another push is at work on the release, or another database began it.
        ObjectConflictError: Something is in its place that no push of this database put there.
        ConditionsIgnoredError: The server ignores conditions.
        KeyTooLongError: A key is too long. Nothing was changed.
        ReservedKeyError: A storage object has a key that the mirror needs. Nothing was changed.
        LocalDiskError: There is no room for temporary files. Nothing was changed.
        MirrorError: S3 refused; run it again when that is mended.
    """
    push = ReleasePush(database, bucket, places, release, progress or _tell_nobody)
    with one_push(database, push.place):
        return push.run(check_conditions=check_conditions)


def _tell_nobody(_: Progress) -> None:
    """Take a report that nobody asked for."""
