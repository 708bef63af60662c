"""What is read from S3 together: the objects of one session as its files, or some storage objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from itertools import chain, groupby, pairwise
from typing import IO, TYPE_CHECKING, NamedTuple

from strands_sqlite_session_manager.errors import TransferError
from strands_sqlite_session_manager.transfer._storing_objects import is_object_key
from strands_sqlite_session_manager.transfer._tree import (
    AGENT,
    MULTI_AGENT,
    agent_folder,
    ids_below,
    multi_agent_folder,
)

from ._inventory import Stored
from ._places import MANIFEST, OBJECTS, SIDECARS

if TYPE_CHECKING:
    from datetime import datetime

_SESSION = re.compile(r"session_([^/]*)/", re.DOTALL)
_MESSAGE = re.compile(r"message_(-?[0-9]{1,19})\.json")
_MESSAGES = re.compile(r"session_[^/]*/agents/agent_[^/]*/messages", re.DOTALL)
_BESIDE = "strands_sqlite.json"
"""What an export as files lays beside `session.json`; a mirror has it elsewhere."""

_MOST_OBJECTS = 64
_MOST_BYTES = 8 * 2**20
"""So much is written in one transaction."""

_Kept = tuple[int, str | bytes]
"""Size and hash of an object of a session: the ETag, or the bytes of a SHA-256. There may be very many."""


class StorageObjects(NamedTuple):
    """Some objects of storages.

    Attributes:
        root: What their keys begin with in S3.
        wanted: Each of them; its path is the key in the storage.
    """

    root: str
    wanted: list[Stored]


class SessionObjects:
    """The objects of one session, as the files that the core reads sessions from.

    Attributes:
        root: What their keys begin with.
        session_id: Whose they are.
        folder: The session's folder, as it is named towards the core and in errors.
        sidecar: The file, there or not, with what the layout of the SDK has no place for.
    """

    def __init__(
        self, bucket_name: str, root: str, session_id: str, stored: Iterable[Stored], sidecar: Stored | None = None
    ) -> None:
        """Take what is there of the session.

        Args:
            bucket_name: For the names in errors.
            root: What the keys begin with.
            session_id: Whose they are.
            stored: The objects below `session_<id>/`.
            sidecar: The one below `strands_sqlite/`, if there is one.
        """
        self.root = root
        self.session_id = session_id
        self._where = f"s3://{bucket_name}/{root}"
        self.folder = f"{self._where}session_{session_id}"
        self._files: dict[str, dict[str, _Kept]] = {}
        for each in chain(stored, () if sidecar is None else (sidecar,)):
            folder, _, name = each.path.rpartition("/")
            check = each.etag if each.sha256 is None else bytes.fromhex(each.sha256)
            self._files.setdefault(folder, {})[name] = (each.size, check)
        path = f"session_{session_id}/{_BESIDE}" if sidecar is None else sidecar.path
        self.sidecar = f"{self._where}{path}"
        self._read: Callable[[Stored], bytes] | None = None

    @property
    def wanted(self) -> Iterator[Stored]:
        """What is to be read, in the order in which the core asks for it."""
        yield from self._those(self.sidecar, f"{self.folder}/session.json")
        for agent_id in ids_below(f"{self.folder}/agents", AGENT, self):
            folder = agent_folder(self.folder, agent_id)
            yield from self._those(f"{folder}/agent.json")
            numbers = (
                match[1] for name in self.file_names(f"{folder}/messages") if (match := _MESSAGE.fullmatch(name))
            )
            for number in sorted(numbers, key=int):
                yield from self._those(f"{folder}/messages/message_{number}.json")
        for multi_agent_id in ids_below(f"{self.folder}/multi_agents", MULTI_AGENT, self):
            yield from self._those(f"{multi_agent_folder(self.folder, multi_agent_id)}/multi_agent.json")

    def parts(self) -> list[str]:
        """Return what a push that was cut left only in part: the folder of the session, or of agents without a state.

        Messages go to S3 side by side, so one may be missing before others: then it is the first behind that. The first
        of all may be missing too, so that a talk which never had a message 0 is taken for one that lost it.
        """
        folder = f"session_{self.session_id}"
        if "session.json" not in self._files.get(folder, {}):
            return [folder] if any(_is_in(path, folder) for path in self._files) else []
        spoken = (path.rpartition("/")[0] for path in self._files if _MESSAGES.fullmatch(path))
        silent = sorted(path for path in spoken if "agent.json" not in self._files.get(path, {}))
        return [*silent, *self._behind_holes(first=0)]

    def holes(self) -> list[str]:
        """Return, for each agent that has one missing between others, the first message behind that."""
        return list(self._behind_holes())

    def _behind_holes(self, first: int | None = None) -> Iterator[str]:
        """Give the first message behind a hole of each agent; `first` is the one with which talks begin, if one is."""
        for path in sorted(filter(_MESSAGES.fullmatch, self._files)):
            numbers = sorted(self._numbers(path))
            if first is not None and numbers and numbers[0] > first:
                yield f"{path}/message_{numbers[0]}.json"
                continue
            for number, following in pairwise(numbers):
                if following != number + 1:
                    yield f"{path}/message_{following}.json"
                    break

    def _numbers(self, path: str) -> Iterator[int]:
        return (int(match[1]) for name in self._files[path] if (match := _MESSAGE.fullmatch(name)))

    def leave_out(self, parts: Iterable[str]) -> None:
        """Go on as if there were nothing in these folders, and no message from these on."""
        for part in parts:
            if is_message(part):
                self._leave_out_from(*part.rpartition("/")[::2])
            else:
                self._files = {path: names for path, names in self._files.items() if not _is_in(path, part)}

    def _leave_out_from(self, folder: str, first: str) -> None:
        names = self._files.get(folder, {})
        numbers = {name: int(match[1]) for name in names if (match := _MESSAGE.fullmatch(name))}
        if first in numbers:  # else all of the agent is left out
            late = {name for name, number in numbers.items() if number >= numbers[first]}
            self._files[folder] = {name: kept for name, kept in names.items() if name not in late}

    def read_with(self, read: Callable[[Stored], bytes]) -> None:
        """Let the objects be read with `read` from now on."""
        self._read = read

    def folder_names(self, folder: str, prefix: str) -> Iterable[str]:
        """Give the names below `folder` that begin with `prefix` and have something below them."""
        above = f"{self._path(folder)}/"
        below = (path[len(above) :].partition("/")[0] for path in self._files if path.startswith(above))
        return {name for name in below if name.startswith(prefix)}

    def file_names(self, folder: str) -> Iterable[str]:
        """Give the names of the objects in `folder`."""
        return self._files.get(self._path(folder), {})

    def has(self, path: str) -> bool:
        """Tell whether there is such an object."""
        return self._stored(path) is not None

    def open(self, path: str) -> IO[bytes]:
        """Return the object, to be read.

        Raises:
            TransferError: There is none.
        """
        stored = self._stored(path)
        if stored is None or self._read is None:
            message = f"file=<{path}> is missing"
            raise TransferError(message, hint="look into the bucket to see what there is of the session")
        return BytesIO(self._read(stored))

    def written_at(self, path: str) -> datetime:
        """Refuse: no SDK leaves the time out of the file.

        Raises:
            TransferError: Always.
        """
        message = f"file=<{path}> does not say when the session was created"
        raise TransferError(message, hint="mend the file: every SDK writes created_at into it")

    def _those(self, *paths: str) -> Iterator[Stored]:
        return (stored for path in paths if (stored := self._stored(path)) is not None)

    def _stored(self, path: str) -> Stored | None:
        key = self._path(path)
        folder, _, name = key.rpartition("/")
        kept = self._files.get(folder, {}).get(name)
        if kept is None:
            return None
        size, check = kept
        return Stored(key, size, check) if isinstance(check, str) else Stored(key, size, "", check.hex())

    def _path(self, path: str) -> str:
        return path[len(self._where) :]


Group = SessionObjects | StorageObjects


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def is_message(path: str) -> bool:
    """Tell whether `path` is that of a message."""
    folder, _, name = path.rpartition("/")
    return bool(_MESSAGES.fullmatch(folder) and _MESSAGE.fullmatch(name))


def session_folder(path: str) -> str | None:
    """Return the id of the session in whose folder `path` lies; None if it lies in none."""
    match = _SESSION.match(path)
    return None if match is None else match[1]


def in_groups(
    bucket_name: str, root: str, stored: Iterable[Stored], sidecars: Mapping[str, Stored], *, objects: bool = True
) -> Iterator[Group]:
    """Put together what lies below `root`: each session, and storage objects some at a time.

    What is neither is left out: manifests, sidecars, and what no storage can have put there.

    Args:
        bucket_name: For the names in errors.
        root: What the keys begin with.
        stored: What there is; all of a session together.
        sidecars: Those below `strands_sqlite/`, by session.
        objects: Whether storage objects are wanted.

    Raises:
        TransferError: What there is of a session is not together.
    """
    seen: set[str] = set()
    for session_id, items in groupby(stored, lambda each: session_folder(each.path)):
        if session_id is not None:
            if session_id in seen:
                message = f"bucket=<{bucket_name}> lists what lies below <{root}> in no order"
                raise TransferError(message, hint="give the ids of the sessions: then each is listed for itself")
            seen.add(session_id)
            yield SessionObjects(bucket_name, root, session_id, items, sidecars.get(session_id))
        elif objects:
            yield from storage_objects(root, items)


def storage_objects(root: str, stored: Iterable[Stored]) -> Iterator[StorageObjects]:
    """Put some storage objects at a time together."""
    together: list[Stored] = []
    size = 0
    for each in stored:
        if each.path in {MANIFEST, OBJECTS} or each.path.startswith(SIDECARS) or not is_object_key(each.path):
            continue
        if together and (len(together) == _MOST_OBJECTS or size + each.size > _MOST_BYTES):
            yield StorageObjects(root, together)
            together, size = [], 0
        together.append(each)
        size += each.size
    if together:
        yield StorageObjects(root, together)
