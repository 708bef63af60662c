"""How far a command has come, on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from ._settings import Settings

Update = Callable[[int, int], None]


def steps(update: Update | None) -> Callable[[Any], None] | None:
    """Return what takes steps that say themselves how much is done; None where nobody looks."""
    return None if update is None else lambda step: update(step.done, step.total)


_STEP = 10
"""Plain lines follow each other after so many percent."""


@contextmanager
def progress(settings: Settings, what: str) -> Iterator[Update | None]:
    """Give the block a function to call with how much is done of how much; None where nobody looks.

    A terminal gets a bar, if rich is installed; else there are lines.
    """
    wanted = sys.stderr.isatty() if settings.progress is None else settings.progress
    if not wanted:
        yield None
        return
    shown = _Bar(what) if _draws(settings) else _Lines(what)
    try:
        yield shown.update
    finally:
        shown.close()


def _draws(settings: Settings) -> bool:
    plain = settings.plain or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stderr.isatty() and not plain


class _Lines:
    """Lines, some percent apart."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._next = 0

    def update(self, done: int, total: int) -> None:
        percent = 100 * done // total if total else 100
        if percent >= self._next or done == total:
            click.echo(f"{self._what}: {done:,} of {total:,}", err=True)
            self._next = percent - percent % _STEP + _STEP if done < total else 101

    def close(self) -> None:
        """Leave the lines where they are."""


class _Bar:
    """A bar that rich draws; it appears with the first step of something that is not done at once."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown: Any = None
        self._task: Any = None

    def update(self, done: int, total: int) -> None:
        if self._shown is None:
            if done >= total:
                return
            self._shown = self._start(total)
        self._shown.update(self._task, completed=done, total=total)

    def _start(self, total: int) -> Any:
        try:
            from rich import progress as bars  # noqa: PLC0415 - costs as much as the rest of a short command
            from rich.console import Console  # noqa: PLC0415 - as above
        except ModuleNotFoundError:
            return _LinesAsBar(self._what)
        columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.TaskProgressColumn())
        shown = bars.Progress(*columns, bars.TimeRemainingColumn(), console=Console(stderr=True), transient=True)
        shown.start()
        self._task = shown.add_task(self._what, total=total)
        return shown

    def close(self) -> None:
        if self._shown is not None:
            self._shown.stop()


class _LinesAsBar:
    """Lines where a bar was wanted and rich is missing."""

    def __init__(self, what: str) -> None:
        self._lines = _Lines(what)

    def update(self, _: object, *, completed: int, total: int) -> None:
        self._lines.update(completed, total)

    def stop(self) -> None:
        """Leave the lines where they are."""
