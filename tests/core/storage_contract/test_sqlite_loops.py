"""Event loops, **ours**: no call holds one up, whatever it waits for; a cancelled write ends one way or the other."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from strands_sqlite_session_manager import SQLiteStorage
from tests.core.database.faults import FaultyVFS

from .backends import SQLiteBackend, Store
from .samples import chance

PATIENCE = 20.0
"""Seconds after which a call that should be waited for gives up, and the test fails."""

TURNS = 500
"""Turns of the loop in which other tasks run while a call waits."""

LOCKER = """
import sys, apsw
connection = apsw.Connection(sys.argv[1])
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
print("unlocked", flush=True)
"""

Call = Callable[[SQLiteStorage], Any]

WAITING: dict[str, Call] = {
    "write": lambda storage: storage.write("new", b"tea"),
    "write-large": lambda storage: storage.write("large", chance(150_000, 2)),
    "delete": lambda storage: storage.delete("small"),
    "search": lambda storage: storage.search("tea"),
    "namespace": lambda storage: storage.namespace("in").write("a", b"tea"),
}
"""Calls that need the lock of the file."""

GOING_ON: dict[str, Call] = {
    "read": lambda storage: storage.read("small"),
    "read-large": lambda storage: storage.read("large"),
    "list": lambda storage: storage.list(""),
}
"""Calls that do not."""


@pytest.fixture
def store(sqlite: SQLiteBackend) -> Store:
    """A storage with a little in it, patient with locks."""
    store = sqlite.open(busy_timeout=PATIENCE)
    store.fill({"small": b"tea", "large": chance(150_000)})
    return store


async def turn() -> None:
    """Let the other tasks of the loop have their turns."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


@pytest.mark.parametrize("name", WAITING)
def test_sqlite_loop_goes_on_while_a_call_waits_for_a_lock(sqlite: SQLiteBackend, store: Store, name: str) -> None:
    """While a call waits for a foreign lock, the other tasks of its loop run, and then one of them gives the lock up.

    Were the loop held up, the call would have ended, with an error, before the others had their first turn.
    """
    foreign = sqlite.foreign()

    async def main() -> None:
        call = asyncio.create_task(WAITING[name](store.storage))
        others = asyncio.create_task(turn())
        await others
        assert not call.done()
        foreign.execute("COMMIT")
        await call

    foreign.execute("BEGIN IMMEDIATE")
    asyncio.run(main())

    expected = {"write": {"new", "small"}, "delete": set(), "namespace": {"in/a", "small"}}
    assert store.found("tea") == expected.get(name, {"small"})


@contextmanager
def locked_elsewhere(path: Path) -> Iterator[Callable[[], None]]:
    """Have another process hold the lock of a file; give the function that makes it let go."""
    command = [sys.executable, "-c", LOCKER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        told: IO[str] | None = process.stdout
        assert told is not None
        assert told.readline() == "locked\n"

        def unlock() -> None:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()

        yield unlock
        assert told.readline() == "unlocked\n"


def test_sqlite_loop_goes_on_while_another_process_writes(sqlite: SQLiteBackend, store: Store) -> None:
    """While another process holds the lock, all that need it wait, all that do not are served, and tasks run."""

    async def main(unlock: Callable[[], None]) -> None:
        waiting = [asyncio.create_task(call(store.storage)) for call in WAITING.values()]
        await turn()
        for call in GOING_ON.values():
            assert await call(store.storage)
        assert [task.done() for task in waiting] == [False] * len(waiting)
        unlock()
        await asyncio.gather(*waiting)

    with locked_elsewhere(sqlite.path) as unlock:
        asyncio.run(main(unlock))

    assert store.list() == ["in/a", "large", "new"]
    assert store.read("large") == chance(150_000, 2)


@pytest.mark.parametrize("name", ["write", "write-large", "delete", "search", "namespace"])
def test_sqlite_loop_goes_on_while_the_disk_is_slow(tmp_path: Path, vfs: FaultyVFS, name: str) -> None:
    """While a commit waits for the disk, other tasks of the loop run: the disk waits for one of them."""
    reached, ran_meanwhile = threading.Event(), threading.Event()
    outcomes: list[bool] = []

    def slow(method: str, _file: str) -> None:
        if method == "sync" and not reached.is_set():
            reached.set()
            outcomes.append(ran_meanwhile.wait(PATIENCE))

    async def others() -> None:
        await asyncio.to_thread(reached.wait, PATIENCE)
        ran_meanwhile.set()

    async def main(storage: SQLiteStorage) -> None:
        await asyncio.gather(WAITING[name](storage), others())

    with SQLiteStorage(vfs.uri(tmp_path / "storage.db")) as storage:
        Store(storage).fill({"small": b"tea", "large": chance(150_000)})
        vfs.fault = slow
        asyncio.run(main(storage))
        vfs.fault = None

    assert outcomes == [True], "the loop stood still during the sync"


def test_sqlite_one_loop_does_not_wait_for_another(sqlite: SQLiteBackend, store: Store) -> None:
    """While one loop's write waits, calls of another loop that need no lock are served."""
    foreign = sqlite.foreign()
    served = threading.Event()

    async def waits() -> None:
        write = asyncio.create_task(store.storage.write("new", b"1"))
        assert await asyncio.to_thread(served.wait, PATIENCE)
        assert not write.done()
        foreign.execute("COMMIT")
        await write

    async def goes_on() -> None:
        for call in GOING_ON.values():
            assert await call(store.storage)
        served.set()

    foreign.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(asyncio.run, waits()), pool.submit(asyncio.run, goes_on())]
        assert [job.result() for job in jobs] == [None, None]

    assert store.read("new") == b"1"


