"""Lists of sessions: what is told of each, in which order, which of them, and page by page while others write."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any

import pytest
from strands import Agent

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import DatabaseReadOnlyError, SessionStore, SQLiteSessionManager, catalog
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database, Options
from strands_sqlite_session_manager._schema import open_database, open_for_reading
from strands_sqlite_session_manager.catalog import SessionFilter, SessionInfo, Sort, list_sessions

from .cataloged import (
    START,
    add_many,
    add_session,
    at,
    milliseconds,
    put,
    put_agent,
    put_message,
    put_session,
    step,
)
from .test_activity import start

LONG = "word " * 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    """An empty database."""
    database = open_database(path, Options(durability="normal"))
    yield database
    database.close()


def ids(database: Database, where: SessionFilter | None = None, **options: Any) -> list[str]:
    return [found.session_id for found in list_sessions(database, where or SessionFilter(), **options).sessions]


def every_page(database: Database, where: SessionFilter | None = None, **options: Any) -> list[list[SessionInfo]]:
    where, after, pages = where or SessionFilter(), None, []
    while True:
        page = list_sessions(database, where, after=after, **options)
        pages.append(list(page.sessions))
        after = page.after
        if after is None:
            return pages


def preview(database: Database, *said: Any) -> str:
    add_session(database, "s", *said)
    return list_sessions(database).sessions[0].preview


def test_what_is_told_of_a_session(database: Database) -> None:
    """Its notes, its times, its agents in the order in which they were created, its crews and its messages."""

    def add(connection: Connection) -> None:
        put_session(connection, "s", "z", time=at(0))
        put_agent(connection, "s", "a", at(1))
        put_message(connection, "s", "z", "hello", at(2))
        put_message(connection, "s", "z", "hi", at(3))
        put_message(connection, "s", "a", "again", at(4))
        put(connection, "multi_agents", session_id="s", multi_agent_id="crew", state="{}", updated_at=at(5))

    database.write(add)
    catalog.set_title(database, "s", "A talk")
    catalog.add_tags(database, "s", "later", "blue")
    catalog.set_metadata(database, "s", {"customer": 42})
    expected = SessionInfo(
        session_id="s",
        title="A talk",
        preview="hello",
        tags=("blue", "later"),
        metadata={"customer": 42},
        created_at=at(0),
        last_activity=milliseconds(5),
        agents=("z", "a"),
        multi_agents=("crew",),
        messages=3,
    )
    every_sort: tuple[Sort, ...] = ("activity", "created", "id")
    for sort in every_sort:
        assert list_sessions(database, sort=sort).sessions == (expected,)


def test_a_session_of_a_real_agent_is_listed(path: Path) -> None:
    """What an agent wrote through its session manager stands in the list, in the database that is open at once."""
    with SQLiteSessionManager("talk", path) as manager:
        Agent(model=ScriptedModel(["It is sunny."]), session_manager=manager, callback_handler=None)(
            "How is the weather?"
        )
        database = open_database(path)
        (found,) = list_sessions(database).sessions
        database.close()
    assert (found.session_id, found.preview, found.agents, found.messages) == (
        *("talk", "How is the weather?", ("default",), 2),
    )


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (["hi\n  there\tyou "], "hi there you"),
        ([[{"text": " \n"}, {"text": "here"}]], "here"),
        ([[{"image": {"format": "png", "source": {"bytes": b"x" * 600}}}, {"text": "look"}]], "look"),
        (
            [[{"toolResult": {"toolUseId": "1", "content": [{"text": "no"}]}}], "mine", "first of the user"],
            "first of the user",
        ),
        ([[{"image": {"format": "png", "source": {"bytes": b"x"}}}], "an answer"], ""),
        ([LONG], f"{LONG[:79].rstrip()}…"),
        (["é" * 100], f"{'é' * 79}…"),
        ([], ""),
    ],
)
def test_the_preview_is_the_beginning_of_the_first_text_of_the_user(
    database: Database, said: list[Any], shown: str
) -> None:
    """In one line of at most 80 characters; answers, tool results and pictures are passed over."""
    assert preview(database, *said) == shown
    assert len(shown) <= 80


def test_the_preview_is_what_is_shown_of_a_redacted_message(database: Database) -> None:
    """What a guardrail took away stands in no list."""
    add_session(database, "s", "secret")
    redacted = json.dumps({"role": "user", "content": [{"text": "[removed]"}]})
    database.write(lambda connection: connection.run("UPDATE messages SET redact_message = ?", (redacted,)))
    assert list_sessions(database).sessions[0].preview == "[removed]"


def test_the_preview_of_a_crew_is_its_task(database: Database) -> None:
    """A session of a graph or swarm, without agents of its own, begins with what it was asked."""

    def add(connection: Connection) -> None:
        put_session(connection, "s")
        put(connection, "multi_agents", session_id="s", multi_agent_id="m", state='{"current_task": "Write a poem"}')

    database.write(add)
    assert list_sessions(database).sessions[0].preview == "Write a poem"


def test_damaged_rows_stop_no_list(database: Database) -> None:
    """A message, metadata or state that is no JSON costs its session that, and nothing more."""
    add_session(database, "s", "hello")

    def damage(connection: Connection) -> None:
        connection.run("UPDATE messages SET message = '{\"role\"'")
        connection.run("UPDATE sessions SET metadata = '[1'")
        put_session(connection, "t")
        put(connection, "multi_agents", session_id="t", multi_agent_id="m", state="nothing")

    database.write(damage)
    assert {(found.preview, found.messages, len(found.metadata)) for found in list_sessions(database).sessions} == {
        *(("", 1, 0), ("", 0, 0)),
    }


def test_the_latest_come_first_and_ids_from_a_to_z(database: Database) -> None:
    """Each order has its usual direction, and the other one on demand; times are compared as times."""

    def add(connection: Connection) -> None:
        for session_id, created, active in (("b", "2026-01-01T05:00:00+03:00", 9), ("a", at(3600), 8), ("c", at(9), 7)):
            put_session(connection, session_id, time=created)
            put_agent(connection, session_id, "a", at(3600 * active))

    database.write(add)
    assert ids(database) == ["b", "a", "c"]
    assert ids(database, descending=False) == ["c", "a", "b"]
    assert ids(database, sort="created") == ["b", "a", "c"]
    assert ids(database, sort="created", descending=False) == ["c", "a", "b"]
    assert ids(database, sort="id") == ["a", "b", "c"]
    assert ids(database, sort="id", descending=True) == ["c", "b", "a"]


@pytest.mark.parametrize("sort", ["activity", "created", "id"])
@pytest.mark.parametrize("descending", [None, True, False])
@pytest.mark.parametrize("read_only", [False, True])
def test_pages_hold_every_session_once(
    path: Path, database: Database, *, sort: Sort, descending: bool | None, read_only: bool
) -> None:
    """Page after page gives what one page of all gives, whatever the order and how many are equal in it."""
    chance = Random(1)
    for number in range(37):
        add_session(database, f"s{chance.random()}", seconds=number // 5)
    whole = every_page(database, sort=sort, descending=descending, limit=1000)
    asked = open_for_reading(path) if read_only else database
    pages = every_page(asked, sort=sort, descending=descending, limit=10)
    assert [len(page) for page in pages] == [10, 10, 10, 7]
    assert [found for page in pages for found in page] == whole[0]
    if read_only:
        asked.close()


def test_a_full_last_page_says_that_it_is_the_last(database: Database) -> None:
    """Nobody is sent to an empty page, but where there are no sessions at all."""
    assert list_sessions(database).after is None
    add_many(database, 20)
    assert [len(page) for page in every_page(database, limit=10)] == [10, 10]


def test_what_others_write_moves_no_other_session(path: Path, database: Database) -> None:
    """While another process writes to ten sessions, the pages of all others leave none out and give none twice."""
    add_many(database, 60)
    with start("write", path) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "writing\n"
        for _ in range(5):
            found = [one.session_id for page in every_page(database, limit=7) for one in page]
            quiet = [session_id for session_id in found if session_id >= "s00010"]
            assert quiet == [f"s{number:05}" for number in range(59, 9, -1)]
        other.communicate("\n")


def test_what_moved_meanwhile_is_found_in_its_new_place(database: Database) -> None:
    """From the oldest to the latest, a session that is written to is met again where it now belongs."""
    add_many(database, 4)
    first = list_sessions(database, limit=2, descending=False)
    database.write(lambda connection: put_message(connection, "s00000", "a", time=at(100)))
    rest = list_sessions(database, descending=False, after=first.after)
    assert [found.session_id for found in rest.sessions] == ["s00002", "s00003", "s00000"]


def test_sessions_are_found_by_time(database: Database) -> None:
    """From a time on and up to a time, both included, in any order; a time may have any zone."""
    add_many(database, 10)
    zone = timezone(timedelta(hours=5, minutes=30))
    since, until = (datetime.fromisoformat(at(seconds)).astimezone(zone) for seconds in (3, 6))
    where = SessionFilter(active_since=since, active_until=until)
    assert ids(database, where) == ["s00006", "s00005", "s00004", "s00003"]
    assert ids(database, where, sort="id") == ["s00003", "s00004", "s00005", "s00006"]
    assert [len(page) for page in every_page(database, where, sort="created", limit=3)] == [3, 1]
    assert ids(database, SessionFilter(active_since=START + timedelta(seconds=9, milliseconds=1))) == []


@pytest.mark.parametrize(
    ("title", "found"), [("STRASSE", True), ("ß", True), ("ÉCOLE", True), ("%", False), ("", True)]
)
def test_sessions_are_found_by_part_of_their_title(database: Database, title: str, found: int) -> None:
    """Without regard to case in any script; nothing in it is syntax."""
    add_many(database, 3)
    catalog.set_title(database, "s00001", "Die Straße zur école")
    assert ids(database, SessionFilter(title=title)) == ["s00001"] * found


def test_sessions_are_found_by_all_of_their_tags(database: Database) -> None:
    """One that lacks a tag is not found."""
    add_many(database, 3)
    catalog.add_tags(database, "s00000", "a", "b")
    catalog.add_tags(database, "s00001", "a")
    assert ids(database, SessionFilter(tags=("a",))) == ["s00001", "s00000"]
    assert ids(database, SessionFilter(tags=("a", "b")), sort="id") == ["s00000"]
    assert ids(database, SessionFilter(tags=("A",))) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"n": 1}, ["s00000"]),
        ({"n": True}, ["s00001"]),
        ({"n": "1"}, ["s00002"]),
        ({"n": 1.0}, ["s00000"]),
        ({"n": None}, ["s00003"]),
        ({"$.n'\"": [1, {"b": False}]}, ["s00003"]),
        ({"n": 1, "m": 2}, []),
        ({"m": None}, ["s00003", "s00002", "s00001", "s00000"]),
    ],
)
def test_sessions_are_found_by_their_metadata(database: Database, wanted: dict[str, Any], found: list[str]) -> None:
    """Values are equal as JSON values are: true is not 1. None finds those that have no such value."""
    add_many(database, 4)
    for number, values in enumerate([{"n": 1}, {"n": True}, {"n": "1"}, {"$.n'\"": [1, {"b": False}]}]):
        catalog.set_metadata(database, f"s{number:05}", values)
    assert ids(database, SessionFilter(metadata=wanted)) == found


def test_sessions_are_found_by_their_agents(database: Database) -> None:
    """An agent of exactly that id."""
    add_session(database, "s", agent="writer")
    add_session(database, "t", agent="writer2")
    assert ids(database, SessionFilter(agent_id="writer")) == ["s"]


def test_pages_of_what_is_found_by_notes_hold_each_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Titles and metadata are looked through piece by piece; no edge of a piece loses or doubles a session."""
    monkeypatch.setattr(catalog._pages, "_SCANNED", 7)
    add_many(database, 50)
    for number in range(0, 50, 3):
        catalog.set_title(database, f"s{number:05}", "Third")
    for sort in ("activity", "created", "id"):
        pages = every_page(database, SessionFilter(title="third"), sort=sort, limit=4)
        assert sorted(found.session_id for page in pages for found in page) == [f"s{n:05}" for n in range(0, 50, 3)]
        assert [len(page) for page in pages] == [4, 4, 4, 4, 1]


