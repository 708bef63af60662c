"""Text and questions in any language, as the full-text index takes them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable

_SHORTEST_BEGINNING = 3
"""A word of at least so many letters finds longer ones that begin with it."""

# Scripts that put no spaces between words, and Hangul, whose words carry their particles: every character is a word.
_DENSE = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
# Marks that belong to the letter before them; `\w` knows letters and digits only. The Indic blocks are built alike.
_INDIC = "".join(
    f"{chr(block)}-{chr(block + 0x03)}{chr(block + 0x3A)}-{chr(block + 0x57)}{chr(block + 0x62)}{chr(block + 0x63)}"
    for block in range(0x0900, 0x0D80, 0x80)
)
_MARKS = (
    f"\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    f"\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed{_INDIC}\u0d81-\u0d83\u0dca-\u0ddf\u1ab0-\u1ace"
    f"\u1dc0-\u1dff\u20d0-\u20f0\ufe20-\ufe2f"
)
_DENSE_CHARACTER = re.compile(f"[{_DENSE}]")
_WORD = rf"[^\W_{_DENSE}]+(?:[{_MARKS}]+[^\W_{_DENSE}]*)*"
_INDEXED = re.compile(f"[{_DENSE}]|{_WORD}")
_INDEXED_ASCII = re.compile(r"[A-Za-z0-9]+")
_ASKED = re.compile(f"[{_DENSE}]+|{_WORD}(?:_+{_WORD})*")


def index_text(text: str, scope_id: int | None) -> str:
    """Return the words of `text` as those of a scope: each has the scope's mark in front, so that no other has them.

    Without a scope they have none.
    """
    if scope_id is None and text.isascii():
        return text  # FTS5 splits it at the same places
    words = (_INDEXED_ASCII if text.isascii() else _INDEXED).findall(_normalized(text))
    mark = _mark(scope_id)
    return " ".join([mark + word for word in words])


def query_terms(query: str, scope_id: int | None, stop_words: Collection[str] = frozenset()) -> list[str]:
    """Return an FTS5 expression for each word of `query` but `stop_words`; whatever it holds is taken as text.

    In scripts without spaces every two neighboring characters are a word.
    """
    mark = _mark(scope_id)
    terms: dict[str, None] = {}
    for word in _ASKED.findall(_normalized(query)):
        if _DENSE_CHARACTER.match(word):
            terms |= dict.fromkeys(_phrase(pair, mark) for pair in _pairs(word))
        elif word.lower() not in stop_words:
            last = word.rpartition("_")[2]
            begins = len(last) >= _SHORTEST_BEGINNING and _is_known(last)
            folded = word.lower() if word.isascii() else word  # FTS5 folds the others, and not all that Python does
            terms[_phrase(filter(None, folded.split("_")), mark) + "*" * begins] = None
    return list(terms)


def _normalized(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _mark(scope_id: int | None) -> str:
    return "" if scope_id is None else f"q{scope_id}q"


def _phrase(words: Iterable[str], mark: str) -> str:
    return '"' + " ".join(mark + word for word in words) + '"'


def _pairs(run: str) -> list[str]:
    return [run] if len(run) == 1 else [run[index : index + 2] for index in range(len(run) - 1)]


def _is_known(word: str) -> bool:
    """Tell whether FTS5 knows every character of `word`: of one that it does not, the scope's mark would be left."""
    return word.isascii() or all(unicodedata.ucd_3_2_0.category(character) != "Cn" for character in word)
