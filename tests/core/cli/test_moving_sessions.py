"""`export`, `import`, `convert` and `backup`: sessions in other files and forms."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from . import talks
from .conftest import Shell


@pytest.fixture
def elsewhere(tmp_path: Path) -> list[str]:
    """The options that name another database."""
    return ["--db", str(tmp_path / "other.db")]


def messages(shell: Shell, session: str, *options: str) -> Any:
    return shell.json("show", session, *options)["messages"]


def test_through_a_pipe(shell: Shell, order: str, elsewhere: list[str]) -> None:
    """`export | import -` moves a session with everything in it; the report goes to standard error."""
    outcome = shell.run("export", order)
    assert outcome.stderr == "exported 1 session, 6 messages\n"
    assert all(json.loads(line) for line in outcome.stdout.splitlines())
    assert shell.out("import", "-", *elsewhere, input=outcome.stdout_bytes) == "imported 1 session, 6 messages\n"
    assert messages(shell, order, *elsewhere) == messages(shell, order)


def test_through_a_file(shell: Shell, order: str, elsewhere: list[str], tmp_path: Path) -> None:
    """`export -o FILE` writes a file; importing it again changes nothing."""
    file = str(tmp_path / "all.jsonl")
    assert shell.json("export", "-o", file)["export"] == {"sessions": 1, "messages": 6, "multi_agents": 0}
    assert Path(file).stat().st_mode & 0o077 == 0
    assert shell.json("import", file, *elsewhere)["result"]["sessions"] == 1
    assert shell.json("import", file, *elsewhere)["result"]["unchanged"] == 1
    assert messages(shell, order, *elsewhere) == messages(shell, order)


def test_through_folders(shell: Shell, order: str, elsewhere: list[str], tmp_path: Path) -> None:
    """`export --format files` writes what a `FileSessionManager` reads, and `import` takes such a folder."""
    folder = str(tmp_path / "sessions")
    shell.run("export", order, "--format", "files", "-o", folder)
    assert (tmp_path / "sessions" / "session_order" / "session.json").exists()
    shell.run("import", folder, *elsewhere)
    shown = [each["message"] for each in messages(shell, order, *elsewhere)]
    assert shown == [each["message"] for each in messages(shell, order)]


@pytest.mark.parametrize(
    "arguments", [["--format", "files"], ["--json"], ["--jsonl", "-o", "-"], ["--format", "files", "-o", "-"]]
)
def test_export_to_where(shell: Shell, order: str, arguments: list[str]) -> None:
    """Folders need `-o`, and a report for programs needs standard output for itself."""
    shell.run("export", order, *arguments, code=2)


def test_export_of_nothing(shell: Shell, order: str, tmp_path: Path) -> None:
    """Where one of the sessions is missing nothing is written, and the database is never written over."""
    shell.run("export", order, "missing", "-o", str(tmp_path / "x.jsonl"), code=3)
    assert not (tmp_path / "x.jsonl").exists()
    shell.run("export", order, "-o", str(shell.db), code=2)
    assert messages(shell, order)


def test_conflicts(shell: Shell, order: str, elsewhere: list[str], tmp_path: Path) -> None:
    """A session that is there with other content stops the import, is skipped, or with `--yes` replaced."""
    file = str(tmp_path / "all.jsonl")
    shell.run("export", "-o", file)
    talks.store(tmp_path / "other.db", order, talks.agent("a", [talks.user("another")]))
    shell.run("import", file, *elsewhere, code=3)
    assert shell.json("import", file, "--on-conflict", "skip", *elsewhere)["result"]["skipped"] == 1
    shell.run("import", file, "--on-conflict", "replace", *elsewhere, code=2)
    assert len(messages(shell, order, *elsewhere)) == 1
    shell.run("import", file, "--on-conflict", "replace", "--yes", *elsewhere)
    assert messages(shell, order, *elsewhere) == messages(shell, order)


def test_a_planned_import_makes_no_file(shell: Shell, order: str, elsewhere: list[str], tmp_path: Path) -> None:
    """With `--dry-run` nothing is imported and no database appears."""
    file = str(tmp_path / "all.jsonl")
    shell.run("export", order, "-o", file)
    assert "will be imported" in shell.out("import", file, "--dry-run", *elsewhere)
    assert not (tmp_path / "other.db").exists()
    shell.run("import", str(tmp_path / "missing.jsonl"), *elsewhere, code=2)


def test_convert(shell: Shell, order: str) -> None:
    """`convert` writes the SDK's other model; what is there is replaced only with `--overwrite --yes`."""
    assert shell.out("convert", order, "--to", "snapshots") == "wrote snapshots of order: 1 agent, 6 messages\n"
    assert "hint: add --overwrite" in shell.run("convert", order, "--to", "snapshots", code=3).stderr
    back = shell.json("convert", order, "--to", "messages", "--new", "back")
    assert back["result"]["session_id"] == "back"
    assert [each["message"] for each in messages(shell, "back")] == [each["message"] for each in messages(shell, order)]
    assert "will be deleted" in shell.run("convert", order, "--to", "messages", "--overwrite", code=2).stdout
    shell.run("convert", order, "--to", "messages", "--overwrite", "--yes")
    assert "will be written" in shell.out("convert", order, "--to", "messages", "--new", "x", "--dry-run")
    shell.run("show", "x", code=3)


