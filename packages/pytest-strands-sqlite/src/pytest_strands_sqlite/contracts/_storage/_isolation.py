"""What is deleted or scoped touches nothing else."""

from __future__ import annotations

from pathlib import Path

from ._base import StorageSection, contents, delete, fill, read


class Isolation(StorageSection):
    """Isolation, deletion and namespaces."""

    def test_values_do_not_see_each_other(self, place: Path) -> None:
        """A write to one key changes no other, though their names begin alike or their values are equal."""
        storage = self._filled(place, {"a": b"same", "ab": b"same", "b/a": b"same"})
        fill(storage, {"ab": b"other"})

        self._expect("change one value", contents(storage), {"a": b"same", "ab": b"other", "b/a": b"same"})

    def test_two_places_do_not_see_each_other(self, place: Path) -> None:
        """What is written at one place is not at another."""
        self._filled(place, {"a": b"here"})
        other = place.parent / "other place"
        other.mkdir()

        self._expect("hold nothing at another place", contents(self._handle(other)), {})

    def test_a_deleted_value_is_gone_alone(self, place: Path) -> None:
        """A deleted key reads as `None` and is not listed, also after reopening; keys that begin alike stay."""
        delete(self._filled(place, {"s/1": b"1", "s/12": b"2", "s/1.json": b"3", "t/1": b"4"}), "s/1")

        storage = self._reopened(place)

        self._expect("read nothing where it was deleted", read(storage, "s/1"), None)
        self._expect("keep every other value", contents(storage), {"s/12": b"2", "s/1.json": b"3", "t/1": b"4"})

    def test_deleting_nothing_is_no_error(self, place: Path) -> None:
        """What is not there may be deleted, and nothing else goes with it; the key may be written again."""
        storage = self._filled(place, {"a/b": b"1", "c": b"2"})
        for key in ("missing", "a/missing", "c", "c"):
            delete(storage, key)
        fill(storage, {"c": b"3"})

        self._expect("delete what is there, and nothing else", contents(storage), {"a/b": b"1", "c": b"3"})

    def test_a_part_of_a_key_is_no_key(self, place: Path) -> None:
        """Where `a/b` is stored, `a` reads as `None`, and deleting it is a no-op: it does not take `a/b` along."""
        storage = self._filled(place, {"a/b": b"1"})

        self._expect("read nothing under a part of a key", read(storage, "a"), None)
        delete(storage, "a")
        self._expect("keep the value", contents(storage), {"a/b": b"1"})
