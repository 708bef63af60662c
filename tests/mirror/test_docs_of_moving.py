"""The examples of the page about moving from S3 run, against a real S3 server, for somebody who has sessions there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import strands.agent.agent
from strands import Agent
from strands.session import SnapshotSessionManager
from strands.session.file_session_manager import FileSessionManager
from strands.session.s3_session_manager import S3SessionManager
from strands.storage import S3Storage

from pytest_strands_sqlite import ScriptedModel
from tests.docs.running import Page

from .servers import ADMIN, Server

PAGE = Path(__file__).parents[2] / "docs" / "moving-from-s3.md"


class AnsweringModel(ScriptedModel):
    """Stands in for the model that the SDK takes where an example names none."""

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        """Have an answer for as many calls as a page can make."""
        super().__init__(*["It left Hamburg this morning."] * 100)


def talk(sessions: Any) -> None:
    """Let a customer ask three times."""
    agent = Agent(AnsweringModel(), agent_id="support", session_manager=sessions, callback_handler=None)
    for question in ("My order never arrived.", "It is 4711.", "Thank you."):
        agent(question)


@pytest.fixture
def somebody(s3_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Sessions below `agents/prod` in `my-bucket`, and in a folder; credentials and endpoint where boto3 finds them."""
    key, secret = ADMIN
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint_url or "")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("STRANDS_SQLITE_DB_PATH", raising=False)
    monkeypatch.setattr(strands.agent.agent, "BedrockModel", AnsweringModel)
    monkeypatch.chdir(tmp_path)
    client = s3_server.client()
    client.create_bucket(Bucket="my-bucket")
    talk(S3SessionManager("customer-42", "my-bucket", "agents/prod"))
    talk(S3SessionManager("customer-44", "my-bucket", "agents/prod"))
    talk(SnapshotSessionManager("customer-43", storage=S3Storage("my-bucket", prefix="agents/prod")))
    talk(FileSessionManager("customer-45", storage_dir=str(tmp_path / "old-sessions")))
    yield tmp_path
    found = [each["Key"] for each in client.list_objects_v2(Bucket="my-bucket")["Contents"]]
    client.delete_objects(Bucket="my-bucket", Delete={"Objects": [{"Key": key} for key in found]})
    client.delete_bucket(Bucket="my-bucket")


@pytest.mark.usefixtures("somebody")
def test_every_example_of_the_page_runs() -> None:
    """In order, as a reader would run them."""
    page = Page(PAGE)
    page.run()
    assert page.ran == {"console": 4, "python": 8, "text": 3}
    assert page.skipped == ["pip"]
