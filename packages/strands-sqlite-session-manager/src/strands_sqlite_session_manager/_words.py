"""Text and questions in any language, as the full-text index takes them."""

from __future__ import annotations

import re

from ._sdk import STOP_WORDS

_SHORTEST_BEGINNING = 3
"""A word of at least so many letters finds longer ones that begin with it."""

# Scripts that put no spaces between words, and Hangul, whose words carry their particles: every character is a word.
_DENSE = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_DENSE_CHARACTER = re.compile(f"([{_DENSE}])")
_TERM = re.compile(rf"[{_DENSE}]+|[^\W{_DENSE}]+")


def index_text(text: str) -> str:
    """Return `text` with spaces around the characters of scripts that have none between words."""
    return text if text.isascii() else _DENSE_CHARACTER.sub(r" \1 ", text)


def query_terms(query: str) -> list[str]:
    """Return an FTS5 expression for each word of `query` that is no stop word; whatever it holds is taken as text.

    In scripts without spaces every two neighboring characters are a word.
    """
    terms: dict[str, None] = {}
    for word in _TERM.findall(query.lower()):
        if _DENSE_CHARACTER.match(word):
            terms |= dict.fromkeys(_pairs(word))
        elif word not in STOP_WORDS and word.strip("_"):
            terms[f'"{word}"*' if len(word) >= _SHORTEST_BEGINNING else f'"{word}"'] = None
    return list(terms)


def _pairs(run: str) -> list[str]:
    if len(run) == 1:
        return [f'"{run}"']
    return [f'"{run[index]} {run[index + 1]}"' for index in range(len(run) - 1)]
