"""Session managers for real agents: ours, and the SDK's file manager as the oracle of what must happen."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from strands import Agent
from strands.session.file_session_manager import FileSessionManager
from strands.session.repository_session_manager import RepositorySessionManager

from pytest_strands_sqlite import ScriptedModel
from pytest_strands_sqlite.scripted_model import Step
from strands_sqlite_session_manager import SQLiteSessionManager
from tests.core.conversion.sessions import assert_converts_both_ways

Opener = Callable[[str, Path], RepositorySessionManager]


def _open_sqlite(session_id: str, folder: Path) -> RepositorySessionManager:
    return SQLiteSessionManager(session_id, db_path=folder / "sessions.db")


def _open_file(session_id: str, folder: Path) -> RepositorySessionManager:
    return FileSessionManager(session_id, storage_dir=str(folder))


OPENERS: dict[str, Opener] = {"sqlite": _open_sqlite, "file": _open_file}


@pytest.fixture(scope="session")
def openers() -> dict[str, Opener]:
    """By backend, how to open a session whose data are in a folder."""
    return OPENERS


@pytest.fixture(params=sorted(OPENERS, reverse=True))
def backend(request: pytest.FixtureRequest) -> str:
    """Name of the backend under test; each test that asks for a session manager runs on both."""
    return str(request.param)


@pytest.fixture
def opened() -> Iterator[contextlib.ExitStack]:
    """Whatever the test opened, closed at its end."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture(autouse=True)
def check_conversions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Convert each session that the test has in a database, at every restart and at its end, to snapshots and back.

    So whatever an agent leaves behind in any of these tests is a case for the tests of the conversion too.
    """
    files: set[Path] = set()

    def open_(session_id: str, folder: Path) -> RepositorySessionManager:
        files.add(folder / "sessions.db")
        return _open_sqlite(session_id, folder)

    def check() -> None:
        for file in sorted(files):
            assert_converts_both_ways(file)

    monkeypatch.setitem(OPENERS, "sqlite", open_)
    yield check
    check()


@pytest.fixture
def open_session(backend: str, tmp_path: Path, opened: contextlib.ExitStack) -> Callable[..., RepositorySessionManager]:
    """Open a session manager: `open_session(session_id="session")`."""

    def open_(session_id: str = "session") -> RepositorySessionManager:
        manager = OPENERS[backend](session_id, tmp_path)
        opened.callback(getattr(manager, "close", lambda: None))
        return manager

    return open_


@pytest.fixture
def restart(
    open_session: Callable[..., RepositorySessionManager],
    opened: contextlib.ExitStack,
    check_conversions: Callable[[], None],
) -> Callable[..., RepositorySessionManager]:
    """Close everything that the test opened, as the end of a process would, and open a session again."""

    def restart_(session_id: str = "session") -> RepositorySessionManager:
        opened.close()
        check_conversions()
        return open_session(session_id)

    return restart_


@pytest.fixture
def new_agent(request: pytest.FixtureRequest) -> Iterator[Callable[..., Agent]]:
    """Make an agent with a scripted model: `new_agent(manager, *steps, **options)`; each step must be used."""
    models: list[ScriptedModel] = []
    failed = request.session.testsfailed

    def new_agent_(manager: RepositorySessionManager | None, *steps: Step, **options: Any) -> Agent:
        model = options.pop("model", None) or ScriptedModel(*steps)
        models.append(model)
        return Agent(model=model, session_manager=manager, callback_handler=None, **options)

    yield new_agent_
    if request.session.testsfailed == failed:  # a test that failed left steps behind, and said why
        for model in models:
            model.assert_consumed()
