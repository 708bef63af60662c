"""Exactly the bytes that were written last are read."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from strands.storage import Storage

from pytest_strands_sqlite.contracts._capabilities import StorageCapability, needs
from pytest_strands_sqlite.contracts._sdk import is_marked_ephemeral

from ._base import StorageSection, contents, keys, read, write

_VALUES = {
    "empty": b"",
    "zero": b"\0",
    "every": bytes(range(256)),
    "invalid": b"\xff\xfe\x80",
    "lines": b"a\r\nb\n\rc\x1a",
    "json": b'{ "a" : 1.0 }\n',
    "large": bytes(range(256)) * 800,
}


class RoundTrip(StorageSection):
    """Round trip: any bytes, overwritten whole."""

    def test_it_is_a_storage(self, place: Path) -> None:
        """The SDK recognises it: `isinstance(storage, Storage)`."""
        storage = self._handle(place)

        self._expect("have every method of the protocol", isinstance(storage, Storage), expected=True)

    def test_every_argument_may_be_given_by_name(self, place: Path) -> None:
        """The methods are awaited, their arguments have the protocol's names, and their results its types."""
        storage = self._handle(place)

        async def calls() -> list[object]:
            written = await storage.write(key="a", data=bytearray(b"tea"))
            found = [await storage.read(key="a"), await storage.list(query="a"), await storage.list()]
            return [written, *found, await storage.delete(key="a"), await storage.list()]

        found = asyncio.run(calls())

        self._expect("answer calls by keyword", found, [None, b"tea", ["a"], ["a"], None, []])
        self._expect("read bytes, and list in a list", (type(found[1]), type(found[2])), (bytes, list))

    def test_bytes_come_back_exactly(self, place: Path) -> None:
        """Any bytes of any length are read as they were written, here and by whoever opens the place next."""
        storage = self._filled(place, _VALUES)

        wrong = [key for key, value in _VALUES.items() if read(storage, key) != value]
        self._expect("give every value back as it was written", wrong, [])

        found = contents(self._reopened(place))
        wrong = [key for key, value in _VALUES.items() if found.get(key) != value]
        self._expect("give every value back after reopening", wrong, [])

    def test_the_last_write_is_there_after_reopening(self, place: Path) -> None:
        """A write that returned has stored: nothing waits for the next call, or for a close that may not come."""
        self._filled(place, {"first": b"1", "last": b"2"})

        found = read(self._handle(place), "last")

        self._expect("show the last value to whoever opens the place now", found, b"2")

    def test_every_value_is_there_after_reopening(self, place: Path) -> None:
        """Each value that was written is there when the place is opened again."""
        values = {f"key-{number}": str(number).encode() for number in range(12)}
        self._filled(place, values)

        self._expect("hold every value that was written", contents(self._reopened(place)), values)

    def test_a_write_replaces_the_whole_value(self, place: Path) -> None:
        """A value may be replaced by a shorter one, a longer one, an empty one: nothing is left of the old one."""
        storage = self._handle(place)
        for value in (b"long " * 900, b"short", b"longer than short", b"", b"again"):
            write(storage, "a", value)
            self._expect("give the last value", read(storage, "a"), value)

    def test_nothing_stored_is_none_and_empty_is_a_value(self, place: Path) -> None:
        """A key without a value reads as `None`; `b""` is a value."""
        storage = self._filled(place, {"empty": b""})

        self._expect("read an empty value", read(storage, "empty"), b"")
        self._expect("read nothing as None", read(storage, "missing"), None)

    def test_a_value_belongs_to_its_caller(self, place: Path) -> None:
        """What a caller does to a buffer after the write, or to a list that it was given, changes nothing."""
        storage, buffer, large = self._handle(place), bytearray(b"tea"), bytearray(9000)
        write(storage, "a", buffer)
        write(storage, "large", memoryview(large))
        buffer[:] = b"ale"
        large[:] = b"x" * 9000
        keys(storage).clear()

        self._expect("keep its own copy", [read(storage, "a"), read(storage, "large")], [b"tea", bytes(9000)])
        self._expect("list as before", keys(storage), ["a", "large"])

    @needs(StorageCapability.EPHEMERAL)
    def test_what_goes_with_the_process_is_marked(self, place: Path) -> None:
        """The SDK's mark of ephemeral storages is there, so that agents keep in snapshots what they stash here."""
        storage: Any = self._handle(place)

        self._expect("carry the mark", is_marked_ephemeral(storage) in (True, None), expected=True)
        if StorageCapability.NAMESPACES in self.capabilities:
            for view in (storage.namespace("a"), storage.namespace("a").namespace("b"), storage.namespace("")):
                found = is_marked_ephemeral(view)
                self._expect("carry the mark in a namespace", found in (True, None), expected=True)
