"""Lists: all keys that begin with a text, in the order of their characters."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strands.storage import InMemoryStorage
from strands.types.exceptions import StorageError

from strands_sqlite_session_manager import InvalidKeyError, SQLiteStorage

from .backends import Can, Store, having, ours

TREE = ("a/b/c", "a/b/d", "a/bc", "a/c", "ab", "b/a", "ba")

ORDERED = (
    "!",
    "0",
    "A",
    "B",
    "_",
    "a",
    "a-1",
    "a-10",
    "a-2",
    "a.b",
    "aa",
    "b",
    "\x7f",
    "\x80",
    "é",
    "Ω",
    "茶",
    "\ud7ff",
    "\ue000",
    "\ufffd",
    "\uffff",
    "\U00010000",
    "\U0001f375",
    "\U0010ffff",
)
"""In the order of code points. UTF-16 would put the last three before U+E000, and a language its accents elsewhere."""


def test_an_empty_storage_lists_nothing(store: Store) -> None:
    """No keys, no error, whatever the prefix."""
    for prefix in ("", "/", "a", "a/b/"):
        assert store.list(prefix) == []
    assert asyncio.run(store.storage.list()) == []


def test_an_empty_prefix_lists_every_key(store: Store) -> None:
    """No prefix, an empty one, and slashes alone are all keys."""
    store.fill(dict.fromkeys(TREE, b""))

    assert asyncio.run(store.storage.list()) == list(TREE)
    for prefix in ("", "/", "///"):
        assert store.list(prefix) == list(TREE)


BELOW = {
    "a": ["a/b/c", "a/b/d", "a/bc", "a/c", "ab"],
    "a/": ["a/b/c", "a/b/d", "a/bc", "a/c"],
    "a/b": ["a/b/c", "a/b/d", "a/bc"],
    "a/b/": ["a/b/c", "a/b/d"],
    "a/b/c": ["a/b/c"],
    "a/bc": ["a/bc"],
    "b": ["b/a", "ba"],
    "//a//b": ["a/b/c", "a/b/d", "a/bc"],
    "/a/b//": ["a/b/c", "a/b/d"],
    "/b/a": ["b/a"],
} | {prefix: [] for prefix in ("a/b/c/", "a/b/cd", "c", "A", "A/B", "b/A", "a ", "b//b")}


def test_a_prefix_is_raw_text(store: Store) -> None:
    """A prefix may end in the middle of a name; only its slashes are normalised, and one at the end counts."""
    store.fill(dict.fromkeys(TREE, b""))

    assert {prefix: store.list(prefix) for prefix in BELOW} == BELOW


def test_every_character_of_a_prefix_is_literal(store: Store) -> None:
    """`%`, `_`, `*` and their like stand for themselves, and case counts."""
    keys = ["a%b", "a*b", "a?b", "a[bc]", "a_b", "axb", "aXb", "a'b", 'a"b', "a^b", "a-b", "a.b", "a~b", "a;b", "ab"]
    store.fill(dict.fromkeys(keys, b""))

    for key in keys:
        assert store.list(key) == [key]
        if len(key) > 2:
            assert store.list(key[:2]) == [key]
    for pattern in ("%", "_", "*", "?", "a%%", "a__", "a**", "[a]", "AX", "Ab"):
        assert store.list(pattern) == []


def test_lists_are_ordered_by_code_point(store: Store) -> None:
    """Keys come in the order of their characters' numbers: no language, no case, no UTF-16."""
    store.fill(dict.fromkeys(reversed(ORDERED), b""))

    assert store.list() == list(ORDERED) == sorted(ORDERED)


@pytest.mark.parametrize("last", ["\x7f", "\ud7ff", "\ue000", "\uffff", "\U0001ffff", "\U0010ffff"], ids=ascii)
def test_a_prefix_may_end_with_any_character(store: Store, last: str) -> None:
    """A prefix that ends just before a gap in unicode, or with the very last character, lists what begins with it."""
    names = {"a", f"a{last}", f"a{last}{last}", f"a{last}0", f"a{last}\U0010ffff", "b", f"{last}", f"{last}{last}z"}
    store.fill(dict.fromkeys(names, b""))

    for prefix in ("a", f"a{last}", f"a{last}{last}", f"{last}", f"{last}{last}"):
        assert store.list(prefix) == sorted(name for name in names if name.startswith(prefix))