def test_a_cursor_belongs_to_its_order(database: Database) -> None:
    """One of another order, or what is none, is refused with words, and nothing is listed from a wrong place."""
    add_many(database, 5)
    after = list_sessions(database, limit=2).after
    assert after is not None
    assert ids(database, after=after) == ["s00002", "s00001", "s00000"]
    for options in ({"sort": "id"}, {"sort": "created"}, {"descending": False}):
        with pytest.raises(ValueError, match="another order"):
            ids(database, after=after, **options)
    numbers = base64.urlsafe_b64encode(b'["activity", true, 1, 2]').decode()
    for garbage in ("", "x", "é", "{}", after[:-3], f"{after}AAAA", numbers, base64.b64encode(b"[" * 99999).decode()):
        with pytest.raises(ValueError, match="is not from a page"):
            ids(database, after=garbage)


def test_misuse_is_refused(database: Database) -> None:
    """No page is empty by mistake, no time is without its zone."""
    for options in ({"limit": 0}, {"limit": -1}, {"sort": "size"}):
        with pytest.raises(ValueError, match="limit"):
            ids(database, **options)
    with pytest.raises(TypeError, match="tuple"):
        ids(database, SessionFilter(tags="tag"))  # type: ignore[arg-type]  # what is refused
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - what is refused
    for where in (SessionFilter(active_since=naive), SessionFilter(active_until=naive)):
        with pytest.raises(ValueError, match="zone"):
            ids(database, where)


