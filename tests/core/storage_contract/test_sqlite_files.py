"""One file, **ours**: several storages, session managers and processes on it at once, opened and closed at will."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from strands.types.content import Message
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import DatabaseClosedError, SQLiteSessionManager, SQLiteStorage

from .backends import SQLiteBackend, Store
from .samples import chance, conversation, said, snapshot

OTHER_PROCESS = """
import asyncio, sys
from strands_sqlite_session_manager import SQLiteStorage

async def use(storage, versions):
    latest = await storage.read("s/latest")
    assert latest == versions[0], latest
    assert await storage.list("s/") == ["s/latest", "s/new"], await storage.list("s/")
    assert [found.key for found in await storage.search("watermelon")] == ["s/new"]
    await storage.write("s/latest", versions[1])
    await storage.delete("s/new")
    await storage.write("s/theirs", b"pineapple")

with SQLiteStorage(sys.argv[1]) as storage:
    asyncio.run(use(storage, [bytes.fromhex(value) for value in sys.stdin.read().split()]))
print("done")
"""


def message(number: int) -> SessionMessage:
    """Return one message of a message-log session."""
    found: Message = said(number)
    return SessionMessage(found, number)


def texts(manager: SQLiteSessionManager) -> list[str]:
    """Return what a session holds."""
    return [found.message["content"][0]["text"] for found in manager.list_messages("s", "a")]


def test_sqlite_storages_on_one_file_see_each_others_writes(sqlite: SQLiteBackend) -> None:
    """What one of them wrote, overwrote or deleted, the next one reads, lists and finds."""
    stores = [sqlite.open() for _ in range(3)]
    for number in range(9):
        writer, reader = stores[number % 3], stores[(number + 1) % 3]
        writer.write("k", f"tea{number}".encode() * 2000)
        writer.write(f"k{number}", b"mine")

        assert reader.read("k") == f"tea{number}".encode() * 2000
        assert reader.list() == ["k", f"k{number}"]
        assert reader.found("mine") == {f"k{number}"}
        reader.delete(f"k{number}")
        assert writer.read(f"k{number}") is None
        assert writer.found("mine") == set()


def test_sqlite_storages_take_turns_with_one_conversation(sqlite: SQLiteBackend) -> None:
    """Whoever saves the next version of a snapshot, it is stored exactly, though the last one was another's."""
    stores = [sqlite.open() for _ in range(2)]
    versions = conversation(60)
    turns = (0, 1, 0, 0, 1, 1, 1, 0)
    for number, version in enumerate(versions):
        store = stores[turns[number % len(turns)]]
        store.write("s/latest", version)
        if number % 5 == 4:
            stores[number % 2].delete("s/latest")
            stores[1 - number % 2].write("s/latest", versions[number // 2])
            assert stores[number % 2].read("s/latest") == versions[number // 2]
            store.write("s/latest", version)

        for reader in stores:
            assert reader.read("s/latest") == version


def test_sqlite_another_process_sees_the_writes_and_is_seen(sqlite: SQLiteBackend) -> None:
    """A second process reads, lists and finds what this one wrote, and this one what the second one did."""
    store = sqlite.open()
    versions = [snapshot([said(number) for number in range(length)]) for length in (30, 31, 32)]
    store.write("s/latest", versions[0])
    store.write("s/new", b"watermelon")
    assert store.found("pineapple") == set()

    given = "\n".join(version.hex() for version in versions)
    command = [sys.executable, "-c", OTHER_PROCESS, str(sqlite.path)]
    ended = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, check=False)

    assert (ended.stdout, ended.stderr) == ("done\n", "")
    assert store.contents() == {"s/latest": versions[1], "s/theirs": b"pineapple"}
    assert store.found("pineapple") == {"s/theirs"}
    assert store.found("watermelon") == set()
    store.write("s/latest", versions[2])
    assert store.read("s/latest") == versions[2]


def test_sqlite_manager_and_storage_share_a_file(sqlite: SQLiteBackend) -> None:
    """A session manager and a storage keep house side by side: neither sees, changes or deletes what is the other's."""
    store = sqlite.open()
    with SQLiteSessionManager("s", sqlite.path) as manager:
        manager.create_agent("s", SessionAgent("a", {}, {}))
        for number in range(4):
            manager.create_message("s", "a", message(number))
            store.write("session/s/latest", snapshot([said(n) for n in range(number)]))
        expected = [said(number)["content"][0]["text"] for number in range(4)]
        assert texts(manager) == expected

        store.delete("session/s/latest")
        assert texts(manager) == expected
        store.write("session/s/latest", chance(5000))
        manager.delete_session("s")

    assert store.contents() == {"session/s/latest": chance(5000)}


def test_sqlite_manager_and_storage_at_once(sqlite: SQLiteBackend) -> None:
    """Messages and snapshots written at the same time, from several threads, are all there."""
    store = sqlite.open()

    def log() -> list[str]:
        with SQLiteSessionManager("s", sqlite.path) as manager:
            manager.create_agent("s", SessionAgent("a", {}, {}))
            for number in range(30):
                manager.create_message("s", "a", message(number))
            return texts(manager)

    async def save(name: str) -> None:
        for number in range(30):
            await store.storage.write(f"{name}/latest", chance(3000, number))
            await store.storage.write(f"{name}/{number:02}", chance(100, number))

    with ThreadPoolExecutor(3) as pool:
        logged = pool.submit(log)
        saved = [pool.submit(asyncio.run, save(name)) for name in ("x", "y")]
        assert logged.result() == [said(number)["content"][0]["text"] for number in range(30)]
        assert [future.result() for future in saved] == [None, None]

    expected = {f"{name}/{number:02}": chance(100, number) for name in "xy" for number in range(30)}
    assert store.contents() == expected | dict.fromkeys(("x/latest", "y/latest"), chance(3000, 29))


def test_sqlite_closing_one_user_leaves_the_others(sqlite: SQLiteBackend) -> None:
    """The file is closed with the last of its storages and managers, and its journal is folded in then."""
    first, second = SQLiteStorage(sqlite.path), SQLiteStorage(sqlite.path)
    manager = SQLiteSessionManager("s", sqlite.path)
    Store(first).write("a", b"1")
    first.close()
    Store(second).write("b", b"2")
    second.close()
    assert manager.read_session("s") is not None

    third = SQLiteStorage(sqlite.path)
    manager.close()
    assert Store(third).contents() == {"a": b"1", "b": b"2"}
    third.close()

    assert [found.name for found in sqlite.path.parent.iterdir()] == ["storage.db"]


def test_sqlite_values_survive_closing(sqlite: SQLiteBackend) -> None:
    """What was written is there when the file is opened again, however often, and can be built upon."""
    versions = conversation(12)
    for number, version in enumerate(versions):
        with SQLiteStorage(sqlite.path) as storage:
            assert Store(storage).contents() == ({"k": versions[number - 1]} if number else {})
            Store(storage).write("k", version)


def test_sqlite_storage_is_a_context_manager(sqlite: SQLiteBackend) -> None:
    """`with` and `async with` give the storage itself, and close it at the end, after an error too."""

    async def use() -> SQLiteStorage:
        async with SQLiteStorage(sqlite.path) as storage:
            await storage.write("a", b"1")
            assert await storage.read("a") == b"1"
        return storage

    async def fail() -> None:
        async with SQLiteStorage(sqlite.path) as storage:
            await storage.write("b", b"2")
            left.append(storage)
            raise LookupError

    left = [asyncio.run(use())]
    with pytest.raises(LookupError):
        asyncio.run(fail())
    with SQLiteStorage(sqlite.path) as storage:
        assert Store(storage).contents() == {"a": b"1", "b": b"2"}
    left.append(storage)

    for closed in left:
        closed.close()
        with pytest.raises(DatabaseClosedError):
            Store(closed).read("a")
    assert [found.name for found in sqlite.path.parent.iterdir()] == ["storage.db"]


def test_sqlite_namespaces_close_with_their_storage(sqlite: SQLiteBackend) -> None:
    """A namespace needs no closing of its own: it works as long as the storage it came from."""
    with SQLiteStorage(sqlite.path) as storage:
        scoped = Store(storage).namespace("in").namespace("deep")
        scoped.write("a", b"1")

    with pytest.raises(DatabaseClosedError):
        scoped.read("a")
    assert sqlite.open().contents() == {"in/deep/a": b"1"}


def test_sqlite_databases_in_memory_are_private() -> None:
    """Every storage on `:memory:` has a database of its own; its namespaces share it."""
    with SQLiteStorage(":memory:") as first, SQLiteStorage(":memory:") as second:
        Store(first).namespace("in").write("a", b"1")

        assert Store(first).contents() == {"in/a": b"1"}
        assert Store(second).contents() == {}


def test_sqlite_path_is_found_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The argument comes first, then the environment, then `./sessions.db`: as for a session manager, one file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STRANDS_SQLITE_DB_PATH", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with SQLiteStorage() as storage, SQLiteSessionManager("s") as manager:
        assert storage.db_path == manager.db_path == str(tmp_path / "sessions.db")
    monkeypatch.setenv("STRANDS_SQLITE_DB_PATH", str(tmp_path / "named.db"))
    with SQLiteStorage() as storage:
        assert storage.db_path == str(tmp_path / "named.db")
        assert storage.namespace("in").db_path == storage.db_path
    for argument in (tmp_path / "new" / "a.db", str(tmp_path / "new" / "a.db"), "~/new/a.db"):
        with SQLiteStorage(argument) as storage:
            assert storage.db_path == str(tmp_path / "new" / "a.db")
    with SQLiteStorage(":memory:") as storage:
        assert storage.db_path == ":memory:"

    assert sorted(found.name for found in tmp_path.rglob("*.db")) == ["a.db", "named.db", "sessions.db"]


def test_sqlite_checkpoints_of_one_agent_among_thousands(sqlite: SQLiteBackend) -> None:
    """Of 10,000 keys, a prefix lists its own, completely and in order, from a namespace as from the storage."""
    store = sqlite.open()
    keys = [f"session/s{agent}/history/snapshot_{number:04}.json" for agent in range(5) for number in range(2000)]

    store.fill_at_once(dict.fromkeys(keys, b"{}"))

    assert store.list("session/s3/history/") == keys[6000:8000]
    assert store.namespace("session/s3").list("history/") == [key[len("session/s3/") :] for key in keys[6000:8000]]
    assert store.list() == keys
    store.delete(keys[6000])
    assert store.list("session/s3/") == keys[6001:8000]


def test_sqlite_nothing_is_left_of_what_was_deleted(sqlite: SQLiteBackend) -> None:
    """When every object is gone, whatever held them is gone from the file."""
    store = sqlite.open()
    for number, version in enumerate(conversation(20)):
        store.write("s/latest", version)
        store.write(f"s/history/{number}", version)
    store.write("large", chance(200_000))
    assert store.found("says") >= {"s/latest"}

    for key in store.list():
        store.delete(key)

    assert store.found("says") == set()
    foreign = sqlite.foreign()
    for table in ("objects", "object_parts", "parts"):
        assert foreign.execute(f"SELECT count(*) FROM {table}").get == 0
