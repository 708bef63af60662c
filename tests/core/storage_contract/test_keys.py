"""Keys: how they are normalised, which are told apart, and which are refused before anything is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strands.storage import InMemoryStorage
from strands.types.exceptions import SessionException, StorageError

from strands_sqlite_session_manager import InvalidKeyError, SQLiteSessionError, SQLiteStorage

from .backends import Backend, Can, Store, can, having, lacking, ours

SPELLINGS = {
    "a//b": "a/b",
    "/a/b": "a/b",
    "a/b/": "a/b",
    "///a////b//": "a/b",
    "/x": "x",
    "a b": "a b",
    " a ": " a ",
    "a\tb\nc": "a\tb\nc",
    ".hidden": ".hidden",
    "a..b": "a..b",
    "..a/a..": "..a/a..",
    ".../....": ".../....",
    "%/_": "%/_",
    "*?[a]{b}": "*?[a]{b}",
    "'; DROP TABLE objects; --": "'; DROP TABLE objects; --",
    '"a"': '"a"',
    "a:b|c<d>&e": "a:b|c<d>&e",
    "~/$HOME": "~/$HOME",
    "-a": "-a",
    "grüße/茶/\U0001f375": "grüße/茶/\U0001f375",
    "\U0010ffff\uffff": "\U0010ffff\uffff",
    "\x01\x7f": "\x01\x7f",
    "memory/notes/2024-01-02.md": "memory/notes/2024-01-02.md",
}
"""Keys as they may be given, and as they are listed."""

REFUSED = ("", "/", "///", "..", "../a", "a/..", "a/../b", "/..", "a//../")

BACKSLASHES = ("a\\b", "\\", "a/b\\", "..\\a")


def test_keys_are_normalised(store: Store) -> None:
    """Runs of slashes are one and those at the ends go; everything else of a key is plain text."""
    for key, kept in SPELLINGS.items():
        store.write(key, b"tea")

        assert store.list() == [kept]
        assert store.read(key) == store.read(kept) == store.read(f"//{kept}//") == b"tea"
        store.write(kept, b"more tea")
        assert store.read(key) == b"more tea"
        store.delete(key)
        assert store.list() == []


def calls(store: Store, key: str) -> list[Callable[[], object]]:
    """Return one call of each kind that takes a key."""
    return [lambda: store.write(key, b"3"), lambda: store.read(key), lambda: store.delete(key)]


@having(Can.REFUSE_BACKSLASHES)
def test_backslashes_are_refused(store: Store) -> None:
    """A backslash is a `StorageError` in a key, in a prefix, and in the name of a namespace."""
    store.fill({"a": b"1", "b/c": b"2"})
    scoped = store.namespace("b")

    for key in BACKSLASHES:
        for call in (*calls(store, key), *calls(scoped, key)):
            with pytest.raises(StorageError):
                call()
        for view in (store.list, scoped.list, store.namespace, scoped.namespace):
            with pytest.raises(StorageError):
                view(key)

    assert store.contents() == {"a": b"1", "b/c": b"2"}


def test_keys_that_are_no_text_are_refused(store: Store) -> None:
    """What is no text is a `TypeError`, and what is stored stays as it is."""
    store.write("a", b"1")

    for key in (None, 5, b"a", ["a"], PurePosixPath("a")):
        for call in (*calls(store, cast("Any", key)), lambda key=key: store.list(cast("Any", key))):
            with pytest.raises(TypeError):
                call()

    assert store.contents() == {"a": b"1"}


@having(Can.TAKE_DOTS_AS_TEXT)
def test_a_dot_is_a_name(store: Store) -> None:
    """A `.` between slashes is a part like any other."""
    store.fill({"a/./b": b"1", "a/b": b"2", ".": b"3"})

    assert store.contents() == {".": b"3", "a/./b": b"1", "a/b": b"2"}


@lacking(Can.TAKE_DOTS_AS_TEXT)
def test_oracle_reads_a_dot_as_the_folder_itself(store: Store) -> None:
    """To the SDK's files, `a/./b` is `a/b`."""
    store.write("a/./b", b"1")

    assert store.contents() == {"a/b": b"1"}


@having(Can.LIST_EVERY_NAME)
def test_no_name_is_reserved(store: Store) -> None:
    """A key may begin as the SDK's own temporary files do."""
    store.write("a/.__strands_tmp_1", b"1")

    assert store.contents() == {"a/.__strands_tmp_1": b"1"}


