"""The pytest plugin: options, the marker, fixtures, what failed tests show, and what tests must not touch.

Nothing of the SDK is imported before a test asks for a fixture.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from . import _failures, _watch
from ._options import MARKER, SessionOptions, add_options, read_options, wants_guard

if TYPE_CHECKING:
    from strands import Agent
    from strands.session import SnapshotSessionManager

    from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager, SQLiteStorage

    from ._sessions import SessionFactory
    from .faults import SessionFaults
    from .scripted_model import ScriptedModel, Step

_OPTIONS = pytest.StashKey[SessionOptions]()
_OPENED = pytest.StashKey[list[tuple[str | None, pytest.Item | pytest.Collector, "SessionFactory"]]]()
_WATCH = pytest.StashKey[_watch.Watch]()
_SHOWN = pytest.StashKey[list[tuple[str, str]]]()
_PASSED = pytest.StashKey[bool]()
_AT_START: list[str | None] = []
"""The database that the environment names when pytest starts."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and ini values, before a conftest.py of the tests can set another database."""
    _AT_START[:] = [os.environ.get("STRANDS_SQLITE_DB_PATH")]
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker, check the options, and watch over the databases of the user."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(session_id, agent_id, messages, state, in_memory, durability): "
        "what the strands-sqlite fixtures begin with",
    )
    config.stash[_OPTIONS] = read_options(config)
    config.stash[_OPENED] = []
    config.stash[_WATCH] = _watch.start(
        [
            *_AT_START,
            config.invocation_params.dir / "sessions.db",
            config.rootpath / "sessions.db",
        ]
        if wants_guard(config)
        else []
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop watching."""
    watch = config.stash.get(_WATCH, None)
    if watch is not None:
        watch.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the contract suites found, where any ran."""
    from .contracts import _report  # noqa: PLC0415 - only at the end

    _report.pytest_terminal_summary(terminalreporter)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Import everything before a run of pytest inside of a test: at its end it forgets what was imported in it."""
    if "pytester" in getattr(item, "fixturenames", ()):
        for package in ("strands_sqlite_session_manager", "pytest_strands_sqlite", "pytest_strands_sqlite.contracts"):
            names = import_module(package)
            for name in names.__all__:
                getattr(names, name)
        for room in ("_reports", "_sessions", "factories", "faults"):
            import_module(f"pytest_strands_sqlite.{room}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note which tests pass, and show the sessions of those that fail."""
    report = yield
    if report.when != "teardown":
        was_well = report.when == "setup" or item.stash[_PASSED]  # a subtest that fails has a report of its own
        item.stash[_PASSED] = was_well and report.passed
        item.stash[_SHOWN] = []
    if report.failed:
        shown = item.stash[_SHOWN]
        report.sections.extend(shown or _sections(item))
    return report


def _sections(item: pytest.Item) -> list[tuple[str, str]]:
    """Return what the databases of a test hold that are open."""
    found = []
    for name, node, factory in item.config.stash[_OPENED]:
        if node is item or (node in item.listchain() and name in getattr(item, "fixturenames", ())):
            from . import _reports  # noqa: PLC0415 - only where a fixture has imported the SDK already

            found += _reports.sections(factory)
    return found


def options_of(config: pytest.Config) -> SessionOptions:
    """Return what the command line and the ini file say."""
    options: SessionOptions = _stashed(config, _OPTIONS)
    return options


def _marked(request: pytest.FixtureRequest, options: SessionOptions) -> SessionOptions:
    """Return the options with what the markers of a test say, those of its module first and its own last."""
    try:
        return options.marked(list(request.node.iter_markers(MARKER))[::-1])
    except (TypeError, ValueError) as error:
        problem = str(error)
    pytest.fail(problem, pytrace=False)


@contextmanager
def opened_factory(
    request: pytest.FixtureRequest, options: SessionOptions, folder: Callable[[], Path]
) -> Iterator[SessionFactory]:
    """Open the database of a fixture, show it in the reports of failed tests, and close it."""
    if not isinstance(options, SessionOptions):
        pytest.fail(_failures.wrong_config(options), pytrace=False)
    from ._sessions import SessionFactory  # noqa: PLC0415 - imports the SDK

    faults = None
    if request.scope == "function":
        if "session_faults" in request.fixturenames:
            faults, options = request.getfixturevalue("session_faults"), replace(options, durability="full")
        options = _marked(request, options)
    watch = _stashed(request.config, _WATCH)
    with watch.leaks():
        factory = SessionFactory(options, folder, faults=faults)
        shown = (request.fixturename, request.node, factory)
        request.config.stash[_OPENED].append(shown)
        try:
            yield factory
        finally:
            request.config.stash[_OPENED].remove(shown)
            factory.close()


def agent_maker(
    sessions: SessionFactory, scripted_model: Callable[..., ScriptedModel], defaults: dict[str, Any]
) -> Callable[..., Agent]:
    """Return a function that makes agents with a scripted model and a session."""
    from strands import Agent  # noqa: PLC0415 - imports the SDK

    def make(*steps: Step, session_id: str | None = None, **options: Any) -> Agent:
        given = {"callback_handler": None, "agent_id": sessions.options.agent_id, **defaults, **options}
        if steps and "model" in given:
            raise TypeError(_failures.both_given("steps", "model"))
        if session_id is not None and "session_manager" in given:
            raise TypeError(_failures.both_given("session_id", "session_manager"))
        if "model" not in given:
            given["model"] = scripted_model(*steps)
        if "session_manager" not in given:
            given["session_manager"] = sessions(session_id)
        return Agent(**given)

    return make


def _stashed(config: pytest.Config, key: pytest.StashKey[Any]) -> Any:
    if key not in config.stash:
        pytest.fail(_failures.no_plugin(), pytrace=False)
    return config.stash[key]


@pytest.fixture
def strands_sqlite_config(pytestconfig: pytest.Config) -> SessionOptions:
    """What the sessions of tests are made of, before the marker of a test: override it for a module or a package."""
    return options_of(pytestconfig)


@pytest.fixture
def sqlite_session_factory(
    request: pytest.FixtureRequest, strands_sqlite_config: SessionOptions
) -> Iterator[SessionFactory]:
    """Make session managers on the one database of the test; `restart()` closes them as the end of a process would."""
    with opened_factory(request, strands_sqlite_config, lambda: request.getfixturevalue("tmp_path")) as factory:
        yield factory


@pytest.fixture
def sqlite_session_manager(sqlite_session_factory: SessionFactory) -> SQLiteSessionManager:
    """A session manager on a database of the test's own."""
    return sqlite_session_factory()


@pytest.fixture
def sqlite_storage(sqlite_session_factory: SessionFactory) -> SQLiteStorage:
    """A storage on the test's database."""
    return sqlite_session_factory.storage()


@pytest.fixture
def sqlite_snapshot_manager(sqlite_session_factory: SessionFactory) -> SnapshotSessionManager:
    """The SDK's manager of snapshots, on the test's database."""
    return sqlite_session_factory.snapshot_manager()


@pytest.fixture
def session_store(sqlite_session_factory: SessionFactory) -> SessionStore:
    """The test's database, to look at."""
    return sqlite_session_factory.store()


@pytest.fixture
def scripted_model(request: pytest.FixtureRequest) -> Iterator[Callable[..., ScriptedModel]]:
    """Make models that play a script: `scripted_model(*steps)`; a test that passes must have used every step."""
    from .scripted_model import ScriptedModel  # noqa: PLC0415 - imports the SDK

    models: list[ScriptedModel] = []

    def make(*steps: Step, **options: Any) -> ScriptedModel:
        models.append(ScriptedModel(*steps, **options))
        return models[-1]

    yield make
    if request.node.stash.get(_PASSED, False):  # one that failed or was skipped left steps behind, and said why
        problems = [problem for problem in map(_problem, models) if problem]
        if problems:
            request.node.stash[_SHOWN] = _sections(request.node)
            pytest.fail("\n".join(problems), pytrace=False)


def _problem(model: ScriptedModel) -> str:
    try:
        model.assert_consumed()
    except AssertionError as error:
        return str(error)
    return ""


@pytest.fixture
def agent_factory(
    sqlite_session_factory: SessionFactory, scripted_model: Callable[..., ScriptedModel]
) -> Callable[..., Agent]:
    """Make agents with a scripted model and a session: `agent_factory(*steps, session_id=…, tools=…, …)`."""
    return agent_maker(sqlite_session_factory, scripted_model, {})


@pytest.fixture
def session_faults() -> Iterator[SessionFaults]:
    """Let the next write of the test's session managers meet a full disk, a lock, a crash and the like."""
    from .faults import SessionFaults  # noqa: PLC0415 - imports APSW

    with SessionFaults() as faults:
        yield faults
