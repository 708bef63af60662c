"""The folder in which the examples of a page run: sessions that somebody had, an S3 server, and an offline model."""

from __future__ import annotations

import os
import runpy
import shutil
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import strands.agent.agent
from strands import Agent, tool
from strands.session import FileSessionManager, S3SessionManager

from pytest_strands_sqlite import ScriptedModel, ToolCall
from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager
from tests.mirror.servers import ADMIN, Server, seaweedfs

ROOT = Path(__file__).parents[2]
WORLDS = {
    "docs/command-line.md": "sessions_of_a_shop",
    "docs/get-started/mirror-to-s3.md": "sessions_of_a_newcomer",
    "docs/mirror.md": "sessions_of_a_shop",
    "docs/moving-from-s3.md": "sessions_in_files",
}
"""What is in the folder of a page, where that is not sessions of somebody, nor the nothing of a newcomer."""

BUCKETS = ("my-bucket", "my-sessions")
"""The buckets that pages name."""


@tool
def track_order(order: int) -> str:
    """Say where an order is."""
    return f"Order {order} left Hamburg this morning."


QUESTIONS = ("My order never arrived.", "It is 4711.", "Thank you. Tell me when my order arrived.")


def _talk(sessions: Any) -> None:
    """Hold a conversation; the sessions in S3 did not hear the last of it."""
    model = ScriptedModel(
        "Which order is it?", ToolCall("track_order", {"order": 4711}), "It left Hamburg this morning.", "Gladly."
    )
    agent = Agent(model, tools=[track_order], agent_id="support", session_manager=sessions, callback_handler=None)
    for question in QUESTIONS[: 2 if isinstance(sessions, S3SessionManager) else 3]:
        agent(question)


@pytest.fixture(scope="session")
def sessions_in_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a `FileSessionManager` kept."""
    folder = tmp_path_factory.mktemp("files")
    _talk(FileSessionManager("customer-45", storage_dir=str(folder / "old-sessions")))
    return folder


@pytest.fixture(scope="session")
def sessions_of_somebody(tmp_path_factory: pytest.TempPathFactory, sessions_in_files: Path) -> Path:
    """A folder with a database in it, and with what a `FileSessionManager` kept."""
    folder = tmp_path_factory.mktemp("somebody")
    for session_id in ("customer-42", "customer-43"):
        with SQLiteSessionManager(session_id, folder / "agent.db") as sessions:
            _talk(sessions)
    with SessionStore(folder / "agent.db") as store:
        store.set_title("customer-42", "The lost order")
        store.add_tags("customer-42", "open", "vip")
        store.set_metadata("customer-42", {"customer": 42})
    shutil.copytree(sessions_in_files, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def sessions_of_a_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the database of the page of the command line: one of its sessions waits for a tool."""
    folder = tmp_path_factory.mktemp("shop")
    for session_id in ("order-4688", "order-4711"):
        with SQLiteSessionManager(session_id, folder / "agent.db") as sessions:
            _talk(sessions)
    call: Any = {"toolUse": {"toolUseId": "t2", "name": "track_order", "input": {"order": 4690}}}
    said: Any = [{"role": "user", "content": [{"text": "Where?"}]}, {"role": "assistant", "content": [call]}]
    with SQLiteSessionManager("order-4690", folder / "agent.db") as sessions:
        Agent(ScriptedModel(), agent_id="support", messages=said, session_manager=sessions)
    with SessionStore(folder / "agent.db") as store:
        store.set_title("order-4711", "Where is order A-1001?")
        store.add_tags("order-4711", "billing", "vip")
    return folder


@pytest.fixture(scope="session")
def sessions_of_a_newcomer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the page of the first session leaves it."""
    folder = tmp_path_factory.mktemp("newcomer")
    shutil.copy(ROOT / "docs" / "examples" / "first_session.py", folder)
    with redirect_stdout(StringIO()), pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        for _ in range(2):
            runpy.run_path("first_session.py")
    return folder


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """SeaweedFS, one for each process that runs tests."""
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture
def buckets(s3_server: Server) -> Iterator[None]:
    """The buckets that pages name, with what an `S3SessionManager` kept; in the environment, how to reach them."""
    os.environ |= {
        "AWS_ACCESS_KEY_ID": ADMIN[0],
        "AWS_SECRET_ACCESS_KEY": ADMIN[1],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": str(s3_server.endpoint_url),
    }
    client = s3_server.client()
    for name in BUCKETS:
        client.create_bucket(Bucket=name)
    for session_id in ("customer-42", "customer-43", "customer-44"):
        _talk(S3SessionManager(session_id, bucket="my-bucket", prefix="agents/prod", boto_session=s3_server.session()))
    yield
    for bucket in client.list_buckets()["Buckets"]:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
            for found in page.get("Contents", ()):
                client.delete_object(Bucket=bucket["Name"], Key=found["Key"])
        client.delete_bucket(Bucket=bucket["Name"])


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """The environment without what the person who runs the tests has in it; afterwards it is as it was."""
    with patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith(("AWS_", "STRANDS_SQLITE_"))]:
            del os.environ[name]
        os.environ |= {"AWS_CONFIG_FILE": "nowhere", "AWS_SHARED_CREDENTIALS_FILE": "nowhere"}
        yield


class AnsweringModel(ScriptedModel):
    """Stands in for the model that the SDK takes where an example names none."""

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        """Have an answer for as many calls as a page can make."""
        super().__init__(*["It left Hamburg this morning."] * 100)


@pytest.fixture
def as_a_reader(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of one's own, with what the page expects there; with buckets, where it has some."""
    name = request.node.callspec.params["name"]
    folder = tmp_path / "reader"
    if name in WORLDS or "get-started" not in name:
        shutil.copytree(request.getfixturevalue(WORLDS.get(name, "sessions_of_somebody")), folder)
    else:
        folder.mkdir()
    if "bucket" in (ROOT / name).read_text("utf-8"):
        request.getfixturevalue("buckets")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(strands.agent.agent, "BedrockModel", AnsweringModel)
    return folder
