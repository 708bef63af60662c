"""Runs of the race one after the other, each in a new process."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from benchmarks.race.contest import Contestant
from benchmarks.race.rows import Run
from benchmarks.race.run import run
from benchmarks.race.sizes import Sizes


def in_turn(
    folder: Path, sizes: Sizes, names: Sequence[str], contestants: Sequence[Contestant], number: int
) -> Iterator[dict[str, Any]]:
    """Yield what each of `number` runs found; they share nothing but the largest files."""
    for each in range(number):
        if number > 1:
            print(f"\n--- run {each + 1} of {number} ---", flush=True)
        place = Path(mkdtemp(dir=folder, prefix=f"run-{each}-"))
        yield _in_new_process(place, sizes, names, contestants, Run(each, number, folder / "kept"))


def leave_at_signals() -> None:
    """Let the first signal to end this process raise `SystemExit`, and none disturb what is cleaned up then."""
    kinds = [getattr(signal, name) for name in ("SIGHUP", "SIGINT", "SIGTERM") if hasattr(signal, name)]

    def leave(number: int, _: object) -> None:
        for kind in kinds:
            signal.signal(kind, signal.SIG_IGN)
        sys.exit(128 + number)

    for kind in kinds:
        signal.signal(kind, leave)


def _in_new_process(*arguments: Any) -> dict[str, Any]:
    """Run the race in a process that ends with it, or with this one."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, *arguments))
    process.start()
    sender.close()
    try:
        found: dict[str, Any] = receiver.recv()
    except (EOFError, OSError) as error:
        process.join()
        message = f"a run ended with exit code {process.exitcode} before it had its figures"
        raise RuntimeError(message) from error
    finally:
        process.terminate()
        process.join()
    return found


def _answer(sender: Connection, *arguments: Any) -> None:
    leave_at_signals()  # so that servers end with the run
    sender.send(run(*arguments))
