"""What commands print: tables and lines for people, JSON for programs."""

from __future__ import annotations

import json
import os
import shutil
import sys
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass
from datetime import datetime, timedelta
from typing import IO, Any

import click

from ._settings import REFUSED, Settings, fail
from ._text import cells, cut, one_line, pad

VERSION = 1
"""Of what `--json` and `--jsonl` print; a change that could break a reader makes it another."""

WIDTH = 80
"""How wide a conversation is, and what a pipe is taken for."""

_LINES_AT_ONCE = 200
_CONTROLS = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))}


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its head.
        right: Whether it is set to the right, as numbers are.
        flexible: Whether it gives way where the terminal is narrow.
        gives: To how many columns it gives way before the others do.
        style: What `click.style` takes.
    """

    title: str
    right: bool = False
    flexible: bool = False
    gives: int | None = None
    style: Mapping[str, Any] | None = None


BOLD = {"bold": True}
DIM = {"dim": True}


def is_terminal() -> bool:
    """Tell whether people read standard output as it comes."""
    return sys.stdout.isatty()


def is_styled(settings: Settings) -> bool:
    """Tell whether standard output may have colours."""
    if settings.plain or os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (is_terminal() and os.environ.get("TERM") != "dumb")


def is_for_people(settings: Settings) -> bool:
    """Tell whether text is to be read, and not to be taken apart by the next program of a pipe."""
    return is_terminal() or settings.plain or is_styled(settings)


def width() -> int:
    """Return how many columns standard output has."""
    return shutil.get_terminal_size((WIDTH, 24)).columns


def styled(text: str, settings: Settings, style: Mapping[str, Any] | None) -> str:
    """Return `text` in `style`, where there are colours."""
    return click.style(text, **style) if style and text and is_styled(settings) else text


def write(lines: Iterable[str]) -> None:
    """Print lines; they may carry the styles that `styled` gave them."""
    several: list[str] = []
    for line in lines:
        several.append(line)
        if len(several) == _LINES_AT_ONCE:
            click.echo("\n".join(several), color=True)
            several.clear()
    if several:
        click.echo("\n".join(several), color=True)


def to_json(value: object, *, indent: int | None = None) -> str:
    """Return `value` as JSON text that a terminal can show; bytes become base64, as the SDK writes them."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=_default)
    return text.translate(_CONTROLS)


def _default(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return fields(value)
    if isinstance(value, bytes | bytearray):
        return {"__bytes_encoded__": True, "data": b64encode(value).decode()}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)


def print_answer(settings: Settings, document: Mapping[str, Any], lines: Iterable[str]) -> None:
    """Print what a command has to say: the document for programs, the lines for people."""
    if settings.format == "text":
        write(lines)
    else:
        click.echo(to_json({"version": VERSION, **document}, indent=2 if settings.format == "json" else None))


def print_rows(  # noqa: PLR0913 - a table, and what else the document says
    settings: Settings,
    name: str,
    items: Iterable[Any],
    columns: Sequence[Column],
    row: Any,
    *,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Print a list of dataclasses or dicts: a row each, with `row(item)` as its texts, or JSON.

    Args:
        settings: How to print.
        name: What the JSON document calls the list.
        items: What to print; `--jsonl` and pipes print them as they come.
        columns: The table.
        row: Gives the texts of an item.
        more: What the JSON document says besides.
    """
    if settings.format == "json":
        document = {"version": VERSION, name: [fields(item) for item in items], **(more or {})}
        click.echo(to_json(document, indent=2))
    elif settings.format == "jsonl":
        write(to_json({"version": VERSION, **fields(item)}) for item in items)
    else:
        write(table(settings, columns, (row(item) for item in items)))


def fields(item: Any) -> dict[str, Any]:
    """Return what JSON says of a dataclass or dict; unlike `asdict` it copies nothing of what is in it."""
    return dict(item) if isinstance(item, Mapping) else dict(vars(item))


def table(settings: Settings, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table: aligned below heads on a terminal, and separated by tabs in a pipe."""
    clean = ([one_line(text) for text in row] for row in rows)
    if not is_for_people(settings):
        yield from ("\t".join(row) for row in clean)
        return
    found = list(clean)
    if found:
        widths = _widths(columns, found, width())
        yield styled(_line(columns, [column.title for column in columns], widths, None).rstrip(), settings, BOLD)
        yield from (_line(columns, row, widths, settings).rstrip() for row in found)


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], available: int) -> list[int]:
    """Return the widths of the columns; the flexible ones share what the others leave."""
    widths = [
        max(cells(column.title), *(cells(row[position]) for row in rows)) for position, column in enumerate(columns)
    ]
    room = available - 2 * (len(columns) - 1)
    for position, column in enumerate(columns):
        if column.gives is not None and sum(widths) > room:
            widths[position] = min(widths[position], column.gives)
    while sum(widths) > room:
        flexible = [position for position, column in enumerate(columns) if column.flexible]
        widest = max(flexible, key=lambda position: widths[position], default=None)
        if widest is None or widths[widest] <= cells(columns[widest].title):
            break
        others = [widths[position] for position in flexible if position != widest]
        surplus = sum(widths) - room
        step = max(1, min(surplus, widths[widest] - max(others, default=0)))
        widths[widest] = max(cells(columns[widest].title), widths[widest] - step)
    return widths


def _line(columns: Sequence[Column], row: Sequence[str], widths: Sequence[int], settings: Settings | None) -> str:
    texts = []
    for column, text, columns_wide in zip(columns, row, widths, strict=True):
        padded = pad(cut(text, columns_wide), columns_wide, right=column.right)
        texts.append(padded if settings is None else styled(padded, settings, column.style))
    return "  ".join(texts)


def facts(settings: Settings, pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a line for each pair of a name and a value: aligned on a terminal, with a tab between them in a pipe."""
    kept = [(one_line(name), one_line(value)) for name, value in pairs]
    if not is_for_people(settings):
        yield from (f"{name}\t{value}" for name, value in kept)
        return
    longest = max((cells(name) for name, _ in kept), default=0)
    for name, value in kept:
        yield f"{styled(pad(name, longest), settings, BOLD)}  {value}".rstrip()


@contextmanager
def written_file(path: str, settings: Settings) -> Iterator[IO[bytes]]:
    """Write a file for this user alone, which appears when it is complete; what is no regular file is written to.

    Where the block fails, nothing appears, and what was there stays.
    """
    target = os.path.realpath(os.path.expanduser(path))
    require_other_file(target, settings)
    if os.path.exists(target) and not os.path.isfile(target):
        with open(target, "wb") as stream:
            yield stream
        return
    from tempfile import NamedTemporaryFile  # noqa: PLC0415 - most commands write no file

    folder, name = os.path.split(target)
    with NamedTemporaryFile(dir=folder, prefix=f".{name[:100]}.", suffix=".partial", delete=False) as stream:
        try:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            os.replace(stream.name, target)
        except BaseException:
            os.remove(stream.name)
            raise


def require_other_file(target: str, settings: Settings) -> None:
    """Refuse to write over the database and the files that SQLite keeps beside it."""
    database, written = (os.path.realpath(path) for path in (settings.db_file, os.path.expanduser(target)))
    if written in {database + suffix for suffix in ("", "-wal", "-shm", "-journal")}:
        fail(f"{target} is the database", "name another file", code=REFUSED)
