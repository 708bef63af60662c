"""The plugin is there when it is wanted, and costs nothing when it is not."""

import sys
from collections.abc import Callable

import pytest

import pytest_strands_sqlite

Suite = Callable[..., pytest.RunResult]


def test_nothing_is_imported_before_a_fixture_is_used(pytester: pytest.Pytester) -> None:
    """A run that uses no fixture imports neither the SDK nor APSW nor boto3, and writes nothing."""
    pytester.makepyfile(
        """
        import sys
        from pytest_strands_sqlite import SessionOptions, factories

        crew = factories.sqlite_session_factory(scope="session")

        def test_it(strands_sqlite_config):
            assert strands_sqlite_config == SessionOptions()
            imported = {name.partition(".")[0] for name in sys.modules}
            assert imported & {"strands", "apsw", "boto3", "botocore", "pydantic"} == set()
        """
    )
    result = pytester.runpytest_subprocess(
        "-W", "error", "--strict-markers", "--strict-config", "-p", "no:cacheprovider"
    )
    result.assert_outcomes(passed=1)


def test_four_workers_do_not_meet(pytester: pytest.Pytester) -> None:
    """With `-n 4`, in memory and in files, every test has a database of its own; reports come through."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.strands_session(in_memory=False)
        @pytest.mark.parametrize("number", range(8))
        def test_file(agent_factory, number, session_store):
            agent_factory("Hello!")("Hi")
            assert session_store.summarize_session("session").info.messages == 2

        @pytest.mark.parametrize("number", range(8))
        def test_memory(agent_factory, number, session_store):
            agent_factory("Hello!")("Hi")
            assert session_store.summarize_session("session").info.messages == 2
            assert number != 7
        """
    )
    result = pytester.runpytest_subprocess("-n", "4", "-W", "error", "--strict-markers", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=15, failed=1)
    assert "    1 assistant Hello!" in result.outlines


def test_the_plugin_can_be_left_out(suite: Suite) -> None:
    """With `-p no:strands_sqlite` there is no fixture, no option and no guard."""
    result = suite(
        """
        from strands_sqlite_session_manager import SQLiteSessionManager

        def test_fixture(sqlite_session_manager):
            pass

        def test_guard():
            SQLiteSessionManager("s").close()
        """,
        "-p",
        "no:strands_sqlite",
    )
    result.assert_outcomes(passed=1, errors=1)
    assert "E       fixture 'sqlite_session_manager' not found" in result.outlines
    refused = suite("def test_it(): pass", "-p", "no:strands_sqlite", "--strands-sqlite-keep")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR


def test_no_fixture_is_used_without_being_named(suite: Suite) -> None:
    """Nothing is autouse, and each fixture is documented by its first line."""
    result = suite("def test_it(): pass", "--setup-plan")
    assert not any("SETUP" in line and ("strands" in line or "session_" in line) for line in result.outlines)
    shown = suite("", "--fixtures")
    for name in (
        "agent_factory",
        "scripted_model",
        "session_faults",
        "session_store",
        "sqlite_session_factory",
        "sqlite_session_manager",
        "sqlite_snapshot_manager",
        "sqlite_storage",
        "strands_sqlite_config",
    ):
        line = next(number for number, each in enumerate(shown.outlines) if each.startswith(f"{name} -- "))
        assert len(shown.outlines[line + 1].strip()) > 10, name


def test_every_name_is_there_and_documented() -> None:
    """What the package exports can be imported, says what it is, and is listed."""
    for name in pytest_strands_sqlite.__all__:
        assert getattr(pytest_strands_sqlite, name).__doc__, name
    assert set(pytest_strands_sqlite.__all__) <= set(dir(pytest_strands_sqlite))
    with pytest.raises(AttributeError, match=r"^module 'pytest_strands_sqlite' has no attribute 'sesion'$"):
        _ = pytest_strands_sqlite.sesion


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")
def test_hundreds_of_tests_leave_nothing_behind(suite: Suite, pytester: pytest.Pytester) -> None:
    """After 300 tests with an agent each there is no descriptor, thread, file or guard more than before."""
    result = suite(
        """
        import gc, os, threading
        import pytest
        from strands_sqlite_session_manager._files import _PRIVATE, _SHARED
        from strands_sqlite_session_manager._guards import GUARDS

        def left():
            gc.collect()
            return {
                "descriptors": len(os.listdir("/proc/self/fd")),
                "threads": threading.active_count(),
                "databases": len(_SHARED) + len(_PRIVATE),
                "guards": len(GUARDS),
            }

        @pytest.fixture(scope="module")
        def before():
            return {}

        @pytest.mark.parametrize("number", range(300))
        def test_it(agent_factory, before, number):
            if number == 1:
                before.update(left())
            agent_factory("Hello!")("Hi")

        def test_nothing_is_left(before):
            assert left() == {**before, "databases": before["databases"] - 1}
        """,
        "-W",
        "error",
        "-q",
        f"--basetemp={pytester.path / 'tmp'}",
    )
    result.assert_outcomes(passed=301)
    assert not (pytester.path / "tmp").exists() or list((pytester.path / "tmp").iterdir()) == []
    assert not list(pytester.path.glob("*.db*"))
