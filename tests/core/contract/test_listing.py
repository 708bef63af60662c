"""`list_messages`: sorted by number, cut by position as a Python slice cuts."""

from __future__ import annotations

import itertools
from typing import Any, TypeAlias

import pytest
from strands.types.exceptions import SessionException

from .backends import Backend, FileBackend, Manager, SQLiteBackend
from .samples import agent, said, session, text_of

IDS = (-1, 0, 1, 5, 9, 10, 100)
"""Not contiguous; sorted as text they would come in another order."""

WRITTEN = (10, 0, 100, 9, -1, 5, 1)
"""The order in which they are written."""

CUTS = (None, -7, -1, 0, 1, 3, 5, 100)
ODD_CUTS = (*CUTS, True, 2, 7, 8, -8, 2**31, 2**63, -(2**63), 2**70, -(2**70), 1.5, "1")

Outcome: TypeAlias = list[int] | str


def fill(manager: Manager) -> Manager:
    """Store the messages under an agent."""
    manager.create_agent("s", agent("a"))
    for message_id in WRITTEN:
        manager.create_message("s", "a", said(message_id, f"number {message_id}"))
    return manager


def listed(manager: Manager, offset: Any, limit: Any) -> Outcome:
    """Return the ids that a manager lists, or the type of the error."""
    try:
        return [message.message_id for message in manager.list_messages("s", "a", offset=offset, limit=limit)]
    except Exception as error:  # noqa: BLE001 - its type is compared
        return type(error).__name__


def sliced(offset: Any, limit: Any) -> Outcome:
    """Return what Python's own slice makes of the ids, or the type of the error."""
    try:
        return list(IDS[offset:] if limit is None else IDS[offset : offset + limit])
    except TypeError as error:
        return type(error).__name__


def test_list_messages_is_sorted_by_number(backend: Backend) -> None:
    """Messages come sorted by their id as a number, whatever the order in which they were written."""
    manager = fill(backend.open("s"))

    found = manager.list_messages("s", "a")

    assert [message.message_id for message in found] == list(IDS)
    assert [text_of(message) for message in found] == [f"number {message_id}" for message_id in IDS]


def test_list_messages_is_a_python_slice(backend: Backend) -> None:
    """For every offset and limit the result, or the type of the error, is that of a slice of the sorted list."""
    manager = fill(backend.open("s"))
    grid = list(itertools.product(CUTS, CUTS))

    assert {cut: listed(manager, *cut) for cut in grid} == {cut: sliced(*cut) for cut in grid}


@pytest.mark.parametrize("name", ["sqlite", "file"])
def test_list_messages_is_a_python_slice_for_odd_cuts(name: str, request: pytest.FixtureRequest) -> None:
    """Integers beyond 64 bits, floats, text and booleans cut, or fail, as in a Python slice too."""
    manager = fill(request.getfixturevalue(name).open("s"))
    grid = list(itertools.product(ODD_CUTS, ODD_CUTS))

    assert {cut: listed(manager, *cut) for cut in grid} == {cut: sliced(*cut) for cut in grid}


def test_list_messages_limit_comes_before_offset(backend: Backend) -> None:
    """By position, the third argument is the limit and the fourth the offset."""
    manager = fill(backend.open("s"))

    assert [message.message_id for message in manager.list_messages("s", "a", 2, 3)] == [5, 9]


def test_list_messages_offset_counts_positions_not_ids(backend: Backend) -> None:
    """The restore path: without a limit, an offset of n leaves out the first n messages, however they are numbered."""
    manager = fill(backend.open("s"))

    found = manager.list_messages(session_id="s", agent_id="a", offset=4)

    assert [message.message_id for message in found] == [9, 10, 100]


def test_list_messages_limit_zero_is_empty(backend: Backend) -> None:
    """A limit of 0 gives nothing; it does not mean "no limit"."""
    assert fill(backend.open("s")).list_messages("s", "a", limit=0) == []


def test_list_messages_of_an_agent_without_messages(manager: Manager) -> None:
    """An agent that has said nothing has an empty list."""
    manager.create_agent("s", agent("a"))

    assert manager.list_messages("s", "a") == []
    assert manager.list_messages("s", "a", limit=3, offset=2) == []


@pytest.mark.parametrize("name", ["sqlite", "s3"])
@pytest.mark.parametrize(("session_id", "agent_id"), [("s", "missing"), ("missing", "a")])
def test_list_messages_of_an_unknown_agent_is_empty(
    name: str, session_id: str, agent_id: str, request: pytest.FixtureRequest
) -> None:
    """An unknown agent or session has no messages, and that is not an error."""
    manager = request.getfixturevalue(name).open("s")

    assert manager.list_messages(session_id, agent_id) == []
    assert manager.list_messages(session_id, agent_id, limit=1, offset=1) == []


@pytest.mark.parametrize(("session_id", "agent_id"), [("s", "missing"), ("missing", "a")])
def test_file_deviates_by_refusing_to_list_an_unknown_agent(file: FileBackend, session_id: str, agent_id: str) -> None:
    """Where `FileSessionManager` differs from S3: it raises. The contract follows S3."""
    with pytest.raises(SessionException, match="Messages directory missing"):
        file.open("s").list_messages(session_id, agent_id)


def test_list_messages_keeps_to_its_agent_and_session(manager: Manager) -> None:
    """Only the messages of that agent in that session are listed, though others have the same ids."""
    manager.create_session(session("s2"))
    for session_id, agent_id in itertools.product(("s", "s2"), ("a", "a2", "A")):
        manager.create_agent(session_id, agent(agent_id))
        manager.create_message(session_id, agent_id, said(0, f"{session_id}/{agent_id}"))

    assert [text_of(message) for message in manager.list_messages("s", "a")] == ["s/a"]
    assert [text_of(message) for message in manager.list_messages("s2", "A")] == ["s2/A"]


def test_list_messages_gives_what_read_message_gives(manager: Manager) -> None:
    """A listed message is the message that is read alone: redaction, times and bytes included."""
    manager.create_agent("s", agent("a"))
    record = said(3, data=b"\x00\xff" * 700)
    record.redact_message = {"role": "user", "content": [{"text": "[redacted]"}]}
    manager.create_message("s", "a", record)

    assert manager.list_messages("s", "a") == [manager.read_message("s", "a", 3)] == [record]


def test_sqlite_lists_while_it_writes(sqlite: SQLiteBackend) -> None:
    """**Ours.** A caller may write while it goes through a list: the list is complete, no lock is held on it."""
    manager = fill(sqlite.open("s"))

    for message in manager.list_messages("s", "a"):
        manager.create_message("s", "a", said(message.message_id + 1000))

    assert len(manager.list_messages("s", "a")) == 2 * len(IDS)
