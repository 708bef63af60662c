"""Namespaces: the SDK's marks, the empty one, and what no key can have."""

from __future__ import annotations

import asyncio

import pytest
from strands import Agent
from strands.session import SnapshotSessionManager
from strands.storage import storage as storage_module
from strands.types.exceptions import StorageError

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import InvalidKeyError

from .backends import Backend, Can, Store, having, ours
from .samples import chance

LATEST = "s/scopes/agent/a/snapshots/snapshot_latest.json"


@pytest.mark.parametrize("prefix", ["", "/", "///"])
def test_the_empty_namespace_is_everything(store: Store, prefix: str) -> None:
    """A namespace without a prefix sees what its parent sees, and changes no key."""
    store.fill({"a": b"tea", "b/c": b"2"})
    scoped = store.namespace(prefix)
    scoped.write("d", b"3")

    assert scoped.contents() == store.contents() == {"a": b"tea", "b/c": b"2", "d": b"3"}
    assert scoped.list("b") == ["b/c"]
    assert scoped.found("tea") == {"a"}
    assert scoped.namespace("b").contents() == store.namespace("b").namespace(prefix).contents() == {"c": b"2"}


@having(Can.LEAVE_OUT_THE_NAMESPACE)
def test_the_words_of_a_namespace_find_nothing_in_it(store: Store) -> None:
    """In the namespace `memory/notes`, a query for `notes` finds what is about notes, not every entry."""
    store.fill({"memory/notes/a": b"about notes", "memory/notes/b": b"tea", "memory/notes/notes-of-today": b"tea"})

    assert store.namespace("memory/notes").found("notes memory") == {"a", "notes-of-today"}
    assert store.namespace("memory").found("memory") == set()
    assert store.namespace("memory").found("notes") == {"notes/a", "notes/b", "notes/notes-of-today"}


@having(Can.CHECK_KEYS_IN_A_NAMESPACE)
def test_an_empty_key_is_refused_in_a_namespace(store: Store) -> None:
    """The namespace itself is no key."""
    scoped = store.namespace("in")

    for key in ("", "/", "//"):
        for call in (scoped.read, scoped.delete, lambda key: scoped.write(key, b"1")):
            with pytest.raises(StorageError):
                call(key)

    assert store.contents() == {}


@ours
def test_sqlite_namespaces_that_no_key_can_have_are_refused(store: Store) -> None:
    """**Ours.** NUL, a lone surrogate and too many bytes are refused where the namespace is made, not with each key."""
    for prefix in ("a\0", "\ud800", "k" * 1025):
        with pytest.raises(InvalidKeyError):
            store.namespace(prefix)
    for prefix in (None, 5, b"a"):
        with pytest.raises(TypeError):
            store.storage.namespace(prefix)


def test_a_namespace_is_marked_as_scoped(backend: Backend) -> None:
    """A namespace carries the SDK's own mark, an empty one too; a storage that is none does not."""
    store = backend.open()

    assert (getattr(store.storage, "_namespaced", None) is storage_module._NAMESPACED) == bool(backend.prefix)
    for scoped in (store.namespace("a"), store.namespace(""), store.namespace("a").namespace("b")):
        assert scoped.storage._namespaced is storage_module._NAMESPACED


@pytest.mark.parametrize("namespace", [None, "", "mine", "mine/own"])
def test_the_snapshot_manager_puts_its_prefix_once(backend: Backend, namespace: str | None) -> None:
    """The SDK's manager writes below `session/`, but in a namespace right there; an agent resumes from both."""
    outer = backend.open()
    store = outer if namespace is None else outer.namespace(namespace)
    prefix = f"{namespace}/" if namespace else ""
    if namespace is None and not backend.prefix:
        prefix = "session/"

    def agent(*answers: str) -> Agent:
        manager = SnapshotSessionManager("s", storage=store.storage)
        return Agent(agent_id="a", model=ScriptedModel(*answers), session_manager=manager, callback_handler=None)

    agent("fine")("how are you?")

    assert outer.list() == [prefix + LATEST]
    resumed = agent("goodbye")
    assert [message["content"][0]["text"] for message in resumed.messages] == ["how are you?", "fine"]
    resumed("goodbye")
    assert outer.list() == [prefix + LATEST]
    assert b"goodbye" in (outer.read(prefix + LATEST) or b"")


def test_namespaces_may_be_used_at_once(store: Store) -> None:
    """Views of one storage work side by side on one loop."""
    views = [store.storage.namespace(f"n/{number}") for number in range(20)]

    async def use(number: int) -> list[str]:
        await asyncio.gather(*(views[number].write(f"k{key}", chance(100 * key, number)) for key in range(5)))
        return [key for key in range(5) if await views[number].read(f"k{key}") != chance(100 * key, number)]

    async def use_all() -> list[list[str]]:
        return await asyncio.gather(*(use(number) for number in range(20)))

    assert asyncio.run(use_all()) == [[]] * 20
    assert store.list() == sorted(f"n/{number}/k{key}" for number in range(20) for key in range(5))
