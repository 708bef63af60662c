"""What is left on a disk whose power was cut: the synced, and any part of the rest."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from tests.campaign.power import Names, Recording, Sync, SyncNames, Truncate, Write

SECTOR = 512
"""What a disk writes whole or not at all, in bytes."""

Rest = Literal["nothing", "everything", "sectors", "writes", "first"]
"""Which part of the rest is left: sectors or writes at random, or the first writes only."""

RESTS: tuple[Rest, ...] = ("nothing", "everything", "sectors", "writes", "first")

_Change = Write | Truncate


class _File:
    """A file as the disk has it, and what was given to the operating system since."""

    def __init__(self, content: bytes) -> None:
        self.content = bytearray(content)
        self.waiting: list[tuple[int, _Change]] = []

    def sync(self, until: int) -> None:
        """Put on the disk what was written before."""
        for place, change in self.waiting:
            if place < until:
                _apply(self.content, change, b"\0")
        self.waiting = [(place, change) for place, change in self.waiting if place >= until]

    def lose(self, until: int, chance: random.Random, rest: Rest, filler: bytes) -> None:
        """Put on the disk a part of what was written before, and forget the rest."""
        gone = [change for place, change in self.waiting if place < until]
        for change in _kept(gone, chance, rest):
            _apply(self.content, change, filler)
        self.waiting = [(place, change) for place, change in self.waiting if place >= until]


def left_over(recording: Recording, until: int, chance: random.Random, rest: Rest) -> dict[str, bytes]:
    """Return the files that are there when the power is cut after so many events.

    Args:
        recording: What happened.
        until: How many events of it.
        chance: Decides what else is on the disk.
        rest: Which part of what was never synced is there.
    """
    files = {number: _File(content) for number, content in recording.contents.items()}
    names = current = recording.names
    filler = chance.choice((b"\0", b"\xa5"))  # what a disk has where a file grew and nothing was written
    for place, event in enumerate(recording.events[:until]):
        if isinstance(event, (Write, Truncate)):
            files.setdefault(event.file, _File(b"")).waiting.append((place, event))
        elif isinstance(event, Sync):
            file = files.setdefault(event.file, _File(b""))
            if event.failed:
                file.lose(event.began, chance, chance.choice(RESTS), filler)
            else:
                file.sync(event.began)
        elif isinstance(event, Names):
            current = event.files
        elif isinstance(event, SyncNames):
            names = current
    for file in files.values():
        file.lose(until, chance, rest, filler)
    kept = _names_left(names, current, chance, rest)
    return {name: bytes(files[number].content) if number in files else b"" for name, number in kept.items()}


def put(files: dict[str, bytes], folder: Path) -> None:
    """Write the files into a folder of their own."""
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _apply(content: bytearray, change: _Change, filler: bytes) -> None:
    end = change.size if isinstance(change, Truncate) else change.offset + len(change.data)
    if isinstance(change, Truncate) and len(content) > end:
        del content[end:]
    start = change.offset if isinstance(change, Write) else end
    if len(content) < start:
        content.extend(filler * (start - len(content)))
    if isinstance(change, Write):
        content[start:end] = change.data


def _kept(changes: list[_Change], chance: random.Random, rest: Rest) -> Iterator[_Change]:
    """Yield what is on the disk of changes that were not synced."""
    if rest == "everything":
        yield from changes
    elif rest == "first":
        yield from changes[: chance.randint(0, len(changes))]
    elif rest != "nothing":
        likely = chance.choice((0.1, 0.5, 0.9))
        for change in changes:
            pieces = _sectors(change) if rest == "sectors" and isinstance(change, Write) else iter((change,))
            yield from (piece for piece in pieces if chance.random() < likely)


def _sectors(write: Write) -> Iterator[Write]:
    start = 0
    while start < len(write.data):
        end = min(len(write.data), SECTOR - (write.offset + start) % SECTOR + start)
        yield Write(write.file, write.offset + start, write.data[start:end])
        start = end


def _names_left(synced: dict[str, int], current: dict[str, int], chance: random.Random, rest: Rest) -> dict[str, int]:
    """Return which names are there; each file that got, changed or lost its name did so on the disk, or did not."""
    if rest in ("nothing", "everything"):
        return dict(synced if rest == "nothing" else current)
    names = dict(synced)
    replaced = {number for name, number in synced.items() if current.get(name, number) != number}
    for number in sorted({*synced.values(), *current.values()} - replaced):
        before = {name for name, found in synced.items() if found == number}
        after = {name for name, found in current.items() if found == number}
        if before != after and chance.random() < 0.5:
            for name in before:
                if names[name] == number:
                    del names[name]
            names.update(dict.fromkeys(after, number))
    return names
