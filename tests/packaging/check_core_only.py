"""What someone gets who installs the core alone; `nox -s core_only` runs it against the built wheel."""

import importlib.util
import os
import sys
from collections.abc import AsyncGenerator
from importlib.metadata import distribution, distributions
from pathlib import Path
from typing import Any

import pytest
from strands import Agent
from strands.models import Model

import strands_sqlite_session_manager
from strands_sqlite_session_manager import SQLiteSessionManager

SIBLINGS = ["pytest-strands-sqlite", "strands-sqlite-s3-mirror"]
SOURCES = Path(os.environ["WORKSPACE"], "packages").resolve()


class Parrot(Model):
    """Says one sentence."""

    def update_config(self, **model_config: Any) -> None:
        """Have nothing to configure."""

    def get_config(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def structured_output(self, *args: Any, **kwargs: Any) -> Any:
        """Offer no structured output."""
        raise NotImplementedError

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """Say it."""
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {}}}
        yield {"contentBlockDelta": {"delta": {"text": "Hello to you."}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn"}}


def test_what_is_imported_is_the_installed_wheel() -> None:
    """No file of the workspace is importable: what works here works without the sources."""
    (package,) = strands_sqlite_session_manager.__path__
    assert Path(package).parent.name == "site-packages"
    assert [entry for entry in sys.path if Path(entry).resolve().is_relative_to(SOURCES)] == []


@pytest.mark.parametrize("sibling", SIBLINGS)
def test_the_core_does_not_pull_in(sibling: str) -> None:
    """The core needs none of its siblings."""
    assert sibling not in {found.metadata["Name"] for found in distributions()}
    assert importlib.util.find_spec(sibling.replace("-", "_")) is None


@pytest.mark.parametrize("name", ["py.typed", "LICENSE"])
def test_the_wheel_carries(name: str) -> None:
    """Type checkers and lawyers find what they look for."""
    files = distribution("strands-sqlite-session-manager").files or []
    assert name in {file.name for file in files}


def test_an_agent_resumes(tmp_path: Path) -> None:
    """A conversation that one manager stored is there for the next."""
    file = tmp_path / "sessions.db"
    with SQLiteSessionManager("first", file) as sessions:
        Agent(agent_id="a", model=Parrot(), session_manager=sessions, callback_handler=None)("Hello")
    with SQLiteSessionManager("first", file) as sessions:
        resumed = Agent(agent_id="a", model=Parrot(), session_manager=sessions, callback_handler=None)
    texts = [block["text"] for message in resumed.messages for block in message["content"]]
    assert texts == ["Hello", "Hello to you."]
