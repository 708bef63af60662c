"""`backup`, `verify` and `repair`: that nothing is lost, and that all is well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ._output import (
    BOLD,
    DIM,
    WIDTH,
    Column,
    fields,
    is_for_people,
    print_answer,
    print_rows,
    require_other_file,
    styled,
    width,
    write,
)
from ._progress import progress
from ._settings import NOTHING, Settings, command, refusing
from ._text import one_line, wrap
from ._types import SESSION
from ._values import count, size

if TYPE_CHECKING:
    from strands_sqlite_session_manager.maintenance import Finding, Repair

_FINDINGS = tuple(map(Column, ("KIND", "WHERE", "PROBLEM", "ADVICE")))
_REPAIRS = (
    Column("SESSION", flexible=True, style=BOLD),
    Column("AGENT", flexible=True),
    Column("MESSAGE", right=True),
    Column("WHAT", flexible=True),
    Column("REPAIRED"),
)


@command("backup")
@click.argument("target", type=click.Path())
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
def backup(settings: Settings, target: str, *, overwrite: bool) -> None:
    """Copy the database to TARGET while it is in use.

    The copy is checked, and appears when it is complete.
    """
    require_other_file(target, settings)
    with settings.reading() as store, progress(settings, "copying") as update, refusing():
        made = store.back_up(target, progress=update, overwrite=overwrite)
    held = f"{count(made.sessions, 'session')}, {count(made.messages, 'message')}"
    print_answer(settings, {"backup": fields(made)}, (f"wrote {made.path}: {size(made.bytes)}, {held}",))


@command("verify")
def verify(settings: Settings) -> None:
    """Look for damage; nothing is changed.

    Looks at the file, and at what its tables say. The exit code is 1 where something was found.
    """
    with settings.reading() as store, progress(settings, "checking") as update:
        findings = store.verify(progress=update)
    if settings.format == "text" and is_for_people(settings):
        write(_told(settings, findings))
    else:
        print_rows(settings, "findings", findings, _FINDINGS, _finding_row)
    if findings:
        click.get_current_context().exit(NOTHING)
    if settings.format == "text":
        click.echo("no damage was found", err=True)


def _told(settings: Settings, findings: list[Finding]) -> Iterator[str]:
    """Yield each finding in full: what and where, then the problem and what to do."""
    columns = min(width(), WIDTH)
    for position, finding in enumerate(findings):
        if position:
            yield ""
        yield styled(one_line(f"{finding.kind}: {finding.where}"), settings, BOLD)
        yield from (f"  {line}" for line in wrap(finding.problem, columns - 2))
        yield from (styled(f"  {line}", settings, DIM) for line in wrap(finding.advice, columns - 2))


def _finding_row(finding: Finding) -> tuple[str, ...]:
    return finding.kind, finding.where, finding.problem, finding.advice


@command("repair")
@click.argument("session", type=SESSION, required=False)
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
def repair(settings: Settings, session: str | None, *, dry_run: bool) -> None:
    """Complete turns that were interrupted.

    Calls of tools that were at work then get a result that says so, in one session or in all.

    What cannot be repaired is told, and stays as it is; the exit code is then 1.
    """
    with settings.reading() if dry_run else settings.writing() as store, refusing():
        repairs = store.repair(session, dry_run=dry_run)
    print_rows(settings, "repairs", repairs, _REPAIRS, _repair_row, more={"dry_run": dry_run})
    if not repairs and settings.format == "text":
        click.echo("nothing to repair", err=True)
    if not all(each.repaired for each in repairs):
        click.get_current_context().exit(NOTHING)


def _repair_row(repair: Repair) -> tuple[str, ...]:
    message = "" if repair.message_id is None else str(repair.message_id)
    done = "yes" if repair.repaired else "no"
    return repair.session_id or "", repair.agent_id or "", message, repair.what, done
