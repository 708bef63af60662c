"""Whatever sessions there are: pushed and restored into an empty database, they are the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._places import Places
from strands_sqlite_s3_mirror._push import push_live, push_release
from strands_sqlite_s3_mirror._restore import restore
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.repository import agents, messages, multi_agents, sessions
from strands_sqlite_session_manager.transfer._storing_objects import is_object_key, store_objects
from tests.core.store.transferring import note

from .pushing import write
from .restoring import contents
from .servers import Server

NUMBERS = itertools.count()
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
IDS = TEXT.filter(lambda text: text and "/" not in text)
TIMES = st.datetimes().map(lambda time: f"{time.isoformat()}+00:00")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
VALUES = JSON | st.binary(max_size=900)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=3)
TALK = st.lists(
    st.tuples(st.integers(0, 12), VALUES, st.none() | VALUES, TIMES), max_size=4, unique_by=lambda one: one[0]
)
AGENT = st.tuples(TALK, st.lists(OBJECTS, max_size=3), TIMES)
NOTES = st.none() | st.tuples(TEXT, st.lists(TEXT.filter(bool), max_size=3, unique=True))
SESSION = st.tuples(
    st.dictionaries(IDS, AGENT, max_size=3), st.dictionaries(IDS, JSON, max_size=2), NOTES, TIMES, TIMES
)
KEYS = TEXT.map(lambda text: f"memory/{text}").filter(is_object_key)
DATABASES = st.tuples(
    st.dictionaries(IDS, SESSION, max_size=3), st.dictionaries(KEYS, st.binary(max_size=3000), max_size=3)
)


class Crew:
    """What is asked of a graph or swarm."""

    def __init__(self, id_: str, state: Any) -> None:
        self.id = id_
        self.state = state


def store(database: Database, content: Any) -> None:
    """Store what was drawn."""
    drawn, objects = content
    for session_id, (crowd, crews, notes, created_at, updated_at) in drawn.items():
        sessions.create_session(database, Session(session_id, SessionType.AGENT, created_at, updated_at))
        for agent_id, (talk, states, time) in crowd.items():
            agents.create_agent(database, session_id, SessionAgent(agent_id, {}, {}, {}, created_at, time))
            for number, said, redacted, at in talk:
                message: Any = {"role": "user", "content": [{"text": "x", "value": said}]}
                instead: Any = None if redacted is None else {"role": "user", "content": [{"value": redacted}]}
                record = SessionMessage(message, number, instead, at, time)
                messages.create_message(database, session_id, agent_id, record)
            for state in states:
                record_of = SessionAgent(agent_id, state, {"k": state}, {"i": state}, time, time)
                agents.update_agent(database, session_id, record_of)
        for crew_id, state in crews.items():
            multi_agents.create_multi_agent(database, session_id, crew_id, {"state": state})
        if notes is not None:
            note(database, session_id, notes[0], '{"a":[1]}', *sorted(notes[1]))
    store_objects(database, list(objects.items()), "fail")


@pytest.fixture
def there(moto_server: Server) -> Iterator[Bucket]:
    """A new bucket."""
    bucket = moto_server.bucket()
    yield bucket
    bucket.close()


@given(content=DATABASES, release=st.none() | st.just("1"))
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_what_is_pushed_comes_back(there: Bucket, content: Any, release: str | None) -> None:
    """From a release and from the live copy, column by column, without exception."""
    places = Places(f"base{next(NUMBERS)}")
    with closing(open_database(":memory:")) as database, closing(open_database(":memory:")) as other:
        write(database, "first", b"")  # what has never held anything is not released
        store(database, content)
        if release is None:
            push_live(database, there, places)
        else:
            push_release(database, there, places, release)
        restore(other, there, places, release=release)
        assert contents(other) == contents(database)
