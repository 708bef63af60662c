"""The command with its subcommands, each imported when it is called, and what becomes of errors."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ._settings import FAILED, Settings, database_option, say_error, shared_options

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

NAME = "strands-sqlite"

ENTRY_POINTS = "strands_sqlite.commands"
"""The group of entry points by which other packages add commands."""

INTERRUPTED = 130

_HERE = {
    "list": "_catalog:list_sessions",
    "show": "_show:show",
    "search": "_catalog:search",
    "stats": "_stats:stats",
    "fork": "_branching:fork",
    "rewind": "_branching:rewind",
    "title": "_labels:title",
    "tag": "_labels:tag",
    "prune": "_removing:prune",
    "erase": "_removing:erase",
    "compact": "_removing:compact",
    "export": "_moving:export",
    "import": "_moving:import_",
    "backup": "_caring:backup",
    "verify": "_caring:verify",
    "repair": "_caring:repair",
    "convert": "_moving:convert",
}


class Commands(click.Group):
    """Our commands, in the order in which they are told, then those of other packages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return [*_HERE, *sorted(name for name in _entry_points() if name not in _HERE)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; one that cannot be imported becomes a command that says so."""
        if cmd_name in _HERE:
            module, name = _HERE[cmd_name].split(":")
            found: click.Command = getattr(import_module(f".{module}", __package__), name)
            return found
        entry_point = _entry_points().get(cmd_name)
        return None if entry_point is None else _load(entry_point)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and end it with the exit code of what went wrong."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:  # who read our output has enough
            _forget_output()
            ctx.exit(FAILED)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if not _tell(error):
                raise
            ctx.exit(FAILED)


def _tell(error: Exception) -> bool:
    """Say what went wrong and what to do; return False where nobody expected it."""
    from strands_sqlite_session_manager.errors import SQLiteSessionError  # noqa: PLC0415 - errors are rare

    if isinstance(error, SQLiteSessionError):
        say_error(str(error).removesuffix(f" | {error.hint}"), error.hint)
    elif isinstance(error, OSError):
        say_error(str(error))
    else:
        return False
    return True


def _forget_output() -> None:
    """Send what is still in the buffer of standard output nowhere: Python would try to write it at its end."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _entry_points() -> dict[str, EntryPoint]:
    """Return the commands of other packages, not imported yet."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - our own commands start without it

    return {entry_point.name: entry_point for entry_point in entry_points(group=ENTRY_POINTS)}


def _load(entry_point: EntryPoint) -> click.Command:
    try:
        command = entry_point.load()
    except Exception as error:  # noqa: BLE001 - whatever another package does, ours go on
        return _broken(entry_point, f"{type(error).__name__}: {error}")
    if not isinstance(command, click.Command):
        return _broken(entry_point, f"{entry_point.value} is no click command")
    _accept_database(command)
    return command


def _accept_database(command: click.Command) -> None:
    """Let `--db` stand behind the name of a command of another package too."""
    if not any("--db" in parameter.opts for parameter in command.params):
        command.params.append(database_option())
    if isinstance(command, click.Group):
        for each in command.commands.values():
            _accept_database(each)


def _broken(entry_point: EntryPoint, problem: str) -> click.Command:
    """Return a command that says why it is none."""

    def say() -> NoReturn:
        package = entry_point.dist.name if entry_point.dist else entry_point.value
        say_error(f"the command {entry_point.name} of {package} cannot be loaded: {problem}")
        sys.exit(FAILED)

    return click.Command(
        entry_point.name,
        callback=say,
        short_help="(cannot be loaded)",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
    )


@click.command(NAME, cls=Commands, params=shared_options(), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="strands-sqlite-session-manager", message="%(prog)s %(version)s")
@click.pass_context
def commands(context: click.Context) -> None:
    """See, find, branch, keep and move the sessions of Strands agents in an SQLite file.

    Exit codes: 0 done, 1 nothing found (verify: something found), 2 wrong usage or --yes is missing, 3 failed,
    130 interrupted.
    """
    context.ensure_object(Settings)


def run() -> NoReturn:
    """Run what the arguments of the process name, and end the process."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # they are text files here
    try:
        commands.main(prog_name=NAME)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception:  # noqa: BLE001 - a mistake of ours: its traceback is what a report needs
        traceback.print_exc()
        say_error("this should not happen", "report it with the lines above")
        sys.exit(FAILED)
    sys.exit(0)
