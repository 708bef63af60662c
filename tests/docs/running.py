"""The fences of a page, run one after the other in a folder of their own, as a reader would."""

from __future__ import annotations

import contextlib
import doctest
import io
import json
import os
import re
import shlex
import signal
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
    "aws": "is the program of AWS; it is not among the packages of the tests",
    "curl": "asks a server that the page only names",
    "datasette": "starts a server; it is not among the packages of the tests",
    "eval": "changes the shell in which a reader works",
    "jq": "is not on every machine",
    "litestream": "replicates for ever; a test of its own runs it",
    "pip": "the packages of the workspace are installed already",
    "sudo": "changes the machine",
    "systemctl": "changes the machine",
    "uv": "installs, or runs the tests that run this one",
    "weed": "is the S3 server that the tests have started already",
}
"""Commands that stand on pages and are not run here, and why."""

ENDS_WITH_1 = {
    "strands-sqlite list --metadata customer=42 --sort created --limit 10": "nobody noted it here yet",
    "strands-sqlite search delayed snow": "nobody said it here; the page shows a longer conversation",
    "strands-sqlite verify": "the page shows what it finds in a session that waits for a tool",
}
"""Commands that stand on pages and end with exit code 1 here, and why."""

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
        printed: What the last fence of Python printed; None once that was compared, and before the first.
        saved: The files that the page shows, and that no command has run yet.
    """

    path: Path
    compares: bool = False
    ran: dict[str, int] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    printed: str | None = None
    saved: list[str] = field(default_factory=list)
    _namespace: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    _tables: apsw.Connection = field(default_factory=lambda: apsw.Connection(":memory:"))

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
        """Compare what is shown with what the Python before it printed; `...` stands for anything.

        Behind no Python it is a drawing, such as that of folders.
        """
        if self.printed is None:
            return
        assert _CHECKER.check_output(shown, self.printed, _OPTIONS), (
            f"{self.path.name}:{line} shows\n{shown}\nbut this was printed\n{self.printed}"
        )
        self.printed = None

    def console(self, session: str, line: int) -> None:
        """Run the commands after each `$`; on a page that compares, their output must be what stands below them."""
        for command, shown in commands_of(session):
            program = next(word for word in shlex.split(command, comments=True) if "=" not in word)
            if program in NOT_RUN or any(f"| {name}" in command for name in NOT_RUN):
                self.skipped.append(program)
            elif program == "sqlite3":
                _query(command, shown)
            elif program == "export":
                for word in shlex.split(command)[1:]:
                    name, _, value = word.partition("=")
                    os.environ.setdefault(name, value)
            elif " follow" in command:
                self._follow(command)
            else:
                self._run_command(command, shown, line)

    def _follow(self, command: str) -> None:
        """Run what ends only when it is told to, until it has said something."""
        process = subprocess.Popen(shlex.split(command), env=self._environment(), stdout=subprocess.PIPE, text=True)
        with process:
            assert process.stdout is not None
            said = process.stdout.readline()
            process.send_signal(signal.SIGTERM)
        assert (bool(said), process.returncode) == (True, 0), f"$ {command}\nsaid {said!r}"

    @staticmethod
    def _environment() -> dict[str, str]:
        """Return the environment of a command, which finds first what is installed beside this Python.

        Its output comes line by line, as on a terminal of 80 columns.
        """
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "COLUMNS": "80", "PYTHONUNBUFFERED": "1"}

    def _run_command(self, command: str, shown: str, line: int) -> None:
        self.saved = [name for name in self.saved if name not in command]
        done = subprocess.run(
            ["/bin/bash", "-o", "pipefail", "-c", command],
            capture_output=True,
            text=True,
            env=self._environment(),
            check=False,
            timeout=120,
        )
        where = f"{self.path.name}:{line} $ {command}"
        assert done.returncode in _expected(command, shown), (
            f"{where}\nended with {done.returncode}\n{done.stdout}{done.stderr}"
        )
        if self.compares and shown:
            printed = done.stdout + done.stderr
            assert _CHECKER.check_output(shown, printed, _OPTIONS), f"{where}\nshows\n{shown}\nbut printed\n{printed}"

    def sql(self, statements: str, _line: int) -> None:
        """Run SQL on the only database of the folder, for reading only; what makes tables, on an empty one."""
        if "CREATE TABLE" in statements:
            self._tables.execute(statements)
            return
        (file,) = Path.cwd().glob("*.db")
        _read_only(str(file), statements)


def commands_of(session: str) -> list[tuple[str, str]]:
    """Return each command of a console session with what stands below it; a backslash continues a line."""
    found: list[tuple[str, str]] = []
    before, *blocks = re.split(r"^\$ ", session, flags=re.MULTILINE)
    assert not before, f"nothing runs this, for it stands behind no `$`:\n{before}"
    for block in blocks:
        command, _, shown = re.sub(r"\\\n\s*", "", block).partition("\n")
        found.append((command, shown))
    return found


def _expected(command: str, shown: str) -> tuple[int, ...]:
    """Return how a command may end: with 0, with 2 where it is shown to ask for `--yes`, or as it is known to."""
    return (1,) if command in ENDS_WITH_1 else (0, 2) if "add --yes" in shown else (0,)


def _query(command: str, shown: str) -> None:
    """Run the SQL of a `sqlite3 -box` command; the cells of its table must be those that are shown."""
    *_, file, statements = shlex.split(command)
    rows = _read_only(file, statements)
    cells = [tuple(cell.strip() for cell in line.split("│")[1:-1]) for line in shown.splitlines() if "│" in line]
    assert cells[1:] == [tuple(map(str, row)) for row in rows], f"$ {command}\nfound {rows}"


def _read_only(file: str, statements: str) -> list[tuple[Any, ...]]:
    connection = apsw.Connection(file, flags=apsw.SQLITE_OPEN_READONLY)
    try:
        found: list[tuple[Any, ...]] = connection.execute(statements).fetchall()
        return found
    finally:
        connection.close()


def _parse_json(source: str) -> None:
    """Read one JSON document after the other, as in JSON Lines."""
    decoder, rest = json.JSONDecoder(), source.strip()
    while rest:
        _, end = decoder.raw_decode(rest)
        rest = rest[end:].lstrip()


RUNNERS: dict[str, Callable[[Page, str, int], object]] = {
    "console": Page.console,
    "json": lambda _page, source, _line: _parse_json(source),
    "python": Page.python,
    "sql": Page.sql,
    "text": Page.text,
    "toml": lambda _page, source, _line: tomllib.loads(source),
    "yaml": lambda _page, source, _line: yaml.safe_load(source),
}
"""What is done with a fence, by its language."""
