"""`prune`, `erase` and `compact`: what goes, and what it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ._output import BOLD, Column, fields, table
from ._plans import Consent, with_consent
from ._progress import progress
from ._settings import Settings, command, misuse, refusing
from ._types import DURATION, SESSION, SIZE
from ._values import count, minute, number, size

if TYPE_CHECKING:
    from strands_sqlite_session_manager.errors import NotFoundError
    from strands_sqlite_session_manager.retention import ErasePlan, PlannedSession, PrunePlan

_PLANNED = (
    Column("SESSION", flexible=True, style=BOLD),
    Column("LAST ACTIVITY"),
    Column("MESSAGES", right=True),
    Column("SIZE", right=True),
    Column("TITLE", flexible=True),
)


@command("prune")
@click.option("--older-than", type=DURATION, help="Sessions without activity for so long: 12h, 30d, 1y.")
@click.option("--keep", "keep_last", type=click.IntRange(0), help="All but the newest so many.")
@click.option("--max-bytes", type=SIZE, help="The oldest, until the rest fits: 500MB, 5GB, 2GiB.")
@click.option("--tag", "tags", multiple=True, help="Only sessions with this tag; several: with all of them.")
@click.option("--keep-tag", "keep_tags", multiple=True, help="Never sessions with this tag.")
@click.option("--idle", type=DURATION, default="1h", show_default=True, help="Active since then is in use, and stays.")
@with_consent
def prune(settings: Settings, consent: Consent, **asked: Any) -> None:
    """Delete sessions by age, number, size or tag.

    One that is in use, in this process or by its last activity, is never deleted.
    """
    if not asked["tags"] and all(asked[name] is None for name in ("older_than", "keep_last", "max_bytes")):
        message = "say which: --older-than, --keep, --max-bytes or --tag"
        raise misuse(message)
    with consent.store() as store, refusing():
        from strands_sqlite_session_manager.retention import PrunePolicy  # noqa: PLC0415 - --help has no use for it

        plan = store.plan_prune(PrunePolicy(**asked))
        rows = table(settings, _PLANNED, map(_planned_row, plan.sessions))
        if not consent.ask(_prune_plan(plan), (_prune_line(plan),), rows=rows, nothing=not plan.sessions):
            return
        with progress(settings, "pruning") as update:
            result = store.prune(plan, progress=update)
    skipped = f", {count(len(result.skipped), 'session')} in use since" if result.skipped else ""
    consent.done(fields(result), f"pruned {count(result.sessions, 'session')}, {size(result.bytes)}{skipped}")


def _prune_plan(plan: PrunePlan) -> dict[str, Any]:
    return {"sessions": [fields(each) for each in plan.sessions], "kept_in_use": plan.kept_in_use, "bytes": plan.bytes}


def _planned_row(session: PlannedSession) -> tuple[str, ...]:
    activity, messages = minute(session.last_activity), number(session.messages)
    return session.session_id, activity, messages, size(session.bytes), session.title or ""


def _prune_line(plan: PrunePlan) -> str:
    kept = f"; {count(plan.kept_in_use, 'session')} in use will stay" if plan.kept_in_use else ""
    if plan.sessions:
        return f"{count(len(plan.sessions), 'session')} with {size(plan.bytes)} will be deleted{kept}"
    return f"nothing to prune{kept}"


@command("erase")
@click.argument("sessions", nargs=-1, type=SESSION)
@click.option(
    "--redacted", is_flag=True, help="Only the originals of redacted messages; of all sessions, if none is named."
)
@with_consent
def erase(settings: Settings, consent: Consent, *, sessions: tuple[str, ...], redacted: bool) -> None:
    """Delete sessions, and all traces of them in the file."""
    if redacted:
        _erase_redacted(consent, sessions)
        return
    if not sessions:
        message = "name the sessions"
        raise misuse(message)
    with consent.store() as store, refusing():
        plan = store.plan_erase(sessions)
        if not consent.ask(fields(plan), _erase_lines(plan)):
            return
        with progress(settings, "erasing") as update:
            result = store.erase(sessions, progress=update)
    consent.done(fields(result), f"erased {count(result.sessions, 'session')}, {count(result.messages, 'message')}")


def _erase_lines(plan: ErasePlan) -> Iterator[str]:
    objects = f" and {count(plan.objects, 'object')}" if plan.objects else ""
    parts = f"{count(plan.sessions, 'session')} with {count(plan.messages, 'message')}{objects}, {size(plan.bytes)}"
    yield f"{parts}, will be erased; nobody can bring them back"


def _erase_redacted(consent: Consent, sessions: tuple[str, ...]) -> None:
    where = ", ".join(sessions) or "all sessions"
    line = f"the originals of redacted messages in {where} will be erased; nobody can bring them back"
    with consent.store() as store, refusing():
        for session in sessions:  # all of them are there, if only as snapshots, or nothing is erased
            if not store.plan_erase([session]).sessions:
                raise _not_there(session)
        if not consent.ask({"sessions": list(sessions) or None, "redacted": True}, (line,)):
            return
        erased = store.erase_redacted(sessions or None)
    consent.done({"messages": erased}, f"erased {count(erased, 'original')}")


def _not_there(session: str) -> NotFoundError:
    from strands_sqlite_session_manager.errors import NotFoundError  # noqa: PLC0415 - errors are rare

    return NotFoundError(f"Session {session} does not exist")


@command("compact")
@with_consent
def compact(settings: Settings, consent: Consent) -> None:
    """Give free space back to the disk.

    Needs as much free disk as the file is large.
    """
    with consent.store() as store:
        found = store.stats(top=0)
        free = found.free_pages * found.page_size
        plan = {"bytes": found.bytes, "free_bytes": free}
        if not consent.ask(plan, (f"{found.path} will be written anew: {size(found.bytes)}, {size(free)} free",)):
            return
        with progress(settings, "compacting") as update:
            result = store.compact(progress=update)
    consent.done(fields(result), f"compacted from {size(result.bytes_before)} to {size(result.bytes_after)}")
