"""What a guardrail takes back is not remembered."""

from collections.abc import Callable

import pytest
from strands import Agent

from pytest_strands_sqlite import Redaction, ScriptedModel, SessionFactory, transcript
from strands_sqlite_session_manager import SessionStore

CARD = "4111 1111 1111 1111"


def test_what_a_guardrail_blocked_is_not_read_again(
    desk: Callable[..., Agent], sqlite_session_factory: SessionFactory
) -> None:
    """The next process, and its model, see what stands in place of the card number."""
    desk(Redaction("[card number]"))(f"Charge my card {CARD}.")
    sqlite_session_factory.restart()

    resumed = desk("Which number?")
    resumed("Did it work?")

    transcript(sqlite_session_factory("customer-ada")).assert_not_said(CARD)
    assert isinstance(resumed.model, ScriptedModel)
    assert resumed.model.calls[0].messages[0]["content"] == [{"text": "[card number]"}]


def test_what_the_model_let_slip_is_not_read_again(
    desk: Callable[..., Agent], sqlite_session_factory: SessionFactory
) -> None:
    """An answer that is taken back was streamed, and is not stored."""
    slip = Redaction(user_message=None, reply=f"It was {CARD}.", assistant_message="[answer withheld]")
    desk(slip)("Which card did I use?")
    sqlite_session_factory.restart()

    said = transcript(sqlite_session_factory("customer-ada"))
    said.assert_said("Which card did I use?", role="user")
    said.assert_said("[answer withheld]", role="assistant")
    said.assert_not_said(CARD)


@pytest.mark.strands_session(in_memory=False)
def test_no_byte_of_it_is_left_once_it_is_erased(
    desk: Callable[..., Agent], sqlite_session_factory: SessionFactory, session_store: SessionStore
) -> None:
    """The disk may hold what was blocked until `erase_redacted`, and not after."""
    desk(Redaction("[card number]"))(f"Charge my card {CARD}.")

    assert session_store.erase_redacted() == 1
    sqlite_session_factory.restart()  # reading the bytes of an open database would drop its locks
    assert sqlite_session_factory.file is not None
    for file in sqlite_session_factory.file.parent.iterdir():
        assert CARD.encode() not in file.read_bytes()
