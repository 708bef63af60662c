"""The part of a text that shows best why it was found, and where in it the words are."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from strands_sqlite_session_manager._words import _INDEXED

SNIPPET_CHARACTERS = 160
"""About how long a snippet is."""

MOST_CHARACTERS = 200_000
"""So much of a text is looked through for the best place."""

_MOST_PLACES = 1_000
_LEAST_BEFORE = 30
_LONGEST_WORD = 24
_CUT = "…"

_Span = tuple[int, int]


class _Phrase(NamedTuple):
    """Words that follow each other, as the index has them; the last one may be a beginning."""

    words: tuple[str, ...]
    begins: bool

    def is_at(self, words: list[str], position: int) -> bool:
        found = words[position : position + len(self.words)]
        if len(found) < len(self.words) or tuple(found[:-1]) != self.words[:-1]:
            return False
        return found[-1].startswith(self.words[-1]) if self.begins else found[-1] == self.words[-1]


class _Place(NamedTuple):
    """Where a phrase was found."""

    begin: int
    end: int
    phrase: int


def snippet(text: str, terms: list[str]) -> tuple[str, tuple[_Span, ...]]:
    """Return the part of `text` where most of the terms are, in one line, and where in it they are.

    Args:
        text: What was found.
        terms: What was searched, as `query_terms` returns it.
    """
    line = " ".join(text[:MOST_CHARACTERS].split())
    places = _places(line, [_phrase(term) for term in terms])
    begin, end = _window(line, places)
    before = _CUT * (begin > 0)
    after = _CUT * (end < len(line) or len(text) > MOST_CHARACTERS)
    shift = len(before) - begin
    spans = [(place.begin + shift, min(place.end, end) + shift) for place in places if begin <= place.begin < end]
    return f"{before}{line[begin:end]}{after}", tuple(_joined(spans))


def _phrase(term: str) -> _Phrase:
    words, _, star = term[1:].rpartition('"')
    return _Phrase(tuple(_folded(word) for word in words.split()), begins=bool(star))


@lru_cache(maxsize=8192)
def _folded(word: str) -> str:
    """Return `word` without case and accents, as the index compares it."""
    plain = word.lower()
    if plain.isascii():
        return plain
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", plain).lower())
    return "".join([part for part in parts if unicodedata.category(part) != "Mn"]) or plain


def _places(line: str, phrases: list[_Phrase]) -> list[_Place]:
    found = [(match.start(), match.end()) for match in _INDEXED.finditer(line)]
    words = [_folded(line[begin:end]) for begin, end in found]
    places = []
    for position in _candidates(words, phrases):
        for number, phrase in enumerate(phrases):
            if phrase.is_at(words, position):
                places.append(_Place(found[position][0], found[position + len(phrase.words) - 1][1], number))
        if len(places) >= _MOST_PLACES:
            break
    return places


def _candidates(words: list[str], phrases: list[_Phrase]) -> Iterator[int]:
    """Yield the positions at which a phrase may begin."""
    whole = {phrase.words[0] for phrase in phrases}
    begins = tuple(phrase.words[0] for phrase in phrases if phrase.begins and len(phrase.words) == 1)
    for position, word in enumerate(words):
        if word in whole or word.startswith(begins):
            yield position


def _window(line: str, places: list[_Place]) -> _Span:
    """Return which part of `line` to show: around the places where most of the phrases are close to each other."""
    if len(line) <= SNIPPET_CHARACTERS:
        return 0, len(line)
    first, last = _best(places)
    room = max(0, SNIPPET_CHARACTERS - (last - first))
    begin = max(0, min(first - max(_LEAST_BEFORE, room // 2), len(line) - SNIPPET_CHARACTERS))
    end = min(len(line), begin + SNIPPET_CHARACTERS)
    return _after_space(line, begin, first), _before_space(line, end, last)


def _best(places: list[_Place]) -> _Span:
    best, count = (0, 0), 0
    for number, place in enumerate(places):
        near = [other for other in places[number : number + _LONGEST_WORD] if other.end - place.begin <= _ROOM]
        phrases = len({other.phrase for other in near})
        if phrases > count:
            best, count = (place.begin, max([other.end for other in near])), phrases
    return best


_ROOM = SNIPPET_CHARACTERS - 2 * _LEAST_BEFORE


def _after_space(line: str, begin: int, latest: int) -> int:
    """Return where the next word begins, if one does soon."""
    if begin == 0:
        return 0
    space = line.find(" ", begin - 1, min(latest, begin + _LONGEST_WORD))
    return begin if space < 0 else space + 1


def _before_space(line: str, end: int, earliest: int) -> int:
    if end == len(line):
        return end
    space = line.rfind(" ", max(earliest, end - _LONGEST_WORD), end + 1)
    return end if space < 0 else space


def _joined(spans: list[_Span]) -> list[_Span]:
    """Return `spans` in order, those that overlap as one."""
    joined: list[_Span] = []
    for begin, end in sorted(spans):
        if joined and begin < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined
