"""Lists of keys: a raw prefix, sorted."""

from __future__ import annotations

from pathlib import Path

from pytest_strands_sqlite.contracts._capabilities import StorageCapability, needs

from ._base import StorageSection, contents, fill, keys, read

_KEYS = ("a/b/c", "a/b/d", "a/b10", "a/b9", "a/bc", "ab", "b/a", "ba")
_TEXTS = ("%", "*", "A", "_", "a", "a b", "a%", "a'b", 'a"b', "a.b", "a_", "ä", "ß", "\U0001f375", ".hidden", "1", "01")


class Order(StorageSection):
    """Order, prefixes and keys."""

    def test_keys_are_sorted(self, place: Path) -> None:
        """Keys are listed in the order of their characters, in whatever order they were written."""
        storage = self._filled(place, dict.fromkeys(reversed(_KEYS), b""))

        self._expect("list all keys, sorted", keys(storage), sorted(_KEYS))

    def test_a_prefix_is_raw_text(self, place: Path) -> None:
        """A prefix lists the whole keys that begin with it; it may end in the middle of a name."""
        storage = self._filled(place, dict.fromkeys(_KEYS, b""))

        for prefix in ("a", "a/", "a/b", "a/b/", "a/bc", "b", "c", "A"):
            expected = sorted(key for key in _KEYS if key.startswith(prefix))
            self._expect(f"list the keys that begin with {prefix!r}", keys(storage, prefix), expected)

    def test_an_empty_storage_lists_nothing(self, place: Path) -> None:
        """A place that nobody has written to lists nothing, whatever the prefix."""
        storage = self._handle(place)

        self._expect("list nothing", keys(storage), [])
        self._expect("list nothing", keys(storage, "a/"), [])

    @needs(StorageCapability.ANY_KEY)
    def test_a_key_is_plain_text(self, place: Path) -> None:
        """Keys that differ in any character are different keys, and each is listed as it was written."""
        values = {key: f"of {key}".encode() for key in _TEXTS}
        storage = self._filled(place, values)

        self._expect("keep similar keys apart", contents(storage), values)
        self._expect("take a wildcard literally", keys(storage, "a%"), ["a%"])
        self._expect("take a wildcard literally", keys(storage, "a_"), ["a_"])

    @needs(StorageCapability.KEYS_BELOW_KEYS)
    def test_a_key_may_lie_below_a_key(self, place: Path) -> None:
        """A slash is a character and no folder: `a` and `a/b` hold a value each."""
        values = {"a": b"1", "a/b": b"2", "a/b/c": b"3"}
        storage = self._handle(place)

        fill(storage, values)

        self._expect("hold values below a value", contents(storage), values)

    @needs(StorageCapability.PATH_KEYS)
    def test_slashes_are_normalised(self, place: Path) -> None:
        """Runs of slashes are one, and those at the ends of a key go."""
        storage = self._filled(place, {"//a///b/": b"1"})

        self._expect("list the key as it is stored", keys(storage), ["a/b"])
        self._expect("read it by any spelling", [read(storage, "a/b"), read(storage, "/a//b")], [b"1", b"1"])

    @needs(StorageCapability.PATH_KEYS)
    def test_a_key_that_climbs_is_refused(self, place: Path) -> None:
        """An empty key, and `..` between slashes, are a `StorageError`, and nothing is written."""
        from strands.types.exceptions import StorageError  # noqa: PLC0415 - where it is used

        storage = self._handle(place)
        for key in ("", "/", "..", "../a", "a/../b"):
            with self._refused(f"refuse the key {key!r}", StorageError):
                fill(storage, {key: b"1"})
            with self._refused(f"refuse to read the key {key!r}", StorageError):
                read(storage, key)

        self._expect("write nothing", keys(storage), [])
