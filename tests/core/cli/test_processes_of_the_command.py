"""The command as a process of its own."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from . import talks

MODULE = [sys.executable, "-m", "strands_sqlite_session_manager"]


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MODULE, *arguments], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


AND_SAY_WHAT_WAS_IMPORTED = """
import atexit, sys
atexit.register(lambda: print(*sorted({name.split(".")[0] for name in sys.modules}), file=sys.stderr))
from strands_sqlite_session_manager.cli import main
main()
"""


@pytest.mark.parametrize("arguments", [["--help"], ["show", "order"], ["search", "parcel"]])
@pytest.mark.usefixtures("order")
def test_reading_does_not_import_the_sdk(arguments: list[str]) -> None:
    """The SDK, pydantic and rich are not imported to read: a command is there at once."""
    outcome = python(AND_SAY_WHAT_WAS_IMPORTED, *arguments)
    assert outcome.returncode == 0, outcome.stderr
    imported = outcome.stderr.split()
    assert "strands_sqlite_session_manager" in imported
    assert not {"strands", "pydantic", "boto3", "rich"} & set(imported)


WITHOUT_CLICK = """
import sys
sys.modules["click"] = None
from strands_sqlite_session_manager.cli import main
main()
"""


def test_without_click() -> None:
    """Where click is not installed the command says what to install, and ends with exit code 3."""
    outcome = python(WITHOUT_CLICK)
    assert outcome.returncode == 3
    assert "pip install 'strands-sqlite-session-manager[cli]'" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_exit_codes(order: str, tmp_path: Path) -> None:
    """0 done, 1 nothing found, 2 wrong usage, 3 failed; what failed leaves no file."""
    assert run("show", order).returncode == 0
    assert run("search", "nowhere").returncode == 1
    assert run("rewind", order, "--at", "0").returncode == 2
    assert run("list", "--db", str(tmp_path / "missing.db")).returncode == 3
    assert [path.name for path in tmp_path.iterdir()] == ["agents.db"]


def in_a_terminal(*arguments: str, **environment: str) -> str:
    """Run a command in a terminal of 80 columns, and return what it shows."""
    keyboard, terminal = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "80", **environment}
    with subprocess.Popen([*MODULE, *arguments], stdin=terminal, stdout=terminal, stderr=terminal, env=env) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # Linux says so when the last writer is gone
            while part := os.read(keyboard, 65536):
                shown += part
        assert process.wait() == 0, shown
    os.close(keyboard)
    return shown.decode().replace("\r\n", "\n")


def test_a_terminal(order: str) -> None:
    """A terminal gets heads and colours in 80 columns; with `NO_COLOR` it gets no escape sequence at all."""
    lines = in_a_terminal("list").splitlines()
    assert lines[0].startswith("\x1b[1mSESSION")
    assert lines[1].startswith("\x1b[1morder")
    plain = in_a_terminal("show", order, NO_COLOR="1")
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) <= 80


def test_a_reader_that_has_enough(db: Path) -> None:
    """A closed pipe ends the command with exit code 3, quietly."""
    talks.store(db, "long", talks.agent("a", [talks.user("word " * 500) for _ in range(400)]))
    with subprocess.Popen([*MODULE, "show", "long"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 3


def test_an_interrupt(tmp_path: Path) -> None:
    """Ctrl-C ends a command with exit code 130; an import that was interrupted has written whole sessions or none."""
    source = tmp_path / "from.jsonl"
    os.mkfifo(source)
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background ignore it
    with subprocess.Popen(
        [*MODULE, "import", str(source), "--db", str(tmp_path / "to.db")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        signal.signal(signal.SIGINT, inherited)
        with source.open("w"):  # now it reads, and nothing comes
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate()
        assert process.returncode == 130
        assert output == b""
        assert b"Traceback" not in errors


def test_a_session_is_written_while_it_is_shown(db: Path) -> None:
    """The command reads while another process has the file open and writes: it waits for nothing and sees commits."""
    writer = f"""
import sys
sys.path.insert(0, {str(Path.cwd())!r})
from tests.core.cli import talks
for number in range(20):
    talks.store({str(db)!r}, f"s{{number}}", talks.agent("a", talks.ORDER))
    print(number, flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", writer]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = 0
        for _ in range(2):
            number = int(process.stdout.readline())
            outcome = run("--db", str(db), "list", "--all")
            assert outcome.returncode == 0, outcome.stderr
            assert len(outcome.stdout.splitlines()) > max(number, seen - 1)
            seen = len(outcome.stdout.splitlines())
            assert set(re.findall(r"\t(\d+)\ta\t", outcome.stdout)) == {"6"}
        process.communicate()
