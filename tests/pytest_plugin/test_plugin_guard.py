"""Tests do not touch the database of the user, and do not leave databases open."""

from collections.abc import Callable

import pytest

from strands_sqlite_session_manager import CannotOpenError, SQLiteSessionManager

Suite = Callable[..., pytest.RunResult]

REFUSED = (
    "the test would write to {path}, which is not a database of a test: take sqlite_session_factory, give db_path "
    "a file below tmp_path, or set strands_sqlite_guard = false"
)


def test_the_database_of_the_folder_is_refused(suite: Suite, pytester: pytest.Pytester) -> None:
    """Whatever opens `./sessions.db`, by any name, fails its test in one line, also where errors are caught."""
    result = suite(
        """
        import contextlib, os
        from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager, SQLiteStorage

        def test_default():
            with contextlib.suppress(Exception):
                SQLiteSessionManager("s")

        def test_storage():
            SQLiteStorage("sub/../sessions.db")

        def test_store():
            SessionStore(f"file://{os.getcwd()}/sessions%2Edb?cache=private")

        def test_link():
            os.symlink("sessions.db", "link.db")
            SQLiteStorage("link.db")
        """
    )
    result.assert_outcomes(failed=4)
    folder = pytester.path
    refused = [line for line in result.outlines if line.startswith("the test would write to ")]
    assert refused == [
        REFUSED.format(path=path)
        for path in (
            f"{folder}/sessions.db",
            f"{folder}/sessions.db",
            f"file://{folder}/sessions%2Edb?cache=private",
            f"{folder}/link.db",
        )
    ]
    assert not (folder / "sessions.db").exists()


