"""Commands that destroy: they print their plan first, and go on only with `--yes`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from ._output import print_answer, write
from ._settings import REFUSED, Settings, misuse
from ._text import one_line

if TYPE_CHECKING:
    from strands_sqlite_session_manager.store import SessionStore


def with_consent(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--yes` and `--dry-run` to a command; the function gets them as its second argument, a `Consent`."""

    def run(settings: Settings, *, yes: bool, dry_run: bool, **asked: Any) -> Any:
        if yes and dry_run:
            message = "--yes and --dry-run exclude each other"
            raise misuse(message)
        return function(settings, Consent(settings, yes=yes, dry_run=dry_run), **asked)

    run.__doc__ = function.__doc__
    run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]  # click looks there
    dry = click.option("--dry-run", is_flag=True, help="Only print the plan.")
    return dry(click.option("--yes", "-y", is_flag=True, help="Do it; without it, only the plan is printed.")(run))


class Consent:
    """Whether what a command plans may be done.

    Attributes:
        given: With `--yes`.
    """

    def __init__(self, settings: Settings, *, yes: bool, dry_run: bool) -> None:
        """Note what the command line says."""
        self._settings = settings
        self._dry_run = dry_run
        self._plan: Mapping[str, Any] = {}
        self.given = yes

    def store(self) -> AbstractContextManager[SessionStore]:
        """Open the database, to change it only where that is wanted."""
        return self._settings.writing() if self.given else self._settings.reading()

    def ask(
        self,
        plan: Mapping[str, Any],
        lines: Iterable[str],
        *,
        rows: Iterable[str] = (),
        nothing: bool = False,
        harmless: bool = False,
    ) -> bool:
        """Print a plan, the `rows` of a `table` before its lines; return whether to go on.

        Without `--yes` the command ends here: well where only the plan was wanted, or where there is `nothing` to do.
        What is `harmless` goes on, unless only the plan was wanted.
        """
        self._plan = plan
        if harmless and not self._dry_run:
            return True
        if self._settings.format == "text":
            write(chain(rows, map(one_line, lines)))
        if self.given and not nothing:
            return True
        print_answer(self._settings, {"plan": plan, "result": None}, ())
        if not self._dry_run and not nothing:
            click.echo("nothing was changed: add --yes to do it", err=True)
            click.get_current_context().exit(REFUSED)
        return False

    def done(self, result: Mapping[str, Any], line: str) -> None:
        """Print what was done."""
        print_answer(self._settings, {"plan": self._plan, "result": result}, (one_line(line),))
