"""Objects read from S3 before they are asked for, many at once, in the order in which they will be."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from ._inventory import Stored, is_content
from .errors import ObjectConflictError, ObjectDamagedError, ObjectMissingError

if TYPE_CHECKING:
    from typing_extensions import Self

    from ._bucket import Bucket
    from ._groups import Group

WORKERS = 16
"""How many objects are asked for at once."""

IN_MEMORY = 16 * 2**20
"""Up to so many bytes are read ahead; an object that is larger goes alone."""


class ChangedError(ObjectConflictError):
    """An object is not as it was listed, or gone."""


class _Step(NamedTuple):
    """The beginning of a group, or one of its objects, on its way here."""

    group: Group
    stored: Stored | None
    future: Future[bytes] | None


class Ahead:
    """Reads groups of objects ahead of who works on them."""

    def __init__(self, bucket: Bucket, groups: Iterable[Group], told: Callable[[int], None]) -> None:
        """Prepare to read `groups`; what they come from is asked in the thread of the caller.

        Args:
            bucket: Where the objects are.
            groups: In the order in which they are worked on.
            told: Called with the size of each object that was read.
        """
        self._bucket = bucket
        self._told = told
        self._steps = _steps(groups)
        self._queue: deque[_Step] = deque()
        self._bytes = 0
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="strands-sqlite-mirror")

    def __enter__(self) -> Self:
        """Return this; its threads end with the `with` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Begin no other request, and wait for those that are under way."""
        self._pool.shutdown(cancel_futures=True)

    def groups(self) -> Iterator[Group]:
        """Give one group after the other; what was not read of the one before is dropped."""
        while (step := self._next()) is not None:
            if step.stored is None:
                yield step.group

    def read(self, group: Group, stored: Stored) -> bytes:
        """Return an object of the group that was given last.

        Raises:
            ObjectMissingError: The manifest names it, and it is not there.
            ObjectDamagedError: It is not what the manifest says.
            ChangedError: It is not as it was listed.
            MirrorError: S3 could not be read.
        """
        future = self._future(group, stored)
        data = _fetch(self._bucket, group.root, stored) if future is None else future.result()
        self._told(len(data))
        return data

    def _future(self, group: Group, stored: Stored) -> Future[bytes] | None:
        """Return what was begun for an object, and drop what was begun for those before it."""
        while self._queue and self._queue[0].group is group:
            step = self._next()
            if step is not None and step.stored == stored:
                return step.future
        return None

    def _next(self) -> _Step | None:
        self._fill()
        if not self._queue:
            return None
        step = self._queue.popleft()
        self._bytes -= 0 if step.stored is None else step.stored.size
        return step

    def _fill(self) -> None:
        while len(self._queue) < 2 * WORKERS and (self._bytes < IN_MEMORY or not self._queue):
            step = next(self._steps, None)
            if step is None:
                return
            group, stored = step
            future = None
            if stored is not None:
                future = self._pool.submit(_fetch, self._bucket, group.root, stored)
                self._bytes += stored.size
            self._queue.append(_Step(group, stored, future))


def _steps(groups: Iterable[Group]) -> Iterator[tuple[Group, Stored | None]]:
    for group in groups:
        yield group, None
        yield from ((group, stored) for stored in group.wanted)


def _fetch(bucket: Bucket, root: str, stored: Stored) -> bytes:
    key = f"{root}{stored.path}"
    body = bucket.get(key)
    if stored.sha256 is None:
        if body is None or body.etag != stored.etag:
            message = f"object=<{key}> changed while it was read"
            raise ChangedError(message, hint="run it again when nobody writes there")
        return body.data
    if body is None:
        message = f"object=<{key}> is missing"
        raise ObjectMissingError(message)
    if not is_content(body.data, stored.sha256):
        message = f"object=<{key}> is not what its manifest says"
        raise ObjectDamagedError(message)
    return body.data