def test_the_database_of_the_environment_is_refused(
    suite: Suite, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `STRANDS_SQLITE_DB_PATH` names when the run starts is the user's; what a test sets is not."""
    monkeypatch.setenv("STRANDS_SQLITE_DB_PATH", str(pytester.path / "mine.db"))
    result = suite(
        """
        from strands_sqlite_session_manager import SQLiteSessionManager

        def test_default():
            SQLiteSessionManager("s")

        def test_other(monkeypatch, tmp_path):
            monkeypatch.setenv("STRANDS_SQLITE_DB_PATH", str(tmp_path / "other.db"))
            SQLiteSessionManager("s").close()

        def test_folder(monkeypatch, tmp_path):
            monkeypatch.delenv("STRANDS_SQLITE_DB_PATH")
            monkeypatch.chdir(tmp_path)
            SQLiteSessionManager("s").close()
            assert (tmp_path / "sessions.db").exists()
        """
    )
    result.assert_outcomes(failed=1, passed=2)
    assert REFUSED.format(path=pytester.path / "mine.db") in result.outlines
    assert not (pytester.path / "mine.db").exists()


def test_an_environment_in_memory_is_nobodys(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `STRANDS_SQLITE_DB_PATH` is `:memory:`, databases in memory stay allowed."""
    monkeypatch.setenv("STRANDS_SQLITE_DB_PATH", ":memory:")
    suite(
        """
        from strands_sqlite_session_manager import SQLiteSessionManager

        def test_it(sqlite_session_manager):
            SQLiteSessionManager("s").close()
        """
    ).assert_outcomes(passed=1)


def test_a_module_that_opens_it_when_it_is_imported_is_refused(suite: Suite, pytester: pytest.Pytester) -> None:
    """An agent at the top of a module fails the collection, and writes nothing."""
    result = suite("from strands_sqlite_session_manager import SQLiteSessionManager\nSQLiteSessionManager('s')")
    result.assert_outcomes(errors=1)
    assert any("the test would write to " in line for line in result.outlines)
    assert not (pytester.path / "sessions.db").exists()


@pytest.mark.parametrize(
    ("arguments", "ini"), [(("--strands-sqlite-no-guard",), ""), ((), "strands_sqlite_guard = false")]
)
def test_the_guard_can_be_sent_away(
    suite: Suite, pytester: pytest.Pytester, arguments: tuple[str, ...], ini: str
) -> None:
    """Who wants it may let tests open the user's database."""
    code = (
        "from strands_sqlite_session_manager import SQLiteSessionManager\ndef test(): SQLiteSessionManager('s').close()"
    )
    suite(code, *arguments, ini=ini).assert_outcomes(passed=1)
    assert (pytester.path / "sessions.db").exists()


LEAKS = """
    import pytest
    from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager

    def test_it(sqlite_session_factory, tmp_path):
        sqlite_session_factory("one")
        SQLiteSessionManager("two", sqlite_session_factory.database)
        SessionStore(tmp_path / "other.db")
        with SQLiteSessionManager("closed", sqlite_session_factory.database):
            pass

    def test_joined(sqlite_session_manager, tmp_path):
        with SQLiteSessionManager("first", sqlite_session_manager) as first:
            SQLiteSessionManager("three", first)
        with SessionStore(tmp_path / "third.db") as store:
            SQLiteSessionManager("of another", store)

    def test_without_fixtures(tmp_path):
        SQLiteSessionManager("four", tmp_path / "mine.db")
    """


@pytest.mark.parametrize("where", ["--strands-sqlite-in-memory", "--strands-sqlite-on-disk"])
def test_who_is_not_closed_is_named_with_its_line(suite: Suite, pytester: pytest.Pytester, where: str) -> None:
    """What a test opens beside the fixtures, on their database or another, and does not close, is a warning."""
    folder = pytester.path / "tmp"
    result = suite(LEAKS, where, "-W", "default", f"--basetemp={folder}")
    result.assert_outcomes(passed=3, warnings=2)
    file = pytester.path / "test_it.py"
    memory = where == "--strands-sqlite-in-memory"
    first = ":memory:" if memory else f"{folder}/test_it0/sessions.db"
    second = ":memory:" if memory else f"{folder}/test_joined0/sessions.db"
    for line in (
        f"  {file}:6: LeakedSessionWarning: a user of database {first} was not closed; it was made at {file}:6",
        f"  a user of database {folder}/test_it0/other.db was not closed; it was made at {file}:7",
        f"  {file}:13: LeakedSessionWarning: a user of database {second} was not closed; it was made at {file}:13",
        f"  a user of database {folder}/test_joined0/third.db was not closed; it was made at {file}:15",
    ):
        assert line in result.outlines, line
    assert sum("was not closed" in line for line in result.outlines) == 4


def test_who_is_not_closed_fails_where_warnings_do(suite: Suite) -> None:
    """The warning can be turned into an error by its name."""
    result = suite(LEAKS, "-W", "error::pytest_strands_sqlite.LeakedSessionWarning")
    result.assert_outcomes(passed=3, errors=2)


def test_a_wider_factory_does_not_blame_the_tests(suite: Suite) -> None:
    """Managers that a module's factory makes for one test live as long as the factory, and are no leak."""
    suite(
        """
        from pytest_strands_sqlite import factories

        shared = factories.sqlite_session_factory(scope="module", in_memory=False)

        def test_it(sqlite_session_factory, shared):
            shared("one")
            sqlite_session_factory("two")

        def test_again(sqlite_session_factory, shared):
            assert shared.store().list_sessions().sessions[0].session_id == "one"
        """,
        "-W",
        "error",
    ).assert_outcomes(passed=2)


def test_a_database_that_a_conftest_names_is_of_the_tests(pytester: pytest.Pytester) -> None:
    """Only what the environment names when pytest starts is the user's: a conftest.py may set another one for tests."""
    pytester.makeconftest("import os\nos.environ['STRANDS_SQLITE_DB_PATH'] = os.path.abspath('of-tests.db')")
    pytester.makepyfile(
        """
        from strands_sqlite_session_manager import SQLiteSessionManager

        def test_it(monkeypatch):
            SQLiteSessionManager("s").close()
        """
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("STRANDS_SQLITE_DB_PATH", raising=False)
        pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest").assert_outcomes(passed=1)
        patch.delenv("STRANDS_SQLITE_DB_PATH", raising=False)


@pytest.mark.parametrize("path", ["a\0b", "\ud800.db"])
def test_a_path_that_no_file_can_have_is_left_to_the_session_manager(path: str) -> None:
    """The guard looks at it before anybody else does, and says nothing."""
    with pytest.raises(CannotOpenError):
        SQLiteSessionManager("s", path)


def test_the_database_of_the_user_may_be_read(suite: Suite, pytester: pytest.Pytester) -> None:
    """Opened for reading only, it cannot be changed, and is no business of the guard."""
    SQLiteSessionManager("mine", pytester.path / "sessions.db").close()
    suite(
        """
        from strands_sqlite_session_manager import SessionStore

        def test_it():
            with SessionStore("sessions.db", read_only=True) as store:
                assert [each.session_id for each in store.list_sessions().sessions] == ["mine"]
        """
    ).assert_outcomes(passed=1)
