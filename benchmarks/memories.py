"""Made-up prose with the word frequencies of a natural language, memories written in it, and questions about them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from strands.storage.search.keyword import STOP_WORDS, tokenize

VOCABULARY = 50_000
"""How many words the language has; stop words are its most frequent ones."""

ENTRY_BYTES = 1024

_ONSETS = ("b", "br", "c", "ch", "d", "f", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "pl", "r", "s", "st", "t", "v")
_RHYMES = ("a", "al", "an", "ar", "e", "el", "en", "er", "i", "in", "is", "o", "on", "or", "u", "um")
_SYLLABLES = ((1_000, (30, 60, 10, 0)), (10_000, (0, 40, 50, 10)), (VOCABULARY, (0, 15, 50, 35)))
"""How many words in a hundred have one to four syllables, up to a rank: frequent words are short."""

_QUESTIONS = (
    "what did we say about {}?",
    "where did I put the notes on {}",
    "who was it that asked for {}?",
    "how should I go on with {} after this",
    "do you remember {}",
)
_ASKED_WORDS = (3, 4, 5)
_TOPIC = 30
_BLOCK = 20_000


@dataclass(frozen=True)
class Question:
    """What somebody asks, and the key of the entry that it is about."""

    text: str
    key: str


class Writer:
    """Writes prose whose words follow Zipf's law: the word of rank r comes up in proportion to 1 / r."""

    def __init__(self, seed: int) -> None:
        """Begin; the same seed gives the same prose."""
        self._random = Random(seed)  # noqa: S311 - not a secret
        self._text = ""
        self._used = 0

    def prose(self, length: int) -> str:
        """Return `length` ASCII characters of whole words, filled up with dots; JSON must escape none of them."""
        if len(self._text) - self._used <= length:
            words, weights = _language()
            fresh = " ".join(self._random.choices(words, cum_weights=weights, k=length + _BLOCK))
            self._text, self._used = f"{self._text[self._used :]} {fresh}".lstrip(), 0
        end = self._text.rindex(" ", self._used, self._used + length + 1)
        found = self._text[self._used : end]
        self._used = end + 1
        return found.ljust(length, ".")

    def choose(self, words: list[str], number: int) -> list[str]:
        """Return some of `words`, each once."""
        return self._random.sample(words, min(number, len(words)))


def entries(seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """Yield entries of 1 KiB with their keys, without end, as `FileMemoryStore` writes them: a heading, then facts."""
    writer = Writer(seed)
    for position in itertools.count():
        topic = f"{writer.prose(_TOPIC).rstrip('.')} {seed} {position}"
        content = f"# {topic}\n{writer.prose(ENTRY_BYTES - len(topic) - 3)}"
        yield f"{topic.replace(' ', '-')}.md", content.encode()


def questions(asked: dict[str, bytes]) -> list[Question]:
    """Return a question about each entry of `asked`: a sentence with three to five of its words, none a stop word."""
    writer = Writer(2)
    return [
        Question(sentence.format(" ".join(writer.choose(_content_words(data), number))), key)
        for (key, data), sentence, number in zip(
            asked.items(), itertools.cycle(_QUESTIONS), itertools.cycle(_ASKED_WORDS), strict=False
        )
    ]


def _content_words(data: bytes) -> list[str]:
    return sorted(tokenize(data.decode().partition("\n")[2]) - STOP_WORDS)


@lru_cache(maxsize=1)
def _language() -> tuple[list[str], list[float]]:
    """Return the words, the most frequent first, and their weights added up."""
    chance = Random(0)  # noqa: S311 - not a secret
    words = dict.fromkeys(chance.sample(sorted(STOP_WORDS), len(STOP_WORDS)))
    for rank, shares in _SYLLABLES:
        while len(words) < rank:
            (syllables,) = chance.choices((1, 2, 3, 4), shares)
            words.setdefault("".join(chance.choice(_ONSETS) + chance.choice(_RHYMES) for _ in range(syllables)))
    return list(words), list(itertools.accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))