def test_readers_see_what_a_writer_sees(path: Path, database: Database) -> None:
    """A file that is open for reading only is listed as any other, after every history of writes."""
    chance = Random(5)
    reader = open_for_reading(path)
    for _ in range(10):
        for _ in range(20):
            database.write(lambda connection: step(connection, chance))
        pages = every_page(reader, limit=3)
        assert pages == every_page(database, limit=3)
    reader.close()


def test_the_store_has_the_same_methods(path: Path) -> None:
    """What the functions do with a database, a store does with its own."""
    with SQLiteSessionManager("talk", path) as manager:
        agent = Agent(model=ScriptedModel("It is sunny."), session_manager=manager, callback_handler=None)
        agent("How is the weather?")
    with SessionStore(path) as store:
        store.set_title("talk", "Weather")
        store.add_tags("talk", "a", "b")
        store.remove_tags("talk", "b")
        store.set_metadata("talk", {"n": 1})
    with SessionStore(path, read_only=True) as store:
        page = store.list_sessions(SessionFilter(title="weather", tags=("a",), metadata={"n": 1}), sort="created")
        assert page == catalog.SessionPage((store.summarize_session("talk").info,), None)
        assert [found.message for found in store.read_messages("talk", limit=1, offset=1)] == agent.messages[1:]
        with pytest.raises(DatabaseReadOnlyError):
            store.set_title("talk", None)


def test_the_rooms_of_the_command_do_not_import_the_sdk() -> None:
    """A command that lists sessions starts without it."""
    code = (
        "import sys; from strands_sqlite_session_manager._standalone import stand_alone; stand_alone(); "
        "import strands_sqlite_session_manager.catalog; print('strands' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
