"""`list`, `verify` and `compare`: what there is in S3, whether it is whole, and what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from strands_sqlite_session_manager.cli._output import (
    BOLD,
    DIM,
    WIDTH,
    Column,
    fields,
    is_for_people,
    print_answer,
    print_rows,
    styled,
    table,
    width,
    write,
)
from strands_sqlite_session_manager.cli._progress import progress
from strands_sqlite_session_manager.cli._settings import NOTHING, Settings, command, refusing
from strands_sqlite_session_manager.cli._text import one_line, wrap
from strands_sqlite_session_manager.cli._values import count, minute, number, size

from ._place import Place, at_place

if TYPE_CHECKING:
    from strands_sqlite_s3_mirror._bucket import Bucket
    from strands_sqlite_s3_mirror._compare import Comparison, SessionChange
    from strands_sqlite_s3_mirror._places import Places
    from strands_sqlite_s3_mirror._releases import LiveCopy, Release

_RELEASES = (
    Column("RELEASE", flexible=True, style=BOLD),
    Column("SEALED"),
    Column("SESSIONS", right=True),
    Column("MESSAGES", right=True),
    Column("OBJECTS", right=True),
    Column("SIZE", right=True),
    Column("PARENT", flexible=True),
    Column("STATE", flexible=True),
)
_FINDINGS = tuple(map(Column, ("KIND", "RELEASE", "PATH", "PROBLEM", "ADVICE")))
_SESSIONS = (
    Column("SESSION", flexible=True, style=BOLD),
    Column("CHANGE"),
    Column("MESSAGES"),
    Column("OBJECTS", right=True),
)
_OBJECTS = (Column("OBJECT", flexible=True), Column("CHANGE"))
_LIVE = "(live)"
"""What stands in the place of a label for the live copy."""


@command("list")
@at_place
def list_(settings: Settings, *, place: Place) -> None:
    """List the releases, the oldest first, and those that are incomplete last."""
    from strands_sqlite_s3_mirror._releases import live_copy, releases  # noqa: PLC0415 - --help has no use for it

    with place.looked_at() as (bucket, places), refusing():
        found = releases(bucket, places)
        live = live_copy(bucket, places)
    more = {"live": None if live is None else fields(live)}
    print_rows(settings, "releases", [shown(each) for each in found], _RELEASES, _release_row, more=more)
    if settings.format == "text":
        if not found:
            click.echo("no releases", err=True)
        if live is not None:
            click.echo(live_line(live), err=True)
    if not found and live is None:
        click.get_current_context().exit(NOTHING)


def live_line(live: LiveCopy) -> str:
    """Return what is told of the live copy."""
    told = f"the live copy is as of {minute(live.as_of)}"
    return told if live.complete else f"{told}; a push to it is under way, or was interrupted"


def shown(release: Release) -> dict[str, Any]:
    """Return what is told of a release: all but its token."""
    return {name: value for name, value in fields(release).items() if name != "token"}


def _release_row(release: dict[str, Any]) -> tuple[str, ...]:
    state = release["problem"] or ("latest" if release["latest"] else "") if release["sealed"] else release["problem"]
    return (
        release["label"],
        minute(release["created_at"] or ""),
        *(number(release[name]) for name in ("sessions", "messages", "objects")),
        size(release["bytes"]),
        release["parent"] or "",
        state or ("" if release["sealed"] else "incomplete"),
    )


@command("verify")
@click.argument("releases", nargs=-1, metavar="[RELEASE]...")
@click.option("--live", is_flag=True, help="The live copy, which is compared with the database.")
@click.option(
    "--level", type=click.Choice(["listing", "checksum", "read"]), default="checksum", show_default=True,
    help="Look at which objects there are; at their ETags too; or download and compare everything.",
)  # fmt: skip
@at_place
def verify(settings: Settings, *, place: Place, releases: tuple[str, ...], live: bool, level: Any) -> None:
    """Look for what is missing, modified or extra in S3; nothing is changed.

    All releases are looked at, unless some are named or --live is given. The exit code is 1 where something was found,
    and where there is no release to look at.
    """
    findings: list[dict[str, Any]] = []
    with place.looked_at() as (bucket, places), refusing():
        labels = releases or ((_LIVE,) if live else _all(bucket, places))
        if live and releases:
            labels = (*releases, _LIVE)
        for label in labels:
            with progress(settings, f"checking {label}") as update:
                found = _check(settings, bucket, places, label, level, update)
            findings += [{"release": None if label == _LIVE else label, **fields(each)} for each in found]
    if settings.format == "text" and is_for_people(settings):
        write(_told(settings, findings))
    else:
        print_rows(settings, "findings", findings, _FINDINGS, _finding_row, more={"level": level})
    if settings.format == "text" and not findings:
        click.echo(_conclusion(place, labels), err=True)
    if findings or not labels:
        click.get_current_context().exit(NOTHING)


def _conclusion(place: Place, labels: tuple[str, ...]) -> str:
    """Return what is told where nothing was found."""
    if not labels:
        return f"no releases in {place.url}: nothing was looked at; for the live copy, add --live"
    named = [label for label in labels if label != _LIVE]
    looked = [count(len(named), "release")] if named else []
    looked += ["the live copy"] if _LIVE in labels else []
    return f"all is well: {' and '.join(looked)}"


def _all(bucket: Bucket, places: Places) -> tuple[str, ...]:
    from strands_sqlite_s3_mirror._releases import releases  # noqa: PLC0415 - --help has no use for it

    return tuple(release.label for release in releases(bucket, places))


def _check(  # noqa: PLR0913, PLR0917 - one check, from all that it needs
    settings: Settings,
    bucket: Bucket,
    places: Places,
    label: str,
    level: Any,
    update: Callable[[int, int], None] | None,
) -> Any:
    if label != _LIVE:
        from strands_sqlite_s3_mirror._verify import verify_release  # noqa: PLC0415 - --help has no use for it

        return verify_release(bucket, places, label, level=level, progress=update)
    from strands_sqlite_s3_mirror._verify_live import verify_live  # noqa: PLC0415 - as above
    from strands_sqlite_session_manager._schema import open_for_reading  # noqa: PLC0415 - as above

    settings.require_database()
    database = open_for_reading(settings.db_path)
    try:
        return verify_live(bucket, places, database, level=level, progress=update)
    finally:
        database.close()


def _told(settings: Settings, findings: list[dict[str, Any]]) -> Iterator[str]:
    """Yield each finding in full: what and where, then the problem and what to do."""
    columns = min(width(), WIDTH)
    for position, finding in enumerate(findings):
        if position:
            yield ""
        where = f"{finding['kind']}: {finding['release'] or _LIVE} {finding['path']}"
        yield styled(one_line(where), settings, BOLD)
        yield from (f"  {line}" for line in wrap(finding["problem"], columns - 2))
        yield from (styled(f"  {line}", settings, DIM) for line in wrap(finding["advice"], columns - 2))


def _finding_row(finding: dict[str, Any]) -> tuple[str, ...]:
    release = finding["release"] or _LIVE
    return finding["kind"], release, finding["path"], finding["problem"], finding["advice"]


@command("compare")
@click.argument("one", metavar="RELEASE")
@click.argument("other", metavar="[OTHER]", required=False)
@click.option("--objects", is_flag=True, help="Tell each object, not each session.")
@at_place
def compare(settings: Settings, *, place: Place, one: str, other: str | None, objects: bool) -> None:
    """Tell what changed from one release to another, or to the live copy."""
    from strands_sqlite_s3_mirror._compare import compare as compare_releases  # noqa: PLC0415 - --help has no use for it

    with place.looked_at() as (bucket, places), refusing():
        found = compare_releases(bucket, places, one, other)
    if settings.format == "text":
        write(_differences(settings, found, objects=objects))
        if not found.objects:
            click.echo(f"no differences in {count(found.same, 'object')}", err=True)
    else:
        print_answer(settings, {"comparison": fields(found)}, ())


def _differences(settings: Settings, found: Comparison, *, objects: bool) -> Iterator[str]:
    if objects:
        return table(settings, _OBJECTS, ((each.path, each.change) for each in found.objects))
    return table(settings, _SESSIONS, map(_session_row, found.sessions))


def _session_row(session: SessionChange) -> tuple[str, ...]:
    counts = zip("+-~", (session.messages_added, session.messages_removed, session.messages_changed), strict=True)
    messages = " ".join(f"{sign}{amount:,}" for sign, amount in counts if amount)
    return session.session_id, session.change, messages, number(session.objects)
