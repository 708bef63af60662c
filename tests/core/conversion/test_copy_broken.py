"""Copies that break off: the error says where, what was copied stays, and the next run goes on from there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from strands.storage import InMemoryStorage
from strands.types.exceptions import StorageError

from strands_sqlite_session_manager import (
    CopyProgress,
    InvalidKeyError,
    SQLiteSessionError,
    TransferError,
    copy_storage,
)

from .file import File
from .partners import Counted, contents_of, failing, objects, put


@pytest.mark.parametrize(("side", "operation"), [("target", "write"), ("target", "read"), ("source", "read")])
@pytest.mark.parametrize("position", [0, 7, 39])
def test_a_copy_that_broke_off_goes_on_after_the_last_key(file: File, side: str, operation: str, position: int) -> None:
    """The error names the key, chains its cause and says where to go on; what was done is not touched again."""
    contents = objects(40)
    keys = sorted(contents)
    cause = StorageError("the line is cut")
    partner = Counted()
    told: list[CopyProgress] = []

    async def break_off_and_go_on() -> CopyProgress:
        ours: Any = file.storage()
        source, target = (ours, partner) if side == "target" else (partner, ours)
        await put(source, contents)
        partner.written.clear()
        partner.fails = failing(operation, keys[position], cause)
        with pytest.raises(TransferError) as caught:
            await copy_storage(source, target, progress=told.append)
        _assert_says_where(caught.value, cause, keys, position)
        assert [each.key for each in told] == keys[:position]
        assert await target.list("") == keys[:position]
        partner.fails = _refusing(keys[:position])
        last = await copy_storage(source, target, start_after=keys[position - 1] if position else None)
        partner.fails = lambda _operation, _key: None
        assert await contents_of(target) == contents
        return last

    last = asyncio.run(break_off_and_go_on())
    assert last.key == keys[-1]
    assert (last.done, last.copied) == (last.total, 40 - position)
    assert side == "source" or partner.written == keys


def _assert_says_where(error: TransferError, cause: Exception, keys: list[str], position: int) -> None:
    assert isinstance(error, SQLiteSessionError)
    assert isinstance(error, StorageError)
    assert keys[position] in str(error)
    assert error.__cause__ is cause
    assert position == 0 or keys[position - 1] in error.hint
    assert position == 0 or "start_after" in error.hint


def _refusing(done: list[str]) -> Callable[[str, str], None]:
    def fault(operation: str, key: str) -> None:
        assert key not in done, f"{operation} of a key that was done"

    return fault


def test_a_key_that_sqlite_does_not_take_is_named(file: File) -> None:
    """A key of another storage that is too long is no silent loss: the copy stops there and says why."""
    long = "k" * 1025

    async def copy() -> None:
        source = InMemoryStorage()
        await put(source, {"a": b"1", long: b"2", "z": b"3"})
        with pytest.raises(TransferError) as caught:
            await copy_storage(source, file.storage())
        assert long[:40] in str(caught.value)
        assert isinstance(caught.value.__cause__, InvalidKeyError)
        assert await file.storage().list("") == ["a"]

    asyncio.run(copy())


def test_a_closed_database_is_a_transfer_error(file: File) -> None:
    """What is wrong with our side of a copy is reported like what is wrong with the other."""

    async def copy() -> None:
        source, ours = InMemoryStorage(), file.storage()
        await put(source, {"a": b"1"})
        ours.close()
        with pytest.raises(TransferError) as caught:
            await copy_storage(source, ours)
        assert isinstance(caught.value.__cause__, SQLiteSessionError)

    asyncio.run(copy())


def test_an_object_that_vanishes_while_it_is_copied(file: File) -> None:
    """A key that was listed and is gone when it is read is passed over: nothing is invented in its place."""
    source, target = Counted(), file.storage()

    def vanish(operation: str, key: str) -> None:
        if (operation, key) == ("read", "a"):
            source._store.pop("b", None)

    async def copy() -> None:
        await put(source, {"a": b"1", "b": b"2", "c": b"3"})
        source.fails = vanish
        last = await copy_storage(source, target)
        assert (last.done, last.copied) == (3, 2)
        assert await contents_of(target) == {"a": b"1", "c": b"3"}

    asyncio.run(copy())


def test_a_copy_that_is_cancelled_is_cancelled(file: File) -> None:
    """Cancelling is no failure of a key: it passes through, and what was copied stays."""
    partner = Counted()
    keys = sorted(objects(10))
    partner.fails = failing("write", keys[3], asyncio.CancelledError())

    async def copy() -> None:
        source = file.storage()
        await put(source, objects(10))
        with pytest.raises(asyncio.CancelledError):
            await copy_storage(source, partner)
        assert await partner.list("") == keys[:3]

    asyncio.run(copy())
