"""When a test that used a fixture fails, its report shows what its sessions hold."""

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]

SESSIONS = "------------------------------- strands sessions -------------------------------"
DATABASE = "------------------------------- strands database -------------------------------"


def after(result: pytest.RunResult, line: str) -> list[str]:
    """Return the lines of a section."""
    start = result.outlines.index(line) + 1
    end = next(
        number for number in range(start, len(result.outlines)) if result.outlines[number][:3] in ("===", "---", "___")
    )
    return result.outlines[start:end]


def test_a_failed_test_shows_its_conversation(suite: Suite) -> None:
    """Calls, results, redactions and lines are shown, of every agent and session, oldest session first."""
    result = suite(
        """
        from strands import tool
        from pytest_strands_sqlite import Redaction, ToolCall

        @tool
        def find(order: int) -> str:
            '''Find an order.

            Args:
                order: Its number.
            '''
            raise LookupError("no such order")

        def test_it(agent_factory):
            agent = agent_factory(ToolCall("find", {"order": 7}), "It is\\nnowhere.", Redaction(), tools=[find])
            agent("Where is order 7?")
            agent_factory("Salut!", session_id="other", agent_id="french")("Hi")
            agent("My card is 4111.")
            raise ValueError
        """
    )
    result.assert_outcomes(failed=1)
    assert after(result, SESSIONS) == [
        "session other, agent french",
        "    0 user      Hi",
        "    1 assistant Salut!",
        "",
        "session session, agent default",
        "    0 user      Where is order 7?",
        '    1 assistant -> find({"order": 7})',
        "    2 user      <- find failed: Error: LookupError - no such order",
        "    3 assistant It is",
        "                nowhere.",
        "    4 user      [User input redacted.] [redacted]",
        "    5 assistant [Blocked by a guardrail.]",
    ]
    assert DATABASE not in result.outlines


def test_what_fails_while_a_later_fixture_is_set_up_shows_it_too(suite: Suite) -> None:
    """The conversation that a fixture had before another failed is in the report of the error."""
    result = suite(
        """
        import pytest

        @pytest.fixture
        def talk(agent_factory):
            agent_factory("Hello!")("Hi")

        @pytest.fixture
        def late(talk):
            raise ValueError

        def test_it(late):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    assert after(result, SESSIONS) == ["session session, agent default", "    0 user      Hi", "    1 assistant Hello!"]


def test_a_kept_file_is_named(suite: Suite, pytester: pytest.Pytester) -> None:
    """With `--strands-sqlite-keep`, in memory or not, a failed test names a file that is complete after the run."""
    from strands_sqlite_session_manager import SessionStore  # noqa: PLC0415 - as the one who looks into it

    result = suite(
        """
        import pytest

        @pytest.mark.strands_session(in_memory=True)
        def test_it(agent_factory):
            agent_factory("Hello!")("Hi")
            raise ValueError
        """,
        "--strands-sqlite-keep",
        f"--basetemp={pytester.path / 'kept'}",
    )
    file = pytester.path / "kept" / "test_it0" / "sessions.db"
    assert after(result, DATABASE) == [str(file)]
    assert sorted(each.name for each in file.parent.iterdir()) == ["sessions.db"]
    with SessionStore(file, read_only=True) as store:
        assert len(store.read_messages("session")) == 2


def test_a_test_that_passes_or_has_no_session_shows_nothing(suite: Suite) -> None:
    """Only failed tests have sections, and only where they have a database with sessions."""
    result = suite(
        """
        import pytest

        def test_passes(sqlite_session_manager):
            pass

        def test_other():
            raise ValueError

        def test_empty(sqlite_session_factory):
            raise ValueError
        """
    )
    result.assert_outcomes(passed=1, failed=2)
    assert SESSIONS not in result.outlines


def test_a_fault_does_not_hide_the_conversation(suite: Suite) -> None:
    """The report reads the database as if no fault were set; the fault is still there afterwards."""
    result = suite(
        """
        def test_it(agent_factory, session_faults):
            agent = agent_factory("Hello!", "Never.")
            agent("Hi")
            session_faults.crash_before_commit()
            agent("Still there?")
        """
    )
    result.assert_outcomes(failed=1)
    assert after(result, SESSIONS) == ["session session, agent default", "    0 user      Hi", "    1 assistant Hello!"]
    assert len(after(result, DATABASE)) == 1


def test_a_database_that_cannot_be_read_is_said(suite: Suite) -> None:
    """Where the file is no database any more, the report says so and shows the rest."""
    result = suite(
        """
        import pytest

        @pytest.mark.strands_session(in_memory=False)
        def test_it(sqlite_session_factory):
            sqlite_session_factory()
            sqlite_session_factory.restart()
            sqlite_session_factory.file.write_bytes(b"no database" * 1000)
            raise ValueError
        """
    )
    result.assert_outcomes(failed=1)
    shown = after(result, SESSIONS)
    assert len(shown) == 1
    assert shown[0].startswith("(cannot be read: database=<")
    assert "is not an SQLite database: file is not a database | choose another db_path)" in shown[0]


def test_of_many_sessions_the_last_are_shown(suite: Suite) -> None:
    """A report shows five sessions, and says that there are more."""
    result = suite(
        """
        def test_it(agent_factory):
            for number in range(7):
                agent_factory("Hello!", session_id=f"s{number}")("Hi")
            raise ValueError
        """
    )
    shown = after(result, SESSIONS)
    assert shown[0] == "(the last 5 sessions; there are more)"
    assert [line for line in shown if line.startswith("session ")] == [
        f"session s{number}, agent default" for number in range(2, 7)
    ]
