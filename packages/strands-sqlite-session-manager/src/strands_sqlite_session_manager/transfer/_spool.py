"""The lines of one session on their way in or out: in a temporary file, so that memory does not grow with them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import IO, TYPE_CHECKING, cast

from ._records import KINDS, PLAIN, Record, json_text, render

if TYPE_CHECKING:
    from typing_extensions import Self

_IN_MEMORY = 256 * 1024
"""Up to so many bytes are kept in memory."""

_CHUNK = 64 * 1024


class Fingerprint:
    """What two sessions have in common that hold the same values, however their JSON is written."""

    def __init__(self) -> None:
        """Build that of no records."""
        self._digest = sha256()
        self.hexdigest = self._digest.hexdigest

    def add(self, record: Record) -> None:
        """Take the next record."""
        try:
            same = json.dumps([record.kind, *(record.values.get(name) for name in KINDS[record.kind])])
        except RecursionError:  # nested as deep as can be read: then it is the text that has to be the same
            same = render(record.kind, record.texts)
        self._digest.update(same.encode())


class Spool:
    """Lines that can be read again and again.

    Attributes:
        counts: How many records there are of each kind.
    """

    def __init__(self) -> None:
        """Build an empty one, in the folder for temporary files (`TMPDIR`)."""
        # it must outlive this method, and closes itself in `__exit__`
        self._file = cast("IO[bytes]", SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115
        self._sha256 = sha256()
        self._fingerprint = Fingerprint()
        self.counts: Counter[str] = Counter()

    def clear(self) -> None:
        """Begin anew."""
        self._file.seek(0)
        self._file.truncate()
        self._sha256 = sha256()
        self._fingerprint = Fingerprint()
        self.counts.clear()

    def add_record(self, record: Record, line: str) -> None:
        """Append a line, without its end, that holds `record`, to be given back by `records`."""
        self._sha256.update(line.encode() + b"\n")
        self._fingerprint.add(record)
        self.counts[record.kind] += 1
        plain = {name: value for name, value in record.values.items() if name in PLAIN}
        self._file.write(json_text([record.kind, plain, record.texts]).encode() + b"\n")

    def add(self, kind: str, line: str) -> None:
        """Append a line, without its end, that holds a record of `kind`; it has no part in the fingerprint."""
        data = line.encode() + b"\n"
        self._file.write(data)
        self._sha256.update(data)
        self.counts[kind] += 1

    @property
    def sha256(self) -> str:
        """The hash of all lines with their ends, in hexadecimal."""
        return self._sha256.hexdigest()

    @property
    def fingerprint(self) -> str:
        """The fingerprint of all records, in hexadecimal."""
        return self._fingerprint.hexdigest()

    def records(self) -> Iterator[Record]:
        """Give back each record of `add_record`; its values are those that are no JSON in their columns."""
        for line in self.lines():
            yield Record(*json.loads(line))

    def lines(self) -> Iterator[str]:
        """Give back each line of `add` without its end."""
        self._file.seek(0)
        for data in self._file:
            yield data[:-1].decode()

    def chunks(self) -> Iterator[bytes]:
        """Give back everything in pieces of some size."""
        self._file.seek(0)
        while data := self._file.read(_CHUNK):
            yield data

    def __enter__(self) -> Self:
        """Return this, to be thrown away at the end of the `with` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Throw the lines away."""
        self._file.close()
