"""`push` and `follow`: sessions into S3, once or again and again."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from strands_sqlite_session_manager.cli._output import VERSION, fields, to_json
from strands_sqlite_session_manager.cli._plans import Consent, with_consent
from strands_sqlite_session_manager.cli._progress import Update, progress
from strands_sqlite_session_manager.cli._settings import Settings, command, misuse, refusing
from strands_sqlite_session_manager.cli._text import one_line
from strands_sqlite_session_manager.cli._types import DURATION
from strands_sqlite_session_manager.cli._values import count, size

from ._place import Place, at_place

if TYPE_CHECKING:
    from strands_sqlite_s3_mirror._sending import Progress, Pushed


@command("push")
@click.option("--release", metavar="LABEL", help="Write a release, and seal it; the label, such as 1.4.0.")
@click.option("--live", is_flag=True, help="Bring the live copy up to date.")
@click.option(
    "--take-over", is_flag=True,
    help="Replace a live copy that is another database's or of a later state of this one, or repair a damaged one;"
    " needs --yes.",
)  # fmt: skip
@click.option(
    "--allow-unconditional", is_flag=True,
    help="Push to a server that ignores conditional writes; then nobody else may write to this place.",
)  # fmt: skip
@at_place
@with_consent
def push(  # noqa: PLR0913 - the options of the command
    settings: Settings,
    consent: Consent,
    *,
    place: Place,
    release: str | None,
    live: bool,
    take_over: bool,
    allow_unconditional: bool,
) -> None:
    """Push the sessions of the database to S3: as a release, or to the live copy.

    A release is sealed: it never changes again. Pushed once more, it is left as it is. A push that was interrupted is
    simply run again.
    """
    label = _asked_for(release, live=live)
    if take_over and label is not None:
        message = "--take-over is for --live: a release is never overwritten"
        raise misuse(message)
    target = _name(label)
    plan = {"place": place.url, "release": label, "take_over": take_over}
    settings.require_database()
    line = f"{target} in {place.url} will be brought to what {settings.db_path} holds"
    if take_over:
        line = f"{target} in {place.url} will be replaced by what {settings.db_path} holds; what else it has will go"
    if not consent.ask(plan, (line,), harmless=not take_over):
        return
    with place.mirror(settings) as mirror, progress(settings, "pushing") as update, refusing():
        done = mirror.push(
            release=label, take_over=take_over, check_conditions=not allow_unconditional, progress=_steps(update)
        )
    consent.done(fields(done), _line(done))


def _asked_for(release: str | None, *, live: bool) -> str | None:
    """Return the label of the release, None for the live copy; ask for it where somebody can answer."""
    if live and release is not None:
        message = "--release and --live exclude each other"
        raise misuse(message)
    if live or release is not None:
        return release
    if not sys.stdin.isatty():
        message = "say what: --release LABEL, or --live"
        raise misuse(message)
    asked: str = click.prompt("Label of the release", err=True)
    return asked


def _name(label: str | None) -> str:
    return "the live copy" if label is None else f"release {label}"


def _steps(update: Update | None) -> Callable[[Progress], None] | None:
    if update is None:
        return None

    def step(done: Progress) -> None:
        if done.phase == "send" and done.total:
            update(done.done, done.total)

    return step


def _line(done: Pushed) -> str:
    changes = [
        f"{number:,} {what}"
        for number, what in ((done.uploaded, "uploaded"), (done.copied, "copied"), (done.deleted, "deleted"))
        if number
    ]
    if not changes:
        return f"{_name(done.release)} is up to date: {count(done.requests, 'request')}"
    return f"pushed {_name(done.release)}: {', '.join(changes)}; {size(done.bytes)}, {count(done.requests, 'request')}"


@command("follow")
@click.option(
    "--interval", type=DURATION, default="10s", show_default=True,
    help="Look at the database so often: what a lost machine can lose.",
)  # fmt: skip
@at_place
def follow(settings: Settings, *, place: Place, interval: timedelta) -> None:
    """Push to the live copy whenever something changed, until it is told to stop.

    Ctrl-C and SIGTERM end it after one more push. While nothing changes, S3 is not asked. Where the network or S3 is
    gone, it tries again; after a crash it goes on where it was.
    """
    with place.mirror(settings) as mirror, _until_signalled() as stop, refusing():
        mirror.follow(
            interval=interval.total_seconds(),
            stop=stop,
            on_push=lambda done: _tell(settings, done),
            on_error=_tell_error,
        )


def _tell(settings: Settings, done: Pushed) -> None:
    if settings.format == "text":
        click.echo(one_line(_line(done)))
    else:
        click.echo(to_json({"version": VERSION, **fields(done)}))


def _tell_error(error: Exception, pause: float) -> None:
    click.echo(f"warning: {one_line(str(error))}; trying again in {pause:.0f} s", err=True)


@contextmanager
def _until_signalled() -> Iterator[threading.Event]:
    """Give an event that the first SIGINT or SIGTERM sets; the second does what it always does."""
    stop = threading.Event()
    before: dict[signal.Signals, Any] = {}

    def ask(_: int, __: object) -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        _thread.start_new_thread(stop.set, ())  # whoever was interrupted may hold the lock of the event

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, ask)
    if before[signal.SIGINT] is signal.SIG_IGN:
        before[signal.SIGINT] = signal.default_int_handler
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
