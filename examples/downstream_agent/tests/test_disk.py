"""What the desk does when it cannot write: it says so, and nothing is half remembered."""

from collections.abc import Callable

import pytest
from strands import Agent

from pytest_strands_sqlite import SessionFactory, SessionFaults, ToolCall, transcript
from strands_sqlite_session_manager import DatabaseBusyError, DatabaseFullError, DatabaseReadOnlyError

FIND = ToolCall("find_parcel", {"number": "P-7"})


def test_a_full_disk_is_said_and_nothing_is_lost(
    desk: Callable[..., Agent], sqlite_session_factory: SessionFactory, session_faults: SessionFaults
) -> None:
    """What was said before is there, what was not stored is not, and the desk goes on when there is space."""
    agent = desk(FIND, "It is in Oslo.")
    agent("Where is P-7?")

    session_faults.full_disk()
    with pytest.raises(DatabaseFullError, match="free some space"):
        agent("And P-8?")
    sqlite_session_factory.restart()

    resumed = desk("You are welcome.")
    resumed("Thank you.")
    said = transcript(sqlite_session_factory("customer-ada"))
    said.assert_said("It is in Oslo.")
    said.assert_said("You are welcome.")
    said.assert_not_said("And P-8?")


def test_a_disk_that_fills_up_during_a_tool_keeps_the_question(
    desk: Callable[..., Agent], sqlite_session_factory: SessionFactory, session_faults: SessionFaults
) -> None:
    """The tool ran and its result cannot be stored: the question stays, and can be answered later."""

    def fill(_number: str) -> str:
        session_faults.full_disk()
        return "Oslo"

    with pytest.raises(DatabaseFullError):
        desk(FIND, locate=fill)("Where is P-7?")
    sqlite_session_factory.restart()

    desk(FIND, "It is in Oslo.")("Again, please: where is P-7?")
    said = transcript(sqlite_session_factory("customer-ada"))
    said.assert_said("Where is P-7?", role="user")
    said.assert_said("It is in Oslo.", role="assistant")


def test_a_disk_with_space_again_needs_no_restart(
    desk: Callable[..., Agent], sqlite_session_factory: SessionFactory, session_faults: SessionFaults
) -> None:
    """Whoever asks again after somebody freed space gets an answer from the same agent."""
    agent = desk("It is in Oslo.")
    session_faults.full_disk()
    with pytest.raises(DatabaseFullError):
        agent("Where is P-7?")
    session_faults.clear()

    agent("Where is P-7, please?")
    transcript(sqlite_session_factory("customer-ada")).assert_said("It is in Oslo.")


def test_a_file_that_another_process_writes_to_is_said_to_be_busy(
    desk: Callable[..., Agent], sqlite_session_factory: SessionFactory, session_faults: SessionFaults
) -> None:
    """The desk waits for a lock, then gives up; the next question is stored."""
    agent = desk("It is in Oslo.")
    with session_faults.locked(), pytest.raises(DatabaseBusyError):
        agent("Where is P-7?")

    agent("Where is P-7, please?")
    transcript(sqlite_session_factory("customer-ada")).assert_said("It is in Oslo.")


def test_a_file_that_may_only_be_read_is_said(desk: Callable[..., Agent], session_faults: SessionFaults) -> None:
    """The error says what to do about the file."""
    agent = desk()
    session_faults.read_only()
    with pytest.raises(DatabaseReadOnlyError, match="writable"):
        agent("Where is P-7?")
