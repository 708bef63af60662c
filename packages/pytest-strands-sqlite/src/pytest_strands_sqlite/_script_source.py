"""Steps as Python source, laid out as `ruff format` and `black` lay it out."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ._script_steps import Part, Reasoning, Redaction, Reply, ToolCall, options_of

_WIDTH = 88  # what those allow a line by default; what is broken here they leave broken where they allow more
_INDENT = " " * 4
_HOME = "pytest_strands_sqlite"
_POSITIONAL = {"ToolCall": ("name", "input")}
_NAMES = (Reasoning, Redaction, Reply, ToolCall)


@dataclass(frozen=True)
class _Group:
    """Brackets with something in them, on one line where it fits; `items` are what stands before each, and it."""

    begin: str
    items: tuple[tuple[str, _Group | str], ...]
    end: str

    def __str__(self) -> str:
        return f"{self.begin}{', '.join(f'{before}{item}' for before, item in self.items)}{self.end}"


def write_source(steps: Iterable[tuple[tuple[str, ...], Part | list[Part] | Redaction | Reply]], variable: str) -> str:
    """Return a module that sets a variable to a list of steps, each below comments."""
    lines, used = [], set[str]()
    for comments, step in steps:
        lines += [_comment(comment) for comment in comments]
        lines.append(f"{_INDENT}{_laid_out(_tree(step, used), _INDENT, taken=1)},\n")
    begin = f"from {_HOME} import {', '.join(sorted(used))}\n\n" if used else ""
    body = f"[\n{''.join(lines)}]" if lines else "[]"
    return f"{begin}{variable} = {body}\n"


def _comment(text: str) -> str:
    """Return a comment line; what is too long or cannot stand in a file is cut or replaced."""
    words = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    room = _WIDTH - len(_INDENT) - 2
    while _width(words) > room:
        words = f"{words.removesuffix('…')[:-1].rstrip()}…"
    return f"{_INDENT}# {words}\n"


def _laid_out(tree: _Group | str, indent: str, *, taken: int) -> str:
    """Return the tree, broken where it does not fit beside `taken` columns and the indent."""
    line = str(tree)
    if isinstance(tree, str) or not tree.items or len(indent) + taken + _width(line) <= _WIDTH:
        return line
    inner = indent + _INDENT
    items = (f"{inner}{before}{_laid_out(item, inner, taken=_width(before) + 1)},\n" for before, item in tree.items)
    return f"{tree.begin}\n{''.join(items)}{indent}{tree.end}"


def _tree(value: object, used: set[str]) -> _Group | str:
    """Return a value as source that is not laid out yet, and note which names it needs."""
    if isinstance(value, _NAMES):
        return _call(value, used)
    if isinstance(value, Mapping):
        return _Group("{", tuple((f"{_literal(key)}: ", _tree(each, used)) for key, each in value.items()), "}")
    if isinstance(value, list | tuple):
        return _Group("[", tuple(("", _tree(each, used)) for each in value), "]")
    return _literal(value)


def _call(step: Reasoning | Redaction | Reply | ToolCall, used: set[str]) -> _Group:
    name = type(step).__name__
    used.add(name)
    positional = _POSITIONAL.get(name, ("text", "content"))
    items = ((("" if option in positional else f"{option}="), value) for option, value in options_of(step))
    return _Group(f"{name}(", tuple((before, _tree(value, used)) for before, value in items), ")")


def _literal(value: object) -> str:
    """Return a literal, with double quotes where that needs no more escapes than single ones."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    written = repr(value)
    if not isinstance(value, str | bytes) or written.endswith('"'):
        return written
    prefix, body = ("b", written[2:-1]) if isinstance(value, bytes) else ("", written[1:-1])
    if body.count('"') > body.count("\\'"):
        return written
    body = body.replace("\\'", "'").replace('"', '\\"')
    return f'{prefix}"{body}"'


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
