"""The measurement of searches among a great many memories."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter

from strands._async import run_async
from strands.storage import Storage
from strands.storage.search import KeywordSearchStrategy
from strands.vended_memory_stores.file_memory_store import FileMemoryStore

from benchmarks import memories
from benchmarks.measure import Result, Subject, interleave, ratio, single, timed
from benchmarks.memories import Question
from benchmarks.scale import FULL, Scale
from benchmarks.stores import MEMORY, OURS, SharedLoop, opened

AFTER_WRITE = f"{OURS}, after one more write"
STORE = f"FileMemoryStore.search on {OURS}"
KEYWORD = f"KeywordSearchStrategy on {MEMORY}"

_NAME = "agent-memory"
_NAMESPACE = f"memory/{_NAME}"
_QUESTIONS = 100
_BATCH = 10
_KEYWORD_ROUNDS = 3
_TOP = 10


Ask = Callable[[str], Awaitable[Sequence[object]]]


class Searcher:
    """Asks one question after the other, from the first again after the last, and notes how long an answer takes."""

    def __init__(self, loop: SharedLoop, ask: Ask, questions: Sequence[Question]) -> None:
        """Ask `questions` through `ask`, on `loop`."""
        self._loop = loop
        self._ask = ask
        self._questions = itertools.cycle(questions)

    def __call__(self) -> float:
        """Ask the next question and return the seconds until the answer."""
        return self._loop.run(partial(self._timed, next(self._questions).text))

    async def _timed(self, text: str) -> float:
        begin = perf_counter()
        await self._ask(text)
        return perf_counter() - begin


class AfterWrite(Searcher):
    """Writes another entry before each question, which the answer must take into account."""

    def __init__(self, loop: SharedLoop, storage: Storage, questions: Sequence[Question]) -> None:
        """Write to `storage` and search it."""
        super().__init__(loop, storage.search, questions)
        self._storage = storage
        self._entries = memories.entries(seed=4)

    def __call__(self) -> float:
        """Write an entry, ask the next question, and return the seconds until the answer."""
        self._loop.run(partial(self._storage.write, *next(self._entries)))
        return super().__call__()


def search(folder: Path, scale: Scale) -> Result:
    """Measure searches with questions in whole sentences."""
    entries = dict(itertools.islice(memories.entries(), scale.search_entries))
    asked = Random(3).sample(sorted(entries), min(_QUESTIONS, len(entries)))  # noqa: S311 - not a secret
    questions = memories.questions({key: entries[key] for key in asked})
    with ExitStack() as stack:
        loop = stack.enter_context(SharedLoop())
        ours, memory = (opened(stack, name, folder / name, "normal") for name in (OURS, MEMORY))
        memories_of_ours = ours.namespace(_NAMESPACE)
        subjects = [
            Subject(OURS, Searcher(loop, memories_of_ours.search, questions), _BATCH),
            Subject(STORE, Searcher(loop, FileMemoryStore(name=_NAME, storage=ours).search, questions), _BATCH),
            Subject(KEYWORD, Searcher(loop, _scan(memory.namespace(_NAMESPACE)), questions), rounds=_KEYWORD_ROUNDS),
        ]
        late = Subject(AFTER_WRITE, AfterWrite(loop, memories_of_ours, questions), _BATCH)
        run_async(partial(_fill, memory, entries))
        writing = timed(partial(run_async, partial(_fill, ours, entries)))
        first = late.operation()
        series = interleave([*subjects, late], scale.search_rounds)
        answers = [loop.run(partial(memories_of_ours.search, question.text)) for question in questions]
    found = sum(
        question.key in [each.key for each in answer[:_TOP]]
        for question, answer in zip(questions, answers, strict=True)
    )
    figures = [
        ratio(series, KEYWORD, OURS),
        single(f"{OURS}: one entry written, at normal", writing / len(entries), "seconds"),
        single(f"{OURS}: the first search, which indexes all", first, "seconds"),
        single(f"of {len(questions)} entries asked for, in the first {_TOP}", found, "count"),
    ]
    title = f"search {len(entries):,} entries of 1 KiB in a namespace"
    notes = [f"an answer has {median(map(len, answers)):,.0f} entries (the median)"]
    if scale.search_entries < FULL.search_entries:
        notes.append(f"the goal speaks of {FULL.search_entries:,} entries: these are fewer")
    return Result("storage-search", title, "seconds", series, figures, notes)


def _scan(storage: Storage) -> Ask:
    return partial(KeywordSearchStrategy().search, storage)


async def _fill(storage: Storage, entries: Mapping[str, bytes]) -> None:
    for key, data in entries.items():
        await storage.write(f"{_NAMESPACE}/{key}", data)
