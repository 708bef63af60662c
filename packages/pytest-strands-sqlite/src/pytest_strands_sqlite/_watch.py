"""Watches which databases tests open: those of the user are refused, and those that are not closed are named."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from . import _failures
from ._sdk import GUARDS, is_open

_PLUGIN = "pytest_strands_sqlite"
_BETWEEN = (_PLUGIN, "strands_sqlite_session_manager", "strands.")


class LeakedSessionWarning(pytest.PytestWarning):
    """A test opened a database and did not close it."""

    __module__ = _PLUGIN


class Watch:
    """Is asked before each database is opened or shared."""

    def __init__(self, real: Iterable[str]) -> None:
        """Refuse the files `real`."""
        self._real = {file for file in map(_file_of, real) if file is not None}
        self._blocks: list[list[tuple[dict[str, Any], str, str]]] = []

    def __call__(self, path: str, user: object) -> None:
        """Refuse a database of the user, and remember who opened another one, and where.

        Raises:
            pytest.fail.Exception: It is one of the user.
        """
        if self._real and _file_of(path) in self._real:
            pytest.fail(_failures.real_database(path), pytrace=False)
        blocks = self._blocks  # another thread may begin or end one
        place = _caller() if blocks else None
        if place is not None:
            blocks[-1].append((vars(user), path, place))

    @contextmanager
    def leaks(self) -> Iterator[None]:
        """Warn at the end of the block of what was opened in it and not closed."""
        opened: list[tuple[dict[str, Any], str, str]] = []
        self._blocks = [*self._blocks, opened]
        try:
            yield
        finally:
            self._blocks = [block for block in self._blocks if block is not opened]
            left = [(path, place) for state, path, place in opened if is_open(state)]
            if left:
                file, _, line = left[0][1].rpartition(":")
                warnings.warn_explicit(LeakedSessionWarning(_failures.leaked(left)), None, file, int(line))

    def stop(self) -> None:
        """Watch no more."""
        if self in GUARDS:
            GUARDS.remove(self)


def start(real: Iterable[str | os.PathLike[str] | None]) -> Watch:
    """Watch from now on; the files `real` are refused."""
    watch = Watch([os.fspath(path) for path in real if path])
    GUARDS.append(watch)
    return watch


def _file_of(path: str) -> str | None:
    """Return the file that a `db_path` leads to, or None where it is in memory."""
    if path == ":memory:":
        return None
    if path.startswith("file:"):
        from urllib.parse import unquote  # noqa: PLC0415 - seldom needed, and not worth the time at the start of a run

        name = path.removeprefix("file:").partition("?")[0].partition("#")[0]
        if name.startswith("//"):
            name = "/" + name[2:].partition("/")[2]
        path = unquote(name)
    try:
        return os.path.realpath(Path(path).expanduser())
    except ValueError:  # no file has such a name, as whoever opens it will say
        return None


def _caller() -> str | None:
    """Return file and line of the code that opens the database, or None where it is this package, which closes it."""
    frame = sys._getframe(2)  # noqa: SLF001 - cheaper than a traceback, for something that is seldom shown
    last = ""
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_BETWEEN):
        last = frame.f_globals["__name__"]
        frame = frame.f_back
    return None if last.startswith(_PLUGIN) else f"{frame.f_code.co_filename}:{frame.f_lineno}"
