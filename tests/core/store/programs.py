"""How tests run the tasks of `caring.py` in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]


@contextmanager
def program(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a task of `caring.py`, killed at the end of the block where it still runs."""
    command = [sys.executable, "-m", "tests.core.store.caring", *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> object:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())
