"""`export`, `import` and `convert`: sessions to other places and other forms."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from ._output import fields, print_answer, require_other_file
from ._plans import Consent, with_consent
from ._progress import progress, steps
from ._settings import Settings, command, misuse, refusing
from ._types import SESSION
from ._values import count

if TYPE_CHECKING:
    from strands_sqlite_session_manager.conversion import Conversion
    from strands_sqlite_session_manager.store import SessionStore
    from strands_sqlite_session_manager.transfer import Exported, Imported
    from strands_sqlite_session_manager.transfer._import_jsonl import Begun


@command("export")
@click.argument("sessions", nargs=-1, type=SESSION)
@click.option("-o", "--output", metavar="FILE", help="Write to this file, or folder, instead of standard output.")
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "files"]), default="jsonl", show_default=True,
    help="JSON Lines, or the folders of the SDK's FileSessionManager.",
)  # fmt: skip
def export(settings: Settings, sessions: tuple[str, ...], *, output: str | None, form: str) -> None:
    """Write sessions, all unless some are named.

    Everything in them is written, attachments among it, and can be imported again.
    """
    to_stdout = output is None or output == "-"
    if to_stdout and (form == "files" or settings.format != "text"):
        message = "name the folder with -o" if form == "files" else "--json and --jsonl report on an export to -o FILE"
        raise misuse(message)
    if output is not None and output != "-":
        require_other_file(output, settings)
    with settings.reading() as store, progress(settings, "exporting") as update, refusing():
        made = _export(store, sessions, output or "-", form, steps(update))
    line = f"exported {count(made.sessions, 'session')}, {count(made.messages, 'message')}"
    if to_stdout:
        click.echo(line, err=True)
    else:
        print_answer(settings, {"export": fields(made), "target": output}, (line,))


def _export(store: SessionStore, sessions: Sequence[str], output: str, form: str, progress: Any) -> Exported:
    chosen = sessions or None
    for session in sessions:
        store.summarize_session(session)  # all of them are there, or nothing is written
    if output == "-":
        made = store.export_jsonl(sys.stdout.buffer, chosen, progress=progress)
        sys.stdout.buffer.flush()
        return made
    target = os.path.expanduser(output)
    if form == "files":
        return store.export_files(target, chosen, progress=progress)
    return store.export_jsonl(target, chosen, progress=progress)


@command("import")
@click.argument("source", type=click.Path(exists=True, allow_dash=True))
@click.option(
    "--on-conflict", type=click.Choice(["fail", "skip", "replace"]), default="fail", show_default=True,
    help="What to do with a session that is there with other content; replace needs --yes.",
)  # fmt: skip
@with_consent
def import_(settings: Settings, consent: Consent, *, source: str, on_conflict: Any) -> None:
    """Read sessions from a file, a folder or - for standard input.

    A file holds JSON Lines, as `export` writes them; a folder is one of the SDK's FileSessionManager.

    What was imported before is left alone, so an import that stopped is simply run again.
    """
    replaces = on_conflict == "replace"
    what = "; those that are there with other content will be deleted and written anew" if replaces else ""
    plan = {"source": source, "on_conflict": on_conflict}
    if not consent.ask(plan, (f"the sessions of {source} will be imported{what}",), harmless=not replaces):
        return
    with _opened(source) as stream:
        made = _import(settings, source, stream, on_conflict)
    consent.done(fields(made), _imported_line(made))


@contextmanager
def _opened(source: str) -> Iterator[Begun | None]:
    """Open an export, and refuse what is none before a database is made for it; a folder is None."""
    if os.path.isdir(source):
        from strands_sqlite_session_manager.transfer._import_files import sessions_in  # noqa: PLC0415 - as below

        sessions_in(os.path.realpath(source))
        yield None
        return
    from strands_sqlite_session_manager.transfer._import_jsonl import Begun  # noqa: PLC0415 - --help has no use for it

    with nullcontext(sys.stdin.buffer) if source == "-" else open(source, "rb") as stream:
        yield Begun(stream)


def _import(settings: Settings, source: str, stream: Any, on_conflict: Any) -> Imported:
    with settings.writing(create=True) as store, progress(settings, "importing") as update, refusing():
        if stream is None:
            return store.import_files(source, on_conflict=on_conflict, progress=steps(update))
        return store.import_jsonl(stream, on_conflict=on_conflict, progress=steps(update))


def _imported_line(made: Imported) -> str:
    parts = [f"imported {count(made.sessions, 'session')}, {count(made.messages, 'message')}"]
    if made.unchanged:
        parts.append(f"{made.unchanged:,} were there already")
    if made.skipped:
        parts.append(f"{made.skipped:,} skipped")
    return "; ".join(parts)


@command("convert")
@click.argument("session", type=SESSION)
@click.option(
    "--to", "form", type=click.Choice(["snapshots", "messages"]), required=True,
    help="For SnapshotSessionManager, or for SQLiteSessionManager.",
)  # fmt: skip
@click.option("--new", metavar="SESSION", help="The id of the session that is written; the same without it.")
@click.option("--namespace", default="session", show_default=True, help="The folder of the snapshots.")
@click.option("--overwrite", is_flag=True, help="Replace what the target has; needs --yes.")
@with_consent
def convert(settings: Settings, consent: Consent, *, session: str, form: str, **asked: Any) -> None:
    """Give a session to the SDK's other model.

    It is written into the same file; the source stays as it is.
    """
    settings.require_database()
    target = asked["new"] or session
    line = f"{session} will be written as {form} of {target}"
    plan = {"session_id": session, "to": form, "new_session_id": target, "overwrite": asked["overwrite"]}
    if asked["overwrite"]:
        line += "; what is there will be deleted"
    if not consent.ask(plan, (line,), harmless=not asked["overwrite"]):
        return
    with refusing():
        made = _convert(settings, session, form, asked)
    held = f"{count(made.agents, 'agent')}, {count(made.messages, 'message')}"
    consent.done(fields(made), f"wrote {form} of {made.session_id}: {held}")


def _convert(settings: Settings, session: str, form: str, asked: dict[str, Any]) -> Conversion:
    from strands_sqlite_session_manager import conversion  # noqa: PLC0415 - imports the SDK, which takes seconds
    from strands_sqlite_session_manager.errors import AlreadyExistsError  # noqa: PLC0415 - as above

    run = conversion.convert_to_snapshots if form == "snapshots" else conversion.convert_to_message_log
    names = {"new_session_id": asked["new"], "namespace": asked["namespace"]}
    try:
        return run(session, settings.db_path, overwrite=asked["overwrite"], **names)
    except AlreadyExistsError as error:
        hint = "add --overwrite, or --new with another id"
        raise AlreadyExistsError(str(error), hint=hint) from error
