"""Text for terminals: made harmless, measured in cells, cut and wrapped; pure."""

from __future__ import annotations

from collections.abc import Iterator
from unicodedata import category, east_asian_width

_VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"}
_VISIBLE |= {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD) | dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)
_VISIBLE |= dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD)
"""A control character becomes a picture of itself: in a terminal it would be a command.

What sets the direction of writing goes too: it would put what follows, such as the size of a plan, in another place.
"""

_ONE_LINE = _VISIBLE | {ord("\n"): " ", ord("\t"): " "}


_NOT_FIRST = "、。，．！？：；」』）】〕…ー"  # noqa: RUF001 - these are the wide ones
"""What does not begin a line."""


def visible(text: str) -> str:
    """Return `text` with its control characters made visible; line ends and tabs stay."""
    return text.replace("\r\n", "\n").translate(_VISIBLE)


def one_line(text: str) -> str:
    """Return `text` as one line, with its control characters made visible."""
    return text.replace("\r\n", "\n").translate(_ONE_LINE)


def cells(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(character: str) -> int:
    if character < "\u0300":
        return 1
    if category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """Return `text` in at most `width` columns, with an ellipsis where something is missing."""
    if cells(text) <= width:
        return text
    return _head(text, width - 1) + "…" if width > 0 else ""


def _head(text: str, width: int) -> str:
    """Return as much of the beginning of `text` as fits."""
    used = 0
    for position, character in enumerate(text):
        used += _cells(character)
        if used > width:
            return text[:position]
    return text


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Return `text` filled with spaces to `width` columns."""
    space = " " * (width - cells(text))
    return space + text if right else text + space


def wrap(text: str, width: int) -> Iterator[str]:
    """Yield the lines of `text`, each at most `width` columns wide; a `width` of 0 leaves them as they are.

    Lines break at spaces, and before and after wide characters, as Chinese and Japanese do. The indentation of a line
    is kept for what follows of it.
    """
    for line in visible(text).expandtabs(4).split("\n"):
        if width <= 0 or cells(line) <= width:
            yield line.rstrip()
        else:
            yield from _wrapped(line, width)


def _wrapped(line: str, width: int) -> Iterator[str]:
    indent = " " * min(len(line) - len(line.lstrip(" ")), width // 2)
    current = indent
    for word in _words(line.lstrip(" ")):
        if cells(current) + cells(word.rstrip(" ")) > width and current.strip(" "):
            yield current.rstrip(" ")
            current = indent
            word = word.lstrip(" ")  # noqa: PLW2901 - a line does not begin with the space that it broke at
        while cells(current) + cells(word.rstrip(" ")) > width:
            piece = _head(word, width - cells(current)) or word[0]
            yield current + piece
            current, word = indent, word[len(piece) :]  # noqa: PLW2901 - what is left of it
        current += word
    if current.strip(" "):
        yield current.rstrip(" ")


def _words(line: str) -> Iterator[str]:
    """Yield what may not be broken: words with the spaces behind them, and wide characters one by one."""
    start = 0
    for position, character in enumerate(line):
        before = line[position - 1] if position else ""
        breaks = before == " " != character or (before and (_is_wide(before) or _is_wide(character)))
        if breaks and character not in _NOT_FIRST and _cells(character) and before != "\u200d":
            yield line[start:position]
            start = position
    yield line[start:]


def _is_wide(character: str) -> bool:
    return character >= "\u1100" and east_asian_width(character) in "WF"
