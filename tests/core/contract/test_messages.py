"""Messages: appended once, read, updated when something is redacted."""

from __future__ import annotations

from typing import Any, cast

import pytest
from strands.types.content import Message
from strands.types.exceptions import SessionException
from strands.types.session import SessionMessage

from strands_sqlite_session_manager import ConflictError, NotFoundError

from .backends import Backend, Manager, SQLiteBackend
from .samples import EARLY, LATE, agent, exact, said, stock, text_of

REDACTED: Message = {"role": "user", "content": [{"text": "[redacted]"}]}


pytestmark = pytest.mark.usefixtures("agent_a")


def test_read_message_gives_what_was_created(manager: Manager) -> None:
    """Message, redaction and both times are read as they were written, in the order of their keys."""
    created = SessionMessage(
        {"role": "assistant", "content": [{"text": "b"}, {"toolUse": {"name": "n", "toolUseId": "1", "input": {}}}]},
        4,
        REDACTED,
        EARLY,
        LATE,
    )

    assert manager.create_message("s", "a", created) is None

    found = manager.read_message("s", "a", 4)
    assert found is not None
    assert exact(found.to_dict()) == exact(created.to_dict())
    assert found.to_message() == REDACTED


@pytest.mark.parametrize(
    ("session_id", "agent_id", "message_id"), [("s", "a", 1), ("s", "a", -1), ("s", "missing", 0), ("missing", "a", 0)]
)
def test_read_message_gives_none_for_a_missing_one(
    manager: Manager, session_id: str, agent_id: str, message_id: int
) -> None:
    """A message that does not exist, or whose agent or session does not, is read as `None`."""
    manager.create_message("s", "a", said(0))

    assert manager.read_message(session_id, agent_id, message_id) is None


def test_update_message_replaces_message_and_redaction(manager: Manager) -> None:
    """Message and redaction are replaced whole; `update_message` returns `None`."""
    manager.create_message("s", "a", said(0, "secret"))
    update = said(0, "other")
    update.redact_message = REDACTED

    assert manager.update_message("s", "a", update) is None

    found = manager.read_message("s", "a", 0)
    assert found is not None
    assert (text_of(found), found.redact_message) == ("other", REDACTED)
    assert manager.list_messages("s", "a") == [found]


def test_update_message_takes_a_redaction_back(manager: Manager) -> None:
    """An update without a redaction removes the stored one."""
    redacted = said(0)
    redacted.redact_message = REDACTED
    manager.create_message("s", "a", redacted)

    manager.update_message("s", "a", said(0))

    found = manager.read_message("s", "a", 0)
    assert found is not None
    assert found.redact_message is None


def test_empty_redaction_is_not_no_redaction(manager: Manager) -> None:
    """`{}` as a redaction is stored and used; only `None` means that there is none."""
    redacted = said(0)
    redacted.redact_message = cast("Message", {})
    manager.create_message("s", "a", redacted)

    found = manager.read_message("s", "a", 0)

    assert found is not None
    assert found.redact_message is not None
    assert not found.to_message()


def test_update_message_keeps_created_at_and_copies_it(manager: Manager) -> None:
    """The stored `created_at` stays and is set on the passed object; `updated_at` is stored as it was given."""
    manager.create_message("s", "a", said(0, at=EARLY))
    update = said(0, "changed", at=LATE)

    manager.update_message("s", "a", update)

    assert (update.created_at, update.updated_at) == (EARLY, LATE)
    found = manager.read_message("s", "a", 0)
    assert found is not None
    assert (text_of(found), found.created_at, found.updated_at) == ("changed", EARLY, LATE)


def test_update_message_several_times(manager: Manager) -> None:
    """One redaction may be written several times; the last one counts, and it stays one message."""
    manager.create_message("s", "a", said(0, "v0"))
    manager.create_message("s", "a", said(1, "next"))

    for version in ("v1", "v2", "v2"):
        manager.update_message("s", "a", said(0, version))

    assert [text_of(message) for message in manager.list_messages("s", "a")] == ["v2", "next"]


@pytest.mark.parametrize(
    ("session_id", "agent_id", "message_id"), [("s", "a", 5), ("s", "missing", 0), ("missing", "a", 0)]
)
def test_update_message_refuses_a_missing_one(
    manager: Manager, session_id: str, agent_id: str, message_id: int
) -> None:
    """Updating a message that does not exist raises, naming it, and creates nothing."""
    manager.create_message("s", "a", said(0))

    with pytest.raises(SessionException) as raised:
        manager.update_message(session_id, agent_id, said(message_id))

    assert str(raised.value) == f"Message {message_id} does not exist"
    assert manager.read_message(session_id, agent_id, message_id) is None


def test_message_is_stored_as_it_was_at_the_call(manager: Manager) -> None:
    """Later changes to the passed object, or to an object that was read, change nothing that is stored."""
    record = said(0, "stored")
    manager.create_message("s", "a", record)
    record.message["content"].append({"text": "later"})
    first = manager.read_message("s", "a", 0)
    assert first is not None
    first.message["content"].append({"text": "later"})

    assert manager.read_message("s", "a", 0) == said(0, "stored")


def test_message_keeps_keys_that_are_its_own(manager: Manager) -> None:
    """Whatever stands in a message beside role and content comes back: the SDK adds keys from version to version."""
    record = said(0, metadata={"usage": {"inputTokens": 3}}, tracking_id="t-1", of_a_newer_sdk=[None])
    manager.create_message("s", "a", record)

    found = manager.read_message("s", "a", 0)

    assert found is not None
    assert exact(found.message) == exact(record.message)


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


def test_oracle_overwrites_a_message_silently(oracle: Backend) -> None:
    """What the SDK's managers do instead: the second writer wins and the first turn is lost."""
    manager = oracle.open("s")
    manager.create_message("s", "a", said(0, "first"))

    manager.create_message("s", "a", said(0, "second"))

    assert manager.list_messages("s", "a") == [said(0, "second")]


@pytest.mark.parametrize(("session_id", "agent_id", "named"), [("s", "nobody", "nobody"), ("nowhere", "a", "nowhere")])
def test_sqlite_message_needs_its_agent(sqlite: SQLiteBackend, session_id: str, agent_id: str, named: str) -> None:
    """**Ours.** A message without its agent, or session, is refused; what is missing is named, nothing is written."""
    manager = sqlite.open("s")
    stock(manager, "other")

    with pytest.raises(NotFoundError, match=rf"\b{named}\b"):
        manager.create_message(session_id, agent_id, said(0))

    assert manager.list_messages(session_id, agent_id) == []
    assert sqlite.rows("SELECT count(*) FROM messages WHERE session_id <> 'other'") == [(0,)]


def test_oracle_accepts_a_message_without_its_agent(oracle: Backend) -> None:
    """What the SDK's managers do instead: they store a message below an agent that nobody created."""
    manager = oracle.open("s")

    manager.create_message("s", "nobody", said(0))

    assert manager.read_agent("s", "nobody") is None
    assert manager.list_messages("s", "nobody") == [said(0)]


def test_sqlite_missing_message_has_its_own_error_type(sqlite: SQLiteBackend) -> None:
    """**Ours.** The error has a type that can be caught without looking at its text."""
    with pytest.raises(NotFoundError):
        sqlite.open("s").update_message("s", "a", said(99))
