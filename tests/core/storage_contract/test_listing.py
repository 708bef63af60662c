"""Lists: among many keys, and where prefixes are odd."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strands.storage import InMemoryStorage

from strands_sqlite_session_manager import InvalidKeyError, SQLiteStorage

from .backends import Store, ours


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
