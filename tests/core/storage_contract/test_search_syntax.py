"""Queries are plain text: whatever means something to a search engine, to SQL or to a shell is a word or nothing."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strands.storage import InMemoryStorage

from strands_sqlite_session_manager import SQLiteStorage

from .backends import Store

HOSTILE = (
    '"tea',
    'tea"',
    '"tea"',
    '"tea leaves',
    '""tea""',
    "'tea",
    "tea*",
    "*tea",
    "^tea",
    "^ tea",
    "-tea",
    "+tea",
    "!tea",
    "~tea",
    "tea AND",
    "AND tea",
    "OR OR tea",
    "NOT tea",
    "tea NOT tea",
    "tea AND absent",
    "(tea",
    "tea)",
    "((tea))",
    ")(tea",
    "NEAR(tea absent)",
    "NEAR(tea absent, 2)",
    "NEAR(",
    "tea NEAR/2 absent",
    "col:tea",
    "content:tea",
    "key : tea",
    "{key content}: tea",
    "- key : tea",
    "tea:",
    "tea + absent",
    "tea.absent",
    "tea\\",
    "\\tea",
    "tea; DROP TABLE objects; --",
    "tea' OR '1'='1",
    "tea/*",
    "--tea",
    "%tea%",
    "tea_ tea",
    "$tea",
    "?1 tea",
    "@tea #tea",
    "[tea]",
    "<tea>",
    "tea\0absent",
    "\0tea",
    "tea \ud800",
    "\udfff tea \udc80",
    "tea \ufffe \U0010ffff",
    "tea\u200b",
    "\ufefftea",
    "tea\r\n",
    "rank MATCH tea",
    "bm25(tea)",
)


def test_syntax_is_plain_text(store: Store) -> None:
    """Quotes, operators, column names and broken characters neither fail nor change what the words find."""
    values = {"a": b"tea leaves", "b": b"coffee beans", "c": b"water"}
    store.fill(values)

    found = {query: store.found(query) for query in HOSTILE}

    assert found == {query: {"a"} if "tea" in query else set() for query in HOSTILE}
    assert store.contents() == values


@pytest.mark.parametrize("operator", ["AND", "OR", "NOT", "NEAR"])
def test_operators_are_words(store: Store, operator: str) -> None:
    """An operator between two words leaves both of them to be looked for."""
    store.fill({"a": b"tea leaves", "b": b"coffee beans", "c": b"water"})

    assert store.found(f"tea {operator} coffee") == {"a", "b"}
    assert store.found(f"tea {operator} (coffee {operator} absent)") == {"a", "b"}


def test_a_long_query_finds(store: Store) -> None:
    """A query may be a whole document: of its thousands of words, the one that is stored finds its value."""
    words = [f"word{number}" for number in range(5000)]
    store.fill({"a": b"another word", "b": b"nothing of the kind", "c": b"tea and absence"})

    assert store.found(" ".join([*words, "tea"])) == {"c"}
    assert store.found(" ".join(["tea", *words])) == {"c"}
    assert store.found("tea " * 5000) == {"c"}
    assert store.found("x" * 100_000 + " tea") == {"c"}
    assert store.found('"(' * 5000 + "tea") == {"c"}


def test_values_and_keys_with_syntax_are_found(store: Store) -> None:
    """What is stored may hold the same signs as a query."""
    store.fill({'NEAR(x)/"tea"': b"green", "b": b'"coffee" AND (beans OR *) NOT col:x', "c": b"water"})

    assert store.found("green") == {'NEAR(x)/"tea"'}
    assert store.found("tea") == {'NEAR(x)/"tea"'}
    assert store.found("beans") == {"b"}


SIGNS = st.text(alphabet="\"'*^:(){}+-,.;\\/ \0\ud800\U0010ffff", max_size=6)
PIECES = st.one_of(SIGNS, st.sampled_from(["AND", "OR", "NOT", "NEAR(", "tea", "coffee", "key:", "absent"]))


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=8), st.sampled_from(["", " "]))
def test_sqlite_finds_what_the_oracle_finds(pieces: list[str], between: str) -> None:
    """Any mixture of words and signs finds in SQLite what it finds in the SDK's dict."""
    query = between.join(pieces)
    values = {"a": b"tea leaves", "b": b"coffee beans", "c": b"tea, coffee", "d": b"near the key"}

    async def found(storage: SQLiteStorage | InMemoryStorage) -> set[str]:
        for key, value in values.items():
            await storage.write(key, value)
        return {result.key for result in await storage.search(query)}

    with SQLiteStorage(":memory:") as storage:
        assert asyncio.run(found(storage)) == asyncio.run(found(InMemoryStorage()))


def test_any_bytes_may_be_searched(store: Store) -> None:
    """Values and queries of random characters are searched without an error, and leave what is stored alone."""
    chaos = random.Random(3)
    values = {f"k{number}": chaos.randbytes(chaos.randrange(300)) for number in range(30)}
    store.fill(values)
    for _ in range(60):
        query = "".join(chr(chaos.choice((chaos.randrange(128), chaos.randrange(0x110000)))) for _ in range(12))

        assert store.found(query) <= set(values)
    assert store.contents() == values
