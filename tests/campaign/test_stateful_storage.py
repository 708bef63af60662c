"""Properties: whatever is written, deleted, searched, copied and opened again, a storage is a dict that is searched.

`tests/core/objects/test_property.py` does the same to the parts of large objects, and to crashes.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from itertools import count
from pathlib import Path
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from strands_sqlite_session_manager import SessionStore, SQLiteStorage, copy_storage
from tests.core.objects.looking import assert_holds

from .folders import new_folder
from .fuzzing import tries

NAMESPACES = st.sampled_from(["", "team", "team/session", "team2", "T\u00c9am", "a%"])
NAMES = st.sampled_from(["plan.md", "plan", "notes/zebra.txt", "session/s/latest.json", "%_", "\u00fc/plan"])
PREFIXES = st.sampled_from(["", "p", "notes/", "session/s", "%", "\u00fc/", "plan.", "no such"])
WORDS = ["zebra", "zeb", "plan", "plant", "planet", "zurich", "zzz", "x1", "q1q"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
LARGE = st.builds(lambda text, times: f"{text}\n" * times, TEXTS, st.sampled_from([1, 50, 4000]))
NOISE = st.sampled_from([b"", b"\xff\xfe", b"\0zebra\0", bytes(range(256)), b'{"messages":[{"role":"plan"}]}'])
DATA = LARGE.map(str.encode) | NOISE
QUERIES = st.lists(st.sampled_from([*WORDS, "pla", "ze", "latest", "notes", "nowhere"]), min_size=1, max_size=3)
_EXTENSION = re.compile(r"(?<=[^/])\.[^./]*$")


class Storage(RuleBasedStateMachine):
    """Two storages on one file, and a dict that is done the same to."""

    tried: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self._folder = new_folder()
        self._files = count()
        self._path = self._new_path()
        self._model: dict[str, bytes] = {}
        self._storages: list[SQLiteStorage] = []
        self._open()

    def _new_path(self) -> Path:
        return Path(self._folder.name, f"{next(self._files)}.db")

    def _open(self) -> None:
        first = SQLiteStorage(self._path, durability="normal")
        self._storages = [first, SQLiteStorage(first)]

    def _view(self, second: bool, namespace: str) -> SQLiteStorage:  # noqa: FBT001 - drawn by Hypothesis
        return self._storages[second].namespace(namespace)

    @rule()
    def open_again(self) -> None:
        for storage in self._storages:
            storage.close()
        assert_holds(self._path, self._model)
        self._open()

    @rule(second=st.booleans(), namespace=NAMESPACES, name=NAMES, data=DATA)
    def write(self, *, second: bool, namespace: str, name: str, data: bytes) -> None:
        asyncio.run(self._view(second, namespace).write(name, data))
        self._model[_whole(namespace, name)] = data
        assert asyncio.run(self._view(not second, "").read(_whole(namespace, name))) == data

    @rule(second=st.booleans(), namespace=NAMESPACES, name=NAMES)
    def delete(self, *, second: bool, namespace: str, name: str) -> None:
        asyncio.run(self._view(second, namespace).delete(name))
        self._model.pop(_whole(namespace, name), None)
        assert asyncio.run(self._view(not second, namespace).read(name)) is None

    @rule(second=st.booleans(), namespace=NAMESPACES, prefix=PREFIXES)
    def list_and_read(self, *, second: bool, namespace: str, prefix: str) -> None:
        view, start = self._view(second, namespace), _whole(namespace, "")

        async def work() -> None:
            wanted = [key[len(start) :] for key in sorted(self._model) if key.startswith(start + prefix)]
            assert await view.list(prefix) == wanted
            assert [key for key in wanted if await view.read(key) != self._model[start + key]] == []

        asyncio.run(work())

    @rule(second=st.booleans(), namespace=NAMESPACES, words=QUERIES)
    def search(self, *, second: bool, namespace: str, words: list[str]) -> None:
        """What is found is what has one of the words, or a word that begins with one of three letters or more."""
        found = asyncio.run(self._view(second, namespace).search(" ".join(words)))
        start = _whole(namespace, "")
        wanted = {
            key[len(start) :]
            for key, data in self._model.items()
            if key.startswith(start) and _has(_words_of(key[len(start) :], data), words)
        }
        assert {result.key for result in found} == wanted
        assert len(found) == len(wanted)
        scores = [result.score for result in found]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)

    @rule(second=st.booleans())
    def move(self, *, second: bool) -> None:
        """Copy everything to another file, and go on with that."""
        path = self._new_path()
        with SQLiteStorage(path, durability="normal") as other:
            asyncio.run(copy_storage(self._storages[second], other))
        for storage in self._storages:
            storage.close()
        self._path = path
        self._open()

    @rule()
    def compact(self) -> None:
        with SessionStore(self._storages[0]) as store:
            store.compact()

    @invariant()
    def count_steps(self) -> None:
        self.tried["steps of storages"] += 1

    def teardown(self) -> None:
        try:
            self.open_again()
            with SessionStore(self._storages[0]) as store:
                assert store.verify() == []
        finally:
            for storage in self._storages:
                storage.close()
            self._folder.cleanup()


def _whole(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def _words_of(key: str, data: bytes) -> set[str]:
    """Return the words of an object, as a person sees them; in the names above they are letters and digits of ASCII."""
    text = f"{_EXTENSION.sub('', key)}\n{data.decode(errors='replace')}".lower()
    return set(re.findall(r"[^\W_]+", text))


def _has(words: set[str], asked: list[str]) -> bool:
    return any(word in words or (len(word) >= 3 and any(one.startswith(word) for one in words)) for word in asked)


def test_a_storage_is_a_dict_that_can_be_searched_and_outlives_its_process(tried: Counter[str]) -> None:
    """Random calls of all public methods, through two storages and any namespace, give what a dict gives."""
    Storage.tried = tried
    run_state_machine_as_test(Storage, settings=tries(10, 40))  # type: ignore[no-untyped-call]  # Hypothesis has no types for it
