"""Where calls come from: several loops and threads at once, and calls that are cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .backends import Backend, Store
from .samples import chance, said, snapshot

CALLERS = 4
SIZES = (0, 10, 2048, 2049, 70_000)


def at_once(*jobs: Callable[[], Coroutine[Any, Any, Any]]) -> list[Any]:
    """Run each job on a loop and a thread of its own, all of them starting together."""
    start = threading.Barrier(len(jobs), timeout=60)

    def run(job: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        start.wait()
        return asyncio.run(job())

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


async def together(calls: list[Awaitable[Any]]) -> list[Any]:
    """Await all of these at once."""
    return await asyncio.gather(*calls)


def value(writer: int, number: int = 0) -> bytes:
    """Return a value that says who wrote it, in every one of its bytes."""
    return bytes([1 + writer * 10 + number % 10]) * SIZES[(writer + number) % len(SIZES)] or b"-"


def test_every_call_may_come_from_a_new_loop_and_thread(store: Store) -> None:
    """A storage belongs to no loop and no thread: it may be made here, filled there, and read somewhere else."""
    for number in range(5):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(store.write, f"k{number}", value(0, number)).result()
            assert pool.submit(store.read, f"k{number}").result() == value(0, number)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(store.list).result() == [f"k{number}" for number in range(5)]
        pool.submit(store.delete, "k0").result()
    assert store.list() == [f"k{number}" for number in range(1, 5)]


def test_concurrent_writes_through_several_storages(backend: Backend) -> None:
    """The same holds where each thread opens the place for itself, and works in a namespace of it."""

    def writer(caller: int) -> Callable[[], Coroutine[Any, Any, Any]]:
        mine = backend.open().namespace(f"caller-{caller}").storage
        return lambda: together([mine.write(f"k{n}", value(caller, n)) for n in range(10)])

    at_once(*map(writer, range(CALLERS)))

    assert backend.open().contents() == {
        f"caller-{caller}/k{n}": value(caller, n) for caller in range(CALLERS) for n in range(10)
    }


def test_writes_of_one_caller_keep_their_order(store: Store) -> None:
    """What was awaited later is newer: of writes one after the other, the last one stays, whatever others do."""

    async def one_after_the_other(caller: int) -> None:
        for n in range(15):
            await store.storage.write(f"k{caller}", value(caller, n))
            assert await store.storage.read(f"k{caller}") == value(caller, n)

    at_once(*[lambda caller=caller: one_after_the_other(caller) for caller in range(CALLERS)])

    assert store.contents() == {f"k{caller}": value(caller, 14) for caller in range(CALLERS)}


def test_lists_and_searches_run_beside_writes(store: Store) -> None:
    """Whoever lists or searches while others write meets no error, and finds what was there before."""
    store.fill({f"old/{n}": b"tea" for n in range(10)})
    old = {f"old/{n}" for n in range(10)}

    async def write() -> None:
        for n in range(20):
            await store.storage.write(f"new/{n:02}", b"coffee " * (n * 100))
            await store.storage.write("one", b"coffee " * (n * 100))

    async def look() -> None:
        for _ in range(8):
            keys = await store.storage.list("")
            assert keys == sorted(keys)
            assert set(keys) >= old
            assert {result.key for result in await store.storage.search("tea")} == old
            assert {result.key for result in await store.storage.search("old tea coffee")} >= old

    at_once(write, look, look)

    assert store.found("coffee") == {f"new/{n:02}" for n in range(1, 20)} | {"one"}


def test_snapshots_of_many_agents_at_once(store: Store) -> None:
    """Agents that save their latest snapshot and a history side by side read back exactly their own."""
    histories = [[snapshot([said(n + 50 * caller) for n in range(turn)]) for turn in range(8)] for caller in range(3)]

    async def converse(caller: int) -> None:
        for turn, data in enumerate(histories[caller]):
            await together(
                [store.storage.write(f"{caller}/latest", data), store.storage.write(f"{caller}/history/{turn}", data)]
            )
            assert await store.storage.read(f"{caller}/latest") == data

    at_once(*[lambda caller=caller: converse(caller) for caller in range(3)])

    for caller, history in enumerate(histories):
        assert store.read(f"{caller}/latest") == history[-1]
        assert [store.read(f"{caller}/history/{turn}") for turn in range(8)] == history


def test_cancelled_writes_among_others(store: Store) -> None:
    """Cancelling some of many writes leaves each key with a whole value or none, and loses none of the others."""

    async def write_some() -> list[Any]:
        tasks = [asyncio.create_task(store.storage.write(f"k{n:02}", value(1, n))) for n in range(40)]
        await asyncio.sleep(0)
        for task in tasks[1::2]:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    outcomes = asyncio.run(write_some())

    assert outcomes[::2] == [None] * 20
    for n, outcome in enumerate(outcomes):
        assert store.read(f"k{n:02}") in ((value(1, n),) if outcome is None else (None, value(1, n)))


def test_a_cancelled_read_leaves_the_storage_at_work(store: Store) -> None:
    """Calls that read, and a delete, may be cancelled at any moment; the next call is none the worse for it."""
    store.fill({"a": chance(3000), "b": b"tea"})

    async def cancel_all(turns: int) -> None:
        calls = [
            store.storage.read("a"),
            store.storage.list(""),
            store.storage.search("tea"),
            store.storage.delete("-"),
        ]
        tasks = [asyncio.create_task(call) for call in calls]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    for turns in (0, 1, 2, 5, 50):
        asyncio.run(cancel_all(turns))

        assert store.contents() == {"a": chance(3000), "b": b"tea"}
        assert store.found("tea") == {"b"}
