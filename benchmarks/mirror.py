"""The measurements of the S3 mirror, on a real S3 server on this machine: it takes most of the processor itself."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from time import perf_counter
from typing import Any

from pydantic_core import to_json
from strands.types.session import SessionAgent, SessionMessage

from benchmarks import material
from benchmarks.adapters import OURS, open_ours
from benchmarks.measure import Figure, Result, Series, single, timed
from benchmarks.scale import FULL, Scale
from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._places import Places
from strands_sqlite_s3_mirror._push import Pushed, push_live, push_release
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.repository import agents, messages
from tests.mirror.servers import Server, seaweedfs

MESSAGES = 100
MANY = 10
"""How many times as many messages are pushed where memory is looked at."""

_QUIET = 400
_EVERY = 0.01  # seconds between two appends: what is appended is pushed too, and must not become the most of it
_PATIENCE = 600.0
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
_ADD_SESSION = "INSERT INTO sessions (session_id, session_type) VALUES (?, 'AGENT')"
_ADD_AGENT = """
INSERT INTO agents (session_id, agent_id, state, conversation_manager_state, internal_state)
VALUES (?, ?, '{}', '{}', '{}')
"""
_ADD_MESSAGE = "INSERT INTO messages (session_id, agent_id, message_id, message) VALUES (?, ?, ?, ?)"


@dataclass(frozen=True)
class Report:
    """What a push in another process did: its own answer, and what was seen from outside."""

    pushed: Pushed
    seconds: float
    requests: Counter[str]
    sent: int
    most: int
    usual: float
    memory: int


class WatchedBucket(Bucket):
    """A bucket that counts how many objects are on their way at once."""

    def __init__(self, name: str, **options: Any) -> None:
        """Build it as a `Bucket`."""
        super().__init__(name, **options)
        self._lock = threading.Lock()
        self._now = 0
        self.levels: list[int] = []

    def put(self, key: str, body: bytes, **options: Any) -> str:
        """Put it, and be counted."""
        with self._counted():
            return super().put(key, body, **options)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._now += 1
            self.levels.append(self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1


def mirror(folder: Path, scale: Scale) -> Result:
    """Measure pushes of a database: the first, with nothing changed, after a turn, of two releases, and a large one."""
    number = scale.large_sessions
    with seaweedfs(folder / "s3") as server:
        database, bucket = _fill(folder / f"{OURS}.db", number), server.new_bucket()
        push = partial(_prepare, server, bucket, database.path)
        quiet = _append(database, _calm)
        first, during = _append_while(database, push())
        push()()
        unchanged = push()()
        _turn(database)
        turn = push()()
        push("1")()
        release = push("2")()
        database.close()
    with seaweedfs(folder / "large-s3") as server:
        large = _fill(folder / "large.db", number * MANY)
        memory = _prepare(server, server.new_bucket(), large.path)()
        large.close()
    series = [Series("append, quiet", (quiet,)), Series("append, while pushed", (during,))]
    figures = [
        *_first_push(first),
        single("nothing changed: requests", unchanged.requests.total(), "count"),
        single("nothing changed", unchanged.seconds, "seconds"),
        single("after a turn: requests", turn.requests.total(), "count"),
        single("after a turn: objects", turn.pushed.uploaded, "count"),
        single("after a turn", turn.seconds, "seconds"),
        single("next release: objects uploaded", release.pushed.uploaded, "count"),
        single("next release: objects copied", release.pushed.copied, "count"),
        single("next release", release.seconds, "seconds"),
        single(f"{MANY} times as many messages: memory over idle", memory.memory, "bytes"),
        single(f"{MANY} times as many messages", memory.seconds, "seconds"),
        single("append: p99 while pushed / quiet", _p99(during) / _p99(quiet), "times"),
        single("append: p99 quiet", _p99(quiet), "seconds"),
        single("append: p99 while pushed", _p99(during), "seconds"),
    ]
    notes = [
        "server, push and appends share the processors of this machine",
        f"appends are those of another process than the push, one every {1000 * _EVERY:.0f} ms",
    ]
    if number < FULL.large_sessions:
        notes.append(f"the goals speak of {FULL.large_sessions:,} messages: this file has fewer")
    title = f"pushes of {number:,} messages in sessions of {MESSAGES} to a local S3 server"
    return Result("mirror", title, "seconds", series, figures, notes)


def _first_push(report: Report) -> list[Figure]:
    others = report.requests.total() - report.pushed.uploaded
    return [
        single("first push", report.seconds, "seconds"),
        single("first push: objects", report.pushed.uploaded / report.seconds, "per second"),
        single("first push: other requests for each object", others / report.pushed.uploaded, "times"),
        single("first push: sent", report.sent, "bytes"),
        single("first push: most in flight", report.most, "count"),
        single("first push: usually in flight", report.usual, "count"),
    ]


def _p99(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[-1]


def _fill(path: Path, number: int) -> Database:
    """Make a database of so many messages."""

    def add(connection: Connection) -> None:
        for message_id in range(number):
            session_id = f"session-{message_id // MESSAGES:05}"
            if message_id % MESSAGES == 0:
                connection.run(_ADD_SESSION, (session_id,))
                connection.run(_ADD_AGENT, (session_id, material.AGENT))
            message = to_json(material.text_message(message_id)).decode()
            connection.run(_ADD_MESSAGE, (session_id, material.AGENT, message_id % MESSAGES, message))

    database = open_database(path)
    database.write(add)
    with open_ours(path.parent, "appender", "full") as repository:
        material.create_agent(repository, "appender")
    return database


def _turn(database: Database) -> None:
    """Let an agent answer: two messages and its state."""
    for message_id in (MESSAGES, MESSAGES + 1):
        record = SessionMessage.from_message(material.text_message(message_id), message_id)
        messages.create_message(database, "session-00000", material.AGENT, record)
    agents.update_agent(database, "session-00000", SessionAgent(material.AGENT, {"turns": 1}, {}))


_NUMBERS = count()


def _calm(appended: int) -> bool:
    """Let some time pass; tell whether more is to be appended."""
    return appended < _QUIET and not threading.Event().wait(_EVERY)


def _append(database: Database, goes_on: Callable[[int], bool]) -> tuple[float, ...]:
    """Append to one session as long as it goes on; return the seconds of each."""
    seconds: list[float] = []
    while goes_on(len(seconds)):
        number = next(_NUMBERS)
        record = SessionMessage.from_message(material.text_message(number), number)
        seconds.append(
            timed(lambda record=record: messages.create_message(database, "appender", material.AGENT, record))
        )
    return tuple(seconds)


def _append_while(database: Database, action: Callable[[], Report]) -> tuple[Report, tuple[float, ...]]:
    """Append as long as `action` takes, in another thread that waits for another process."""
    reports: list[Report] = []
    thread = threading.Thread(target=lambda: reports.append(action()))
    thread.start()

    def goes_on(_: int) -> bool:
        thread.join(_EVERY)
        return thread.is_alive()

    seconds = _append(database, goes_on)
    return reports[0], seconds


def _prepare(server: Server, bucket: str, path: str, *release: str) -> Callable[[], Report]:
    """Start a process; return what lets it push the database at `path`, and returns what it saw."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_push, args=(server, bucket, path, release, theirs))
    process.start()
    theirs.close()
    ours.recv()

    def push() -> Report:
        ours.send(None)
        report: Report = ours.recv()
        process.join(_PATIENCE)
        return report

    return push


def _push(server: Server, name: str, path: str, release: tuple[str, ...], pipe: Pipe) -> None:
    database, places = open_database(path), Places("bench")
    bucket = WatchedBucket(name, **server.options())
    next(bucket.list("nothing"), None)
    pipe.send(None)
    pipe.recv()
    idle, before = _peak(), Counter(bucket.requests)
    begin = perf_counter()
    pushed = push_release(database, bucket, places, release[0]) if release else push_live(database, bucket, places)
    seconds = perf_counter() - begin
    levels, requests = bucket.levels or [0], Counter(bucket.requests) - before
    pipe.send(Report(pushed, seconds, requests, bucket.sent, max(levels), statistics.median(levels), _peak() - idle))
    bucket.close()
    database.close()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT
