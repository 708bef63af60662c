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
from .samples import EARLY, session

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
