"""`prune` and `redact`: releases that go, and content that goes from releases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from strands_sqlite_session_manager.cli._output import BOLD, Column, fields, table
from strands_sqlite_session_manager.cli._plans import Consent, with_consent
from strands_sqlite_session_manager.cli._progress import progress
from strands_sqlite_session_manager.cli._settings import Settings, command, misuse, refusing
from strands_sqlite_session_manager.cli._types import DURATION
from strands_sqlite_session_manager.cli._values import count, minute, number, size

from ._looking import shown
from ._place import Place, at_place

if TYPE_CHECKING:
    from strands_sqlite_s3_mirror._prune import PrunePlan
    from strands_sqlite_s3_mirror._redact import RedactedRelease, RedactPlan
    from strands_sqlite_s3_mirror._releases import Release
    from strands_sqlite_session_manager._database import Database

_GOING = (
    Column("RELEASE", flexible=True, style=BOLD),
    Column("SEALED"),
    Column("OBJECTS", right=True),
    Column("SIZE", right=True),
)
_REDACTED = (
    Column("RELEASE", flexible=True, style=BOLD),
    Column("MESSAGES", right=True),
    Column("REMOVED", right=True),
)


@command("prune")
@click.option("--keep-last", type=click.IntRange(1), metavar="N", help="The newest so many stay.")
@click.option("--keep-within", type=DURATION, help="Those stay that were sealed within this time: 90d, 1y.")
@click.option("--keep", multiple=True, metavar="PATTERN", help="Those stay whose label is like this: '*.0', '2026-*'.")
@click.option(
    "--incomplete-older-than", type=DURATION,
    help="Those go that were never sealed or are damaged, and to which nothing was written for so long.",
)  # fmt: skip
@at_place
@with_consent
def prune(settings: Settings, consent: Consent, *, place: Place, **asked: Any) -> None:
    """Delete releases, but for those that one of the options keeps.

    A prune that was interrupted is completed by the next one. Until then they cannot be pushed.
    """
    if all(value in (None, ()) for value in asked.values()):
        message = "say which: --keep-last, --keep-within, --keep or --incomplete-older-than"
        raise misuse(message)
    from strands_sqlite_s3_mirror import _prune  # noqa: PLC0415 - --help has no use for it

    with place.looked_at() as (bucket, places), refusing():
        plan = _prune.plan_prune(bucket, places, _prune.ReleasePolicy(**asked))
        rows = table(settings, _GOING, map(_going_row, plan.releases))
        nothing = not plan.releases and not plan.unfinished
        if not consent.ask(_plan(plan), (_plan_line(plan),), rows=rows, nothing=nothing):
            return
        with progress(settings, "pruning") as update:
            done = _prune.prune(bucket, places, plan, progress=update)
    skipped = f", {count(len(done.skipped), 'release')} sealed anew since" if done.skipped else ""
    freed = f"{count(len(done.releases), 'release')}, {count(done.objects, 'object')}"
    consent.done(fields(done), f"pruned {freed}{skipped}")


def _plan(plan: PrunePlan) -> dict[str, Any]:
    releases = {name: [shown(each) for each in getattr(plan, name)] for name in ("releases", "kept")}
    return {**fields(plan), **releases}


def _going_row(release: Release) -> tuple[str, ...]:
    sealed = minute(release.created_at or "") if release.sealed else "damaged" if release.problem else "never"
    return release.label, sealed, number(release.objects), size(release.bytes)


def _plan_line(plan: PrunePlan) -> str:
    kept = f"{count(len(plan.kept), 'release')} will stay"
    if not plan.releases:
        return f"nothing to prune; {kept}"
    return f"{count(len(plan.releases), 'release')} with {size(plan.bytes)} will be deleted; {kept}"


@command("redact")
@click.option("--session", "sessions", multiple=True, metavar="ID", help="Everything of this session goes.")
@click.option(
    "--message", "messages", multiple=True, metavar="SESSION/AGENT/ID", help="What is said in this message goes."
)
@click.option(
    "--redacted", is_flag=True,
    help="What the database redacted goes: by a guardrail, or with `erase --redacted`.",
)  # fmt: skip
@click.option("--text", default="[redacted]", show_default=True, help="What stands in the place of --message.")
@click.option(
    "--release", "labels", multiple=True, metavar="LABEL", help="Only from this release; without it, from all."
)
@at_place
@with_consent
def redact(  # noqa: PLR0913 - the options of the command
    settings: Settings,
    consent: Consent,
    *,
    place: Place,
    sessions: tuple[str, ...],
    messages: tuple[str, ...],
    redacted: bool,
    text: str,
    labels: tuple[str, ...],
) -> None:
    """Take content out of sealed releases, and seal them anew.

    A redaction that was interrupted is run again, with the same options. The live copy follows the database: redact or
    erase there, and push.
    """
    if not (sessions or messages or redacted):
        message = "say what: --session, --message or --redacted"
        raise misuse(message)
    from strands_sqlite_s3_mirror import _redact  # noqa: PLC0415 - --help has no use for it

    wanted = _redact.Redaction(sessions=sessions, messages=tuple(map(_message, messages)), redacted=redacted, text=text)
    with place.looked_at() as (bucket, places), _database(settings, needed=redacted) as database, refusing():
        chosen: dict[str, Any] = {"labels": labels or None, "database": database}
        plan = _redact.plan_redact(bucket, places, wanted, **chosen)
        rows = table(settings, _REDACTED, map(_redacted_row, plan.releases))
        if not consent.ask(fields(plan), _redact_lines(plan), rows=rows, nothing=not plan.releases):
            return
        with progress(settings, "redacting") as update:
            done = _redact.redact(bucket, places, wanted, progress=update, **chosen)
    consent.done(fields(done), f"redacted {count(len(done.releases), 'release')}")


def _message(text: str) -> Any:
    from strands_sqlite_s3_mirror._inventory import Message  # noqa: PLC0415 - --help has no use for it

    session_id, agent_id, number = (*text.split("/"), "", "")[:3]
    if text.count("/") != 2 or not number.isdecimal():  # noqa: PLR2004 - between three parts
        message = f"{text!r} is no message: write SESSION/AGENT/ID, such as order-4711/support/3"
        raise misuse(message)
    return Message(session_id, agent_id, int(number))


@contextmanager
def _database(settings: Settings, *, needed: bool) -> Iterator[Database | None]:
    if not needed:
        yield None
        return
    from strands_sqlite_session_manager._schema import open_for_reading  # noqa: PLC0415 - --help has no use for it

    settings.require_database()
    database = open_for_reading(settings.db_path)
    try:
        yield database
    finally:
        database.close()


def _redacted_row(release: RedactedRelease) -> tuple[str, ...]:
    return release.release, number(release.messages), number(release.removed)


def _redact_lines(plan: RedactPlan) -> Iterator[str]:
    if plan.releases:
        yield f"{count(len(plan.releases), 'release')} will be written anew; nobody can bring back what goes"
    else:
        yield "nothing to redact"
    if plan.incomplete:
        yield f"incomplete or damaged releases are left alone, prune them: {', '.join(plan.incomplete)}"
