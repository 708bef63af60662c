"""Namespaces: scoped views of one storage, which share its data, nest, and see nothing of one another."""

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


def test_a_namespace_shares_the_data_of_its_parent(store: Store) -> None:
    """What is written on one side is read, listed and deleted on the other, below the prefix."""
    scoped = store.namespace("in")
    store.write("in/a", b"from outside")
    scoped.write("b/c", b"from inside")

    assert store.contents() == {"in/a": b"from outside", "in/b/c": b"from inside"}
    assert scoped.contents() == {"a": b"from outside", "b/c": b"from inside"}
    scoped.delete("a")
    store.delete("in/b/c")
    assert store.contents() == scoped.contents() == {}


def test_a_namespace_is_a_view_and_no_thing(backend: Backend) -> None:
    """It need not be made before its values are, and another of the same prefix is the same place."""
    store = backend.open()
    store.write("in/a", b"1")
    store.namespace("in").write("b", chance(5000))

    assert store.namespace("in").contents() == {"a": b"1", "b": chance(5000)}
    assert backend.open().namespace("in").contents() == {"a": b"1", "b": chance(5000)}
    assert store.namespace("empty").contents() == {}
    assert store.list() == ["in/a", "in/b"]


def test_namespaces_nest(store: Store) -> None:
    """A namespace of a namespace is the one of both prefixes."""
    store.namespace("a").namespace("b").namespace("c/d").write("e", b"1")

    assert store.contents() == {"a/b/c/d/e": b"1"}
    for outer, inner in (("a", "b/c/d"), ("a/b", "c/d"), ("a/b/c", "d")):
        assert store.namespace(outer).namespace(inner).contents() == {"e": b"1"}
        assert store.namespace(f"{outer}/{inner}").contents() == {"e": b"1"}


@pytest.mark.parametrize("prefix", ["a/b", "/a/b", "a/b/", "//a//b//"])
def test_the_prefix_of_a_namespace_is_normalised(store: Store, prefix: str) -> None:
    """Slashes of a namespace are normalised as those of a key."""
    store.namespace(prefix).write("/c", b"1")

    assert store.contents() == {"a/b/c": b"1"}
    assert store.namespace("a/b").contents() == {"c": b"1"}


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


SIBLINGS = ("a", "A", "aa", "a b", "a%", "a_", "a.b", "à", "a-1", "a-10", "\U0010ffff", "a\U0010ffff")


def test_namespaces_see_nothing_of_one_another(store: Store) -> None:
    """Each has keys of its own, however similar the prefixes are, and lists and deletes nothing else."""
    for name in SIBLINGS:
        store.namespace(name).fill({"k": name.encode(), f"{name}/k": b"inner"})

    for name in SIBLINGS:
        scoped = store.namespace(name)
        assert scoped.list() == sorted(["k", f"{name}/k"])
        assert scoped.read("k") == name.encode()
        assert [key for key in scoped.list(name) if key != "k"] == [f"{name}/k"]
    store.namespace("a").delete("k")
    assert [name for name in SIBLINGS if store.namespace(name).read("k") is None] == ["a"]


@having(Can.HOLD_A_KEY_BELOW_A_KEY)
def test_the_key_that_a_namespace_is_named_after_lies_outside(store: Store) -> None:
    """`a` is no part of the namespace `a`, which holds what lies below."""
    store.fill({"a": b"tea", "a/b": b"tea", "ab": b"tea"})

    assert store.namespace("a").contents() == {"b": b"tea"}
    assert store.namespace("a").found("tea") == {"b"}


def test_lists_of_a_namespace_are_relative(store: Store) -> None:
    """A prefix is looked for below the namespace, and keys are given without the namespace."""
    store.fill({"in/a/b": b"", "in/ab": b"", "in/in/a": b"", "a": b"", "inn/a": b""})
    scoped = store.namespace("in")

    assert scoped.list() == ["a/b", "ab", "in/a"]
    assert scoped.list("/") == ["a/b", "ab", "in/a"]
    assert scoped.list("a") == ["a/b", "ab"]
    assert scoped.list("/a/") == ["a/b"]
    assert scoped.list("in") == ["in/a"]
    assert scoped.list("in/a/") == []


def test_searches_of_a_namespace_are_relative(store: Store) -> None:
    """Only what lies in the namespace is found, and keys are given without the namespace."""
    store.fill({"in/green": b"tea", "in/deep/black": b"tea", "green": b"tea", "inn/red": b"tea", "in/bean": b"coffee"})
    scoped = store.namespace("in")

    assert scoped.found("tea") == {"green", "deep/black"}
    assert scoped.namespace("deep").found("tea") == {"black"}
    assert store.namespace("none").found("tea") == set()
    assert store.found("tea") == {"in/green", "in/deep/black", "green", "inn/red"}


@having(Can.LEAVE_OUT_THE_NAMESPACE)
def test_the_words_of_a_namespace_find_nothing_in_it(store: Store) -> None:
    """In the namespace `memory/notes`, a query for `notes` finds what is about notes, not every entry."""
    store.fill({"memory/notes/a": b"about notes", "memory/notes/b": b"tea", "memory/notes/notes-of-today": b"tea"})

    assert store.namespace("memory/notes").found("notes memory") == {"a", "notes-of-today"}
    assert store.namespace("memory").found("memory") == set()
    assert store.namespace("memory").found("notes") == {"notes/a", "notes/b", "notes/notes-of-today"}


def test_namespaces_that_climb_are_refused(store: Store) -> None:
    """A prefix with a `..` segment is a `StorageError`, within a namespace too."""
    for prefix in ("..", "../a", "a/..", "a/../b", "/.."):
        for outer in (store, store.namespace("in")):
            with pytest.raises(StorageError):
                outer.namespace(prefix)


def test_keys_do_not_climb_out_of_a_namespace(store: Store) -> None:
    """No key and no prefix leads from a namespace to what lies outside."""
    store.fill({"a": b"1", "in/b/c": b"2"})
    scoped = store.namespace("in")

    for key in ("..", "../a", "../../a", "b/../../a", "b/.."):
        for call in (scoped.read, scoped.delete, scoped.list, lambda key: scoped.write(key, b"3")):
            with pytest.raises(StorageError):
                call(key)

    assert store.contents() == {"a": b"1", "in/b/c": b"2"}


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


def test_a_storage_that_goes_with_the_process_is_marked(backend: Backend) -> None:
    """What is in memory only carries the SDK's mark for it, in its namespaces too; before 1.56 there was none."""
    mark = getattr(storage_module, "_EPHEMERAL", None) if backend.is_ephemeral else None
    store = backend.open()

    for found in (store, store.namespace("a"), store.namespace("a").namespace("b"), store.namespace("")):
        assert getattr(found.storage, "_ephemeral", None) is mark


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
