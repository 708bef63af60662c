"""The database read into a plan, all of it as of one instant, and what it remembers of its copies."""

from __future__ import annotations

from datetime import datetime, timezone
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

from strands_sqlite_session_manager import transfer

from ._manifest import Manifest
from ._places import SIDECARS, require_key
from ._sending import Progress
from .errors import LocalDiskError

if TYPE_CHECKING:
    from strands_sqlite_session_manager._connection import Connection
    from strands_sqlite_session_manager._database import Database
    from strands_sqlite_session_manager.transfer import Positions

    from ._plan import Plan
    from ._sending import Report

_REMEMBERED = 100
"""Tokens that are remembered of one place: the last, which may be those of pushes that were cut one by one."""


class Snapshot(NamedTuple):
    """The instant at which the database was read.

    Attributes:
        positions: How far one has followed who has all of it.
        schema: The version of its schema.
        touched: The sessions that lost something since the last push.
        gone: What was deleted since then besides: objects of storages; of those sessions, what lies elsewhere. It may
            be in the plan again.
        read_at: The time before that: whatever was written until then was read.
    """

    positions: Positions
    schema: int
    touched: list[str]
    gone: list[str]
    read_at: str


def since(manifest: Manifest) -> Positions:
    """Return how far the copy with this manifest has followed."""
    known = transfer.Positions()._asdict()
    return transfer.Positions(**{name: manifest.positions.get(name, 0) for name in known})


def look(database: Database, place: str) -> tuple[Positions, tuple[str, ...]]:
    """Return how far the database is, and the tokens that it remembers of `place`."""

    def read(connection: Connection) -> tuple[Positions, tuple[str, ...]]:
        return transfer.positions(connection), transfer.read_mirror_tokens(connection, place)

    return database.read(read)


def remember(database: Database, place: str, tokens: tuple[str, ...]) -> None:
    """Let the database remember these tokens of `place`, and no others.

    After the plan was read, before anything is put: so whatever knows a token, a backup too, has all that was pushed
    with it.
    """
    database.write(lambda connection: transfer.write_mirror_tokens(connection, place, tokens[-_REMEMBERED:]))


def read_changes(database: Database, plan: Plan, positions: Positions, root: str, report: Report) -> Snapshot:
    """Put into the plan what was written after `positions`, and take out what was deleted.

    Raises:
        KeyTooLongError: A key below `root` is too long.
        ReservedKeyError: A storage object has a key that the mirror needs.
        LocalDiskError: There is no room for the plan.
    """
    counts = [0, 0]
    read_at = _now()

    def read(connection: Connection) -> Snapshot:
        touched = transfer.touched_sessions(connection, positions)
        gone = [f"{SIDECARS}session_{session_id}.json" for session_id in touched]
        for session_id in touched:
            plan.keep(transfer.session_paths(connection, session_id))
            plan.drop_folder(f"session_{session_id}/")
        gone += transfer.deleted_keys(connection, positions)
        for path in gone:
            plan.drop(path)
        for path, kind, body in transfer.changed_objects(connection, positions):
            require_key(root, path, kind)
            plan.add(path, kind, body)
            counts[0] += 1
            counts[1] += len(body)
        return Snapshot(transfer.positions(connection), connection.pragma("user_version"), touched, gone, read_at)

    try:
        snapshot = database.read(read)
    except OSError as error:  # of a file for the states of one session
        message = f"a temporary file of this push could not be written or read: {error}"
        raise LocalDiskError(message) from error
    report(Progress("read", counts[0], counts[0], counts[1]))  # no transaction is open when others' code runs
    return snapshot


def describe(token: str, positions: Positions, schema: int) -> Manifest:
    """Return the manifest of a push, without what only a release has."""
    package = f"strands-sqlite-s3-mirror {version('strands-sqlite-s3-mirror')}"
    return Manifest(token, positions._asdict(), _now(), schema=schema, package=package)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
