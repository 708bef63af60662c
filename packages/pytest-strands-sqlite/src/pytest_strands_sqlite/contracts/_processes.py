"""Other processes for the contracts: one that has imported the SDK, and forks a worker for each order."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from typing import Any

import pytest

from . import _failures

_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {} import serve; serve()"

_PATIENCE = 120.0
"""Seconds for an answer: the first order waits for the import of the SDK."""


class Workers:
    """Worker processes that open places of a contract; the first order starts the process that they are forked from."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""

    def start(self, *orders: dict[str, Any]) -> None:
        """Start a worker for each order, all at once."""
        if not hasattr(os, "fork"):
            pytest.skip(_failures.cannot_fork())
        if self._process is None:
            program = _START.format(f"{__package__}._worker")
            command = [sys.executable, "-c", program, json.dumps(sys.path)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - own
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        self._process.stdin.write(json.dumps(orders).encode() + b"\n")
        self._process.stdin.flush()

    def report(self) -> dict[str, Any]:
        """Return the next report of a worker, or its end."""
        assert self._process is not None  # noqa: S101 - a worker was started
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._process.stdout], [], [], _PATIENCE)
            chunk = os.read(self._process.stdout.fileno(), 65_536) if ready else b""
            if not chunk:
                raise RuntimeError(_failures.has_ended() if ready else _failures.said_nothing(_PATIENCE))
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def until_exit(self, workers: int = 1) -> list[dict[str, Any]]:
        """Return every report up to the end of that many workers.

        Raises:
            RuntimeError: A worker met an exception; this is its traceback.
        """
        reports = []
        while workers:
            found = self.report()
            if "exit" in found:
                workers -= 1
            else:
                reports.append(found)
        for found in reports:
            if "error" in found:
                raise RuntimeError(_failures.in_another_process(found["error"]))
        return reports

    def run(self, *orders: dict[str, Any]) -> list[dict[str, Any]]:
        """Run a worker for each order, all at once, and return what they reported."""
        self.start(*orders)
        return self.until_exit(len(orders))

    def kill_after(self, acknowledged: int, order: dict[str, Any]) -> list[dict[str, Any]]:
        """Run a worker, kill it once it has acknowledged so many writes, and return all that it acknowledged.

        Raises:
            RuntimeError: The worker met an exception before it was killed, or came to its end.
        """
        self.start(order)
        reports = [self.report()]
        while len(reports) < acknowledged and not {"error", "exit"} & reports[-1].keys():
            reports.append(self.report())
        last = reports[-1]
        if "exit" in last:
            raise RuntimeError(_failures.ended_early())
        if "error" not in last:
            os.kill(last["worker"], signal.SIGKILL)
        later = self.until_exit()
        if "error" in last:
            raise RuntimeError(_failures.in_another_process(last["error"]))
        return reports + later

    def close(self) -> None:
        """End the process that workers are forked from."""
        if self._process is not None:
            with self._process:
                assert self._process.stdin is not None  # noqa: S101 - it was asked for
                self._process.stdin.close()
            self._process = None


_WORKERS = pytest.StashKey[Workers]()


def workers_of(config: pytest.Config) -> Workers:
    """Return the workers of a test run; they end with it."""
    if _WORKERS not in config.stash:
        config.stash[_WORKERS] = Workers()
        config.add_cleanup(config.stash[_WORKERS].close)
    return config.stash[_WORKERS]
