"""Fixtures of other scopes, names and options than those of the plugin.

A fixture of the scope `function` heeds `strands_sqlite_config`, the marker of the test and `session_faults`, as those
of the plugin do; one of a wider scope heeds the command line and the ini file.

```python
from pytest_strands_sqlite import factories

crew = factories.sqlite_session_factory(scope="module", session_id="crew")
crew_manager = factories.sqlite_session_manager(factory="crew")
```
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import pytest

from ._options import SessionOptions
from .plugin import agent_maker, opened_factory, options_of

if TYPE_CHECKING:
    from strands import Agent
    from strands.session import SnapshotSessionManager

    from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager, SQLiteStorage

    from ._sessions import SessionFactory
    from .scripted_model import ScriptedModel

Scope = Literal["session", "package", "module", "class", "function"]


def sqlite_session_factory(*, scope: Scope = "function", name: str | None = None, **options: Any) -> Any:
    """Return a fixture like `sqlite_session_factory`.

    Args:
        scope: How long its database lives.
        name: The name of the fixture; that of the variable without it.
        **options: Fields of `SessionOptions`, over those of the command line, the ini file and
            `strands_sqlite_config`; the marker of a test goes over them.

    Raises:
        TypeError: An option is none, or its value has the wrong type.
        ValueError: An option has no such value.
    """
    SessionOptions(**options)  # says at once what is wrong with them

    def opened(
        request: pytest.FixtureRequest, given: SessionOptions, folders: pytest.TempPathFactory
    ) -> AbstractContextManager[SessionFactory]:
        return opened_factory(request, replace(given, **options), lambda: folders.mktemp("strands-sqlite"))

    if scope == "function":

        @pytest.fixture(name=name)
        def factory(
            request: pytest.FixtureRequest,
            strands_sqlite_config: SessionOptions,
            tmp_path_factory: pytest.TempPathFactory,
        ) -> Iterator[SessionFactory]:
            with opened(request, strands_sqlite_config, tmp_path_factory) as factory:
                yield factory

        return factory

    @pytest.fixture(scope=scope, name=name)
    def wide_factory(
        request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[SessionFactory]:
        with opened(request, options_of(request.config), tmp_path_factory) as factory:
            yield factory

    return wide_factory


def sqlite_session_manager(
    *, factory: str = "sqlite_session_factory", scope: Scope = "function", name: str | None = None, **options: Any
) -> Any:
    """Return a fixture like `sqlite_session_manager`.

    Args:
        factory: The fixture on whose database it is.
        scope: How long it lives; not longer than the factory.
        name: The name of the fixture; that of the variable without it.
        **options: As for `SQLiteSessionManager`, `session_id` among them.
    """

    def make(factory: SessionFactory) -> SQLiteSessionManager:
        return factory(**options)

    return _of(make, factory, scope, name)


def sqlite_storage(
    *, factory: str = "sqlite_session_factory", scope: Scope = "function", name: str | None = None, **options: Any
) -> Any:
    """Return a fixture like `sqlite_storage`; the arguments are those of `sqlite_session_manager` here."""

    def make(factory: SessionFactory) -> SQLiteStorage:
        return factory.storage(**options)

    return _of(make, factory, scope, name)


def sqlite_snapshot_manager(
    *, factory: str = "sqlite_session_factory", scope: Scope = "function", name: str | None = None, **options: Any
) -> Any:
    """Return a fixture like `sqlite_snapshot_manager`; `options` are those of the SDK's manager."""

    def make(factory: SessionFactory) -> SnapshotSessionManager:
        return factory.snapshot_manager(**options)

    return _of(make, factory, scope, name)


def session_store(
    *, factory: str = "sqlite_session_factory", scope: Scope = "function", name: str | None = None, **options: Any
) -> Any:
    """Return a fixture like `session_store`; the arguments are those of `sqlite_session_manager` here."""

    def make(factory: SessionFactory) -> SessionStore:
        return factory.store(**options)

    return _of(make, factory, scope, name)


def agent_factory(*, factory: str = "sqlite_session_factory", name: str | None = None, **options: Any) -> Any:
    """Return a fixture like `agent_factory`.

    Args:
        factory: The fixture on whose database the sessions of its agents are.
        name: The name of the fixture; that of the variable without it.
        **options: As for `Agent`, where a test gives no other.
    """

    def make(factory: SessionFactory, scripted_model: Callable[..., ScriptedModel]) -> Callable[..., Agent]:
        return agent_maker(factory, scripted_model, options)

    return _of(make, factory, "function", name, "scripted_model")


def _of(make: Callable[..., Any], factory: str, scope: Scope, name: str | None, *others: str) -> Any:
    """Return a fixture that names `factory` and others as its arguments, for `make`."""

    def fixture(**given: Any) -> Any:
        return make(given[factory], *(given[other] for other in others))

    arguments = [inspect.Parameter(each, inspect.Parameter.KEYWORD_ONLY) for each in (factory, *others)]
    vars(fixture)["__signature__"] = inspect.Signature(arguments)
    return pytest.fixture(scope=scope, name=name)(fixture)