def test_backup(shell: Shell, order: str, tmp_path: Path) -> None:
    """`backup` writes a copy that can be opened; it replaces a file only with `--overwrite`, never the database."""
    target = tmp_path / "copy.db"
    made = shell.json("backup", str(target))["backup"]
    assert (made["sessions"], made["messages"], made["bytes"]) == (1, 6, target.stat().st_size)
    assert messages(shell, order, "--db", str(target)) == messages(shell, order)
    outcome = shell.run("backup", str(target), code=3)
    assert outcome.stderr.startswith("error: ")
    shell.run("backup", str(target), "--overwrite")
    shell.run("backup", str(shell.db), "--overwrite", code=2)
    shell.run("verify", "--db", str(target))


@pytest.mark.usefixtures("order")
def test_verify(db: Path, shell: Shell) -> None:
    """`verify` is exit code 0 where all is well; what it finds it tells, and the exit code is 1."""
    assert shell.run("verify").stderr == "no damage was found\n"
    assert shell.json("verify")["findings"] == []
    talks.store(db, "unfinished", talks.agent("a", [*talks.ORDER[:2], talks.user("Hello?")]))
    findings = shell.json("verify", code=1)["findings"]
    assert {each["kind"] for each in findings} == {"tool pair"}
    assert findings[0].keys() == {"kind", "where", "problem", "advice"}
    assert "tool pair\t" in shell.out("verify", code=1)
    told = shell.out("verify", "--plain", code=1)
    assert findings[0]["advice"] in " ".join(told.split())
    assert all(len(line) <= 80 for line in told.splitlines())


def test_stats(shell: Shell, order: str) -> None:
    """`stats` tells sizes of the file, or of one session with its agents."""
    stats = shell.json("stats")["stats"]
    assert (stats["sessions"], stats["messages"]) == (1, 6)
    assert stats["bytes"] >= shell.db.stat().st_size
    assert stats["largest"][0]["session_id"] == order
    summary = shell.json("stats", order)["session"]
    assert summary["agents"][0]["tool_calls"] == 1
    assert "sessions\t1\n" in shell.out("stats")
    assert "support" in shell.out("stats", order, "--plain")


@pytest.mark.parametrize(
    "content", ["", "no export\n", '{"format": "another"}\n', '{"format": "strands-sqlite-sessions"}']
)
def test_what_is_no_export_makes_no_database(shell: Shell, tmp_path: Path, content: str) -> None:
    """An import of something else is an error, and leaves no new file."""
    file = tmp_path / "notes.txt"
    file.write_text(content)
    for source in (str(file), "-"):
        outcome = shell.run("import", source, code=3, input=content)
        assert outcome.stderr.startswith("error: ")
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_of_something_else_makes_no_database(shell: Shell, tmp_path: Path) -> None:
    """An import of a folder in which no session lies is an error, and leaves no new file."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat.txt").write_text("meow")
    outcome = shell.run("import", str(folder), code=3)
    assert "holds no session" in outcome.stderr
    assert "hint: " in outcome.stderr
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.usefixtures("order")
@pytest.mark.parametrize("path", [":memory:", "file:q?mode=memory", "file::memory:", "file:q?vfs=memdb"])
def test_a_database_in_memory_is_refused(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """No command reports what it did to a database that is gone with it."""
    monkeypatch.chdir(tmp_path)
    shell.run("export", "-o", "order.jsonl")
    (tmp_path / "q").touch()
    monkeypatch.setenv("STRANDS_SQLITE_DB_PATH", path)
    outcome = shell.run("import", "order.jsonl", code=3)
    assert "is in memory, and gone at the end of the command" in outcome.stderr
    assert "hint: name a file" in outcome.stderr
    assert outcome.stdout == ""
    for command in (["list"], ["tag", "order", "x"]):
        assert shell.run(*command, code=3).stderr.startswith("error: ")
    assert (tmp_path / "q").stat().st_size == 0


def test_import_from_a_pipe_with_a_name(shell: Shell, order: str, elsewhere: list[str], tmp_path: Path) -> None:
    """What can be read only once, such as `<(command)` of a shell, is imported too."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    lines = shell.run("export", order).stdout_bytes
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(pipe.write_bytes, lines)
        assert shell.out("import", str(pipe), *elsewhere) == "imported 1 session, 6 messages\n"
        writing.result()
