"""Titles, tags and metadata: what people note about a session, without disturbing it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from strands_sqlite_session_manager import NotFoundError
from strands_sqlite_session_manager._database import Database, Options
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.catalog import (
    SessionInfo,
    add_tags,
    list_sessions,
    remove_tags,
    set_metadata,
    set_title,
    summarize_session,
)

from .cataloged import add_many, add_session, changes
from .test_activity import start

NAN, INFINITY = float("nan"), float("inf")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    """A database with the session `s`."""
    database = open_database(path, Options(durability="normal"))
    add_session(database, "s", "hello", seconds=5)
    yield database
    database.close()


def info(database: Database) -> SessionInfo:
    return summarize_session(database, "s").info


def test_a_title_is_set_changed_and_taken_away(database: Database) -> None:
    """It is kept as it is written, in any script."""
    for title in ("A talk", "Ein Gespräch 会話 🙂", None):
        set_title(database, "s", title)
        assert info(database).title == title


def test_tags_are_added_and_taken_away(database: Database) -> None:
    """What is there already, or never was, is no error; a tag in another case is another tag."""
    add_tags(database, "s", "b", "a", "b")
    add_tags(database, "s", "b", "B")
    assert info(database).tags == ("B", "a", "b")
    remove_tags(database, "s", "b", "nobody's")
    assert info(database).tags == ("B", "a")


def test_metadata_is_merged(database: Database) -> None:
    """Other keys stay; None removes one; a value is replaced whole; every JSON value comes back as it was."""
    values: dict[str, Any] = {
        "n": 1,
        "x": 1.5,
        "b": True,
        "t": "ü\n",
        "l": [1, None],
        "o": {"a": {"b": []}},
        "$.'\"": 2,
    }
    set_metadata(database, "s", values)
    assert info(database).metadata == values
    set_metadata(database, "s", {"o": {"c": 1}, "n": None, "never": None})
    assert info(database).metadata == {key: values[key] for key in values if key != "n"} | {"o": {"c": 1}}
    set_metadata(database, "s", dict.fromkeys(values))
    assert info(database).metadata == {}


def test_notes_are_a_change_and_no_activity(database: Database) -> None:
    """Whoever follows the changes sees them; the times of the session, and its place in the list, stay."""
    add_session(database, "later", seconds=6)
    before = info(database)
    notes: list[Callable[[], None]] = [
        lambda: set_title(database, "s", "A"),
        lambda: add_tags(database, "s", "a"),
        lambda: remove_tags(database, "s", "a"),
        lambda: set_metadata(database, "s", {"a": 1}),
    ]
    times = "SELECT created_at, updated_at FROM sessions WHERE session_id = 's'"
    stamped = database.read(lambda connection: connection.row(times))
    for note in notes:
        counters = database.read(changes)
        note()
        assert database.read(changes)["s"] > max(counters.values())
        assert info(database).last_activity == before.last_activity
        assert [found.session_id for found in list_sessions(database).sessions] == ["later", "s"]
    assert database.read(lambda connection: connection.row(times)) == stamped


def test_what_changes_nothing_is_no_change(database: Database) -> None:
    """The same again leaves the change counter where it is."""

    def note() -> None:
        set_title(database, "s", "A")
        add_tags(database, "s", "a")
        remove_tags(database, "s", "b")
        set_metadata(database, "s", {"b": 1, "a": None})

    note()
    counters = database.read(changes)
    note()
    assert database.read(changes) == counters


def test_notes_go_with_their_session(database: Database) -> None:
    """A new session of the same id has none of them."""
    add_tags(database, "s", "a")
    database.write(lambda connection: connection.run("DELETE FROM sessions WHERE session_id = 's'"))
    add_session(database, "s")
    assert info(database).tags == ()


@pytest.mark.parametrize("text", ["", " ", "a\nb", "a\0", "a\x1b[31m", "\ud800", "a" * 501])
def test_what_is_no_line_of_text_is_refused(database: Database, text: str) -> None:
    """As title, tag or key, before anything is written."""
    for note in (set_title, add_tags, remove_tags):
        with pytest.raises(ValueError, match=r"line|surrogate"):
            note(database, "s", text)
    with pytest.raises(ValueError, match=r"line|surrogate"):
        set_metadata(database, "s", {"good": 1, text: 1})
    assert (info(database).title, info(database).tags, info(database).metadata) == (None, (), {})


@pytest.mark.parametrize("value", [1, b"text", ["a"], ("a",)])
def test_what_is_no_text_is_refused(database: Database, value: Any) -> None:
    """A title, tag or key of another type is a mistake of the caller."""
    for note in (set_title, add_tags, remove_tags):
        with pytest.raises(TypeError, match="must be text"):
            note(database, "s", value)
    for metadata in ({1: "a"}, {"a": {1: "b"}}):
        with pytest.raises(TypeError, match="must be text"):
            set_metadata(database, "s", metadata)  # type: ignore[arg-type]  # what is refused


def test_a_tag_has_no_space_around_it(database: Database) -> None:
    """Two tags that look the same are the same."""
    with pytest.raises(ValueError, match="space"):
        add_tags(database, "s", "good", " a")
    assert info(database).tags == ()


def test_a_session_has_at_most_a_hundred_tags(database: Database) -> None:
    """One too many, and none of the call is added."""
    add_tags(database, "s", *(f"t{number}" for number in range(99)))
    with pytest.raises(ValueError, match="at most 100"):
        add_tags(database, "s", "x", "y")
    assert len(info(database).tags) == 99
    add_tags(database, "s", "x", "t1")


@pytest.mark.parametrize("value", [NAN, INFINITY, 2**63, "\0", "\ud800", {"a": ["\ud800"]}, {"\0": 1}, "x" * 65536])
def test_values_that_json_cannot_hold_are_refused(database: Database, value: Any) -> None:
    """Nothing is stored that would come back as something else, or not at all."""
    with pytest.raises(ValueError, match=r"surrogate|finite|64 bits|at most"):
        set_metadata(database, "s", {"good": 1, "bad": value})
    assert info(database).metadata == {}


def test_values_of_no_json_type_are_refused(database: Database) -> None:
    """Bytes, sets and objects; and a value that contains itself."""
    for value in (b"x", {1}, object(), [b"x"]):
        with pytest.raises(TypeError, match="nothing that JSON has"):
            set_metadata(database, "s", {"bad": value})
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="nested"):
        set_metadata(database, "s", {"bad": endless})


def test_a_session_that_is_missing_is_named(database: Database) -> None:
    """Every note needs its session, and says so."""
    calls: list[Callable[[], object]] = [
        lambda: set_title(database, "none", "a"),
        lambda: add_tags(database, "none", "a"),
        lambda: remove_tags(database, "none", "a"),
        lambda: set_metadata(database, "none", {}),
        lambda: summarize_session(database, "none"),
    ]
    for call in calls:
        with pytest.raises(NotFoundError, match="none"):
            call()


def test_a_process_that_is_killed_while_it_notes_leaves_all_or_nothing(path: Path, database: Database) -> None:
    """Values that are noted together are there together."""
    add_many(database, 1)
    with start("note", path) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "noting\n"
        other.send_signal(signal.SIGKILL)
        other.communicate()
    metadata = summarize_session(database, "s00000").info.metadata
    assert metadata["a"] == metadata["b"] >= 3
