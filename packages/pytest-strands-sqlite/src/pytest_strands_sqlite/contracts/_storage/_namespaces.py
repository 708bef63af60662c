"""Namespaces: views of the keys below a prefix."""

from __future__ import annotations

from pathlib import Path

from strands.storage import Storage
from strands.types.exceptions import StorageError

from pytest_strands_sqlite.contracts._capabilities import StorageCapability, needs

from ._base import StorageSection, contents, delete, fill, keys, read, write

_SIBLINGS = ("a", "A", "aa", "s1", "s12", "S1", "a b", "a%", "a_", "a.b", "ä", "a-1", "a-10", "a\U0010ffff")


class Namespaces(StorageSection):
    """Namespaces: they share the data of their storage, nest, and see nothing of one another."""

    @needs(StorageCapability.NAMESPACES)
    def test_a_namespace_shares_the_data_of_its_parent(self, place: Path) -> None:
        """A namespace is a view: its keys stand below the prefix in the parent, and are listed without it."""
        storage = self._filled(place, {"in/a": b"1", "in/b/c": b"2", "inside": b"3"})
        scoped = storage.namespace("in")
        self._expect("give a storage", isinstance(scoped, Storage), expected=True)
        fill(scoped, {"new": b"4"})

        self._expect("list keys without the prefix", keys(scoped), ["a", "b/c", "new"])
        self._expect("look for a prefix below its own", keys(scoped, "b"), ["b/c"])
        self._expect("write below the prefix", read(storage, "in/new"), b"4")
        delete(scoped, "a")
        delete(storage, "in/new")
        found = [contents(view) for view in (storage, scoped, storage.namespace("in"))]
        self._expect("delete on both sides", found, [{"in/b/c": b"2", "inside": b"3"}, {"b/c": b"2"}, {"b/c": b"2"}])

    @needs(StorageCapability.NAMESPACES)
    def test_namespaces_nest(self, place: Path) -> None:
        """A namespace of a namespace is the one of both prefixes, and an empty prefix is none."""
        storage = self._handle(place)
        write(storage.namespace("a").namespace("b").namespace("c/d"), "e", b"1")

        self._expect("put the prefixes one after the other", contents(storage), {"a/b/c/d/e": b"1"})
        found = [
            contents(storage.namespace(outer).namespace(inner)) for outer, inner in (("a", "b/c/d"), ("a/b", "c/d"))
        ]
        self._expect("reach the same by other ways", found, [{"e": b"1"}, {"e": b"1"}])
        self._expect("see everything without a prefix", contents(storage.namespace("")), {"a/b/c/d/e": b"1"})

    @needs(StorageCapability.NAMESPACES)
    def test_namespaces_do_not_see_each_other(self, place: Path) -> None:
        """Namespaces whose names begin alike share nothing, and a deletion in one leaves the others."""
        storage = self._handle(place)
        for name in _SIBLINGS:
            fill(storage.namespace(name), {"k": name.encode(), f"{name}/k": b"inner"})
        delete(storage.namespace("s1"), "k")

        found = {name: contents(storage.namespace(name)) for name in _SIBLINGS}

        expected = {name: {"k": name.encode(), f"{name}/k": b"inner"} for name in _SIBLINGS}
        self._expect("keep namespaces apart", found, {**expected, "s1": {"s1/k": b"inner"}})

    @needs(StorageCapability.NAMESPACES, StorageCapability.KEYS_BELOW_KEYS)
    def test_the_key_that_a_namespace_is_named_after_lies_outside(self, place: Path) -> None:
        """`a` is no part of the namespace `a`, which holds what lies below."""
        storage = self._filled(place, {"a": b"1", "a/b": b"2", "ab": b"3"})

        self._expect("hold what lies below", contents(storage.namespace("a")), {"b": b"2"})

    @needs(StorageCapability.NAMESPACES, StorageCapability.PATH_KEYS)
    def test_nothing_climbs_out_of_a_namespace(self, place: Path) -> None:
        """The prefix of a namespace is normalised as a key is; `..` in it, or in a key, is a `StorageError`."""
        storage = self._filled(place, {"a": b"1", "in/b/c": b"2"})
        scoped = storage.namespace("//in/")
        self._expect("normalise the prefix", contents(scoped), {"b/c": b"2"})
        for bad in ("..", "../a", "b/../../a", "b/.."):
            for wish, call in (("read", read), ("delete", delete), ("list", keys)):
                with self._refused(f"refuse to {wish} {bad!r}", StorageError):
                    call(scoped, bad)
            with self._refused(f"refuse to write {bad!r}", StorageError):
                write(scoped, bad, b"3")
            for outer in (storage, scoped):
                with self._refused(f"refuse the namespace {bad!r}", StorageError):
                    outer.namespace(bad)

        self._expect("keep what is stored", contents(storage), {"a": b"1", "in/b/c": b"2"})
