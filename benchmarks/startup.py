"""The measurements of what it costs to begin: the import, and a second manager on an open file."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks import material
from benchmarks.adapters import FILE, FLOOR, OPENERS, OURS
from benchmarks.measure import Result, Series, Subject, interleave, timed
from benchmarks.scale import Scale

_SESSION = "session"
_BATCH = 20

_PROBE = """
from time import perf_counter
import strands.session
begin = perf_counter()
import apsw
middle = perf_counter()
from strands_sqlite_session_manager import SQLiteSessionManager
print(middle - begin, perf_counter() - begin)
"""


def second_manager(folder: Path, scale: Scale) -> Result:
    """Measure the constructor of a manager in a process that has the file open."""
    names = (OURS, FLOOR, FILE)
    with ExitStack() as stack:
        for name in names:
            first = stack.enter_context(OPENERS[name](folder, _SESSION, "full"))
            material.create_agent(first.session_repository, _SESSION)
        subjects = [Subject(name, partial(_construct, folder, name), _BATCH) for name in names]
        series = interleave(subjects, scale.open_rounds)
    title = "construct a second manager on an open file, for a session that exists"
    return Result("second-manager", title, "seconds", series, notes=["the floor opens a connection of its own"])


def _construct(folder: Path, name: str) -> float:
    with ExitStack() as stack:
        return timed(lambda: stack.enter_context(OPENERS[name](folder, _SESSION, "full")))


def import_time(folder: Path, scale: Scale) -> Result:
    """Measure what the package adds to `import strands.session`, in interpreters of their own."""
    runs = [_probe(folder) for _ in range(scale.import_runs + 1)][1:]  # the first compiles, as an installation does
    series = [
        Series("import apsw", tuple((apsw,) for apsw, _ in runs)),
        Series("import SQLiteSessionManager", tuple((package,) for _, package in runs)),
    ]
    title = "import, after `import strands.session`, everything compiled"
    return Result("import", title, "seconds", series, notes=["the import of apsw is part of the package's"])


def _probe(folder: Path) -> tuple[float, float]:
    """Return the seconds of apsw, and of the package with it, in a new interpreter with its bytecode in `folder`."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", _PROBE]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603 - our own code
    apsw, package = done.stdout.split()
    return float(apsw), float(package)
