"""Where the database file is: **ours**, so against SQLite only."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from strands_sqlite_session_manager import CannotOpenError, SQLiteSessionManager

from .samples import said, stock, text_of

VARIABLE = "STRANDS_SQLITE_DB_PATH"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder and a home of its own, and no environment variable."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(work)
    return work


def written_to(db_path: str | os.PathLike[str] | None = None) -> set[str]:
    """Build a manager, store something, and return which database files there are below the test's folder."""
    with SQLiteSessionManager("s", db_path) as manager:
        stock(manager, "s")
    root = Path.cwd().parent
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


class Elsewhere:
    """An `os.PathLike` that is not a `Path`."""

    def __fspath__(self) -> str:
        return "like.db"


def test_sqlite_default_is_sessions_db_in_the_working_folder() -> None:
    """Without an argument and without the variable, the file is `./sessions.db`."""
    assert written_to() == {"work/sessions.db"}


def test_sqlite_environment_variable_wins_over_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`STRANDS_SQLITE_DB_PATH` names the file where no argument does."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "named.db"))

    assert written_to() == {"named.db"}


def test_sqlite_argument_wins_over_the_environment_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The argument names the file, whatever the variable says."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "named.db"))

    assert written_to("argument.db") == {"work/argument.db"}


@pytest.mark.parametrize("path", ["plain.db", Path("plain.db")], ids=["str", "path"])
def test_sqlite_takes_text_and_path(path: str | Path) -> None:
    """A `str` and a `Path` name the same file."""
    assert written_to(path) == {"work/plain.db"}


def test_sqlite_takes_any_path_like() -> None:
    """Anything with `__fspath__` is a path."""
    assert written_to(Elsewhere()) == {"work/like.db"}


@pytest.mark.parametrize("path", ["~/kept.db", Path("~/kept.db")], ids=["str", "path"])
def test_sqlite_expands_the_home_folder(path: str | Path) -> None:
    """A leading `~` is the user's home."""
    assert written_to(path) == {"home/kept.db"}


def test_sqlite_expands_the_home_folder_in_the_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leading `~` in the variable is the user's home too."""
    monkeypatch.setenv(VARIABLE, "~/kept.db")

    assert written_to() == {"home/kept.db"}


def test_sqlite_makes_missing_parent_folders() -> None:
    """Folders on the way to the file are made, several levels of them."""
    assert written_to("not/yet/there/x.db") == {"work/not/yet/there/x.db"}


def test_sqlite_makes_missing_parent_folders_below_the_home() -> None:
    """Expansion of `~` comes before the making of folders."""
    assert written_to("~/data/x.db") == {"home/data/x.db"}


@pytest.mark.parametrize("name", ["two words.db", "50%.db", "a?b.db", "a#b.db", "日本語.db", "%41.db"])
def test_sqlite_path_is_not_read_as_a_uri(name: str) -> None:
    """Characters that mean something in a URI are plain text in a path."""
    assert written_to(name) == {f"work/{name}"}


def test_sqlite_tells_its_path(tmp_path: Path) -> None:
    """`db_path` names the file that is open."""
    with SQLiteSessionManager("s", tmp_path / "told.db") as manager:
        assert isinstance(manager.db_path, str)
        assert Path(manager.db_path).samefile(tmp_path / "told.db")


def test_sqlite_stays_on_its_file_when_the_working_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path is resolved once, when the manager is built."""
    with SQLiteSessionManager("s", "here.db") as manager:
        monkeypatch.chdir(tmp_path)
        stock(manager, "s")
        with SQLiteSessionManager("s", "work/here.db") as again:
            assert text_of(again.read_message("s", "a", 0)) == "first of s"
        assert Path(manager.db_path).samefile(tmp_path / "work" / "here.db")


def test_sqlite_memory_is_private() -> None:
    """Each `:memory:` manager has a database of its own, and no file."""
    with SQLiteSessionManager("s", ":memory:") as one, SQLiteSessionManager("s", ":memory:") as two:
        stock(one, "s")

        assert two.list_messages("s", "a") == []
        assert two.read_agent("s", "a") is None
        assert len(one.list_messages("s", "a")) == 2
    assert list(Path.cwd().iterdir()) == []


def test_sqlite_memory_is_one_database_in_every_thread() -> None:
    """What one thread stores in a `:memory:` manager, the next thread reads."""
    with SQLiteSessionManager("s", ":memory:") as manager:
        stock(manager, "s")
        with ThreadPoolExecutor(1) as one:
            one.submit(manager.create_message, "s", "a", said(2, "from a thread")).result()
        with ThreadPoolExecutor(1) as next_one:
            found = next_one.submit(manager.read_message, "s", "a", 2).result()
        assert text_of(found) == "from a thread"
        assert [message.message_id for message in manager.list_messages("s", "a")] == [0, 1, 2]


def test_sqlite_uri_names_a_file(tmp_path: Path) -> None:
    """A `file:` URI is read by SQLite: percent escapes and all."""
    assert written_to(f"file:{tmp_path}/by%20uri.db") == {"by uri.db"}


def test_sqlite_uri_parameters_are_passed_on(tmp_path: Path) -> None:
    """`mode=rw` asks SQLite not to create the file, and SQLite does not."""
    with pytest.raises(CannotOpenError, match=r"absent\.db"):
        SQLiteSessionManager("s", f"file:{tmp_path}/absent.db?mode=rw")

    assert not (tmp_path / "absent.db").exists()


def test_sqlite_uri_and_path_of_one_file_are_one_database(tmp_path: Path) -> None:
    """What is written through a URI is read through the path."""
    with (
        SQLiteSessionManager("s", f"file:{tmp_path}/one.db") as by_uri,
        SQLiteSessionManager("s", tmp_path / "one.db") as by_path,
    ):
        stock(by_uri, "s")

        assert by_path.list_messages("s", "a") == by_uri.list_messages("s", "a")
        assert len(by_path.list_messages("s", "a")) == 2
