"""Whatever happens in a database between pushes: the copies are what a fresh rendering of it is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._places import Places
from strands_sqlite_s3_mirror._push import push_live, push_release
from strands_sqlite_session_manager import NotFoundError, SessionStore, SQLiteSessionManager
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.repository.messages import read_message
from tests.campaign.effort import EFFORT, LONG

from .pushing import Stopped, add_session, copied, delete, redact, rendered, require_sealed, say, stop_at, write

SESSIONS = st.sampled_from(["a", "ab", "a.json", "ü"])
KEYS = st.sampled_from(["session/a/x.json", "context/k", "context/k2", "z"])
MESSAGES = st.integers(-1, 3)


class World:
    """A database, and what can happen in it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "sessions.db"
        self.database: Database = open_database(self.path)
        self.store = SessionStore(self.path)
        self.pushes = 0

    def close(self) -> None:
        self.store.close()
        self.database.close()

    def sessions(self) -> list[str]:
        return [summary.session_id for summary in self.store.list_sessions().sessions]

    def turn(self, session_id: str) -> None:
        if session_id not in self.sessions():
            add_session(self.database, session_id)
        say(self.database, session_id, f"Hello {self.pushes}", "Hello")

    def work(self, session_id: str) -> None:
        """As an agent at work: a session manager that is open while others change the file."""
        with SQLiteSessionManager(session_id, self.path) as manager:
            if manager.read_agent(session_id, "a") is not None:
                say(self.database, session_id, "by a manager")

    def title(self, session_id: str, title: str | None) -> None:
        self.store.set_title(session_id, title)

    def tag(self, session_id: str) -> None:
        self.store.add_tags(session_id, "one", "two")

    def untag(self, session_id: str) -> None:
        self.store.remove_tags(session_id, "one")

    def redact(self, session_id: str, message_id: int) -> None:
        if read_message(self.database, session_id, "a", message_id) is not None:
            redact(self.database, session_id, message_id)

    def erase_redacted(self) -> None:
        self.store.erase_redacted()

    def rewind(self, session_id: str, at: int) -> None:
        self.store.rewind_session(session_id, at=at, agent_id="a")

    def fork(self, session_id: str, new: str, at: int) -> None:
        if new not in self.sessions():
            self.store.fork_session(session_id, new, at=at, agent_id="a")

    def erase(self, session_id: str) -> None:
        self.store.erase([session_id])

    def compact(self) -> None:
        self.store.compact()

    def write(self, key: str, data: bytes) -> None:
        write(self.database, key, data)

    def delete(self, key: str) -> None:
        delete(self.database, key)


def action(name: str, *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[str, tuple[object, ...]]]:
    """What happens, with what."""
    return st.tuples(st.just(name), st.tuples(*arguments))


BODIES = st.binary(max_size=5) | st.just(bytes(range(256)) * 100)
ACTIONS = st.one_of(
    action("turn", SESSIONS),
    action("turn", SESSIONS),
    action("work", SESSIONS),
    action("title", SESSIONS, st.sampled_from([None, "T", "ü"])),
    action("tag", SESSIONS),
    action("untag", SESSIONS),
    action("redact", SESSIONS, MESSAGES),
    action("erase_redacted"),
    action("rewind", SESSIONS, MESSAGES),
    action("fork", SESSIONS, SESSIONS, MESSAGES),
    action("erase", SESSIONS),
    action("compact"),
    action("write", KEYS, BODIES),
    action("delete", KEYS),
    action("push"),
    action("cut push", st.integers(1, 6)),
)


def run(world: World, name: str, arguments: tuple[object, ...]) -> None:
    """Let something happen, if it can."""
    happen: Callable[..., object] = getattr(world, name)
    try:
        happen(*arguments)
    except NotFoundError:
        return


@settings(
    max_examples=15 * EFFORT,
    deadline=None,
    derandomize=not LONG,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(actions=st.lists(ACTIONS, min_size=4, max_size=20))
def test_copies_are_what_the_database_is(s3_bucket: Bucket, actions: list[tuple[str, tuple[object, ...]]]) -> None:
    """Turns, rewinds, forks, deletions, redactions, objects; with pushes in between, some of them cut."""
    bucket, places = s3_bucket, Places("p")
    bucket.delete([found.key for found in bucket.list("")])  # of the example before: there is room for few buckets
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        try:
            world.write("first", b"")  # what has never held anything is not released
            for name, arguments in [*actions, ("push", ())]:
                if name == "cut push":
                    try:
                        push_live(world.database, bucket, places, progress=stop_at("send", int(str(arguments[0]))))
                    except Stopped:
                        continue
                elif name == "push":
                    world.pushes += 1
                    push_live(world.database, bucket, places)
                    push_release(world.database, bucket, places, str(world.pushes))
                    expected = rendered(world.database)
                    assert copied(bucket, places.live) == expected
                    assert require_sealed(bucket, places.release(str(world.pushes))) == expected
                else:
                    run(world, name, arguments)
        finally:
            world.close()
