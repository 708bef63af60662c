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


class Search(StorageSection):
    """Search: any word finds, best first, what is stored now."""

    @needs(StorageCapability.SEARCH)
    def test_a_word_finds_the_values_that_have_it(self, place: Path) -> None:
        """Every value that holds the word is found once; others are not."""
        found = sorted(result.key for result in _search(self._filled(place, _VALUES), "tea"))

        self._expect("find the values with the word", found, ["notes/one", "notes/two"])

    @needs(StorageCapability.SEARCH)
    def test_results_come_best_first(self, place: Path) -> None:
        """A value that has more of the words stands before one that has fewer, with a higher score."""
        found = _search(self._filled(place, _VALUES), "green mountains tea")

        scores = [result.score for result in found]
        self._expect("give the best match first", [result.key for result in found][:1], ["notes/one"])
        self._expect("give scores in descending order", scores, sorted(scores, reverse=True))

    @needs(StorageCapability.SEARCH)
    def test_a_search_sees_what_is_stored_now(self, place: Path) -> None:
        """What was just written is found, what was overwritten or deleted is not."""
        storage = self._filled(place, _VALUES)
        _search(storage, "tea")
        write(storage, "notes/new", b"more tea")
        write(storage, "notes/two", b"water")
        delete(storage, "notes/one")

        found = [result.key for result in _search(storage, "tea")]

        self._expect("find what is stored now", found, ["notes/new"])

    @needs(StorageCapability.SEARCH)
    def test_what_nobody_wrote_is_not_found(self, place: Path) -> None:
        """A word that is nowhere, and a query without words, find nothing."""
        storage = self._filled(place, _VALUES)

        self._expect("find nothing", [_search(storage, query) for query in ("cocoa", "", "?!")], [[], [], []])


def _search(storage: Any, query: str) -> list[Any]:
    found: list[Any] = asyncio.run(storage.search(query))
    return found
