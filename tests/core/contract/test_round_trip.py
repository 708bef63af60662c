"""Properties: for any value, SQLite gives back, or refuses, just what the SDK's own managers do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strands.session.file_session_manager import FileSessionManager
from strands.types.content import Message
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import SQLiteSessionManager

from .backends import Manager
from .samples import EARLY, LATE, agent, crew, exact

thorough = settings(max_examples=100, derandomize=True, deadline=None, database=None)
quick = settings(thorough, max_examples=50)

KEYS = st.text(max_size=6) | st.sampled_from(["__bytes_encoded__", "data", "sha256", "size", "text", "a", "é", "\0"])

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(2**200), max_value=2**200)
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(["\0", "eA==", "e", "\u2028", '"', "\\"])
)


def below(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[Any] = KEYS) -> st.SearchStrategy[Any]:
    """Return values with `leaves`, in lists and dicts and in neither."""
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )


WITH_SURROGATES = below(SCALARS | st.just("\ud800"))

MARKERS = st.fixed_dictionaries({"__bytes_encoded__": st.just(True)}, optional={"data": st.text(max_size=8)})

BYTES = st.binary(max_size=40) | st.binary(min_size=500, max_size=600)

WITH_BYTES = below(SCALARS | BYTES | MARKERS)

# A value has one kind of fault at most. Of two, the oracle reports the one that stands first: it writes as it encodes.
LOOSE = below(
    SCALARS | st.sampled_from([(), (1, ("x",)), {1, 2}, 1j, object]),
    KEYS | st.integers() | st.floats() | st.booleans() | st.none() | st.just((1,)),
)
"""Values as careless code has them: tuples, keys that are not text, things that are not JSON."""


class Pair:
    """SQLite and the oracle side by side, with a fresh id for every example."""

    def __init__(self, folder: Path) -> None:
        self.sqlite = SQLiteSessionManager("s", folder / "pair.db", durability="normal")
        self.oracle = FileSessionManager("s", str(folder / "files"))
        self._numbers = count()
        for manager in self.managers:
            manager.create_agent("s", agent("a"))

    @property
    def managers(self) -> tuple[Manager, Manager]:
        return self.sqlite, self.oracle

    def number(self) -> int:
        return next(self._numbers)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One pair for all examples of the module."""
    pair = Pair(tmp_path_factory.mktemp("pair"))
    yield pair
    pair.sqlite.close()


def kind(error: Exception) -> str:
    """Name the error as a caller would catch it: SQLite's errors are subclasses of what the oracle raises."""
    return next((base.__name__ for base in (TypeError, ValueError) if isinstance(error, base)), repr(error))


def kept_message(manager: Manager, number: int, value: object, redaction: object) -> str:
    """Store a message, and return exactly what is read, alone and in the list, or the kind of the error."""
    body = cast("Message", {"role": "user", "content": [], "value": value})
    instead = None if redaction is None else cast("Message", {"role": "user", "content": [], "value": redaction})
    try:
        manager.create_message("s", "a", SessionMessage(body, number, instead, EARLY, LATE))
        found = manager.read_message("s", "a", number)
    except (TypeError, ValueError) as error:
        return kind(error)
    assert found is not None
    return exact(found.to_dict())


def kept_agent(manager: Manager, number: int, value: object, other: object) -> str:
    """Store an agent, update it, and return exactly what is read, or the kind of the error."""
    try:
        manager.create_agent("s", SessionAgent(f"a{number}", {"value": value}, {"value": other}, {}, EARLY, LATE))
        manager.update_agent("s", SessionAgent(f"a{number}", {"value": other}, {}, {"value": value}, LATE, LATE))
        found = manager.read_agent("s", f"a{number}")
    except (TypeError, ValueError) as error:
        return kind(error)
    assert found is not None
    return exact(found.to_dict())


def kept_crew(manager: Manager, number: int, value: object) -> str:
    """Store a multi-agent, and return exactly what is read, or the kind of the error."""
    try:
        manager.create_multi_agent("s", crew(f"m{number}", {"value": value}))
        return exact(manager.read_multi_agent("s", f"m{number}"))
    except (TypeError, ValueError) as error:
        return kind(error)


@given(value=WITH_BYTES | WITH_SURROGATES, redaction=st.none() | WITH_BYTES)
@thorough
def test_any_message_comes_back_as_from_the_oracle(pair: Pair, value: object, redaction: object) -> None:
    """Whatever the message and its redaction hold, bytes and look-alikes included, both managers agree exactly."""
    number = pair.number()

    assert kept_message(pair.sqlite, number, value, redaction) == kept_message(pair.oracle, number, value, redaction)


@given(value=WITH_BYTES | WITH_SURROGATES, other=WITH_BYTES)
@thorough
def test_any_agent_comes_back_as_from_the_oracle(pair: Pair, value: object, other: object) -> None:
    """Whatever the three states hold, bytes and look-alikes included, both managers agree exactly."""
    number = pair.number()

    assert kept_agent(pair.sqlite, number, value, other) == kept_agent(pair.oracle, number, value, other)


@given(value=WITH_BYTES | WITH_SURROGATES)
@quick
def test_any_multi_agent_comes_back_as_from_the_oracle(pair: Pair, value: object) -> None:
    """Whatever the state holds, both managers agree exactly: bytes are refused, look-alikes are not decoded."""
    number = pair.number()

    assert kept_crew(pair.sqlite, number, value) == kept_crew(pair.oracle, number, value)


@given(value=LOOSE)
@quick
def test_any_careless_value_is_stored_or_refused_as_by_the_oracle(pair: Pair, value: object) -> None:
    """Tuples, keys that are not text and values that are not JSON: both managers store the same, or raise the same."""
    number = pair.number()

    assert kept_crew(pair.sqlite, number, value) == kept_crew(pair.oracle, number, value)
    assert kept_message(pair.sqlite, number, value, None) == kept_message(pair.oracle, number, value, None)
    assert kept_agent(pair.sqlite, number, value, None) == kept_agent(pair.oracle, number, value, None)


@given(text=st.text(max_size=200), times=st.tuples(st.text(max_size=20), st.text(max_size=20)))
@quick
def test_any_text_and_times_come_back(pair: Pair, text: str, times: tuple[str, str]) -> None:
    """Without looking at the oracle: any Unicode text, and any text as a time, comes back as it was."""
    number = pair.number()
    record = SessionMessage({"role": "user", "content": [{"text": text}]}, number, None, *times)

    pair.sqlite.create_message("s", "a", record)

    assert pair.sqlite.read_message("s", "a", number) == record
    assert pair.sqlite.list_messages("s", "a", offset=-1) == [record]
