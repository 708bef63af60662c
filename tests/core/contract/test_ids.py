"""Ids: plain text without path separators; message ids: integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from strands.types.exceptions import SessionException

from strands_sqlite_session_manager import InvalidIdError

from .backends import METHODS, Backend, Manager, SQLiteBackend
from .samples import CALLS, agent, crew, outcome, said, session, stock, text_of

OF_SESSIONS = ("create_session", "read_session", "delete_session")
WITH_CHILD = tuple(name for name in METHODS if name not in OF_SESSIONS)

WITH_SEPARATORS = ("a/b", "/a", "a/", "/", "../a", "a//b", "a/.", "a\n/")

PLAIN_TEXT = (
    "a",
    "A",
    "ä",
    "a\u0308",
    "日本語",
    " a",
    "a ",
    ".",
    "..",
    "%",
    "_",
    "*",
    "'",
    '"',
    "a'; DROP TABLE sessions; --",
    "a\\b",
    "0",
    "00",
    "-1",
    "session_a",
    "",
)


def test_session_id_with_separator_is_refused(manager: Manager) -> None:
    """A path separator in a session id is a `ValueError` with the SDK's text, on every call."""
    cases = [(name, bad) for name in METHODS for bad in WITH_SEPARATORS]

    assert {case: outcome(CALLS[case[0]], manager, case[1], "a") for case in cases} == {
        (name, bad): f"ValueError: session_id={bad} | id cannot contain path separators" for name, bad in cases
    }


def test_agent_id_with_separator_is_refused(manager: Manager) -> None:
    """A path separator in an agent or multi-agent id is a `ValueError` with the SDK's text, on every call."""
    cases = [(name, bad) for name in WITH_CHILD for bad in WITH_SEPARATORS]

    assert {case: outcome(CALLS[case[0]], manager, "s", case[1]) for case in cases} == {
        (name, bad): f"ValueError: agent_id={bad} | id cannot contain path separators" for name, bad in cases
    }


def test_session_id_is_looked_at_before_the_agent_id(manager: Manager) -> None:
    """Where both ids have separators, the error names the session id."""
    for name in WITH_CHILD:
        with pytest.raises(ValueError, match=r"^session_id=x/y "):
            CALLS[name](manager, "x/y", "v/w")


def test_constructor_refuses_a_session_id_with_separator(backend: Backend) -> None:
    """A manager cannot be built on a session id with a path separator."""
    assert {bad: outcome(backend.open, bad) for bad in WITH_SEPARATORS} == {
        bad: f"ValueError: session_id={bad} | id cannot contain path separators" for bad in WITH_SEPARATORS
    }


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


def test_ids_are_plain_text_and_differ_by_every_character(backend: Backend) -> None:
    """Case, accents, spaces, dots, wildcards, quotes and SQL are part of an id and mean nothing else."""
    manager = backend.open("manager")
    for text in PLAIN_TEXT:
        manager.create_session(session(text))
        manager.create_agent(text, agent(text, is_agent=text))
        manager.create_message(text, text, said(0, f"message of {text}"))
        manager.create_multi_agent(text, crew(text, {"is_crew": text}))

    for text in PLAIN_TEXT:
        assert manager.read_session(text) == session(text)
        assert manager.read_agent(text, text) == agent(text, is_agent=text)
        assert text_of(manager.read_message(text, text, 0)) == f"message of {text}"
        assert manager.read_multi_agent(text, text) == {"is_crew": text}


@pytest.mark.parametrize("text", ["..", "a'; DROP TABLE sessions; --", "日本語", "%", ""])
def test_manager_is_built_on_a_plain_text_id(backend: Backend, text: str) -> None:
    """The constructor takes what the methods take, and finds its session again."""
    stock(backend.open(text), text)

    again = backend.open(text)

    assert again.session_id == text
    assert [found.message_id for found in again.list_messages(text, "a")] == [0, 1]


@pytest.mark.parametrize(("stored", "asked"), [("Case", "case"), ("é", "e\u0301"), ("a", "a "), ("1", "01")])
def test_ids_are_compared_exactly(manager: Manager, stored: str, asked: str) -> None:
    """Ids that differ in case, in their Unicode form, in a space or in a zero are different ids."""
    stock(manager, stored, stored)

    assert manager.read_session(asked) is None
    assert manager.read_agent(stored, asked) is None
    assert manager.read_message(stored, asked, 0) is None
    with pytest.raises(SessionException):
        manager.delete_session(asked)


def test_message_id_that_is_not_an_integer_is_refused(manager: Manager) -> None:
    """A message id that is not an `int` is a `ValueError` with the SDK's text, on every call; nothing is written."""
    stock(manager, "s")
    calls: dict[str, Callable[[Any], object]] = {
        "create": lambda bad: manager.create_message("s", "a", said(bad)),
        "read": lambda bad: manager.read_message("s", "a", bad),
        "update": lambda bad: manager.update_message("s", "a", said(bad)),
    }
    cases = [(name, bad) for name in calls for bad in ("0", "x", 0.0, 1.5, None, (0,))]

    assert {case: outcome(calls[case[0]], case[1]) for case in cases} == {
        (name, bad): f"ValueError: message_id=<{bad!s}> | message id must be an integer" for name, bad in cases
    }
    assert [found.message_id for found in manager.list_messages("s", "a")] == [0, 1]


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
