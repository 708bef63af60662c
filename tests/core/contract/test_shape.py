"""What a session manager is, how it is called, and what its constructor takes."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from strands.session.repository_session_manager import RepositorySessionManager
from strands.session.s3_session_manager import S3SessionManager
from strands.session.session_repository import SessionRepository

from strands_sqlite_session_manager import SQLiteSessionManager

from .backends import METHODS, Backend, Manager, SQLiteBackend
from .samples import EARLY, agent, crew, said, session, stock

WRITTEN_FOR_S3 = {
    "bucket": "my-bucket",
    "prefix": "prod/",
    "region_name": "eu-west-1",
    "boto_session": object(),
}


def keyword_names(method: object) -> list[tuple[str, object, object]]:
    """Return name, kind and default of each parameter."""
    assert callable(method)
    return [(p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()]


@pytest.fixture
def caught() -> Iterator[list[warnings.WarningMessage]]:
    """Every warning of the test."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield found


def test_manager_is_its_own_repository(manager: Manager) -> None:
    """A manager is a `RepositorySessionManager` and the `SessionRepository` that it uses."""
    assert isinstance(manager, RepositorySessionManager)
    assert isinstance(manager, SessionRepository)
    assert manager.session_repository is manager
    assert manager.session_id == "s"


def test_constructor_creates_a_new_session(manager: Manager) -> None:
    """Building a manager on an unknown session id creates the session."""
    created = manager.read_session("s")

    assert created is not None
    assert created.session_id == "s"
    assert created.created_at == manager.session.created_at


def test_constructor_leaves_an_existing_session_as_it_is(backend: Backend) -> None:
    """Building a manager on a known session id reads the session and changes nothing in it."""
    backend.open("other").create_session(session("s"))
    second = backend.open("s")

    assert second.session.created_at == EARLY
    stored = second.read_session("s")
    assert stored is not None
    assert (stored.created_at, stored.updated_at) == (EARLY, EARLY)


@pytest.mark.parametrize("name", METHODS)
def test_sqlite_has_the_parameters_of_s3(name: str) -> None:
    """Each method takes the parameters of `S3SessionManager` in the same order, with the same names and defaults."""
    assert keyword_names(getattr(SQLiteSessionManager, name)) == keyword_names(getattr(S3SessionManager, name))


def test_unknown_keyword_arguments_are_ignored(manager: Manager) -> None:
    """Each method takes the keyword arguments of a newer SDK and does what it does without them."""
    newer: dict[str, Any] = {"of_a_newer_sdk": 1, "deep": True}
    new = session("new")

    assert manager.create_session(new, **newer) is new
    assert manager.read_session("new", **newer) == new
    assert manager.create_agent("new", agent("a"), **newer) is None
    assert manager.update_agent("new", agent("a", step=2), **newer) is None
    assert manager.read_agent("new", "a", **newer) == agent("a", step=2)
    assert manager.create_message("new", "a", said(0), **newer) is None
    assert manager.update_message("new", "a", said(0, "changed"), **newer) is None
    assert manager.read_message("new", "a", 0, **newer) == said(0, "changed")
    assert manager.list_messages("new", "a", **newer) == [said(0, "changed")]
    assert manager.create_multi_agent("new", crew("m", {"step": 1}), **newer) is None
    assert manager.update_multi_agent("new", crew("m", {"step": 2}), **newer) is None
    assert manager.read_multi_agent("new", "m", **newer) == {"step": 2}
    assert manager.delete_session("new", **newer) is None
    assert manager.read_session("new", **newer) is None


def test_calls_by_keyword_as_the_base_class_makes_them(manager: Manager) -> None:
    """`list_messages` and `read_agent` can be called by keyword alone, which is how the SDK restores an agent."""
    stock(manager, "s")

    listed = manager.list_messages(session_id="s", agent_id="a", offset=1)
    found = manager.read_agent(session_id="s", agent_id="a")

    assert [message.message_id for message in listed] == [1]
    assert found is not None
    assert found.state == {"owner": "s"}


def test_every_parameter_can_be_given_by_keyword(manager: Manager) -> None:
    """The names of the parameters are part of the contract, those of the writing methods too."""
    manager.create_session(session=session("k"))
    manager.create_agent(session_id="k", session_agent=agent("a"))
    manager.update_agent(session_id="k", session_agent=agent("a", level=2))
    manager.create_message(session_id="k", agent_id="a", session_message=said(0))
    manager.update_message(session_id="k", agent_id="a", session_message=said(0, "changed"))

    assert manager.read_message(session_id="k", agent_id="a", message_id=0) == said(0, "changed")
    assert manager.list_messages(session_id="k", agent_id="a", limit=1, offset=0) == [said(0, "changed")]
    manager.delete_session(session_id="k")
    assert manager.read_session(session_id="k") is None


def test_sqlite_accepts_arguments_written_for_s3(sqlite: SQLiteBackend, caught: list[warnings.WarningMessage]) -> None:
    """A constructor call written for S3 works, and each argument that means nothing here is named in one warning."""
    options: dict[str, Any] = WRITTEN_FOR_S3
    with SQLiteSessionManager("s", sqlite.path, **options) as manager:
        assert manager.read_session("s") is not None

    texts = [str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)]
    named = {name: sum(bool(re.search(rf"\b{name}\b", text)) for text in texts) for name in WRITTEN_FOR_S3}
    assert named == dict.fromkeys(WRITTEN_FOR_S3, 1)


def test_sqlite_warning_points_at_the_caller(sqlite: SQLiteBackend, caught: list[warnings.WarningMessage]) -> None:
    """The warning carries the line that built the manager, so that it can be found and changed."""
    with SQLiteSessionManager("s", sqlite.path, bucket="my-bucket"):
        pass

    assert [warning.filename for warning in caught if "bucket" in str(warning.message)] == [__file__]


def test_sqlite_does_not_warn_about_its_own_arguments(
    sqlite: SQLiteBackend, caught: list[warnings.WarningMessage]
) -> None:
    """Arguments that have a meaning give no warning."""
    with SQLiteSessionManager(session_id="s", db_path=sqlite.path, durability="normal", busy_timeout=1.0):
        pass

    assert caught == []
