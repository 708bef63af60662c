"""The measurement of searches among a great many messages, and of what indexing costs those who write meanwhile."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random
from time import perf_counter

import apsw
from strands.storage.search.keyword import STOP_WORDS, tokenize
from strands.types.session import SessionMessage

from benchmarks import material
from benchmarks.adapters import open_ours
from benchmarks.measure import Figure, Result, Subject, interleave, single, timed
from benchmarks.memories import Writer
from benchmarks.scale import FULL, Scale
from strands_sqlite_session_manager import SessionStore
from strands_sqlite_session_manager.message_search import MessageFilter

ALL, MORE = "the first search, which indexes all", "the first search of those that came later"
WORDS, NEWEST, WORD, IN_SESSION = "two words", "two words, the newest", "one word", "two words in a session"

_PER_SESSION = 100
_LENGTHS = (500, 250, 1700, 1350)  # characters of text; 1 KB of JSON on average
_PROSE = 10_000_000
_ASKED = 100
_BATCH = 10
_QUIET_APPENDS = 300
_BETWEEN_APPENDS = 0.005
_STARTED = "2026-01-01T00:00:00.000000+00:00"

_NEWEST_CHANGE = "SELECT ifnull(max(change_id), 0) FROM messages"
_ADD_SESSION = "INSERT INTO sessions (session_id, session_type) VALUES (?, 'AGENT')"
_ADD_AGENT = """
INSERT INTO agents (session_id, agent_id, state, conversation_manager_state, internal_state)
VALUES (?, 'agent', '{}', '{}', '{}')
"""
_ADD_MESSAGE = """
INSERT INTO messages (change_id, session_id, agent_id, message_id, message, created_at, updated_at)
VALUES (?1, ?2, 'agent', ?3, ?4, ?5, ?5)
"""


class Talks:
    """Writes conversations with the word frequencies of a natural language straight into the tables."""

    def __init__(self, path: Path, characters: int) -> None:
        """Write to the file at `path`, which has its tables, what is cut from a text of so many characters."""
        self._path = path
        self._prose: str = Writer(11).prose(characters)
        self._random = Random(12)  # noqa: S311 - not a secret

    def add(self, length: int) -> None:
        """Add so many messages, in new sessions."""
        connection = apsw.Connection(str(self._path))
        connection.execute("PRAGMA synchronous = OFF")
        with connection:
            first = int(connection.execute(_NEWEST_CHANGE).fetchall()[0][0]) + 1  # type: ignore[arg-type]  # an integer
            sessions = [(_session(number),) for number in range(first, first + length, _PER_SESSION)]
            connection.executemany(_ADD_SESSION, sessions)
            connection.executemany(_ADD_AGENT, sessions)
            connection.executemany(_ADD_MESSAGE, self._rows(first, length))
        connection.close()

    def questions(self, words: int, number: int) -> list[str]:
        """Return texts to search: some words, none of them a stop word, that stand near each other."""
        nearby = [sorted(tokenize(self._text(1000)) - STOP_WORDS) for _ in range(number)]
        return [" ".join(self._random.sample(each, words)) for each in nearby]

    def _rows(self, first: int, length: int) -> Iterator[tuple[int, str, int, str, str]]:
        for number in range(length):
            session, message_id = divmod(number, _PER_SESSION)
            role = ("user", "assistant")[message_id % 2]
            message = {"role": role, "content": [{"text": self._text(_LENGTHS[message_id % len(_LENGTHS)])}]}
            yield first + number, _session(first + session * _PER_SESSION), message_id, json.dumps(message), _STARTED

    def _text(self, length: int) -> str:
        begin = self._prose.index(" ", self._random.randrange(len(self._prose) - 2 * length))
        return self._prose[begin + 1 : begin + 1 + length]


def messages(folder: Path, scale: Scale) -> Result:
    """Measure searches, the first one after many messages, and the appends of others during it."""
    count, behind = 10 * scale.search_entries, scale.search_entries
    with ExitStack() as stack:
        manager = stack.enter_context(open_ours(folder, "session", "full"))
        material.create_agent(manager.session_repository, "session")
        path = folder / "ours.db"
        store = stack.enter_context(SessionStore(path))
        talks = Talks(path, min(_PROSE, 1000 * count))
        talks.add(count)
        building = timed(partial(store.search_messages, "none"))
        series = interleave([Subject(name, ask, _BATCH) for name, ask in _searches(store, talks)], scale.search_rounds)
        talks.add(behind)
        first = timed(partial(store.search_messages, "none", progress=lambda _done, _total: None))
        figures = [
            single(ALL, building, "seconds"),
            single(MORE, first, "seconds"),
            *_appends(stack, folder, store, talks, behind),
        ]
    title = f"search among {count:,} messages of 1 KB"
    notes = [
        f"then {behind:,} more",
        f"others append one message every {_BETWEEN_APPENDS * 1000:.0f} ms at full while messages are indexed",
    ]
    if scale.search_entries < FULL.search_entries:
        notes.append("the goals speak of 1,000,000 messages and of 100,000 that are not indexed: these are fewer")
    return Result("message-search", title, "seconds", series, figures, notes)


def _searches(store: SessionStore, talks: Talks) -> Iterator[tuple[str, Callable[[], float]]]:
    pairs = itertools.cycle(talks.questions(2, _ASKED))
    words = itertools.cycle(talks.questions(1, _ASKED))
    where = MessageFilter(session_id=_session(1 + _PER_SESSION))
    yield WORDS, lambda: timed(partial(store.search_messages, next(pairs)))
    yield NEWEST, lambda: timed(partial(store.search_messages, next(pairs), order="newest"))
    yield WORD, lambda: timed(partial(store.search_messages, next(words)))
    yield IN_SESSION, lambda: timed(partial(store.search_messages, next(pairs), where))


def _appends(stack: ExitStack, folder: Path, store: SessionStore, talks: Talks, behind: int) -> Iterator[Figure]:
    """Yield how much slower the appends of another process, and of another thread, are while messages are indexed."""
    process = stack.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
    thread = stack.enter_context(ThreadPoolExecutor(1))
    for name, executor in (("process", process), ("thread", thread)):
        talks.add(behind)
        quiet = executor.submit(_append, folder, name, min(behind, _QUIET_APPENDS)).result()
        begin = perf_counter()
        appends = executor.submit(_append, folder, name, None)
        _search_until_done(folder, store)
        meanwhile = appends.result()
        yield single(f"{MORE}, while another {name} appends", perf_counter() - begin, "seconds")
        ratio = statistics.median(meanwhile) / statistics.median(quiet)
        yield single(f"an append of another {name} meanwhile / quiet, the median", ratio, "times")
        yield single(f"an append of another {name} meanwhile, the slowest", max(meanwhile), "seconds")


def _search_until_done(folder: Path, store: SessionStore) -> None:
    started, stop = folder / "started", folder / "stop"
    while not started.exists():
        time.sleep(0.01)
    store.search_messages("none")
    stop.touch()


def _append(folder: Path, name: str, number: int | None) -> list[float]:
    """Append so many messages, or until told to stop, and return the seconds each took."""
    session_id = f"{name}-{number}"
    started, stop = folder / "started", folder / "stop"
    seconds = []
    with open_ours(folder, session_id, "full") as manager:
        material.create_agent(manager.session_repository, session_id)
        for message_id in itertools.count() if number is None else range(number):
            message = SessionMessage.from_message(material.text_message(message_id), message_id)
            append = partial(manager.session_repository.create_message, session_id, material.AGENT, message)
            seconds.append(timed(append))
            time.sleep(_BETWEEN_APPENDS)
            if number is None:
                started.touch()
                if stop.exists():
                    break
    if number is None:
        started.unlink()
        stop.unlink()
    return seconds


def _session(number: int) -> str:
    return f"session-{number:08}"
