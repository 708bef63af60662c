"""A crew of worker processes for the tests of this folder."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Crew:
    """Worker processes that run the tasks of `crew.py`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._unread = b""

    def send(self, *orders: dict[str, Any]) -> None:
        """Start one worker for each order, all at once."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(orders).encode() + b"\n")
        self._process.stdin.flush()

    def line(self, seconds: float | None = None) -> dict[str, Any] | None:
        """Return the next report; None when there is none within `seconds`."""
        assert self._process.stdout is not None
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._process.stdout], [], [], seconds)
            if not ready:
                return None
            chunk = self._process.stdout.read1(65536)  # type: ignore[attr-defined]  # Popen opens a buffered reader
            assert chunk, "the crew has gone"
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def until_exit(self, workers: int = 1) -> list[dict[str, Any]]:
        """Return every report up to the end of that many workers, the ends left out."""
        reports = []
        while workers:
            found = self.line()
            assert found is not None
            if "exit" in found:
                workers -= 1
            else:
                reports.append(found)
        return reports

    def run(self, *orders: dict[str, Any]) -> list[dict[str, Any]]:
        """Run one worker for each order, all at once; return what they reported."""
        self.send(*orders)
        return self.until_exit(len(orders))


@pytest.fixture(scope="session")
def crew() -> Iterator[Crew]:
    """A crew that lives as long as the test run."""
    program = Path(__file__).with_name("crew.py")
    with subprocess.Popen([sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Crew(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0
