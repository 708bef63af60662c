"""The command when S3 cannot be used: a line that says what is wrong, one that says what to do, and exit code 3."""

from __future__ import annotations

import os
import subprocess
import sys
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from strands_sqlite_s3_mirror import S3Mirror
from strands_sqlite_session_manager.cli._app import commands

from .proxy import Proxy
from .pushing import new_database
from .servers import ADMIN, READER, Server

FAILED = 3

COMMANDS = {
    "push --live": ("push", "--live"),
    "push --release": ("push", "--release", "2"),
    "follow": ("follow",),
    "list": ("list",),
    "verify": ("verify",),
    "verify --live": ("verify", "--live"),
    "compare": ("compare", "1"),
    "restore": ("restore", "--release", "1", "--on-conflict", "skip"),
    "restore --live": ("restore", "--live", "--on-conflict", "skip"),
    "import": ("import", "--on-conflict", "skip"),
    "prune": ("prune", "--keep-last", "1", "--yes"),
    "redact": ("redact", "--session", "talk", "--yes"),
}
WRITING = ("push --live", "push --release")
SOME = ("push --live", "list", "restore --live", "prune")

# click before 8.2 mixes standard error into standard output, unless told
_APART: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}

every_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)


class Place(NamedTuple):
    """A database that was pushed to a bucket, live and as release 1."""

    path: Path
    bucket: str
    server: Server


@pytest.fixture(scope="module")
def place(s3_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One for all tests: nothing in them succeeds."""
    place = Place(tmp_path_factory.mktemp("place") / "agents.db", s3_server.new_bucket(), s3_server)
    new_database(place.path).close()
    with S3Mirror(place.path, place.bucket, "base", **s3_server.options()) as mirror:
        mirror.push()
        mirror.push(release="1")
    return place


@pytest.fixture(autouse=True)
def surroundings(place: Place, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment in which the command finds the place; nothing is tried a second time."""
    values = {
        "STRANDS_SQLITE_DB_PATH": str(place.path),
        "STRANDS_SQLITE_S3_BUCKET": place.bucket,
        "STRANDS_SQLITE_S3_PREFIX": "base",
        "STRANDS_SQLITE_S3_ENDPOINT_URL": place.server.endpoint_url or "",
        "STRANDS_SQLITE_S3_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": ADMIN[0],
        "AWS_SECRET_ACCESS_KEY": ADMIN[1],
        "AWS_MAX_ATTEMPTS": "1",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def failure_of(command: tuple[str, ...]) -> str:
    """What the command writes to standard error; nothing of that is a traceback or a secret."""
    outcome = CliRunner(**_APART).invoke(commands, ("mirror", *command), catch_exceptions=False)
    assert outcome.exit_code == FAILED, outcome.output
    assert outcome.stdout == ""
    require_plain(outcome.stderr)
    return outcome.stderr


def require_plain(said: str) -> None:
    assert [line.partition(":")[0] for line in said.splitlines()[-2:]] == ["error", "hint"]
    assert said.count("error: ") == 1
    assert "Traceback" not in said
    assert "botocore" not in said
    assert ADMIN[0] not in said
    assert ADMIN[1] not in said


@every_command
def test_wrong_credentials(command: tuple[str, ...], surroundings: pytest.MonkeyPatch) -> None:
    """The hint is about credentials."""
    surroundings.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")

    said = failure_of(command)

    assert "SignatureDoesNotMatch" in said
    assert "hint: check the credentials that boto3 finds" in said
    assert "wrong-secret" not in said


@every_command
def test_no_credentials(command: tuple[str, ...], surroundings: pytest.MonkeyPatch) -> None:
    """The hint says where boto3 looks for them."""
    surroundings.delenv("AWS_ACCESS_KEY_ID")
    surroundings.delenv("AWS_SECRET_ACCESS_KEY")

    assert "AWS_ACCESS_KEY_ID" in failure_of(command)


@pytest.mark.parametrize("name", SOME)
def test_a_profile_that_does_not_exist(name: str) -> None:
    """It is named."""
    assert "nobody" in failure_of((*COMMANDS[name], "--profile", "nobody"))


@every_command
def test_a_missing_bucket(command: tuple[str, ...]) -> None:
    """It is named, and not taken for an empty one."""
    said = failure_of((*command, "--bucket", "no-such-bucket"))

    assert "bucket=<no-such-bucket>" in said
    assert "hint: check the name of the bucket" in said


@pytest.mark.parametrize("name", SOME)
def test_no_network(name: str) -> None:
    """The hint is about the network; `follow` alone goes on trying."""
    said = failure_of((*COMMANDS[name], "--endpoint-url", "http://127.0.0.1:9"))

    assert "hint: check the network and endpoint_url" in said


@pytest.mark.parametrize("name", WRITING)
def test_a_bucket_that_may_only_be_read(name: str, surroundings: pytest.MonkeyPatch) -> None:
    """The hint is about the policy, and names the operation that it must allow."""
    surroundings.setenv("AWS_ACCESS_KEY_ID", READER[0])
    surroundings.setenv("AWS_SECRET_ACCESS_KEY", READER[1])

    said = failure_of((*COMMANDS[name], "--prefix", "elsewhere"))

    assert "operation=<put_object>" in said
    assert "policy" in said


@pytest.mark.parametrize("name", WRITING)
def test_a_server_that_ignores_conditions(name: str, proxy: Proxy) -> None:
    """It is refused, and the hint says what else can be done."""
    proxy.always("ignore_conditions")

    said = failure_of((*COMMANDS[name], "--prefix", "unconditional", "--endpoint-url", proxy.endpoint_url))

    assert "the server ignores IfNoneMatch" in said
    assert "use a server that honours" in said


@pytest.mark.parametrize("name", WRITING)
def test_a_key_that_is_too_long(name: str) -> None:
    """The hint says which part of it can be shorter."""
    assert "use a shorter prefix" in failure_of((*COMMANDS[name], "--prefix", "p" * 990))


def test_throttled_for_ever(proxy: Proxy) -> None:
    """A server that is too busy is one that cannot be reached."""
    proxy.always("slow_down")

    said = failure_of(("list", "--endpoint-url", proxy.endpoint_url))

    assert "SlowDown" in said


@pytest.mark.parametrize("arguments", [("push", "--live"), ("list",)])
def test_in_a_process_of_its_own(arguments: tuple[str, ...]) -> None:
    """The command that people run, which does without the SDK, says the same."""
    outcome = subprocess.run(
        [sys.executable, "-m", "strands_sqlite_session_manager", "mirror", *arguments, "--bucket", "no-such-bucket"],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )

    assert (outcome.returncode, outcome.stdout) == (FAILED, "")
    require_plain(outcome.stderr)
