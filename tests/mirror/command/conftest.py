"""The command on a database and an empty place of the real server."""

from __future__ import annotations

import itertools
import json
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from strands_sqlite_session_manager.cli._app import commands
from tests.mirror.releases import released
from tests.mirror.servers import ADMIN, Server

# click before 8.2 mixes standard error into standard output, unless told
_APART: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}
_NUMBERS = itertools.count()


class Shell:
    """Runs `strands-sqlite mirror` in this process.

    Attributes:
        db: The database.
        prefix: Where its mirror is.
        bucket: The name of the bucket.
    """

    def __init__(self, db: Path, bucket: str, prefix: str) -> None:
        self.db = db
        self.bucket = bucket
        self.prefix = prefix

    def run(self, *arguments: str, code: int = 0, **options: Any) -> Result:
        """Run a command, and hold it to its exit code."""
        options = {"catch_exceptions": False, "prog_name": "strands-sqlite"} | options
        outcome = CliRunner(**_APART).invoke(commands, ["mirror", *arguments], **options)
        assert outcome.exit_code == code, outcome.output + outcome.stderr
        return outcome

    def out(self, *arguments: str, code: int = 0, **options: Any) -> str:
        return self.run(*arguments, code=code, **options).stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        document = json.loads(self.out(*arguments, "--json", code=code))
        assert document["version"] == 1
        return document


@pytest.fixture(scope="session")
def bucket_of_commands(s3_server: Server) -> str:
    return s3_server.new_bucket()


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A database with sessions."""
    with released.opened(tmp_path / "agents.db") as database:
        released.fill(database)
    return tmp_path / "agents.db"


@pytest.fixture
def shell(db: Path, s3_server: Server, bucket_of_commands: str, monkeypatch: pytest.MonkeyPatch) -> Shell:
    prefix = f"place-{next(_NUMBERS)}"
    values = {
        "AWS_ACCESS_KEY_ID": ADMIN[0],
        "AWS_SECRET_ACCESS_KEY": ADMIN[1],
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "STRANDS_SQLITE_DB_PATH": str(db),
        "STRANDS_SQLITE_S3_BUCKET": bucket_of_commands,
        "STRANDS_SQLITE_S3_PREFIX": prefix,
        "STRANDS_SQLITE_S3_ENDPOINT_URL": str(s3_server.endpoint_url),
        "TZ": "UTC",
    }
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "STRANDS_SQLITE_S3_REGION", "STRANDS_SQLITE_S3_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return Shell(db, bucket_of_commands, prefix)
