from __future__ import annotations

import json
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from strands_sqlite_session_manager.cli._app import commands

from . import talks

# click before 8.2 mixes standard error into standard output, unless told
_APART: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}


class Shell:
    """Runs the command in this process, on one database."""

    def __init__(self, db: Path) -> None:
        self.db = db

    def run(self, *arguments: str, code: int | None = 0, **options: Any) -> Result:
        """Run a command, and hold it to its exit code; None: to any of its own."""
        options |= {"catch_exceptions": False, "prog_name": "strands-sqlite"}
        outcome = CliRunner(**_APART).invoke(commands, arguments, **options)
        assert outcome.exit_code == code or (code is None and outcome.exit_code in range(4)), outcome.output
        return outcome

    def out(self, *arguments: str, code: int = 0, **options: Any) -> str:
        return self.run(*arguments, code=code, **options).stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        document = json.loads(self.out(*arguments, "--json", code=code))
        assert document["version"] == 1
        return document


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("STRANDS_SQLITE_DB_PATH", str(tmp_path / "agents.db"))


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "agents.db"


@pytest.fixture
def shell(db: Path) -> Shell:
    return Shell(db)


@pytest.fixture
def order(db: Path) -> str:
    """The session `order`: an agent with tools, a picture and token counts."""
    talks.store(db, "order", talks.agent("support", talks.ORDER))
    return "order"
