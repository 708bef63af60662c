"""Limits and offsets that no file reaches: what is asked for is given, whatever SQLite can count to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.catalog._contents import iterate_messages

HUGE = [2**63 - 2, 2**63 - 1, 2**63, 10**30]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a session of two messages."""
    path = tmp_path / "sessions.db"
    with SQLiteSessionManager("s", path) as manager:
        manager.create_agent("s", SessionAgent("a", {}, {}))
        for number in range(2):
            content = {"role": "user", "content": [{"text": f"hello {number}"}]}
            manager.create_message("s", "a", SessionMessage.from_dict({"message": content, "message_id": number}))
    return path


@pytest.fixture(params=[False, True], ids=["writable", "read-only"])
def store(path: Path, request: pytest.FixtureRequest) -> Iterator[SessionStore]:
    """The file, open for both and for reading only."""
    with SessionStore(path, read_only=request.param) as store:
        yield store


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    """The file, open."""
    database = open_database(path)
    yield database
    database.close()


@pytest.mark.parametrize("huge", HUGE)
def test_a_huge_limit_is_all_there_is(store: SessionStore, huge: int) -> None:
    """As if there were none."""
    assert [session.session_id for session in store.list_sessions(limit=huge).sessions] == ["s"]
    assert [session.session_id for session in store.list_sessions(limit=huge, sort="id").sessions] == ["s"]
    assert len(store.search_messages("hello", limit=huge)) == 2
    assert len(store.search_messages("hello", limit=huge, offset=1)) == 1
    assert len(store.read_messages("s", limit=huge)) == 2
    assert len(store.list_checkpoints("s", limit=huge)) == 2


@pytest.mark.parametrize("huge", HUGE)
def test_behind_a_huge_offset_there_is_nothing(store: SessionStore, huge: int) -> None:
    """With a huge limit too; from the end it is the beginning."""
    for limit in (1, huge):
        assert store.search_messages("hello", limit=limit, offset=huge) == []
        assert store.read_messages("s", limit=limit, offset=huge) == []
        assert store.list_checkpoints("s", limit=limit, offset=huge) == []
        assert store.read_messages("s", limit=limit, offset=-huge)[0].message_id == 0
        assert store.list_checkpoints("s", limit=limit, offset=-huge)[0].message_id == 0


@pytest.mark.parametrize("huge", HUGE)
def test_pages_of_messages_take_huge_numbers_too(path: Path, database: Database, huge: int) -> None:
    """Page by page, and by the interface of the SDK."""
    assert len(list(iterate_messages(database, "s", "a", limit=huge))) == 2
    assert list(iterate_messages(database, "s", "a", limit=huge, offset=huge)) == []
    assert len(list(iterate_messages(database, "s", "a", limit=huge, offset=-huge))) == 2
    with SQLiteSessionManager("s", path) as manager:
        assert len(manager.list_messages("s", "a", limit=huge)) == 2
        assert manager.list_messages("s", "a", limit=huge, offset=huge) == []
