"""Litestream beside agents at work: it replicates every commit, and what it restores opens with our manager."""

from __future__ import annotations

import os
import signal
import subprocess
import sysconfig
from pathlib import Path

from strands import Agent

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager

from .servers import ADMIN, Server

LITESTREAM = Path(sysconfig.get_path("scripts")) / "litestream"


def environment() -> dict[str, str]:
    """The environment of Litestream, with the keys of the server."""
    own = {key: value for key, value in os.environ.items() if key != "AWS_CA_BUNDLE"}
    return {**own, "AWS_ACCESS_KEY_ID": ADMIN[0], "AWS_SECRET_ACCESS_KEY": ADMIN[1], "AWS_REGION": "us-east-1"}


def talk(file: Path, turns: int) -> None:
    """Let an agent say something, turn after turn."""
    with SQLiteSessionManager("customer-42", file) as sessions:
        model = ScriptedModel(*[f"Answer {number}." for number in range(turns)])
        agent = Agent(model, agent_id="support", session_manager=sessions, callback_handler=None)
        for number in range(turns):
            agent(f"Question {number}?")


def test_what_was_said_under_litestream_is_restored(tmp_path: Path, s3_server: Server) -> None:
    """An agent talks while Litestream replicates to S3; when it was stopped, nothing is missing."""
    file, restored = tmp_path / "agent.db", tmp_path / "elsewhere" / "agent.db"
    restored.parent.mkdir()
    replica = f"s3://{s3_server.new_bucket()}/agent?endpoint={s3_server.endpoint_url}&forcePathStyle=true"
    talk(file, 1)
    command = [LITESTREAM, "replicate", str(file), replica]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            assert any("snapshot complete" in line for line in running.stdout)  # from here on it follows
            talk(file, 40)
        finally:
            running.send_signal(signal.SIGTERM)  # then it replicates what is left, and ends
        assert running.wait(60) == 0
    subprocess.run([LITESTREAM, "restore", "-o", str(restored), replica], env=environment(), check=True, timeout=60)

    with SessionStore(restored) as store:
        assert store.verify() == []
        assert store.summarize_session("customer-42").info.messages == 82
    with SQLiteSessionManager("customer-42", restored) as sessions:
        resumed = Agent(
            ScriptedModel("Welcome back."), agent_id="support", session_manager=sessions, callback_handler=None
        )
        assert resumed.messages[-1]["content"] == [{"text": "Answer 39."}]
        resumed("Hello again.")
    with SessionStore(restored, read_only=True) as store:
        assert store.summarize_session("customer-42").info.messages == 84
