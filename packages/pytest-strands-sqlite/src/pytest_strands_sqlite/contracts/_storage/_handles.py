"""Several that use one place at once, here and in other processes."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pytest_strands_sqlite.contracts._capabilities import StorageCapability, needs
from pytest_strands_sqlite.contracts._sdk import is_marked_ephemeral

from ._base import StorageSection, contents, fill, read, write

_SIZE = 20_000


class Handles(StorageSection):
    """Two handles, any event loop and thread, two processes, kill -9."""

    def test_a_second_handle_sees_every_write_of_the_first(self, place: Path) -> None:
        """What one has stored the other reads at once, though both were open before."""
        one, two = self._handle(place), self._handle(place)
        seen = []
        for value in (b"1", b"2", b"3"):
            write(one, "a", value)
            seen.append(read(two, "a"))

        self._expect("show each value to the other handle at once", seen, [b"1", b"2", b"3"])

    def test_calls_at_once_on_one_loop(self, place: Path) -> None:
        """A hundred writes under way at once are all there, and a hundred reads too."""
        storage = self._handle(place)
        values = {f"key-{number:03}": str(number).encode() for number in range(100)}

        async def at_once() -> list[bytes]:
            await asyncio.gather(*(storage.write(key, data) for key, data in values.items()))
            return list(await asyncio.gather(*(storage.read(key) for key in values)))

        self._expect("hold every value that was written at once", asyncio.run(at_once()), list(values.values()))

    def test_threads_write_at_once(self, place: Path) -> None:
        """Calls may come from any thread and event loop, through one handle or several, and none is lost."""
        handles = [self._handle(place), self._handle(place)]

        def put(number: int) -> None:
            fill(handles[number % 2], {f"{number}-{turn}": f"{number} {turn}".encode() for turn in range(8)})

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(put, range(4)))

        expected = {f"{number}-{turn}": f"{number} {turn}".encode() for number in range(4) for turn in range(8)}
        self._expect("hold what each thread wrote", contents(handles[0]), expected)

    def test_writes_of_one_key_at_once_leave_one_whole_value(self, place: Path) -> None:
        """Of several values that are written to one key at once one is there, whole, and meanwhile too."""
        storage, done = self._handle(place), threading.Event()
        values = [str(number).encode() * _SIZE for number in range(8)]
        write(storage, "a", values[0])

        def read_on() -> set[bytes | None]:
            seen = {read(storage, "a")}
            while not done.is_set():
                seen.add(read(storage, "a"))
            return seen

        with ThreadPoolExecutor(5) as pool:
            reader = pool.submit(read_on)
            try:
                list(pool.map(lambda value: write(storage, "a", value), values))
            finally:
                done.set()
            seen = reader.result()

        self._expect("show one of the values, whole, at any time", seen - set(values), set())
        self._expect("hold one of the values, whole", read(storage, "a") in values, expected=True)

    def test_deletions_at_once_leave_the_others(self, place: Path) -> None:
        """Many deletions at once, some of one key, with writes beside them: what was deleted is gone, no more."""
        storage = self._filled(place, {f"old-{number:02}": b"1" for number in range(60)})

        async def at_once() -> None:
            deletions = [storage.delete(f"old-{number:02}") for start in (0, 20) for number in range(start, start + 30)]
            await asyncio.gather(*deletions, *(storage.write(f"new-{number}", b"2") for number in range(9)))

        asyncio.run(at_once())

        expected = [*(f"new-{number}" for number in range(9)), *(f"old-{number}" for number in range(50, 60))]
        self._expect("keep what was not deleted", sorted(contents(storage)), expected)

    def test_a_cancelled_write_is_whole_or_not_there(self, place: Path) -> None:
        """Whenever a write is cancelled, its key has the old value or the new one; what is written next stays."""
        storage, old, new = self._handle(place), b"old" * _SIZE, b"new!" * _SIZE

        async def cancelled(turns: int) -> tuple[bool, bytes | None]:
            task = asyncio.create_task(storage.write("a", new))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            outcomes: list[object] = await asyncio.gather(task, return_exceptions=True)
            return outcomes == [None], await storage.read("a")

        for turns in (0, 1, 3, 200):
            write(storage, "a", old)
            finished, found = asyncio.run(cancelled(turns))
            wish = "have stored a write that returned" if finished else "hold the old value or the new one"
            self._expect(wish, found in ((new,) if finished else (old, new)), expected=True)
            write(storage, "a", b"next")
            self._expect("hold what was written next", read(storage, "a"), b"next")

    @needs(StorageCapability.OTHER_PROCESSES)
    def test_another_process_sees_what_was_stored(self, place: Path) -> None:
        """Another process reads what was written here while the place is open, and the other way round."""
        storage: Any = self._filled(place, {"from-here": b"tea"})

        reports = self._workers.run(self._order(place, "read"))
        self._expect("show its values to another process", reports[0]["values"], {"from-here": "tea"})
        self._expect("not be marked as ephemeral", bool(is_marked_ephemeral(storage)), expected=False)

        self._workers.run(self._order(place, "write", prefix="there", count=1, size=3))
        found = contents(storage)
        self._expect("show the value of another process", found, {"from-here": b"tea", "there-000000": b"000"})

    @needs(StorageCapability.OTHER_PROCESSES)
    def test_two_processes_write_at_once(self, place: Path) -> None:
        """Two processes that write at the same moment lose nothing."""
        self._workers.run(
            *(self._order(place, "write", prefix=prefix, count=15, size=100) for prefix in ("one", "two"))
        )

        found = contents(self._handle(place))

        expected = {f"{prefix}-{number:06}": _value(number, 100) for prefix in ("one", "two") for number in range(15)}
        self._expect("hold what both processes wrote", found, expected)

    @needs(StorageCapability.OTHER_PROCESSES)
    def test_a_killed_process_loses_nothing_it_acknowledged(self, place: Path) -> None:
        """After kill -9 every value whose write had returned is there, and none is there in part."""
        for turn, acknowledged in enumerate((1, 6, 13)):
            order = self._order(place, "write", prefix=f"turn{turn}", count=100_000, size=_SIZE)
            reports = self._workers.kill_after(acknowledged, order)
            found = {key: data for key, data in contents(self._reopened(place)).items() if f"turn{turn}-" in key}
            lost = [report["stored"] for report in reports if f"turn{turn}-{report['stored']:06}" not in found]
            self._expect("hold every acknowledged value", lost, [])
            torn = [key for key, data in found.items() if data != _value(int(key[-6:]), _SIZE)]
            self._expect("hold no value in part", torn, [])

    def _order(self, place: Path, task: str, **more: Any) -> dict[str, Any]:
        return {"factory": self._factory, "task": f"storage_{task}", "place": str(place), **more}


def _value(number: int, size: int) -> bytes:
    return str(number % 10).encode() * size
