"""Another process that appends to a session all the time, and what it was told is stored."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROGRAM = Path(__file__).with_name("meanwhile_process.py")


class Writer:
    """The other process.

    Attributes:
        stored: The ids of the messages that it was told are stored.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.stored: list[int] = []
        self._process = process
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self.stored.append(int(line))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def write_on(self) -> None:
        """Wait until it has stored two more messages: one of them was begun after this was called."""
        with self._changed:
            wanted = len(self.stored) + 2
            assert self._changed.wait_for(lambda: self._ended or len(self.stored) >= wanted, timeout=60)
            assert not self._ended, "it went on writing"

    def end(self) -> list[int]:
        """Let it come to its end; return the ids of all that it stored."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._thread.join()
        assert self._process.wait(60) == 0
        return self.stored


@contextmanager
def another_process_writes(db: Path, session_id: str) -> Iterator[Writer]:
    """Let another process append to a session until the end of the block, where `end` did not end it before."""
    command = [sys.executable, str(_PROGRAM), str(db), session_id]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        writer = Writer(process)
        try:
            writer.write_on()
            yield writer
        finally:
            writer.end()