@lacking(Can.LIST_EVERY_NAME)
def test_oracle_hides_names_of_its_own(store: Store) -> None:
    """The SDK's files list no name that could be one of a file that is being written."""
    store.write("a/.__strands_tmp_1", b"1")

    assert store.list() == []
    assert store.read("a/.__strands_tmp_1") == b"1"


def longest(backend: Backend, character: str = "k") -> str:
    """Return a key that has 1,024 bytes of UTF-8 together with the prefix, in parts of up to 200 bytes."""
    rest = 1024 - len(backend.prefix)
    part = character * (200 // len(character.encode())) + "/"
    key = (part * 6).encode()[:rest].decode(errors="ignore")
    return key + "k" * (rest - len(key.encode()))


@pytest.mark.parametrize("character", ["k", "é", "\U0001f375"])
def test_keys_of_1024_bytes_are_taken(backend: Backend, character: str) -> None:
    """The longest key has 1,024 bytes of UTF-8, slashes that are not kept left aside; S3 allows no more either."""
    store, key = backend.open(), longest(backend, character)

    store.write(key.replace("/", "////"), b"1")

    assert len((backend.prefix + key).encode()) == 1024
    assert store.contents() == {key: b"1"}
    assert store.list(key) == [key]
    store.delete(key)
    assert store.list() == []


@having(Can.HOLD_LONG_SEGMENTS)
def test_a_part_of_a_key_may_be_long(store: Store) -> None:
    """A key needs no slash to be long."""
    store.write("k" * 1000, b"1")

    assert store.contents() == {"k" * 1000: b"1"}


UNSTORABLE = ("a\0b", "\0", "a/\ud800", "\udfff/a", "k" * 1025, "é" * 513)


@having(Can.REFUSE_UNSTORABLE_KEYS)
def test_keys_that_no_file_can_have_are_refused(store: Store) -> None:
    """NUL, a lone surrogate and more than 1,024 bytes are a `StorageError`, as with the SDK's files."""
    store.write("a", b"1")

    for key in UNSTORABLE:
        for call in calls(store, key):
            with pytest.raises(StorageError):
                call()

    assert store.contents() == {"a": b"1"}


@ours
def test_sqlite_refused_key_has_its_own_error_type(store: Store) -> None:
    """**Ours.** Every key is refused with one error: the SDK's `StorageError`, a `ValueError`, with a hint."""
    for key in (*REFUSED, *BACKSLASHES, *UNSTORABLE, "a/\udc80"):
        for call in calls(store, key):
            with pytest.raises(InvalidKeyError) as raised:
                call()

            for kind in (StorageError, SessionException, SQLiteSessionError, ValueError):
                assert isinstance(raised.value, kind)
            assert raised.value.hint
            assert raised.value.hint in str(raised.value)
            str(raised.value).encode()


@ours
def test_sqlite_counts_the_namespace_among_the_1024_bytes(store: Store) -> None:
    """**Ours.** A key that fits by itself is refused where it does not fit together with its namespace."""
    inner = store.namespace("n" * 900)
    inner.write("k" * 20, b"1")

    with pytest.raises(InvalidKeyError):
        inner.write("k" * 124, b"2")

    assert store.contents() == {"n" * 900 + "/" + "k" * 20: b"1"}


SIGNS = "ab/.%_ é\U0001f375" + "\\" * can("memory", Can.REFUSE_BACKSLASHES)
ODD_KEYS = st.text(alphabet=SIGNS, max_size=12)


def outcome(storage: SQLiteStorage | InMemoryStorage, key: str) -> object:
    """Write, and say what came of it."""

    async def attempt() -> object:
        try:
            await storage.write(key, key.encode())
        except StorageError:
            return "refused"
        return await storage.list(""), await storage.read(key)

    return asyncio.run(attempt())


@settings(max_examples=150, deadline=None)
@given(st.lists(ODD_KEYS, max_size=5))
def test_sqlite_takes_and_refuses_what_the_oracle_does(keys: list[str]) -> None:
    """Any key of letters, slashes, dots and backslashes is kept, or refused, as the SDK's dict does it."""
    oracle = InMemoryStorage()
    with SQLiteStorage(":memory:") as storage:
        for key in keys:
            assert outcome(storage, key) == outcome(oracle, key)
