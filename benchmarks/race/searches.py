"""The rows about search: of a storage's objects, and of messages, for those that have it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from random import Random

from strands._async import run_async
from strands.storage import Storage

from benchmarks import material, memories, stores
from benchmarks.adapters import open_ours
from benchmarks.measure import Series, Subject, interleave, timed
from benchmarks.message_search import Talks
from benchmarks.race.contestants import OURS
from benchmarks.race.growth import LOCAL, STORAGE
from benchmarks.race.rows import Race, Row
from benchmarks.search import Searcher
from strands_sqlite_session_manager import SessionStore

_NAMESPACE = "memory/agent-memory"
_PROSE = 10_000_000


def storages(race: Race) -> Iterator[Row]:
    """Measure searches in the SDK's `Storage`, with questions in whole sentences."""
    number = race.sizes.search_entries
    entries = dict(itertools.islice(memories.entries(), number))
    asked = Random(3).sample(sorted(entries), min(100, number))  # noqa: S311 - not a secret
    questions = memories.questions({key: entries[key] for key in asked})
    with ExitStack() as stack:
        first = []
        loop = stack.enter_context(stores.SharedLoop())
        subjects = []
        for name, known in ((STORAGE, stores.OURS), (LOCAL, stores.LOCAL)):
            storage = stores.opened(stack, known, race.folder / "search" / known, "normal")
            run_async(partial(_fill, storage, entries))
            searcher = Searcher(loop, storage.namespace(_NAMESPACE).search, questions)
            first.append(Series(name, ((searcher(),),)))
            subjects.append(Subject(name, searcher))
        series = interleave(subjects, race.sizes.search_rounds)
    title = f"search {number:,} entries of 1 KiB in a storage"
    differs = {STORAGE: "a full-text index, ranked", LOCAL: "reads every file and counts the words that fit"}
    left_out = {each.name: "has no search of stored objects" for each in race.contestants if each.name != OURS}
    left_out |= race.absent
    yield Row("search-storage", title, "seconds", series, left_out, differs, reference=STORAGE)
    first_title = f"the first search after {number:,} entries came, which ours takes into its index"
    yield Row("search-storage-first", first_title, "seconds", first, left_out, differs, reference=STORAGE)


async def _fill(storage: Storage, entries: Mapping[str, bytes]) -> None:
    for key, data in entries.items():
        await storage.write(f"{_NAMESPACE}/{key}", data)


def messages(race: Race) -> Iterator[Row]:
    """Measure searches of what was said, in any session."""
    number = race.sizes.search_messages
    with ExitStack() as stack:
        folder = race.folder / "search-messages"
        folder.mkdir()
        manager = stack.enter_context(open_ours(folder, "session", "full"))
        material.create_agent(manager.session_repository, "session")
        store = stack.enter_context(SessionStore(folder / "ours.db"))
        talks = Talks(folder / "ours.db", min(_PROSE, 1000 * number))
        talks.add(number)
        first = timed(partial(store.search_messages, "none"))
        series = interleave([Subject(OURS, _searcher(store, talks.questions(2, 100)), 3)], race.sizes.search_rounds)
    left_out = {each.name: "has no search of messages" for each in race.contestants if each.name != OURS}
    title = f"search {number:,} messages of 1 KB, in any session, for two words"
    left_out |= race.absent
    yield Row("search-messages", title, "seconds", series, left_out)
    first_title = f"the first search after {number:,} messages came, which takes them into the index"
    yield Row("search-messages-first", first_title, "seconds", [Series(OURS, ((first,),))], left_out)


def _searcher(store: SessionStore, questions: Sequence[str]) -> partial[float]:
    asked = itertools.cycle(questions)
    return partial(_search, store, asked)


def _search(store: SessionStore, asked: Iterator[str]) -> float:
    return timed(partial(store.search_messages, next(asked)))
