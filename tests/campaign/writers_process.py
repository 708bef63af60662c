"""A program that forks the processes of the campaign of many writers, as `tests/core/processes/crew.py` does its own.

A line of JSON on standard input names the workers to start; each reports once, when it is done.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from strands_sqlite_session_manager import SessionStore, SQLiteStorage
from tests.core.processes.reporting import report

from . import readings
from .board import Board
from .interrupted import interrupt
from .planted_writers import PLANTS
from .writers import AgentWriter, Keeper, LogWriter, ObjectWriter, together

LOGS, AGENTS, STORAGES, KEYS = 2, 3, 2, 3


def names_of(processes: int) -> list[str]:
    """Return the names of everything that so many processes write."""
    return [name for process in range(processes) for name in _names(process)]


def _names(process: int) -> list[str]:
    return [
        *(f"log-{process}-{number}" for number in range(LOGS)),
        *(f"agent-{process}-{number}" for number in range(AGENTS)),
        f"notes-{process}",
        *(name for number in range(STORAGES) for name in _keys(process, number)),
    ]


def _keys(process: int, number: int) -> list[str]:
    own = f"writer-{process}-{number}"
    return [own, *(f"session/{own}/snapshot-{key}" for key in range(KEYS))]


class Worker:
    """One process: threads with managers, loops with agents and storages, a keeper, and one that looks at everything.

    Attributes:
        failures: What went wrong, as tracebacks.
        rounds: How many rounds there were of each kind.
    """

    def __init__(self, db: str, board: str, process: int, processes: int, seconds: float) -> None:
        self._db, self._process = db, process
        self._board = Board(Path(board), names_of(processes))
        self._until = time.monotonic() + seconds
        self._lock = threading.Lock()
        self.failures: list[str] = []
        self.rounds: Counter[str] = Counter()

    def stop(self) -> None:
        """Let everybody come to an end."""
        self._until = 0

    def run(self) -> None:
        """Work until the time is over."""
        work: list[Callable[[], None]] = [
            *(lambda number=number: self._talk(number) for number in range(LOGS)),  # type: ignore[misc]
            self._run_agents,
            self._run_storages,
            self._keep,
            self._observe,
        ]
        threads = [threading.Thread(target=self._guarded, args=(each,)) for each in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException:  # noqa: BLE001 - the test must hear of it
            self.failures.append(traceback.format_exc())

    def _goes_on(self) -> bool:
        return time.monotonic() < self._until and not self.failures

    def _turns(self) -> Iterator[None]:
        """Give one turn after the other until the time is over, at least one."""
        yield
        while self._goes_on():
            yield

    def _chance(self, kind: str) -> random.Random:
        return random.Random(f"{kind} {self._process}")

    def _count(self, kind: str, rounds: int = 1) -> None:
        with self._lock:
            self.rounds[kind] += rounds

    def _talk(self, number: int) -> None:
        writer = LogWriter(self._board, f"log-{self._process}-{number}", self._db, self._chance(f"log {number}"))
        for _ in self._turns():
            writer.round()
            self._count("log")
        writer.close()

    def _run_agents(self) -> None:
        names = [f"agent-{self._process}-{number}" for number in range(AGENTS)]
        writers = [AgentWriter(self._board, name, self._db, self._chance(name)) for name in names]
        self._count("agent", asyncio.run(together([writer.round for writer in writers], self._goes_on)))
        for writer in writers:
            writer.close()

    def _run_storages(self) -> None:
        with SQLiteStorage(self._db) as storage:
            writers = [
                ObjectWriter(self._board, _keys(self._process, number), storage, self._chance(f"storage {number}"))
                for number in range(STORAGES)
            ]
            self._count("object", asyncio.run(together([writer.round for writer in writers], self._goes_on)))

    def _keep(self) -> None:
        keeper = Keeper(self._board, f"notes-{self._process}", self._db, self._chance("keeper"))
        for _ in self._turns():
            keeper.round()
            self._count("keeper")
        keeper.close()

    def _observe(self) -> None:
        """Read what anybody writes, now through a store that may write, now through one that may not."""
        chance = self._chance("observer")
        SessionStore(self._db).close()  # the file is there from here on
        with SQLiteStorage(self._db) as storage:
            for _turn in self._turns():
                with SessionStore(self._db, read_only=chance.random() < 0.5) as store:
                    for _ in range(20):
                        self._look(chance, store, storage)

    def _look(self, chance: random.Random, store: SessionStore, storage: SQLiteStorage) -> None:
        board, name = self._board, chance.choice(self._board.names)
        if name.startswith("log"):
            chance.choice([readings.read_log, readings.read_log, readings.search_log])(board, name, store)
        elif name.startswith("agent"):
            readings.read_agents_moment(board, name, store)
        elif name.startswith("session/"):
            readings.read_object(board, name, storage)
        elif name.startswith("notes"):
            readings.read_title(board, name, store)
        else:
            readings.read_list(board, store)
        self._count("observer")


def _interrupt(worker: Worker, db: Path, interrupts: int) -> Counter[str]:
    """Interrupt a caller on the main thread, who is alone at first, then beside those of `worker`, in peace."""
    tried = Counter(interrupt(db, interrupts, "alone"))
    others = threading.Thread(target=worker.run)
    others.start()
    try:
        return tried + Counter(interrupt(db, interrupts // 10, "among others"))
    finally:
        worker.stop()
        others.join()


def start(order: dict[str, Any]) -> None:
    if os.fork() == 0:
        try:
            if (plant := order.pop("plant", None)) is not None:
                PLANTS[plant](pytest.MonkeyPatch())  # it ends with the process
            interrupts = order.pop("interrupts", 0)
            worker = Worker(**order)
            tried = _interrupt(worker, Path(order["db"]), interrupts) if interrupts else worker.run()
            failed = [failure[-1500:] for failure in worker.failures[:2]]
            report(rounds=worker.rounds, tried=tried, failed=failed)
        except BaseException:  # noqa: BLE001 - the test must hear of it
            report(rounds={}, tried={}, failed=[traceback.format_exc()])
        finally:
            os._exit(0)


def main() -> None:
    """Fork the workers of each line, all of them before the first is waited for; then report their ends."""
    for line in sys.stdin:
        orders = json.loads(line)
        for order in orders:
            start(order)
        for _ in orders:
            pid, status = os.wait()
            os.write(1, (json.dumps({"worker": pid, "exit": status}) + "\n").encode())


if __name__ == "__main__":
    main()
