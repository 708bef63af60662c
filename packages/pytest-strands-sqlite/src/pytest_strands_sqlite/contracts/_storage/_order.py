"""Lists of keys: a raw prefix, sorted."""

from __future__ import annotations

from pathlib import Path

from strands.types.exceptions import StorageError

from pytest_strands_sqlite.contracts._capabilities import StorageCapability, needs

from ._base import StorageSection, contents, delete, fill, keys, read

_KEYS = ("a/b/c", "a/b/d", "a/b10", "a/b9", "a/bc", "ab", "b/a", "ba")
_TEXTS = (
    *("%", "*", "A", "_", "a", "aa", "a b", "a ", " a", "a%", "a'b", 'a"b', "a.b", "a..b", "a_", "a*", "a?b", "a[b]"),
    *(
        "ä",
        "a\u0308",
        "ß",
        "ss",
        "\u0131",
        "İ",
        "K",
        "\u212a",
        "\u200b",
        ".hidden",
        "1",
        "01",
        "1.0",
        "~",
        "-a",
        "\x7f",
    ),
    *("茶", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0001f375", "\U0010ffff", "a\U0010ffff", "a\U0010ffffz"),
)
_SPELLINGS = {
    "a//b": "a/b",
    "/a/b": "a/b",
    "a/b/": "a/b",
    "///a////b//": "a/b",
    "..a/a..": "..a/a..",
    ".../....": ".../....",
}
_CLIMBING = ("..", "../a", "a/..", "a/../b", "/..", "a//../")


class Order(StorageSection):
    """Order, prefixes and keys."""

    def test_keys_are_sorted(self, place: Path) -> None:
        """Keys are listed in the order of their characters, in whatever order they were written."""
        storage = self._filled(place, dict.fromkeys(reversed(_KEYS), b""))

        self._expect("list all keys, sorted", keys(storage), sorted(_KEYS))

    def test_a_list_follows_what_is_written_and_deleted(self, place: Path) -> None:
        """A key is listed once it is written, once only however often, and no more when it is deleted."""
        storage = self._handle(place)
        for key in ("b", "a", "c/d", "a", "b"):
            fill(storage, {key: key.encode() * 3000})
        self._expect("list each key once", keys(storage), ["a", "b", "c/d"])

        delete(storage, "a")
        self._expect("list what is left", keys(storage), ["b", "c/d"])
        fill(storage, {"a": b""})
        delete(storage, "c/d")
        self._expect("list what is there again", keys(storage), ["a", "b"])

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
        delete(storage, "a")
        self._expect("delete one of them", sorted(set(_TEXTS) - set(keys(storage))), ["a"])

    @needs(StorageCapability.ANY_KEY)
    def test_a_prefix_is_plain_text(self, place: Path) -> None:
        """No character of a prefix is a wildcard, and keys come in the order of code points, whatever the script."""
        storage = self._filled(place, dict.fromkeys(_TEXTS, b""))

        for prefix in ("", *_TEXTS, "__", "a**", "[a]", "a%%"):
            expected = sorted(key for key in _TEXTS if key.startswith(prefix))
            self._expect(f"list the keys that begin with {prefix!r}", keys(storage, prefix), expected)

    @needs(StorageCapability.KEYS_BELOW_KEYS)
    def test_a_key_may_lie_below_a_key(self, place: Path) -> None:
        """A slash is a character and no folder: `a` and `a/b` hold a value each."""
        values = {"a": b"1", "a/b": b"2", "a/b/c": b"3"}
        storage = self._handle(place)

        fill(storage, values)

        self._expect("hold values below a value", contents(storage), values)
        self._expect("list a key with those below it", keys(storage, "a"), ["a", "a/b", "a/b/c"])
        self._expect("list those below it alone", keys(storage, "a/"), ["a/b", "a/b/c"])
        delete(storage, "a/b")
        self._expect("delete one value", contents(storage), {"a": b"1", "a/b/c": b"3"})

    @needs(StorageCapability.PATH_KEYS)
    def test_slashes_are_normalised(self, place: Path) -> None:
        """Runs of slashes are one, those at the ends of a key go, and a slash at the end of a prefix counts."""
        storage = self._handle(place)
        for spelling, key in _SPELLINGS.items():
            fill(storage, {spelling: b"1"})
            self._expect(f"list {spelling!r} as it is stored", keys(storage), [key])
            found = [read(storage, each) for each in (key, spelling, f"//{key}//")]
            self._expect("read it by any spelling", found, [b"1"] * 3)
            delete(storage, spelling)
        fill(storage, {"a/b": b"", "ab": b""})

        self._expect("take slashes alone for no prefix", keys(storage, "//"), ["a/b", "ab"])
        self._expect("normalise a prefix", keys(storage, "//a//b"), ["a/b"])
        self._expect("heed a slash at the end of a prefix", keys(storage, "/a//"), ["a/b"])

    @needs(StorageCapability.PATH_KEYS)
    def test_a_key_that_climbs_is_refused(self, place: Path) -> None:
        """An empty key, and `..` between slashes, are a `StorageError`, and what is stored stays."""
        storage = self._filled(place, {"a": b"1"})
        for key in ("", "/", *_CLIMBING):
            with self._refused(f"refuse the key {key!r}", StorageError):
                fill(storage, {key: b"2"})
            with self._refused(f"refuse to read the key {key!r}", StorageError):
                read(storage, key)
            with self._refused(f"refuse to delete the key {key!r}", StorageError):
                delete(storage, key)
        for prefix in _CLIMBING:
            with self._refused(f"refuse the prefix {prefix!r}", StorageError):
                keys(storage, prefix)

        self._expect("keep what is stored", contents(storage), {"a": b"1"})
