"""The desk remembers its customers, however its process ended."""

from collections.abc import Callable

import pytest
from strands import Agent

from pytest_strands_sqlite import ScriptedModel, SessionFactory, SessionFaults, ToolCall, transcript
from strands_sqlite_session_manager import DatabaseIOError

ASK = "Where is P-7?"
FIND = ToolCall("find_parcel", {"number": "P-7"})


def test_what_was_said_is_known_after_a_restart(
    desk: Callable[..., Agent], sqlite_session_factory: SessionFactory
) -> None:
    """The next process sends the model all of the conversation, the tool's answer included."""
    desk(FIND, "It is in Oslo.")(ASK)
    sqlite_session_factory.restart()

    resumed = desk("In Oslo, as I said.")
    resumed("Where?")

    said = transcript(sqlite_session_factory("customer-ada"))
    said.assert_called("find_parcel", {"number": "P-7"})
    said.assert_roles("user", "assistant", "user", "assistant", "user", "assistant")
    assert isinstance(resumed.model, ScriptedModel)
    (call,) = resumed.model.calls
    assert [message["content"][0].get("text") for message in call.messages] == [
        ASK,
        None,  # the call
        None,  # its result
        "It is in Oslo.",
        "Where?",
    ]


def test_the_place_of_delivery_is_known_after_a_restart(
    desk: Callable[..., Agent], sqlite_session_factory: SessionFactory
) -> None:
    """What a tool wrote into the state of the agent is stored with the conversation."""
    desk(ToolCall("deliver_to", {"place": "the neighbour"}), "Noted.")("To the neighbour, please.")
    sqlite_session_factory.restart()

    assert desk().state.get("deliver_to") == "the neighbour"


@pytest.mark.strands_session(
    session_id="customer-ada",
    messages=["Where is P-8?", "It is in Bergen."],
    state={"deliver_to": "the office"},
)
def test_a_conversation_goes_on_in_the_middle(desk: Callable[..., Agent]) -> None:
    """A test need not play what was said before it."""
    resumed = desk("To the office.")
    resumed("And where will it go?")

    assert isinstance(resumed.model, ScriptedModel)
    assert len(resumed.model.calls[0].messages) == 3
    assert resumed.state.get("deliver_to") == "the office"


def test_a_process_that_dies_in_a_tool_leaves_a_session_that_goes_on(
    desk: Callable[..., Agent], sqlite_session_factory: SessionFactory, session_faults: SessionFaults
) -> None:
    """The question is kept, and the call without a result does not stop the next agent."""

    def die(_number: str) -> str:
        session_faults.crash_before_commit()
        return "nowhere, and nobody will hear it"

    with pytest.raises(DatabaseIOError):
        desk(FIND, locate=die)(ASK)
    sqlite_session_factory.restart()

    desk(FIND, "It is in Oslo.")("Are you there?")

    said = transcript(sqlite_session_factory("customer-ada"))
    said.assert_said(ASK, role="user")
    said.assert_said("It is in Oslo.", role="assistant")
    said.assert_not_said("nowhere")


def test_a_question_that_was_stored_stays_when_nobody_hears_of_it(
    desk: Callable[..., Agent], sqlite_session_factory: SessionFactory, session_faults: SessionFaults
) -> None:
    """The process dies between the commit and the news of it: after the restart the message is there."""
    agent = desk()
    session_faults.crash_after_commit()
    with pytest.raises(DatabaseIOError):
        agent(ASK)
    sqlite_session_factory.restart()

    transcript(sqlite_session_factory("customer-ada")).assert_said(ASK, role="user")
