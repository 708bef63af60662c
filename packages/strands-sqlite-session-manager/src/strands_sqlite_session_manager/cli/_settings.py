"""What every command has in common: the options that may stand before and after its name, and the store they name."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

if TYPE_CHECKING:
    from strands_sqlite_session_manager.errors import CannotOpenError
    from strands_sqlite_session_manager.store import SessionStore

Function = TypeVar("Function", bound=Callable[..., Any])

FAILED = 3
"""The exit code of a command that could not do its work."""

REFUSED = 2
"""The exit code of a command that was not told what it needs to know, `--yes` among it."""

NOTHING = 1
"""The exit code of a command that found nothing, or, for `verify`, that found something."""


_URI = re.compile("file:(?://[^/?#]*)?([^?#]*)")
"""A URI, as SQLite takes it apart; the group is the path."""


@dataclass
class Settings:
    """What was asked for, wherever it stood on the command line.

    Attributes:
        given_path: The database of `--db`.
        format: How results are printed.
        plain: Whether a terminal gets neither colours nor a progress bar.
        progress: Whether progress is shown; None: on a terminal.
    """

    given_path: str | None = None
    format: str = "text"
    plain: bool = False
    progress: bool | None = None

    @property
    def db_path(self) -> str:
        """The database: that of `--db`, else of `STRANDS_SQLITE_DB_PATH`, else `sessions.db`."""
        path = self.given_path or os.environ.get("STRANDS_SQLITE_DB_PATH") or "sessions.db"
        return path if path.startswith("file:") else os.path.expanduser(path)

    @property
    def db_file(self) -> str:
        """The file in which the database is; of a `file:` URI the one that it names."""
        uri = _URI.match(self.db_path)
        if uri is None:
            return self.db_path
        from urllib.parse import unquote  # noqa: PLC0415 - URIs are rare

        return unquote(uri[1])

    @contextmanager
    def reading(self) -> Iterator[SessionStore]:
        """Open the database to read it: nothing in it changes."""
        with self._opened(read_only=True) as store:
            yield store

    @contextmanager
    def writing(self, *, create: bool = False) -> Iterator[SessionStore]:
        """Open the database to change it; only with `create` does a new one appear."""
        with self._opened(read_only=False, create=create) as store:
            yield store

    @contextmanager
    def _opened(self, *, read_only: bool, create: bool = False) -> Iterator[SessionStore]:
        if not create:
            self.require_database()
        from strands_sqlite_session_manager.store import SessionStore  # noqa: PLC0415 - --help has no use for it

        with SessionStore(self.db_path, read_only=read_only) as store:
            if store._database.in_memory:  # noqa: SLF001 - to everybody else it is a database like another
                raise self._gone_at_the_end()
            yield store

    def _gone_at_the_end(self) -> CannotOpenError:
        """Return what says that nothing of the command would stay."""
        from strands_sqlite_session_manager.errors import CannotOpenError  # noqa: PLC0415 - errors are rare

        message = f"database=<{self.db_path}> is in memory, and gone at the end of the command"
        return CannotOpenError(message, hint="name a file with --db, or in STRANDS_SQLITE_DB_PATH")

    def require_database(self) -> None:
        """End the command where there is no file: only `import` makes one."""
        if self.db_path == ":memory:" or not os.path.exists(self.db_file):
            fail(f"there is no database {self.db_path}", "name one with --db, or in STRANDS_SQLITE_DB_PATH")


def fail(message: str, hint: str = "", code: int = FAILED) -> NoReturn:
    """Say on standard error what is wrong and what to do, and end the command."""
    say_error(message, hint)
    sys.exit(code)


def misuse(message: str) -> click.UsageError:
    """Return what says that the command line is wrong; nothing in `message` is a command to the terminal."""
    from ._text import one_line  # noqa: PLC0415 - errors are rare

    return click.UsageError(one_line(message))


def say_error(message: str, hint: str = "") -> None:
    """Say on standard error what is wrong and what to do."""
    from ._text import one_line  # noqa: PLC0415 - errors are rare

    click.echo(f"error: {one_line(message)}", err=True)
    if hint:
        click.echo(f"hint: {one_line(hint)}", err=True)


@contextmanager
def refusing() -> Iterator[None]:
    """Take a `ValueError` of the block for a mistake on the command line: the store says it is one."""
    try:
        yield
    except ValueError as error:
        from strands_sqlite_session_manager.errors import SQLiteSessionError  # noqa: PLC0415 - errors are rare

        if isinstance(error, SQLiteSessionError):
            raise
        raise misuse(str(error)) from error


def _set(name: str, value_of: Callable[[Any], Any] = lambda value: value) -> Callable[..., Any]:
    """Return what notes the value of an option in the settings, if it was given."""

    def note(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value is None or (value is False and name != "progress"):
            return
        settings = context.ensure_object(Settings)
        noted = value_of(value)
        if name == "format" and settings.format not in ("text", noted):
            message = "--json and --jsonl exclude each other"
            raise misuse(message)
        setattr(settings, name, noted)

    return note


def _named(path: str) -> str:
    """Refuse no name, which a script passes where a variable of its own is empty: another database would be meant."""
    if not path:
        message = "--db names no file"
        raise misuse(message)
    return path


def database_option() -> click.Option:
    """Return the option `--db`."""
    return click.Option(
        ["--db"],
        metavar="FILE",
        expose_value=False,
        is_eager=True,
        callback=_set("given_path", _named),
        help="The database; without it STRANDS_SQLITE_DB_PATH, else ./sessions.db.",
        type=click.Path(),
    )


def shared_options() -> list[click.Option]:
    """Return the options that may stand before and after the name of a command."""
    kept_out = {"expose_value": False, "is_eager": True}
    return [
        database_option(),
        click.Option(
            ["--json"],
            is_flag=True,
            callback=_set("format", lambda _: "json"),
            help="Print one JSON document.",
            **kept_out,
        ),
        click.Option(
            ["--jsonl"],
            is_flag=True,
            callback=_set("format", lambda _: "jsonl"),
            help="Print a JSON document in each line.",
            **kept_out,
        ),
        click.Option(
            ["--plain"], is_flag=True, callback=_set("plain"), help="No colours and no progress bar.", **kept_out
        ),
        click.Option(
            ["--progress/--no-progress"],
            default=None,
            callback=_set("progress"),
            help="Show progress on standard error; without it, on a terminal.",
            **kept_out,
        ),
    ]


def command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Return a decorator that makes a command of a function; the settings are its first argument."""

    def make(function: Callable[..., Any]) -> click.Command:
        made = click.command(name)(click.make_pass_decorator(Settings, ensure=True)(function))
        made.params.extend(shared_options())
        return made

    return make
