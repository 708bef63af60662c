"""Properties: whatever is written, overwritten, deleted, opened again and cut short, the storage is a dict."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from strands_sqlite_session_manager import SQLiteStorage

from .conversations import LATEST, checkpoint
from .disk import CrashingVFS
from .looking import assert_empty, assert_holds, assert_sound, compact
from .values import CHANGES, RAW, RELATIONS, STORIES, VALUES, Change, Relation, Story

thorough = settings(
    max_examples=25,
    stateful_step_count=40,
    derandomize=True,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],  # values of 100 KB take their time on a busy machine
)

NUMBERS = count()
THROUGH_VFS = 2
SLOTS = st.integers(0, THROUGH_VFS)
"""Two handles that share what their process has open, and one that shares nothing with them."""

NAMESPACES = st.just("") | st.sampled_from(["session", "/session//s/", "a"])
KEYS = st.sampled_from([LATEST, checkpoint(1), checkpoint(2)]) | st.sampled_from(
    ["a", "a/b", "a/bc", "b", "A", "a%", "ключ/红茶.md"]
)
PLACES = st.integers(0, 7)
"""Which of the keys that are there."""

PREFIXES = st.sampled_from(["", "a", "a/", "a/b", "A", "a%", "s", "session/s/scopes", "ключ", "z"])
CONTAINERS = st.sampled_from([bytes, bytearray, memoryview])
SPARE_PAGES = 4


@lru_cache
def pages_when_new() -> int:
    """Return the size of a file that never held anything."""
    with tempfile.TemporaryDirectory() as folder:
        SQLiteStorage(Path(folder, "new.db")).close()
        return compact(Path(folder, "new.db"))


class Objects(RuleBasedStateMachine):
    """Three handles on one file, and a dict that is done the same to."""

    stories = Bundle("stories")
    values = Bundle("values")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._vfs = CrashingVFS(f"crashing-{next(NUMBERS)}")
        self._files = count()
        self._path = self._new_path()
        self._model: dict[str, bytes] = {}
        self._story = Story()
        self._handles: dict[int, SQLiteStorage] = {}

    @initialize(target=stories, story=STORIES)
    def begin(self, story: Story) -> Story:
        self._story = story
        return story

    @initialize(target=values, value=VALUES)
    def first_value(self, value: bytes) -> bytes:
        return value

    @rule(slot=SLOTS, durability=st.sampled_from(["full", "normal"]))
    def open_again(self, slot: int, durability: Any) -> None:
        self._close(slot)
        self._open(slot, durability)

    @rule()
    def close_all(self) -> None:
        for slot in list(self._handles):
            self._close(slot)
        if self._path.exists():
            assert_holds(self._path, self._model)

    @rule(target=stories, slot=SLOTS, namespace=NAMESPACES, key=KEYS, story=stories, change=CHANGES)
    def write_story(self, slot: int, namespace: str, key: str, story: Story, change: Change) -> Story:
        story = change.of(story)
        self._write(slot, namespace, key, story.bytes())
        return story

    @rule(target=stories, slot=SLOTS, number=st.integers(1, 2), change=CHANGES)
    def hold_turn(self, slot: int, number: int, change: Change) -> Story:
        """Go on with the one conversation that is held all along, and save it as the SDK does."""
        self._story = change.of(self._story)
        self._write(slot, "", checkpoint(number), self._story.bytes())
        self._write(slot, "", LATEST, self._story.bytes())
        return self._story

    @rule(target=values, slot=SLOTS, key=KEYS, value=RAW, container=CONTAINERS)
    def write_value(self, slot: int, key: str, value: bytes, container: Callable[[bytes], Any]) -> bytes:
        self._write(slot, "", key, value, container)
        return value

    @rule(target=values, slot=SLOTS, key=KEYS, first=values, second=values, relation=RELATIONS)
    def write_relative(self, slot: int, key: str, first: bytes, second: bytes, relation: Relation) -> bytes:
        value = relation.of(first, second)
        self._write(slot, "", key, value)
        return value

    @rule(slot=SLOTS, key=KEYS, story=stories, other=values, relation=RELATIONS)
    def write_broken_story(self, slot: int, key: str, story: Story, other: bytes, relation: Relation) -> None:
        self._write(slot, "", key, relation.of(story.bytes(), other))

    @rule(slots=st.lists(SLOTS, min_size=1, max_size=4), story=stories, value=values, place=PLACES)
    def write_at_once(self, slots: list[int], story: Story, value: bytes, place: int) -> None:
        """Write several objects at the same time, through several handles, and delete another meanwhile."""
        deleted = self._key_at(place)
        data = {f"at once/{number}": (story.bytes(), value)[number % 2] for number in range(len(slots))}
        data.pop(deleted, None)

        async def work() -> None:
            writes = [self._at(slot).write(key, data[key]) for slot, key in zip(slots, data, strict=False)]
            await asyncio.gather(*writes, self._at(slots[0]).delete(deleted))

        asyncio.run(work())
        self._model.update(data)
        self._model.pop(deleted, None)

    @rule(key=KEYS, first=SLOTS, second=SLOTS, story=stories, value=values)
    def write_against_each_other(self, key: str, first: int, second: int, story: Story, value: bytes) -> None:
        """Write one object through two handles at the same time: one of the two values is there, whole."""

        async def work() -> None:
            await asyncio.gather(self._at(first).write(key, story.bytes()), self._at(second).write(key, value))

        asyncio.run(work())
        found = asyncio.run(self._at(first).read(key))
        assert found in (story.bytes(), value)
        self._model[key] = found

    @rule(slot=SLOTS, place=PLACES)
    def delete(self, slot: int, place: int) -> None:
        key = self._key_at(place)
        asyncio.run(self._at(slot).delete(key))
        self._model.pop(key, None)

    @rule(slot=SLOTS, namespace=NAMESPACES, key=KEYS)
    def delete_perhaps(self, slot: int, namespace: str, key: str) -> None:
        asyncio.run(self._view(slot, namespace).delete(key))
        self._model.pop(whole_key(namespace, key), None)

    @rule(slot=SLOTS, namespace=NAMESPACES, prefix=PREFIXES)
    def list_and_read(self, slot: int, namespace: str, prefix: str) -> None:
        view, start = self._view(slot, namespace), whole_key(namespace, "")

        async def work() -> None:
            expected = [key for key in sorted(self._model) if key.startswith(start + prefix)]
            assert [start + key for key in await view.list(prefix)] == expected
            assert [key for key in expected if await view.read(key[len(start) :]) != self._model[key]] == []
            assert await view.read("never written") is None

        asyncio.run(work())

    @rule(slot=SLOTS, namespace=NAMESPACES, query=st.sampled_from(["noon rain", "role", "红茶", "x", ""]))
    def search(self, slot: int, namespace: str, query: str) -> None:
        """Searching changes nothing, and finds nothing that is not there."""
        found = asyncio.run(self._view(slot, namespace).search(query))
        assert {whole_key(namespace, result.key) for result in found} <= self._model.keys()

    @rule(key=KEYS, story=stories, call=st.integers(0, 60))
    def crash_while_writing(self, key: str, story: Story, call: int) -> None:
        after = {**self._model, key: story.bytes()}
        self._crash(self._at(THROUGH_VFS).write(key, story.bytes()), after, call)

    @rule(place=PLACES, call=st.integers(0, 60))
    def crash_while_deleting(self, place: int, call: int) -> None:
        key = self._key_at(place)
        after = {kept: value for kept, value in self._model.items() if kept != key}
        self._crash(self._at(THROUGH_VFS).delete(key), after, call)

    def teardown(self) -> None:
        try:
            for slot in list(self._handles):
                self._close(slot)
            self._at(0)
            self.close_all()
            self._delete_everything()
            assert_empty(self._path)
            assert compact(self._path) <= pages_when_new() + SPARE_PAGES
            assert_sound(self._path)
        finally:
            for slot in list(self._handles):
                self._close(slot)
            self._vfs.fault = None
            self._vfs.unregister()
            self._folder.cleanup()

    def _write(
        self, slot: int, namespace: str, key: str, value: bytes, container: Callable[[bytes], Any] = bytes
    ) -> None:
        view = self._view(slot, namespace)

        async def work() -> None:
            await view.write(key, container(value))
            assert await view.read(key) == value

        asyncio.run(work())
        self._model[whole_key(namespace, key)] = value

    def _crash(self, operation: Any, after: dict[str, bytes], call: int) -> None:
        """Go on with what the disk holds when the process dies at that write of `operation`, or right after it."""
        copy, before = self._new_path(), self._model
        self._vfs.copy_before(call, self._path, copy)
        asyncio.run(operation)
        self._vfs.fault = None
        if not copy.exists():
            self._vfs.copy(self._path, copy)
            before = after
        for slot in list(self._handles):
            self._close(slot)
        self._path = copy
        assert_sound(copy)
        found = {key: asyncio.run(self._at(0).read(key)) for key in asyncio.run(self._at(0).list(""))}
        assert found in (before, after)
        self._model = found

    def _delete_everything(self) -> None:
        async def work() -> None:
            storage = self._at(0)
            for key in await storage.list(""):
                await storage.delete(key)
            assert await storage.search("noon rain role") == []

        asyncio.run(work())
        self._close(0)

    def _key_at(self, place: int) -> str:
        return sorted(self._model)[place % len(self._model)] if self._model else LATEST

    def _view(self, slot: int, namespace: str) -> SQLiteStorage:
        return self._at(slot).namespace(namespace) if namespace else self._at(slot)

    def _at(self, slot: int) -> SQLiteStorage:
        if slot not in self._handles:
            self._open(slot, "normal")
        return self._handles[slot]

    def _open(self, slot: int, durability: Any) -> None:
        path = self._vfs.uri(self._path) if slot == THROUGH_VFS else self._path
        self._handles[slot] = SQLiteStorage(path, durability=durability)

    def _close(self, slot: int) -> None:
        if slot in self._handles:
            self._handles.pop(slot).close()

    def _new_path(self) -> Path:
        return Path(self._folder.name, f"{next(self._files)}.db")


def whole_key(namespace: str, key: str) -> str:
    return "/".join([*filter(None, namespace.split("/")), key])


def test_the_storage_is_a_dict_whatever_happens_to_it() -> None:
    """Every value comes back exactly, at all times; nothing of what was deleted is left, and no part without a use."""
    run_state_machine_as_test(Objects, settings=thorough)
