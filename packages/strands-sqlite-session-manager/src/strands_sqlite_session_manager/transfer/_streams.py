"""Where an export is written to and read from: a path, or a file that is open for text or for bytes."""

from __future__ import annotations

import codecs
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, BinaryIO, TextIO

from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import TransferError

Target = str | os.PathLike[str] | TextIO | BinaryIO
"""A path, or a file that is open for writing."""

Source = str | os.PathLike[str] | TextIO | BinaryIO
"""A path, or a file that is open for reading; it need not be able to go back, as standard input is not."""

Write = Callable[[bytes], object]
ReadLine = Callable[[int], bytes]
"""Returns a line with its end, or so many bytes of a longer one; all of it for -1."""


@contextmanager
def open_target(database: Database, target: Target) -> Iterator[Write]:
    """Give what writes to `target`; a file at a path is there whole or not at all.

    Raises:
        TransferError: The path is the database itself.
        OSError: It cannot be written.
    """
    if not isinstance(target, (str, os.PathLike)):
        yield _writer(target)
        return
    path = os.path.realpath(os.fspath(target))
    _refuse_database(database, path)
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe or a terminal
        with open(path, "wb") as file:
            yield file.write
        return
    with _replacing(path) as file:
        yield file.write


@contextmanager
def _replacing(path: str) -> Iterator[IO[bytes]]:
    descriptor, partial = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".strands_", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise


def _writer(target: Any) -> Write:
    """Return what writes bytes to `target`, past the encoding and the line ends of a file for text."""
    if (buffer := _bytes_below(target)) is not None:
        target.flush()
        target = buffer
    if _takes_text(target):
        decoder = codecs.getincrementaldecoder("utf-8")()  # a piece may end in the middle of a character
        return lambda data: target.write(decoder.decode(data))
    return lambda data: _write_all(target, data)


def _bytes_below(file: Any) -> Any:
    """Return what a file for text writes its bytes to or reads them from; None where there is no such thing."""
    return getattr(file, "buffer", None) if isinstance(file, io.TextIOBase) else None


def _takes_text(target: Any) -> bool:
    try:
        target.write(b"")
    except TypeError:
        return True
    return False


def _write_all(target: Any, data: bytes) -> None:
    """Write `data`; a file without a buffer may take a part of it at a time."""
    rest = memoryview(data)
    while rest:
        written = target.write(rest)
        rest = rest[len(rest) if written is None else written :]


@contextmanager
def open_source(database: Database, source: Source) -> Iterator[tuple[ReadLine, str]]:
    """Give what reads lines from `source`, and the name by which errors call it.

    Raises:
        TransferError: The path is the database itself.
        OSError: It cannot be read.
    """
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        _refuse_database(database, path)
        with open(path, "rb") as file:
            yield file.readline, path
    else:
        yield _reader(source), str(getattr(source, "name", "the source"))


def _reader(source: Any) -> ReadLine:
    source = _bytes_below(source) or source

    def read(limit: int) -> bytes:
        line = source.readline(limit)
        return line.encode() if isinstance(line, str) else bytes(line)

    return read


def _refuse_database(database: Database, path: str) -> None:
    """Refuse the database: opening its file and closing it again would drop the locks that this process holds on it."""
    own = database.read(lambda connection: connection.filename)
    for name in (own, *(f"{own}{suffix}" for suffix in ("-wal", "-shm", "-journal"))):
        with suppress(OSError, ValueError):
            if own and os.path.samefile(path, name):
                message = f"file=<{path}> is the database itself"
                raise TransferError(message, hint="name another file")
