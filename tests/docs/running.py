"""The fences of a page, run one after the other in a folder of their own, as a reader would."""

from __future__ import annotations

import contextlib
import doctest
import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import tomllib
import yaml
from sybil import Document
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer
from sybil.python import import_cleanup

NOT_RUN = {
    "curl": "asks a server that the page only names",
    "datasette": "starts a server; it is not among the packages of the tests",
    "jq": "is not on every machine",
    "litestream": "replicates for ever; a test of its own runs it",
    "pip": "the packages of the workspace are installed already",
    "sudo": "changes the machine",
    "systemctl": "changes the machine",
    "uv": "installs, or runs the tests that run this one",
}
"""Commands that stand on pages and are not run here, and why."""

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
_INCLUDED = re.compile(r'^--8<-- "(\S+)"$', re.MULTILINE)
_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_CHECKER = doctest.OutputChecker()


@dataclass
class Page:
    """A page as it is run.

    Attributes:
        path: The file.
        compares: Whether what commands print must be what the page shows.
        ran: How many fences were run, by language.
        skipped: The commands that were not.
        printed: What the last fence of Python printed.
        saved: The files that the page shows, and that no command has run yet.
    """

    path: Path
    compares: bool = False
    ran: dict[str, int] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    printed: str = ""
    saved: list[str] = field(default_factory=list)
    _namespace: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})

    def run(self) -> None:
        """Run every fence, in order, in the current folder."""
        document = Document(self.path.read_text("utf-8"), str(self.path))
        for region in FencedCodeBlockLexer(r"\S.*")(document):
            language, *attributes = region.lexemes["language"].split()
            source = _INCLUDED.sub(lambda found: (EXAMPLES / found[1]).read_text("utf-8"), region.lexemes["source"])
            line = document.text.count("\n", 0, region.start) + 1
            if attributes:
                self._save(attributes, source)
            else:
                RUNNERS[language](self, source, line)
            self.ran[language] = self.ran.get(language, 0) + 1
        assert not self.saved, f"{self.path.name} shows {self.saved}, and never runs it"

    def _save(self, attributes: list[str], source: str) -> None:
        """Save a fence that has the name of a file as that file; a command of the page must run it."""
        (title,) = attributes
        name = title.removeprefix('title="').removesuffix('"')
        Path(name).write_text(source, encoding="utf-8")
        self.saved.append(name)

    def python(self, source: str, line: int) -> None:
        """Run Python, in the names of the fences before; a line number in a traceback is one of the page."""
        code = compile("\n" * line + source, str(self.path), "exec", dont_inherit=True)
        output = io.StringIO()
        with contextlib.redirect_stdout(output), import_cleanup():
            exec(code, self._namespace)  # noqa: S102 - that is what the page tells its readers to do
        self.printed = output.getvalue()

    def text(self, shown: str, line: int) -> None:
        """Compare what is shown with what was printed last; `...` stands for anything."""
        if not self.printed:
            return
        assert _CHECKER.check_output(shown, self.printed, _OPTIONS), (
            f"{self.path.name}:{line} shows\n{shown}\nbut this was printed\n{self.printed}"
        )
        self.printed = ""

    def console(self, session: str, line: int) -> None:
        """Run the commands after each `$`; on a page that compares, their output must be what stands below them."""
        for command, shown in commands_of(session):
            program = shlex.split(command, comments=True)[0]
            if program in NOT_RUN or any(f"| {name}" in command for name in NOT_RUN):
                self.skipped.append(program)
            elif program == "sqlite3":
                _query(command)
            elif program == "export":
                name, _, value = shlex.split(command)[1].partition("=")
                os.environ.setdefault(name, value)
            else:
                self._run_command(command, shown, line)

    def _run_command(self, command: str, shown: str, line: int) -> None:
        self.saved = [name for name in self.saved if name not in command]
        scripts = str(Path(sys.executable).parent)
        environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "80"}
        done = subprocess.run(
            ["/bin/bash", "-c", command], capture_output=True, text=True, env=environment, check=False, timeout=120
        )
        where = f"{self.path.name}:{line} $ {command}"
        assert done.returncode in (0, 1), f"{where}\nended with {done.returncode}\n{done.stdout}{done.stderr}"
        if self.compares and shown:
            printed = done.stdout + done.stderr
            assert _CHECKER.check_output(shown, printed, _OPTIONS), f"{where}\nshows\n{shown}\nbut printed\n{printed}"

    def sql(self, statements: str, _line: int) -> None:
        """Run SQL on the only database of the folder, for reading only."""
        (file,) = Path.cwd().glob("*.db")
        _read_only(str(file), statements)


def commands_of(session: str) -> list[tuple[str, str]]:
    """Return each command of a console session with what stands below it; a backslash continues a line."""
    found: list[tuple[str, str]] = []
    for block in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        command, _, shown = re.sub(r"\\\n\s*", "", block).partition("\n")
        found.append((command, shown))
    return found


def _query(command: str) -> None:
    *_, file, statements = shlex.split(command)
    _read_only(file, statements)


def _read_only(file: str, statements: str) -> None:
    connection = apsw.Connection(file, flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.execute(statements).fetchall()
    finally:
        connection.close()


RUNNERS: dict[str, Callable[[Page, str, int], object]] = {
    "console": Page.console,
    "json": lambda _page, source, _line: json.loads(source),
    "jsonl": lambda _page, source, _line: [json.loads(line) for line in source.splitlines()],
    "python": Page.python,
    "sql": Page.sql,
    "text": Page.text,
    "toml": lambda _page, source, _line: tomllib.loads(source),
    "yaml": lambda _page, source, _line: yaml.safe_load(source),
}
"""What is done with a fence, by its language."""
