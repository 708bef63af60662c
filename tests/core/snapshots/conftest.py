"""Snapshot sessions for real agents: on `SQLiteStorage`, and on the SDK's file storage as the oracle."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from strands import Agent
from strands.session import SnapshotSessionManager
from strands.storage import InMemoryStorage, LocalFileStorage, Storage
from strands.types.session import decode_bytes_values

from pytest_strands_sqlite import ScriptedModel
from pytest_strands_sqlite.scripted_model import Step
from strands_sqlite_session_manager import SQLiteStorage

OpenStorage = Callable[..., Storage]
OpenSession = Callable[..., SnapshotSessionManager]

SDK = tuple(int(part) for part in version("strands-agents").split(".")[:2])
STASH, CREWS, BIDI, SHARED_STASH = (1, 56), (1, 57), (1, 58), (1, 62)
"""The first SDKs whose sessions hold a stash, graphs and swarms, bidirectional agents, a stash of several agents."""

SCENES = {"agents": (1, 54), "memory": (1, 54), "travel": (1, 54), "stash": STASH, "crews": CREWS}
"""What the first process plays, and the SDK that it needs for it."""

FILES = {
    "test_bidi_agent.py": BIDI,
    "test_crews_new_process.py": CREWS,
    "test_graph.py": CREWS,
    "test_shared_stash.py": SHARED_STASH,
    "test_stash.py": STASH,
    "test_stash_new_process.py": STASH,
    "test_swarm.py": CREWS,
}
"""Tests that need more than the oldest SDK has; an older one does not collect them."""

collect_ignore = [name for name, since in FILES.items() if since > SDK]

KILLED = 86
"""How the first process ends."""


def _open_sqlite(folder: Path, **options: Any) -> Storage:
    return SQLiteStorage(folder / "sessions.db", **options)


def _open_file(folder: Path, **_: Any) -> Storage:
    return LocalFileStorage(str(folder / "files"))


OPENERS: dict[str, Callable[..., Storage]] = {"sqlite": _open_sqlite, "file": _open_file}


@pytest.fixture(scope="session", params=list(OPENERS))
def backend(request: pytest.FixtureRequest) -> str:
    """Name of the backend under test; each test that asks for a storage runs on both."""
    return str(request.param)


@pytest.fixture
def opened() -> Iterator[contextlib.ExitStack]:
    """Whatever the test opened, closed at its end."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the storage of the test is."""
    return tmp_path


@pytest.fixture
def open_storage(backend: str, folder: Path, opened: contextlib.ExitStack) -> OpenStorage:
    """Open the storage of the test: `open_storage(**options of SQLiteStorage)`."""

    def open_(**options: Any) -> Storage:
        storage = OPENERS[backend](folder, **options)
        opened.callback(getattr(storage, "close", lambda: None))
        return storage

    return open_


@pytest.fixture
def open_passing(backend: str, opened: contextlib.ExitStack) -> Callable[[], Any]:
    """Open a storage that ends with the process: `:memory:`, and the SDK's own as the oracle."""

    def open_() -> Any:
        return opened.enter_context(SQLiteStorage(":memory:")) if backend == "sqlite" else InMemoryStorage()

    return open_


@pytest.fixture
def open_session(open_storage: OpenStorage) -> OpenSession:
    """Open a session on a storage of its own: `open_session(session_id="session", **options)`."""

    def open_(session_id: str = "session", **options: Any) -> SnapshotSessionManager:
        return SnapshotSessionManager(session_id, storage=open_storage(), **options)

    return open_


@pytest.fixture
def shut(opened: contextlib.ExitStack) -> Callable[[], None]:
    """Close everything that the test opened, as the end of a process would."""
    return opened.close


@pytest.fixture
def restart(open_session: OpenSession, shut: Callable[[], None]) -> OpenSession:
    """Close everything that the test opened, and open a session again."""

    def restart_(session_id: str = "session", **options: Any) -> SnapshotSessionManager:
        shut()
        return open_session(session_id, **options)

    return restart_


@pytest.fixture
def new_agent(request: pytest.FixtureRequest) -> Iterator[Callable[..., Agent]]:
    """Make an agent with a scripted model: `new_agent(manager, *steps, **options)`; each step must be used."""
    models: list[ScriptedModel] = []
    failed = request.session.testsfailed

    def new_agent_(manager: SnapshotSessionManager | None, *steps: Step, **options: Any) -> Agent:
        model = options.pop("model", None) or ScriptedModel(*steps)
        model.update_config(context_window_limit=200_000)
        models.append(model)
        return Agent(model=model, session_manager=manager, callback_handler=None, **options)

    yield new_agent_
    if request.session.testsfailed == failed:  # a test that failed left steps behind, and said why
        for model in models:
            model.assert_consumed()


@pytest.fixture
def stored(open_storage: OpenStorage) -> Callable[..., Any]:
    """Read the latest snapshot as it is in the file now, on a connection and a loop of its own; None without one."""

    def read(session_id: str = "session", agent_id: str = "default", scope: str = "agent") -> Any:
        key = f"session/{session_id}/scopes/{scope}/{agent_id}/snapshots/snapshot_latest.json"
        with ThreadPoolExecutor(1) as worker:  # the caller may stand on a running loop
            found = worker.submit(lambda: asyncio.run(open_storage().read(key))).result()
        return None if found is None else json.loads(found)

    return read


@dataclass
class FirstProcess:
    """What a process left that was killed: folders with a storage each, and what its agents had in memory."""

    folder: Path
    reports: dict[str, Any]


@pytest.fixture(scope="session")
def first_process(backend: str, tmp_path_factory: pytest.TempPathFactory) -> FirstProcess:
    """Run the first process, once for all tests of a backend, with every scene that the SDK can play."""
    folder = tmp_path_factory.mktemp("first_process")
    program = Path(__file__).with_name("first_process.py")
    scenes = [scene for scene, since in SCENES.items() if since <= SDK]
    ended = subprocess.run(
        [sys.executable, program, backend, folder, *scenes], capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == KILLED, ended.stderr
    return FirstProcess(folder, decode_bytes_values(json.loads(ended.stdout)))


@pytest.fixture
def left_behind(first_process: FirstProcess, tmp_path: Path) -> Callable[[str], Path]:
    """Copy a folder that the first process left, so that a test has it for itself: `left_behind(folder)`."""
    return lambda folder: Path(shutil.copytree(first_process.folder / folder, tmp_path / folder))
