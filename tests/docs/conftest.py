"""The folder in which the examples of a page run: sessions that somebody had, and a model that needs no network."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import strands.agent.agent
from strands import Agent, tool
from strands.session.file_session_manager import FileSessionManager

from pytest_strands_sqlite import ScriptedModel, ToolCall
from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager


@tool
def track_order(order: int) -> str:
    """Say where an order is."""
    return f"Order {order} left Hamburg this morning."


def _talk(sessions: Any) -> None:
    model = ScriptedModel(
        "Which order is it?", ToolCall("track_order", {"order": 4711}), "It left Hamburg this morning.", "Gladly."
    )
    agent = Agent(model, tools=[track_order], agent_id="support", session_manager=sessions, callback_handler=None)
    agent("My order never arrived.")
    agent("It is 4711.")
    agent("Thank you. Tell me when my order arrived.")


@pytest.fixture(scope="session")
def sessions_of_somebody(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database in it, and with what a `FileSessionManager` kept."""
    folder = tmp_path_factory.mktemp("somebody")
    for session_id in ("customer-42", "customer-43"):
        with SQLiteSessionManager(session_id, folder / "agent.db") as sessions:
            _talk(sessions)
    with SessionStore(folder / "agent.db") as store:
        store.set_title("customer-42", "The lost order")
        store.add_tags("customer-42", "open", "vip")
        store.set_metadata("customer-42", {"customer": 42})
    _talk(FileSessionManager("customer-44", storage_dir=str(folder / "old-sessions")))
    return folder


class AnsweringModel(ScriptedModel):
    """Stands in for the model that the SDK takes where an example names none."""

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        """Have an answer for as many calls as a page can make."""
        super().__init__(*["It left Hamburg this morning."] * 100)


@pytest.fixture
def as_a_reader(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sessions_of_somebody: Path
) -> Path:
    """Work in a folder of one's own, with those sessions in it, but for a newcomer, who has none."""
    folder = tmp_path / "reader"
    newcomer = "get-started" in request.node.callspec.params["name"]
    folder.mkdir() if newcomer else shutil.copytree(sessions_of_somebody, folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("STRANDS_SQLITE_DB_PATH", raising=False)
    monkeypatch.setattr(strands.agent.agent, "BedrockModel", AnsweringModel)
    return folder