@having(Can.HOLD_A_KEY_BELOW_A_KEY)
def test_a_key_is_listed_with_those_below_it(store: Store) -> None:
    """A prefix that is a key itself lists the key, too; a slash at its end leaves the key out."""
    store.fill({"a": b"", "a/b": b"", "a/b/c": b"", "a!": b"", "a0": b""})

    assert store.list("a") == ["a", "a!", "a/b", "a/b/c", "a0"]
    assert store.list("a/") == ["a/b", "a/b/c"]
    assert store.list("a/b") == ["a/b", "a/b/c"]
    assert store.list("a/b/") == ["a/b/c"]


def test_prefixes_that_climb_are_refused(store: Store) -> None:
    """A `..` segment is a `StorageError` in a prefix as in a key."""
    store.fill({"a/b": b""})

    for prefix in ("..", "../", "../a", "a/..", "a/../", "a/../b", "/.."):
        with pytest.raises(StorageError):
            store.list(prefix)


def test_dots_that_do_not_climb_are_text(store: Store) -> None:
    """Only a whole segment `..` is refused; dots within a name are characters."""
    store.fill({"..a": b"", ".a": b"", "a..": b"", "b../c": b"", "b/...": b""})

    assert store.list(".") == ["..a", ".a"]
    assert store.list("..a") == ["..a"]
    assert store.list("b/...") == ["b/..."]
    assert store.list("b..") == ["b../c"]


@ours
def test_sqlite_prefixes_that_no_key_can_have_are_refused(store: Store) -> None:
    """**Ours.** What a key may not hold is no prefix of one, and is refused with the same error."""
    for prefix in ("a\0", "\ud800", "a/\udfff", "k" * 1025):
        with pytest.raises(InvalidKeyError):
            store.list(prefix)


def test_lists_follow_what_is_written_and_deleted(store: Store) -> None:
    """A key is listed once it is written, once only however often, and no more when it is deleted."""
    for key in ("b", "a", "c/d", "a", "b"):
        store.write(key, key.encode() * 3000)
    assert store.list() == ["a", "b", "c/d"]

    store.delete("a")
    assert store.list() == ["b", "c/d"]

    store.write("a", b"")
    store.delete("c/d")
    assert store.list() == ["a", "b"]


def test_one_prefix_among_many_keys(store: Store) -> None:
    """Of thousands of keys exactly those are listed that begin with the prefix."""
    keys = [f"session/{session:03}/part/{part:02}.json" for session in range(150) for part in range(20)]

    store.fill_at_once(dict.fromkeys(keys, b""))

    assert store.list() == keys
    assert store.list("session/077/") == keys[77 * 20 : 78 * 20]
    assert store.list("session/07") == keys[70 * 20 : 80 * 20]
    assert store.list("session/149/part/19.json") == keys[-1:]
    assert store.list("session/150") == []


TEXT = st.text(alphabet="aA/_%\ud7ff\ue000\uffff\U00010000\U0010ffff", max_size=5)


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXT.filter(lambda key: key.strip("/")), max_size=12), st.lists(TEXT, max_size=6))
def test_sqlite_lists_what_the_oracle_lists(keys: list[str], prefixes: list[str]) -> None:
    """Any prefix lists, of any keys, what the SDK's dict lists, in the same order."""

    async def lists(storage: SQLiteStorage | InMemoryStorage) -> list[list[str]]:
        for key in keys:
            await storage.write(key, b"")
        return [await storage.list(prefix) for prefix in ["", *prefixes]]

    with SQLiteStorage(":memory:") as storage:
        assert asyncio.run(lists(storage)) == asyncio.run(lists(InMemoryStorage()))
