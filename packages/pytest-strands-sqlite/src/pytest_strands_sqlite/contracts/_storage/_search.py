"""Search by words."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pytest_strands_sqlite.contracts._capabilities import StorageCapability, needs

from ._base import StorageSection, delete, write

_VALUES = {
    "notes/one": b"green tea from the mountains",
    "notes/two": b"black tea",
    "notes/three": b"coffee",
}

_NOTHING = ("cocoa", "", " ", "\n\t", "?!", "...", "-", '"', "*", "()", "—", "\0")


class Search(StorageSection):
    """Search: any word finds, best first, what is stored now."""

    @needs(StorageCapability.SEARCH)
    def test_a_word_finds_the_values_that_have_it(self, place: Path) -> None:
        """Every value that holds the word is found once; others are not."""
        found = sorted(result.key for result in _search(self._filled(place, _VALUES), "tea"))

        self._expect("find the values with the word", found, ["notes/one", "notes/two"])

    @needs(StorageCapability.SEARCH)
    def test_any_word_of_a_query_finds(self, place: Path) -> None:
        """One word of several is enough, in large or small letters; the words of a key count as those of its value."""
        storage = self._filled(place, _VALUES)
        queries = {
            "COFFEE": ["notes/three"],
            "unheard coffee": ["notes/three"],
            "coffee, mountains?": ["notes/one", "notes/three"],
            "three": ["notes/three"],
            "notes": sorted(_VALUES),
        }

        found = {query: sorted(result.key for result in _search(storage, query)) for query in queries}

        self._expect("find what has at least one of the words", found, queries)

    @needs(StorageCapability.SEARCH)
    def test_every_match_is_given(self, place: Path) -> None:
        """A search cuts nothing off, and asked again it gives the same in the same order."""
        names = {f"note-{number:03}" for number in range(150)}
        storage = self._filled(place, dict.fromkeys(names, b"tea"))

        found = [result.key for result in _search(storage, "tea")]

        self._expect("find all of them", sorted(found), sorted(names))
        self._expect("give them in the same order again", [result.key for result in _search(storage, "tea")], found)

    @needs(StorageCapability.SEARCH, StorageCapability.NAMESPACES)
    def test_a_search_stays_in_its_namespace(self, place: Path) -> None:
        """Only what lies in the namespace is found, and keys are given without its prefix."""
        values = {"in/green": b"tea", "in/deep/black": b"tea", "green": b"tea", "inn/red": b"tea", "in/bean": b"coffee"}
        storage = self._filled(place, values)
        scoped = storage.namespace("in")

        found = [sorted(result.key for result in _search(view, "tea")) for view in (scoped, scoped.namespace("deep"))]

        self._expect("find what lies in the namespace", found, [["deep/black", "green"], ["black"]])
        self._expect("find nothing in an empty one", _search(storage.namespace("none"), "tea"), [])

    @needs(StorageCapability.SEARCH)
    def test_results_come_best_first(self, place: Path) -> None:
        """A value that has more of the words stands before one that has fewer, with a higher score."""
        found = _search(self._filled(place, _VALUES), "green mountains tea")

        scores = [result.score for result in found]
        self._expect("give the best match first", [result.key for result in found][:1], ["notes/one"])
        self._expect("give scores in descending order", scores, sorted(scores, reverse=True))

    @needs(StorageCapability.SEARCH)
    def test_a_search_sees_what_is_stored_now(self, place: Path) -> None:
        """What was just written is found, what was overwritten or deleted is not, through other handles too."""
        storage = self._filled(place, _VALUES)
        other = self._handle(place)
        for handle in (storage, other):
            _search(handle, "tea")
        write(storage, "notes/new", b"more tea")
        write(storage, "notes/new", b"more tea")
        write(storage, "notes/two", b"water")
        delete(storage, "notes/one")

        found = [[result.key for result in _search(handle, "tea")] for handle in (storage, other)]

        self._expect("find what is stored now", found, [["notes/new"], ["notes/new"]])

    @needs(StorageCapability.SEARCH)
    def test_what_nobody_wrote_is_not_found(self, place: Path) -> None:
        """A word that is nowhere, and a query without words, find nothing."""
        storage = self._filled(place, _VALUES)

        self._expect("find nothing", [_search(storage, query) for query in _NOTHING], [[]] * len(_NOTHING))


def _search(storage: Any, query: str) -> list[Any]:
    found: list[Any] = asyncio.run(storage.search(query))
    return found
