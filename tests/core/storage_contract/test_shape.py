"""What a storage is to the SDK: the protocol, its coroutines, and the types that they give."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from strands.storage import Storage
from strands.storage.storage import StorageSearchResult

from .backends import Store

PARAMETERS = {"write": ["key", "data"], "read": ["key"], "delete": ["key"], "list": ["query"], "search": ["query"]}


def test_is_a_storage(store: Store) -> None:
    """`isinstance` takes it for a `Storage`, and so it takes every namespace."""
    assert isinstance(store.storage, Storage)
    assert isinstance(store.namespace("a").storage, Storage)
    assert isinstance(store.namespace("a").namespace("b").storage, Storage)


@pytest.mark.parametrize("method", PARAMETERS)
def test_methods_are_coroutines_with_the_names_of_the_protocol(store: Store, method: str) -> None:
    """Each method is awaited, and names its parameters as `Storage` does."""
    found = getattr(store.storage, method)

    assert inspect.iscoroutinefunction(found)
    assert list(inspect.signature(found).parameters) == PARAMETERS[method]
    assert list(inspect.signature(getattr(Storage, method)).parameters)[1:] == PARAMETERS[method]


def test_every_argument_may_be_given_by_name(store: Store) -> None:
    """Calls by keyword are calls."""

    async def calls() -> None:
        await store.storage.write(key="a", data=b"tea")
        assert await store.storage.read(key="a") == b"tea"
        assert await store.storage.list(query="a") == ["a"]
        assert [result.key for result in await store.storage.search(query="tea")] == ["a"]
        await store.storage.delete(key="a")
        assert await store.storage.list() == []
        assert store.storage.namespace(prefix="b") is not None

    asyncio.run(calls())


def test_results_have_the_types_of_the_protocol(store: Store) -> None:
    """`read` gives `bytes`, `list` a list of texts, `search` a list of the SDK's results."""
    store.write("a", bytearray(b"tea"))

    assert type(store.read("a")) is bytes
    assert type(store.list()) is list
    assert [type(key) for key in store.list()] == [str]
    assert type(store.search("tea")) is list
    assert [type(result) for result in store.search("tea")] == [StorageSearchResult]


def test_a_list_belongs_to_its_caller(store: Store) -> None:
    """What a caller does to a list changes nothing for the next one."""
    store.fill({"a": b"tea", "b": b"tea"})

    store.list().clear()
    store.search("tea").clear()

    assert store.list() == ["a", "b"]
    assert store.found("tea") == {"a", "b"}
