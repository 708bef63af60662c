"""`restore` and `import`: sessions from S3 into the database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from strands_sqlite_session_manager.cli._output import fields
from strands_sqlite_session_manager.cli._plans import Consent, with_consent
from strands_sqlite_session_manager.cli._progress import Update, progress
from strands_sqlite_session_manager.cli._settings import Settings, command, fail, misuse, refusing
from strands_sqlite_session_manager.cli._types import SESSION
from strands_sqlite_session_manager.cli._values import count

from ._looking import live_line
from ._place import Place, at_place

if TYPE_CHECKING:
    from strands_sqlite_s3_mirror._loading import Restored, RestoreProgress
    from strands_sqlite_s3_mirror._releases import LiveCopy

_REPLACED = "; those that are there with other content will be deleted and written anew"

_on_conflict = click.option(
    "--on-conflict", type=click.Choice(["fail", "skip", "replace"]), default="fail", show_default=True,
    help="What to do with a session that is there with other content; replace needs --yes.",
)  # fmt: skip
_without_objects = click.option(
    "--no-objects", is_flag=True, help="Leave the objects of storages in S3: snapshots, stashes, memories."
)


@command("restore")
@click.argument("sessions", nargs=-1, type=SESSION)
@click.option("--release", metavar="LABEL", help="From this release.")
@click.option("--live", is_flag=True, help="From the live copy.")
@_on_conflict
@_without_objects
@at_place
@with_consent
def restore(  # noqa: PLR0913 - the options of the command
    settings: Settings,
    consent: Consent,
    *,
    place: Place,
    sessions: tuple[str, ...],
    release: str | None,
    live: bool,
    on_conflict: Any,
    no_objects: bool,
) -> None:
    """Read sessions of a release, or of the live copy, into the database; all, unless some are named.

    A database that is missing is made. Each session is written whole or not at all, and what is there already with the
    same content is left alone: a restore that was interrupted is simply run again.
    """
    if live == (release is not None):
        message = "say from where: --release LABEL, or --live"
        raise misuse(message)
    copy = _found(place, release)
    source = f"{'the live copy' if live else f'release {release}'} in {place.url}"
    plan = {"place": place.url, "release": release, "sessions": list(sessions) or None, "on_conflict": on_conflict}
    plan["live"] = None if copy is None else fields(copy)
    replaces = on_conflict == "replace"
    what = ", ".join(sessions) or "the sessions"
    line = f"{what} of {source} will be read into {settings.db_path}{_REPLACED if replaces else ''}"
    if not consent.ask(plan, (line,), harmless=not replaces):
        return
    with place.mirror(settings, create=True) as mirror, progress(settings, "restoring") as update, refusing():
        done = mirror.restore(
            release=release,
            session_ids=sessions or None,
            on_conflict=on_conflict,
            objects=not no_objects,
            progress=_steps(update),
        )
    consent.done(fields(done), f"restored {_counts(done)}{'' if copy is None else f'; {live_line(copy)}'}")


def _found(place: Place, release: str | None) -> LiveCopy | None:
    """Return what the live copy says of itself; refuse what is not there, before a database is made for it."""
    from strands_sqlite_s3_mirror._inventory import require_sealed  # noqa: PLC0415 - --help has no use for it
    from strands_sqlite_s3_mirror._releases import live_copy  # noqa: PLC0415 - as above

    with place.looked_at() as (bucket, places), refusing():
        if release is not None:
            require_sealed(bucket, places.release(release), release)
            return None
        found = live_copy(bucket, places)
        if found is None:
            fail(f"there is no live copy in {place.url}", "restore a --release; `mirror list` tells which there are")
        return found


def _steps(update: Update | None) -> Callable[[RestoreProgress], None] | None:
    return None if update is None else lambda step: update(step.done, step.total or step.done + 1)


def _counts(done: Restored) -> str:
    parts = [f"{count(done.sessions, 'session')}, {count(done.messages, 'message')}, {count(done.objects, 'object')}"]
    if done.unchanged:
        parts.append(f"{done.unchanged:,} were there already")
    if done.skipped:
        parts.append(f"{done.skipped:,} skipped")
    if done.passed_over:
        parts.append(f"{len(done.passed_over):,} passed over, which are elsewhere too, and newer there")
    if done.partial:
        parts.append(f"only a part is in S3 of: {', '.join(done.partial)}")
    return "; ".join(parts)


@command("import")
@click.argument("sessions", nargs=-1, type=SESSION)
@_on_conflict
@_without_objects
@at_place
@with_consent
def import_(  # noqa: PLR0913 - the options of the command
    settings: Settings, consent: Consent, *, place: Place, sessions: tuple[str, ...], on_conflict: Any, no_objects: bool
) -> None:
    """Read sessions that the SDK's S3SessionManager and S3Storage wrote; all, unless some are named.

    --prefix is the one that was given to those. S3 stays as it is. What was imported before is left alone, so an import
    that was interrupted is simply run again.
    """
    replaces = on_conflict == "replace"
    plan = {"place": place.url, "sessions": list(sessions) or None, "on_conflict": on_conflict}
    what = ", ".join(sessions) or "the sessions"
    line = f"{what} in {place.url} will be read into {settings.db_path}{_REPLACED if replaces else ''}"
    if not consent.ask(plan, (line,), harmless=not replaces):
        return
    _require_something(place)
    own = replace(place, prefix="")  # what the SDK wrote is named by its whole prefix
    with own.mirror(settings, create=True) as mirror, progress(settings, "importing") as update, refusing():
        done = mirror.import_sessions(
            place.prefix,
            session_ids=sessions or None,
            on_conflict=on_conflict,
            objects=not no_objects,
            progress=_steps(update),
        )
    consent.done(fields(done), f"imported {_counts(done)}")


def _require_something(place: Place) -> None:
    """End the command where there is nothing to import, before a database is made for it."""
    prefix = place.prefix.strip("/")
    with place.looked_at() as (bucket, _):
        if next(chain(bucket.list(prefix), bucket.list(f"/{prefix}")), None) is None:
            fail(f"there is nothing in {place.url}", "give the bucket and the --prefix of the S3SessionManager")
