"""Messages: what is appended once, and odd parts of records."""

from __future__ import annotations

from typing import Any, cast

import pytest
from strands.types.content import Message
from strands.types.exceptions import SessionException

from strands_sqlite_session_manager import ConflictError, NotFoundError

from .backends import Manager, SQLiteBackend
from .samples import EARLY, LATE, agent, exact, said, stock, text_of

pytestmark = pytest.mark.usefixtures("agent_a")


def test_empty_redaction_is_not_no_redaction(manager: Manager) -> None:
    """`{}` as a redaction is stored and used; only `None` means that there is none."""
    redacted = said(0)
    redacted.redact_message = cast("Message", {})
    manager.create_message("s", "a", redacted)

    found = manager.read_message("s", "a", 0)

    assert found is not None
    assert found.redact_message is not None
    assert not found.to_message()


def test_times_are_text(manager: Manager) -> None:
    """Times are stored as the text they are, ISO or not."""
    times = ("", "yesterday", "2024-01-02 03:04", "9" * 40, "mañana")
    for number, text in enumerate(times):
        manager.create_message("s", "a", said(number, at=text))
        manager.create_agent("s", agent(f"at-{number}", at=text))

    agents = [manager.read_agent("s", f"at-{number}") for number in range(len(times))]

    for records in (manager.list_messages("s", "a"), agents):
        assert [(record.created_at, record.updated_at) for record in records if record] == [(t, t) for t in times]


def test_sqlite_create_message_accepts_a_retry(sqlite: SQLiteBackend) -> None:
    """**Ours.** The same message under the same id, once more, is a retry: accepted, and stored once."""
    manager = sqlite.open("s")
    manager.create_message("s", "a", said(0))

    manager.create_message("s", "a", said(0))

    assert manager.list_messages("s", "a") == [said(0)]


def test_sqlite_retry_with_binary_content_is_accepted(sqlite: SQLiteBackend) -> None:
    """**Ours.** Content is compared as it was written, small and large bytes included."""
    manager = sqlite.open("s")
    for message_id, data in enumerate((b"\x00", b"\x00\xff" * 5000)):
        block: Any = [{"image": {"format": "png", "source": {"bytes": data}}}]
        manager.create_message("s", "a", said(message_id, content=block))

        manager.create_message("s", "a", said(message_id, content=block))

        found = manager.read_message("s", "a", message_id)
        assert found is not None
        assert found.message["content"] == block


def test_sqlite_retry_at_another_time_keeps_the_first_times(sqlite: SQLiteBackend) -> None:
    """**Ours.** A retry that was built anew has other times; it is the same content, and the stored times stay."""
    manager = sqlite.open("s")
    manager.create_message("s", "a", said(0, at=EARLY))

    manager.create_message("s", "a", said(0, at=LATE))

    assert manager.list_messages("s", "a") == [said(0, at=EARLY)]


def test_sqlite_create_message_conflict_overwrites_nothing(sqlite: SQLiteBackend) -> None:
    """**Ours.** Other content under a taken id is a `ConflictError`, and what was stored first stays."""
    manager = sqlite.open("s")
    manager.create_message("s", "a", said(0, "first"))

    with pytest.raises(ConflictError) as raised:
        manager.create_message("s", "a", said(0, "second"))

    assert isinstance(raised.value, SessionException)
    assert raised.value.hint
    assert manager.list_messages("s", "a") == [said(0, "first")]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        ("é", "e\u0301"),
        ("", None),
        (b"a" * 5000, b"a" * 4999 + b"b"),
        (b"a", "YQ=="),
        ([1, 2], [2, 1]),
    ],
    ids=repr,
)
def test_sqlite_conflict_is_noticed_whatever_differs(sqlite: SQLiteBackend, first: object, second: object) -> None:
    """**Ours.** Values that Python or SQLite might call equal, and bytes that differ at the end, are other content."""
    manager = sqlite.open("s")
    manager.create_message("s", "a", said(0, value=first))

    with pytest.raises(ConflictError):
        manager.create_message("s", "a", said(0, value=second))

    found = manager.read_message("s", "a", 0)
    assert found is not None
    assert exact(found.message) == exact(said(0, value=first).message)


def test_sqlite_second_writer_on_a_session_meets_the_conflict(sqlite: SQLiteBackend) -> None:
    """**Ours.** Two managers that both append message 0 cannot both succeed with different turns."""
    one, two = sqlite.open("s"), sqlite.open("s")
    one.create_message("s", "a", said(0, "from one"))

    with pytest.raises(ConflictError):
        two.create_message("s", "a", said(0, "from two"))
    two.create_message("s", "a", said(1, "from two"))

    assert [text_of(message) for message in one.list_messages("s", "a")] == ["from one", "from two"]


@pytest.mark.parametrize(("session_id", "agent_id", "named"), [("s", "nobody", "nobody"), ("nowhere", "a", "nowhere")])
def test_sqlite_message_needs_its_agent(sqlite: SQLiteBackend, session_id: str, agent_id: str, named: str) -> None:
    """**Ours.** A message without its agent, or session, is refused; what is missing is named, nothing is written."""
    manager = sqlite.open("s")
    stock(manager, "other")

    with pytest.raises(NotFoundError, match=rf"\b{named}\b"):
        manager.create_message(session_id, agent_id, said(0))

    assert manager.list_messages(session_id, agent_id) == []
    assert sqlite.rows("SELECT count(*) FROM messages WHERE session_id <> 'other'") == [(0,)]


def test_sqlite_missing_message_has_its_own_error_type(sqlite: SQLiteBackend) -> None:
    """**Ours.** The error has a type that can be caught without looking at its text."""
    with pytest.raises(NotFoundError):
        sqlite.open("s").update_message("s", "a", said(99))