@pytest.mark.parametrize("size", [3, 150_000])
def test_sqlite_write_cancelled_while_it_waits_for_a_lock(sqlite: SQLiteBackend, store: Store, size: int) -> None:
    """A write that is cancelled while it waits is there or not, for good: it comes after nothing written later."""
    foreign, old, new = sqlite.foreign(), chance(size, 3), chance(size, 4)
    store.write("k", old)

    async def main() -> bytes | None:
        write = asyncio.create_task(store.storage.write("k", new))
        await turn()
        write.cancel()
        await turn()
        foreign.execute("COMMIT")
        with pytest.raises(asyncio.CancelledError):
            await write
        found: bytes | None = await store.storage.read("k")
        await store.storage.write("k", b"next")
        return found

    foreign.execute("BEGIN IMMEDIATE")
    assert asyncio.run(main()) in (old, new)

    assert store.read("k") == sqlite.open().read("k") == b"next"
    store.write("k", old)
    assert store.read("k") == old


@pytest.mark.parametrize("name", ["write", "write-large", "delete"])
@pytest.mark.parametrize("method", ["write", "sync"])
def test_sqlite_write_cancelled_while_it_is_committed(tmp_path: Path, vfs: FaultyVFS, method: str, name: str) -> None:
    """A write that is cancelled in the middle of its commit is there or not, whole, and the next one works."""
    reached, may_go_on = threading.Event(), threading.Event()

    def slow(called: str, _file: str) -> None:
        if called == method and not reached.is_set():
            reached.set()
            may_go_on.wait(PATIENCE)

    async def main(storage: SQLiteStorage) -> None:
        call = asyncio.create_task(WAITING[name](storage))
        assert await asyncio.to_thread(reached.wait, PATIENCE)
        call.cancel()
        await turn()
        may_go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await call

    before = {"small": b"tea", "large": chance(150_000)}
    after = {
        "write": before | {"new": b"tea"},
        "write-large": before | {"large": chance(150_000, 2)},
        "delete": {"large": chance(150_000)},
    }[name]
    with SQLiteStorage(vfs.uri(tmp_path / "storage.db")) as storage:
        store = Store(storage)
        store.fill(before)
        vfs.fault = slow
        asyncio.run(main(storage))
        vfs.fault = None

        assert store.contents() in (before, after)
        store.write("large", chance(150_001, 5))
        assert store.read("large") == chance(150_001, 5)


def test_sqlite_buffer_changed_while_its_write_waits(sqlite: SQLiteBackend, store: Store) -> None:
    """What is stored is what the buffer held when the write began, not what became of it while it waited."""
    foreign, buffers = sqlite.foreign(), [bytearray(b"tea"), bytearray(chance(150_000))]

    async def main() -> None:
        writes = [asyncio.create_task(store.storage.write(f"k{n}", buffer)) for n, buffer in enumerate(buffers)]
        await turn()
        for buffer in buffers:
            buffer[:] = bytes(len(buffer))
        foreign.execute("COMMIT")
        await asyncio.gather(*writes)

    foreign.execute("BEGIN IMMEDIATE")
    asyncio.run(main())

    assert store.read("k0") == b"tea"
    assert store.read("k1") == chance(150_000)


def test_sqlite_search_misses_nothing_that_is_being_overwritten(sqlite: SQLiteBackend, store: Store) -> None:
    """A value that has a word before and after is found by it at every moment, however often it is written anew."""
    other, stop = sqlite.open(), threading.Event()
    names = {"a", "b/c", "large", "small"}

    async def write() -> int:
        count = 0
        while not stop.is_set():
            count += 1
            await other.storage.write(sorted(names)[count % 4], b"tea number %d " % count * (1 + count % 300))
        return count

    async def look() -> list[set[str]]:
        missed = []
        for _ in range(150):
            found = {result.key for result in await store.storage.search("tea")}
            if found != names:
                missed.append(names - found)
        return missed

    store.fill(dict.fromkeys(names, b"tea"))
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(asyncio.run, write())
        try:
            missed = asyncio.run(look())
        finally:
            stop.set()
        assert writer.result() > 0

    assert missed == []
