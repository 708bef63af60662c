"""Values: exactly the bytes that were written last come back, whatever they are and whatever was there before."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from strands.types.exceptions import StorageError

from .backends import Backend, Can, Store, having, lacking, ours
from .samples import LOOK_ALIKES, VALUES, chance, conversation, turns_of_fate

LATEST = "session/s/scopes/agent/a/snapshots/snapshot_latest.json"
HISTORY = "session/s/scopes/agent/a/snapshots/immutable_history/snapshot_{:04}.json"


def test_bytes_come_back_exactly(backend: Backend) -> None:
    """Any bytes of any length are read as they were written, here and by whoever opens the place next."""
    store = backend.open()

    store.fill({f"a/{name}": value for name, value in VALUES.items()})

    for reader in (store, backend.open()):
        assert [name for name, value in VALUES.items() if reader.read(f"a/{name}") != value] == []


def test_bytes_that_resemble_a_snapshot_come_back_exactly(store: Store) -> None:
    """Where a storage may cut a snapshot, it changes nothing of what only looks like one, nor of its next version."""
    wrong = []
    for name, value in LOOK_ALIKES.items():
        for version in (value, value + value, value[: len(value) // 2], value[1:], chance(100) + value):
            store.write(LATEST, version)
            if store.read(LATEST) != version:
                wrong.append((name, len(version)))

    assert wrong == []


@having(Can.TAKE_ANY_BUFFER)
def test_a_buffer_with_gaps_is_stored_as_the_bytes_that_it_shows(store: Store) -> None:
    """Every second byte of a buffer is a value as well."""
    store.write("a", memoryview(b"t-e-a-")[::2])

    assert store.read("a") == b"tea"


@ours
@pytest.mark.parametrize("value", ["text", 5, None, [1, 2], {"a": 1}, 1.5, True], ids=repr)
def test_sqlite_value_that_is_no_bytes_is_refused(store: Store, value: object) -> None:
    """**Ours.** What is no bytes is a `TypeError`, and the old value stays; the SDK's dict stores 5 as five zeros."""
    store.write("a", b"tea")

    for key in ("a", "b"):
        with pytest.raises(TypeError):
            store.write(key, value)

    assert store.contents() == {"a": b"tea"}


SIZES = (0, 1, 2048, 2049, 70_000, 200_000)


def test_overwriting_leaves_nothing_of_the_old_value(store: Store) -> None:
    """A value may be replaced by a shorter one, a longer one, an empty one, and by itself."""
    for before, after in itertools.product(SIZES, repeat=2):
        store.write("a", chance(before))
        store.write("a", chance(after, 2))
        assert store.read("a") == chance(after, 2)

        store.write("a", chance(after, 2))
        assert store.read("a") == chance(after, 2)
        assert store.list() == ["a"]


def test_values_that_begin_alike_are_told_apart(store: Store) -> None:
    """A value that differs from the last one in one byte only, wherever, is another value."""
    value = bytearray(chance(150_000))
    for place in (0, 1, 2047, 2048, 65_535, 65_536, 149_998, 149_999):
        value[place] ^= 1
        store.write("a", value)

        assert store.read("a") == value


def test_equal_values_under_two_keys_live_apart(store: Store) -> None:
    """What happens to one of two equal values does not touch the other."""
    for size in (0, 3, 2048, 2049, 200_000):
        store.fill({"a": chance(size), "b": chance(size), "c/d": chance(size)})

        store.delete("a")
        store.write("b", b"tea")

        assert store.contents() == {"b": b"tea", "c/d": chance(size)}


def test_a_growing_conversation_comes_back_at_every_length(backend: Backend) -> None:
    """Snapshots of 1 to 300 messages are read as written, each as the latest one, and some as part of a history."""
    versions, kept = conversation(300), range(0, 300, 7)
    store = backend.open()

    async def converse() -> list[int]:
        wrong = []
        for number, version in enumerate(versions):
            await store.storage.write(LATEST, version)
            if number in kept:
                await store.storage.write(HISTORY.format(number), version)
            if await store.storage.read(LATEST) != version:
                wrong.append(number)
        return wrong

    assert asyncio.run(converse()) == []
    later = backend.open()
    keys = later.list(HISTORY[: HISTORY.index("{")])
    assert keys == [HISTORY.format(number) for number in kept]
    assert [number for number, key in zip(kept, keys, strict=True) if later.read(key) != versions[number]] == []


def test_a_conversation_may_change_in_any_way(store: Store) -> None:
    """A snapshot may lose messages at its beginning or end, change one, repeat some, and be what it once was."""
    versions = turns_of_fate()
    for number, version in enumerate(versions):
        store.write(LATEST, version)
        store.write(HISTORY.format(number), version)

        assert store.read(LATEST) == version
    store.delete(LATEST)
    store.delete(HISTORY.format(0))

    assert store.list(LATEST) == []
    for number, version in list(enumerate(versions))[1:]:
        assert store.read(HISTORY.format(number)) == version


@lacking(Can.TAKE_ANY_BUFFER)
def test_oracle_refuses_a_buffer_with_gaps(store: Store) -> None:
    """The SDK's files take no such buffer, and say so."""
    with pytest.raises(StorageError, match="Failed to write"):
        store.write("a", memoryview(b"t-e-a-")[::2])
