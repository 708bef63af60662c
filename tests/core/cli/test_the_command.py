"""What all commands have in common: where the database is, errors, commands of other packages, completion."""

import importlib.metadata
import json
from pathlib import Path
from typing import Any

import click
import pytest

from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.cli import _app, _progress
from strands_sqlite_session_manager.cli._settings import Settings

from . import talks
from .conftest import Shell

COMMANDS = "list show search stats fork rewind title tag prune erase compact export import backup verify repair convert"


def test_commands(shell: Shell) -> None:
    """The help names every command with a sentence that fits, and every command has a help of its own."""
    shown = shell.out("--help")
    lines = [line.strip().split(maxsplit=1) for line in shown.split("Commands:")[1].splitlines() if line.strip()]
    others = sorted(each.name for each in importlib.metadata.entry_points(group="strands_sqlite.commands"))
    assert [name for name, _ in lines] == [*COMMANDS.split(), *others]
    assert all(sentence.endswith(".") and not sentence.endswith("...") for _, sentence in lines)
    for name in COMMANDS.split():
        for option in ("--db", "--json", "--jsonl", "--plain", "--progress"):
            assert option in shell.out(name, "-h"), name
    assert shell.out("--version") == f"strands-sqlite {importlib.metadata.version('strands-sqlite-session-manager')}\n"


