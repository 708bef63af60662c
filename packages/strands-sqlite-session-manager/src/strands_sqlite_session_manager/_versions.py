"""An object as the parts it consists of, and which of them it shares with an older version of it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, pairwise
from typing import NamedTuple

from ._cut import Cuts

INLINE = 0
"""In place of a part's id: the object itself holds the bytes."""

NEW_MESSAGE = -1
"""In place of a part's id: a message, or a block of what is no snapshot, that is to be stored."""

NEW_FRAME = -2
"""In place of a part's id: what lies around the messages of a snapshot, to be stored."""

SMALLEST_FRAME = 256
"""What lies around the messages and is shorter than this many bytes, the object itself holds."""

_SCANS = 4
"""How often the older version is read through for a part; then its parts are put in a table instead."""


class Run(NamedTuple):
    """Parts whose ids follow each other, but for some bytes in front; or bytes that the object itself holds."""

    first: int | None
    last: int | None
    skipped: int
    content: bytes | None


@dataclass
class Version:
    """The bytes of an object, and the parts that hold them.

    Attributes:
        data: The bytes.
        sizes: How many bytes each part has, in order.
        part_ids: The id of each part, or one of the constants above.
        seams: The parts whose id need not be the one behind the id of the part before; the first is one of them.
        skipped: How many bytes of a part are left out in front, by its place.
    """

    data: bytes
    sizes: list[int] = field(default_factory=list)
    part_ids: list[int] = field(default_factory=list)
    seams: list[int] = field(default_factory=list)
    skipped: dict[int, int] = field(default_factory=dict)

    def add(self, size: int, part_id: int, skipped: int = 0) -> None:
        """Note the next part."""
        self.seams.append(len(self.sizes))
        if skipped:
            self.skipped[len(self.sizes)] = skipped
        self.sizes.append(size)
        self.part_ids.append(part_id)

    @cached_property
    def bounds(self) -> list[int]:
        """Where each part begins, and where the last one ends; only of a version that is complete."""
        return [0, *accumulate(self.sizes)]

    def new_parts(self) -> Iterator[tuple[int, bytes]]:
        """Yield the parts that are to be stored: their place in the order, and their bytes."""
        for index in self.seams:
            if self.part_ids[index] < INLINE:
                yield index, self.data[self.bounds[index] : self.bounds[index + 1]]

    def runs(self) -> Iterator[Run]:
        """Yield the parts put together: runs of ids that follow each other, and bytes that the object itself holds."""
        self.seams = [index for index in self.seams if not self._goes_on(index)]
        for start, stop in pairwise([*self.seams, len(self.sizes)]):
            first, last = self.part_ids[start], self.part_ids[stop - 1]
            if first == INLINE:
                yield Run(None, None, 0, self.data[self.bounds[start] : self.bounds[stop]])
            else:
                yield Run(first, last, self.skipped.get(start, 0), None)

    def _goes_on(self, index: int) -> bool:
        part_id, before = self.part_ids[index], self.part_ids[index - 1]
        follows = part_id == (INLINE if before == INLINE else before + 1)
        return follows and index > 0 and index not in self.skipped


def compare(data: bytes, cuts: Cuts, base: Version | None) -> Version:
    """Return `data` as parts: those of `base` wherever both have the same bytes, in the same order.

    Args:
        data: The bytes of the new version.
        cuts: Where to cut what `base` does not have.
        base: An older version, or another object that is much like it.
    """
    if base is not None and data == base.data:  # the latest snapshot after a checkpoint
        return Version(data, base.sizes, base.part_ids, base.seams, base.skipped)
    version = Version(data)
    search = None if base is None else _Search(version, base)
    start = 0
    while start < len(data):
        end = cuts.next_after(start)
        is_frame = cuts.is_frame(start)
        if is_frame and end - start < SMALLEST_FRAME:
            version.add(end - start, INLINE)
        elif search is not None and (taken := search.take_over(start, end)):
            end = start + taken
        elif search is not None and start == cuts.first and search.take_with(cuts.between, start, end):
            pass
        else:
            version.add(end - start, NEW_FRAME if is_frame else NEW_MESSAGE)
        start = end
    return version


class _Search:
    """Walks through the older version, always forward, as the new one is put together."""

    def __init__(self, version: Version, base: Version) -> None:
        self._version = version
        self._base = base
        self._next = 0
        self._scans = 0

    def take_over(self, start: int, end: int) -> int:
        """Take the parts of the base that begin with what the new version has from `start` to `end`; count bytes."""
        base, version = self._base, self._version
        index = self._find(version.data[start:end])
        if index is None:
            return 0
        begin = base.bounds[index]
        length = _common(version.data, start, base.data, begin)
        stop = bisect_right(base.bounds, begin + length) - 1
        if stop <= index:
            return 0
        shift = len(version.sizes) - index
        version.seams.append(index + shift)
        inner = base.seams[bisect_right(base.seams, index) : bisect_left(base.seams, stop)]
        version.seams.extend([seam + shift for seam in inner])
        version.skipped |= {place + shift: size for place, size in base.skipped.items() if index <= place < stop}
        version.sizes.extend(base.sizes[index:stop])
        version.part_ids.extend(base.part_ids[index:stop])
        self._next = stop
        return base.bounds[stop] - begin

    def take_with(self, before: bytes, start: int, end: int) -> bool:
        """Take the part of the base that is `before` and what the new version has from `start` to `end`."""
        base = self._base
        part = before + self._version.data[start:end]
        index = self._find(part)
        if index is None or base.sizes[index] != len(part) or base.part_ids[index] == INLINE or index in base.skipped:
            return False
        self._version.add(end - start, base.part_ids[index], len(before))
        self._next = index + 1
        return True

    def _find(self, part: bytes) -> int | None:
        """Return the part of the base, not before the last one taken, that is `part`, or begins with it."""
        base = self._base
        begin = base.bounds[self._next]
        if base.data.startswith(part, begin):
            return self._next
        if self._scans == _SCANS:
            places = self._places.get(part, [])
            later = bisect_left(places, self._next)
            return places[later] if later < len(places) else None
        self._scans += 1
        at = base.data.find(part, begin)
        index = bisect_left(base.bounds, at)
        return index if at >= 0 and base.bounds[index] == at else None

    @cached_property
    def _places(self) -> dict[bytes, list[int]]:
        """Where each part of the base stands."""
        places: dict[bytes, list[int]] = {}
        for index, (start, end) in enumerate(pairwise(self._base.bounds)):
            places.setdefault(self._base.data[start:end], []).append(index)
        return places


def _common(one: bytes, here: int, other: bytes, there: int) -> int:
    """Return how many bytes are the same from `here` on in `one` and from `there` on in `other`."""
    most = min(len(one) - here, len(other) - there)
    view = memoryview(other)[there : there + most]
    same, different = 0, most + 1
    step = most
    while different - same > 1:
        if one.startswith(view[same : same + step], here + same):
            same += step
        else:
            different = same + step
        step = (different - same) // 2
    return same
