"""`mirror follow` as a process of its own: what is in S3 when it ends, well or not."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from strands import Agent
from strands.agent.conversation_manager import NullConversationManager

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._inventory import sealed_manifest
from strands_sqlite_s3_mirror._places import Places
from strands_sqlite_s3_mirror._reading import since
from strands_sqlite_s3_mirror._verify_live import verify_live
from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager
from strands_sqlite_session_manager.transfer import positions
from tests.mirror.releases import released
from tests.mirror.servers import Server

from . import writing_agent
from .conftest import Shell

MODULE = [sys.executable, "-m", "strands_sqlite_session_manager", "mirror"]


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is killed at the end, if it still runs."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as one:
        try:
            yield one
        finally:
            one.kill()


@pytest.fixture
def bucket(shell: Shell, s3_server: Server) -> Iterator[Bucket]:
    opened = s3_server.bucket(shell.bucket)
    yield opened
    opened.close()


def lines(process: subprocess.Popen[str]) -> Callable[[], str]:
    assert process.stdout is not None
    return process.stdout.readline


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(shell: Shell, bucket: Bucket, number: signal.Signals) -> None:
    """It pushes once more, and ends with exit code 0: what was written before the signal is in S3."""
    with running(*MODULE, "follow", "--interval", "1h") as follower:
        assert "uploaded" in lines(follower)()
        with released.opened(shell.db) as database:
            released.say(database, "order", "the last words")
            follower.send_signal(number)
            out, err = follower.communicate()
            assert (follower.returncode, err) == (0, "")
            assert "1 uploaded" in out
            assert verify_live(bucket, Places(shell.prefix), database) == []
            live = sealed_manifest(bucket, f"{shell.prefix}/live/")
            assert live is not None
            assert since(live.manifest) == database.read(positions)


def test_an_error_that_does_not_pass_ends_it(shell: Shell) -> None:
    """Where the live copy is another database's, the process says so, and ends with exit code 3."""
    shell.run("push", "--live")
    with released.opened(shell.db.with_name("other.db")) as other:
        released.put_object(other, "notes/b.txt", b"other")
    command = [*MODULE, "follow", "--db", str(shell.db.with_name("other.db"))]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode == 3
    assert outcome.stderr.startswith("error: ")
    assert "\nhint: " in outcome.stderr


@pytest.mark.usefixtures("shell")
def test_no_network_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where S3 cannot be reached it says so, and when it tries again; a signal then ends it with exit code 3."""
    monkeypatch.setenv("STRANDS_SQLITE_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with running(*MODULE, "follow", "--interval", "1h") as follower:
        assert follower.stderr is not None
        told = follower.stderr.readline()
        assert told.startswith("warning: ")
        assert told.endswith("trying again in 3600 s\n")
        follower.send_signal(signal.SIGTERM)
        _, err = follower.communicate()
        assert follower.returncode == 3
        assert err.startswith("error: ")


@pytest.mark.usefixtures("shell")
def test_the_process_does_not_import_the_sdk() -> None:
    """Neither the SDK nor pydantic: it starts at once, and stays small."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr))\n"
        "from strands_sqlite_session_manager.cli import main\n"
        "main()\n"
    )
    for arguments, boto in ((["push", "--help"], False), (["push", "--live"], True), (["verify", "--live"], True)):
        command = [sys.executable, "-c", code, "mirror", *arguments]
        outcome = subprocess.run(command, capture_output=True, text=True, check=True)
        imported = outcome.stderr.split()
        assert "strands_sqlite_s3_mirror" in imported
        assert not {"strands", "pydantic"} & set(imported)
        assert ("boto3" in imported) == boto


def said(path: Path) -> list[Any]:
    """The messages of the session, as an agent gets them."""
    with SessionStore(path) as store:
        return [each.message for each in store.read_messages("order")]


def follows_up_to(follower: subprocess.Popen[str], path: Path, bucket: Bucket, prefix: str) -> None:
    """Wait until what is in S3 is what is in the database: each line of the follower is a push."""
    read = lines(follower)
    with released.opened(path) as database:
        while True:
            found = sealed_manifest(bucket, f"{prefix}/live/")
            if found is not None and found.manifest.complete and since(found.manifest) == database.read(positions):
                return
            assert json.loads(read())["version"] == 1


def test_a_lost_machine(shell: Shell, bucket: Bucket, tmp_path: Path) -> None:
    """An agent writes and `follow` pushes until both are killed: elsewhere the session is as of the last push.

    Everything that was in S3 is there, what is there is a beginning of what was said, the restore says as of when, and
    an agent goes on from it.
    """
    lost, new = tmp_path / "lost.db", tmp_path / "new.db"
    with running(sys.executable, writing_agent.__file__, str(lost)) as writer:
        talk = lines(writer)
        assert writer.stdin is not None

        def turns(count: int) -> None:
            assert writer.stdin is not None
            writer.stdin.write("and then?\n" * count)
            writer.stdin.flush()

        turns(3)
        assert [talk() for _ in range(3)] == ["2\n", "4\n", "6\n"]
        with running(*MODULE, "follow", "--interval", "0.05s", "--db", str(lost), "--json") as follower:
            follows_up_to(follower, lost, bucket, shell.prefix)
            turns(2000)
            for _ in range(30):
                talk()
            os.kill(follower.pid, signal.SIGKILL)
            os.kill(writer.pid, signal.SIGKILL)
    out = shell.out("restore", "--live", "--db", str(new))
    assert "the live copy is as of 20" in out
    before, restored = said(lost), said(new)
    assert 6 <= len(restored) <= len(before)
    assert len(before) >= 66
    assert restored == before[: len(restored)]
    agent = Agent(
        model=ScriptedModel("here again"),
        agent_id="helper",
        callback_handler=None,
        conversation_manager=NullConversationManager(),
        session_manager=SQLiteSessionManager("order", new),
    )
    assert len(agent.messages) == len(restored)
    agent("are you there?")
    assert said(new)[len(restored) :][-1]["content"] == [{"text": "here again"}]
    assert "take" in shell.run("push", "--live", "--db", str(new), code=3).stderr
    shell.run("push", "--live", "--db", str(new), "--take-over", "--yes")
    assert shell.json("verify", "--live", "--level", "read", "--db", str(new))["findings"] == []


def test_the_label_is_asked_for(shell: Shell) -> None:
    """On a terminal, `push` without a label asks for it; the answer is the release."""
    keyboard, terminal = pty.openpty()
    with subprocess.Popen([*MODULE, "push"], stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as push:
        os.close(terminal)
        os.write(keyboard, b"2.0\n")
        out, err = push.communicate()
        os.close(keyboard)
    assert (push.returncode, err) == (0, b"Label of the release: ")
    assert out.startswith(b"pushed release 2.0: ")
    assert [each["label"] for each in shell.json("list")["releases"]] == ["2.0"]