def test_where_the_database_is(shell: Shell, order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--db` before or behind the command, else the environment variable, else `./sessions.db`."""
    db = str(shell.db)
    assert shell.json("list")["sessions"][0]["session_id"] == order
    monkeypatch.setenv("STRANDS_SQLITE_DB_PATH", str(tmp_path / "missing.db"))
    shell.run("--db", db, "list")
    shell.run("list", "--db", db)
    shell.run("--db", str(tmp_path / "another.db"), "list", "--db", db)
    monkeypatch.delenv("STRANDS_SQLITE_DB_PATH")
    monkeypatch.chdir(tmp_path)
    outcome = shell.run("list", code=3)
    assert outcome.stderr.splitlines() == [
        "error: there is no database sessions.db",
        "hint: name one with --db, or in STRANDS_SQLITE_DB_PATH",
    ]
    talks.store(tmp_path / "sessions.db", "here", talks.agent("a", []))
    assert shell.json("list")["sessions"][0]["session_id"] == "here"


NEEDS_A_DATABASE = {
    "list": [],
    "show": ["s"],
    "search": ["word"],
    "stats": [],
    "fork": ["s", "t"],
    "rewind": ["s", "--at", "0", "--yes"],
    "title": ["s", "x"],
    "tag": ["s", "x"],
    "prune": ["--keep", "1", "--yes"],
    "erase": ["s", "--yes"],
    "compact": ["--yes"],
    "export": [],
    "backup": ["copy.db"],
    "verify": [],
    "repair": [],
    "convert": ["s", "--to", "messages"],
}


@pytest.mark.parametrize("name", NEEDS_A_DATABASE)
def test_no_command_makes_a_database(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A name with a typing error is an error, exit code 3: only `import` makes a new file."""
    monkeypatch.chdir(tmp_path)
    outcome = shell.run(name, *NEEDS_A_DATABASE[name], code=3)
    assert outcome.stderr.startswith("error: there is no database ")
    assert list(tmp_path.iterdir()) == []


READING = {
    "list": [],
    "show": ["order"],
    "search": ["parcel"],
    "stats": [],
    "export": ["order"],
    "backup": ["copy.db", "--overwrite"],
    "verify": [],
    "rewind": ["order", "--at", "1", "--dry-run"],
    "prune": ["--keep", "0", "--dry-run"],
    "erase": ["order", "--dry-run"],
    "compact": ["--dry-run"],
}


@pytest.mark.usefixtures("order")
@pytest.mark.parametrize("name", READING)
def test_reading_changes_nothing(db: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Commands that read, and those that only plan, leave every byte of the file as it was, and no file beside it."""
    monkeypatch.chdir(db.parent)
    before = db.read_bytes()
    shell.run(name, *READING[name])
    assert db.read_bytes() == before
    assert {path.name for path in db.parent.iterdir()} <= {"agents.db", "copy.db"}


def test_a_file_of_another_program(shell: Shell, tmp_path: Path) -> None:
    """An error of the store is told with its hint, without a traceback; the exit code is 3."""
    other = tmp_path / "notes.txt"
    other.write_text("This is no database, it is a text that is long enough to be read as the head of one. " * 9)
    outcome = shell.run("list", "--db", str(other), code=3)
    error, hint = outcome.stderr.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    assert hint.removeprefix("hint: ") not in error


@pytest.mark.usefixtures("order")
def test_interrupted(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who interrupts a command gets exit code 130, and no traceback."""

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("strands_sqlite_session_manager.store.SessionStore.list_sessions", interrupt)
    assert shell.run("list", code=130).stderr.strip() == "interrupted"


@pytest.fixture
def other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points of other packages: a command, a group, a command that would hide ours, and two broken ones."""
    points = [
        importlib.metadata.EntryPoint(name, f"{__name__}:{value}", _app.ENTRY_POINTS)
        for name, value in (
            ("where", "where"), ("mirror", "mirror"), ("list", "where"), ("missing", "nothing"), ("number", "NUMBER")
        )
    ]  # fmt: skip
    found = importlib.metadata.EntryPoints(points)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: found.select(group=group))


NUMBER = 1


@click.command()
@click.pass_obj
def where(settings: Settings) -> None:
    """Tell where the database is."""
    click.echo(settings.db_path)


@click.group()
def mirror() -> None:
    """Mirror somewhere."""


mirror.add_command(where)


@pytest.mark.usefixtures("other_packages")
def test_commands_of_other_packages(shell: Shell, order: str) -> None:
    """Other packages add commands and groups, which know the database wherever it was named; ours stay ours."""
    shown = shell.out("--help")
    assert "  mirror   Mirror somewhere.\n" in shown
    assert shell.out("where") == f"{shell.db}\n"
    assert shell.out("where", "--db", "x.db") == shell.out("--db", "x.db", "where") == "x.db\n"
    assert shell.out("mirror", "where", "--db", "x.db") == shell.out("mirror", "--db", "x.db", "where") == "x.db\n"
    assert shell.out("list").startswith(order)


@pytest.mark.usefixtures("other_packages", "order")
@pytest.mark.parametrize("name", ["missing", "number"])
def test_a_broken_command_of_another_package(shell: Shell, name: str) -> None:
    """One that cannot be imported is an error in a line when it is called; everything else goes on."""
    assert f"  {name}" in shell.out("--help")
    for arguments in ([name], [name, "--any", "thing"], [name, "--help"]):
        outcome = shell.run(*arguments, code=3)
        assert len(outcome.stderr.splitlines()) == 1
        assert outcome.stderr.startswith(f"error: the command {name} of ")
    shell.run("list")


def test_nobody_imports_what_is_not_called(shell: Shell, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own commands do not look for those of other packages."""
    monkeypatch.setattr(_app, "_entry_points", lambda: pytest.fail("looked for"))
    shell.run("show", order)


def completed(words: str, last: str) -> list[str]:
    from click.shell_completion import ShellComplete  # noqa: PLC0415 - only here

    complete = ShellComplete(_app.commands, {}, "strands-sqlite", "_STRANDS_SQLITE_COMPLETE")
    return [item.value for item in complete.get_completions(words.split(), last)]


def test_completion(db: Path, tmp_path: Path) -> None:
    """A shell completes commands, options and the ids of sessions, also of a database that `--db` names."""
    for name in ("order-1", "order-2", "other"):
        talks.store(db, name, talks.agent("a", []))
    assert completed("", "re") == ["rewind", "repair"]
    assert completed("prune", "--ol") == ["--older-than"]
    assert sorted(completed("show", "order-")) == ["order-1", "order-2"]
    assert sorted(completed("erase order-1", "ot")) == ["other"]
    talks.store(tmp_path / "x.db", "elsewhere", talks.agent("a", []))
    assert completed(f"--db {tmp_path / 'x.db'} show", "e") == ["elsewhere"]
    assert completed(f"--db {tmp_path / 'missing.db'} show", "e") == []
    assert not (tmp_path / "missing.db").exists()


@pytest.mark.usefixtures("order")
def test_progress_in_lines(shell: Shell, tmp_path: Path) -> None:
    """`--progress` shows progress where there is no terminal, on standard error only; without it there is none."""
    assert shell.run("backup", str(tmp_path / "a.db")).stderr == ""
    outcome = shell.run("--progress", "backup", str(tmp_path / "b.db"))
    assert outcome.stderr.startswith("copying: ")
    assert "copying" not in outcome.stdout
    assert shell.run("list", "--no-progress").stderr == ""


def test_lines_are_some_percent_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """However many steps there are, there are about ten lines; the last says that all is done."""
    with _progress.progress(Settings(progress=True), "working") as update:
        assert update is not None
        for done in range(1, 100_001):
            update(done, 100_000)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[0] == "working: 1 of 100,000"
    assert lines[-1] == "working: 100,000 of 100,000"


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal gets a bar from rich, or lines where rich is not installed; what is done at once shows neither."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with _progress.progress(Settings(), "working") as update:
        assert update is not None
        update(10, 10)
    assert capsys.readouterr().err == ""
    _work()
    assert "working" in capsys.readouterr().err
    monkeypatch.setitem(__import__("sys").modules, "rich", None)
    _work()
    assert capsys.readouterr().err == "working: 5 of 10\nworking: 10 of 10\n"


def _work() -> None:
    with _progress.progress(Settings(), "working") as update:
        assert update is not None
        update(5, 10)
        update(10, 10)


@pytest.mark.usefixtures("order")
@pytest.mark.parametrize("arguments", [["list"], ["erase", "order", "--yes"], ["import", "-"]])
def test_no_name_is_no_database(shell: Shell, arguments: list[str], tmp_path: Path) -> None:
    """`--db ""`, as of a script with an empty variable, is wrong usage: no other database is taken in its place."""
    before = sorted(tmp_path.iterdir())
    for line in (["--db", "", *arguments], [*arguments, "--db", ""], ["--db", "x.db", *arguments, "--db="]):
        assert "--db names no file" in shell.run(*line, code=2).stderr
    assert sorted(tmp_path.iterdir()) == before
    assert shell.json("list")["sessions"]


@pytest.mark.parametrize("name", NEEDS_A_DATABASE)
def test_no_command_makes_a_database_of_a_uri(shell: Shell, tmp_path: Path, name: str) -> None:
    """A `file:` URI with a typing error is an error as a file name is."""
    for uri in (f"file:{tmp_path}/no%20such.db?mode=rwc", f"file://localhost{tmp_path}/none.db", "file::memory:"):
        outcome = shell.run(name, *NEEDS_A_DATABASE[name], "--db", uri, code=3)
        assert outcome.stderr.startswith("error: there is no database ")
    assert list(tmp_path.iterdir()) == []


def test_uris(shell: Shell, tmp_path: Path) -> None:
    """`--db` takes a `file:` URI; the file that it names is not written over."""
    file = tmp_path / "my agents?.db"
    talks.store(file, "here", talks.agent("a", [talks.user("hello")]))
    for uri in (f"file:{tmp_path}/my%20agents%3f.db", f"file://{tmp_path}/my agents%3F.db?cache=private#x"):
        assert shell.json("list", "--db", uri)["sessions"][0]["session_id"] == "here"
        shell.run("tag", "here", "vip", "--db", uri)
        assert "is the database" in shell.run("show", "here", "-o", str(file), "--db", uri, code=2).stderr
    assert shell.json("list", "--db", str(file))["sessions"][0]["tags"] == ["vip"]


EVIL = "\x1b[2J\x07\x9b\u202e\u2066evil"
"""Text that clears a terminal and turns the direction of what follows."""

SHOWING = [
    ["list"],
    ["show", "s"],
    ["show", "s", "--full"],
    ["show", "s", "--agent", "nobody"],
    ["show", "s", "--checkpoints"],
    ["show", "s", "--html"],
    ["search", "hello"],
    ["stats"],
    ["stats", "s"],
    ["tag", "s"],
    ["title", "s"],
    ["verify"],
    ["repair", "--dry-run"],
    ["fork", "s", "t", "--at", "0"],
    ["fork", "s", "t", "--at", "0", "--agent", EVIL],
    ["rewind", "s", "--at", "0"],
    ["rewind", "s", "--at", "0", "--agent", EVIL],
    ["rewind", "s", "--at", "0", "--agent", EVIL, "--yes"],
    ["prune", "--keep", "0"],
    ["erase", "s"],
    ["nothing", EVIL],
]


@pytest.mark.parametrize("form", [[], ["--plain"], ["--json"], ["--jsonl"]])
def test_nothing_stored_commands_the_terminal(db: Path, shell: Shell, form: list[str]) -> None:
    """Whatever is in the database, and wherever it comes up, no control character of it is printed."""
    _store_evil(db)
    for arguments in SHOWING:
        outcome = shell.run(*form, *arguments, code=None)
        printed = (outcome.stdout + outcome.stderr).replace("\n", "").replace("\t", "")
        assert printed.isprintable(), arguments


def _store_evil(db: Path) -> None:
    message = {"role": EVIL, "content": [{"text": f"hello {EVIL}"}, talks.call(EVIL, 1, key=EVIL)]}
    talks.store(db, "s", talks.agent(EVIL, [message, message]), talks.agent("b", [message]))
    database = open_database(db)
    for sql, values in (
        ("UPDATE messages SET created_at = ?", (EVIL,)),
        ("UPDATE sessions SET title = ?, metadata = ?", (EVIL, json.dumps({EVIL: EVIL}))),
        ("INSERT INTO session_tags VALUES ('s', ?)", (EVIL,)),
    ):
        database.write(lambda connection, sql=sql, values=values: connection.run(sql, values))  # type: ignore[misc]
    database.close()
