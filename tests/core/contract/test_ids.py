"""Ids: plain text without path separators; message ids: integers."""

from __future__ import annotations

import pytest
from strands.types.exceptions import SessionException

from strands_sqlite_session_manager import InvalidIdError

from .backends import METHODS, Backend, Manager, SQLiteBackend
from .samples import CALLS, agent, outcome, said, stock

OF_SESSIONS = ("create_session", "read_session", "delete_session")
WITH_CHILD = tuple(name for name in METHODS if name not in OF_SESSIONS)

WITH_SEPARATORS = ("a/b", "/a", "a/", "/", "../a", "a//b", "a/.", "a\n/")


def test_sqlite_separator_is_refused_by_every_call(sqlite: SQLiteBackend) -> None:
    """**Ours.** Whatever is called with a path separator in an id says which id it is, in the SDK's words."""
    manager = sqlite.open("s")
    sessions = {(name, bad): outcome(CALLS[name], manager, bad, "a") for name in METHODS for bad in WITH_SEPARATORS}
    agents = {(name, bad): outcome(CALLS[name], manager, "s", bad) for name in WITH_CHILD for bad in WITH_SEPARATORS}

    said_no = "ValueError: {}={} | id cannot contain path separators"
    assert sessions == {case: said_no.format("session_id", case[1]) for case in sessions}
    assert agents == {case: said_no.format("agent_id", case[1]) for case in agents}


@pytest.mark.parametrize("bad", [None, 7], ids=repr)
def test_id_that_is_not_text_is_refused(manager: Manager, bad: object) -> None:
    """`None` or a number as a session, agent or multi-agent id is a `TypeError`, on every call."""
    calls = {name: outcome(CALLS[name], manager, bad, "a") for name in METHODS}
    calls |= {f"{name} of s": outcome(CALLS[name], manager, "s", bad) for name in WITH_CHILD}

    assert {name for name, said_no in calls.items() if not said_no.startswith("TypeError: ")} == set()


@pytest.mark.parametrize("bad", [None, 7], ids=repr)
def test_constructor_refuses_a_session_id_that_is_not_text(backend: Backend, bad: str) -> None:
    """A manager cannot be built on `None` or a number."""
    with pytest.raises(TypeError):
        backend.open(bad)


@pytest.mark.parametrize("text", ["..", "a'; DROP TABLE sessions; --", "日本語", "%", ""])
def test_manager_is_built_on_a_plain_text_id(backend: Backend, text: str) -> None:
    """The constructor takes what the methods take, and finds its session again."""
    stock(backend.open(text), text)

    again = backend.open(text)

    assert again.session_id == text
    assert [found.message_id for found in again.list_messages(text, "a")] == [0, 1]


def test_any_integer_of_64_bits_is_a_message_id(manager: Manager) -> None:
    """Message ids may be negative and as large as 64 bits; they need not follow one another."""
    ids = (-(2**63), -(2**40), -1, 0, 2**31, 2**53 + 1, 2**63 - 1)
    manager.create_agent("s", agent("a"))

    for message_id in reversed(ids):
        manager.create_message("s", "a", said(message_id))
    manager.update_message("s", "a", said(ids[0], "changed"))

    assert manager.list_messages("s", "a") == [said(ids[0], "changed"), *map(said, ids[1:])]
    assert manager.read_message("s", "a", ids[-1]) == said(ids[-1])


@pytest.mark.parametrize("message_id", [2**63, -(2**63) - 1, 10**30])
def test_sqlite_refuses_message_ids_beyond_64_bits(sqlite: SQLiteBackend, message_id: int) -> None:
    """**Ours.** SQLite's integers end at 64 bits: a larger message id is an `InvalidIdError`; nothing is written."""
    manager = sqlite.open("s")
    stock(manager, "s")

    with pytest.raises(InvalidIdError, match=str(message_id)):
        manager.create_message("s", "a", said(message_id))

    assert [found.message_id for found in manager.list_messages("s", "a")] == [0, 1]


@pytest.mark.parametrize(
    "bad",
    ["a\0b", "\0", "\ud800", "a\udfff", "x" * 1025, "é" * 513],
    ids=["nul", "only-nul", "surrogate", "surrogate-at-the-end", "long", "long-in-utf-8"],
)
def test_sqlite_refuses_ids_that_no_store_can_hold(sqlite: SQLiteBackend, bad: str) -> None:
    """**Ours.** NUL, lone surrogates and more than 1,024 bytes of UTF-8 are an `InvalidIdError`, on every call."""
    manager = sqlite.open("s")
    calls = [(name, bad, "a") for name in METHODS] + [(name, "s", bad) for name in WITH_CHILD]

    for name, session_id, agent_id in calls:
        with pytest.raises(InvalidIdError) as raised:
            CALLS[name](manager, session_id, agent_id)
        assert isinstance(raised.value, SessionException), name
        assert isinstance(raised.value, ValueError), name
        assert raised.value.hint, name


@pytest.mark.parametrize("longest", ["x" * 1024, "é" * 512, "🙂" * 256], ids=["ascii", "two-bytes", "four-bytes"])
def test_sqlite_takes_ids_of_1024_bytes(sqlite: SQLiteBackend, longest: str) -> None:
    """**Ours.** The limit is counted in bytes of UTF-8, and an id of just that length is fine."""
    stock(sqlite.open(longest), longest, longest)

    assert len(sqlite.open(longest).list_messages(longest, longest)) == 2
