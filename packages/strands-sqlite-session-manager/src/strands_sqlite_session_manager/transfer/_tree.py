"""Folders and files as the SDK's `FileSessionManager` lays them out: their names, and how they are read and written."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import IO, Any, Protocol

from strands_sqlite_session_manager.errors import CodecError, TransferError

from ._records import RecordError, transfer_error

SESSION = "session_"
AGENT = "agent_"
MULTI_AGENT = "multi_agent_"
_TIMES = {"created_at": "created_at", "updated_at": "updated_at"}
FIELDS = {
    "session": {"session_id": "session_id", "session_type": "session_type", **_TIMES},
    "agent": {
        "agent_id": "agent_id",
        "state": "state",
        "conversation_manager_state": "conversation_manager_state",
        "_internal_state": "internal_state",
        **_TIMES,
    },
    "message": {"message": "message", "message_id": "message_id", "redact_message": "redact_message", **_TIMES},
}
"""What the SDK writes of a record: the names in its files, in their order, and ours."""
SIDECAR = "strands_sqlite.json"
"""What the layout has no place for, beside `session.json`."""

_MESSAGE = re.compile(r"message_(.*)\.json", re.DOTALL)
_MESSAGE_ID = re.compile(r"0|-?[1-9][0-9]{0,18}")
_MENDED = "mend or remove it, then run the import again: what is there already is passed over"
_LINKS = "copy what it leads to in its place"
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def record_object(kind: str, values: dict[str, Any], added: dict[str, Any]) -> dict[str, Any]:
    """Return what the SDK writes of a record: its fields in the SDK's order, then those that a newer SDK added.

    Raises:
        TransferError: A field that a newer SDK added is one that the SDK knows.
    """
    fields = FIELDS[kind]
    if clash := fields.keys() & added:
        message = f"a {kind} has the unknown field {min(clash)!r}, which the SDK knows"
        raise TransferError(message, hint="use export_jsonl")
    return {name: values.get(name) for name in fields} | added


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Let errors of the block say that they are about `path`.

    Raises:
        TransferError: In place of what is wrong with a record, or with a file.
    """
    try:
        yield
    except (RecordError, CodecError, RecursionError) as error:
        where = f"file=<{path}>"
        raise transfer_error(where, error, _MENDED) from error
    except OSError as error:
        message = f"file=<{path}> cannot be used: {error.strerror or error}"
        raise TransferError(message, hint=_hint(error)) from error
    except ValueError as error:  # NUL or half a character in an id, which no name of a file holds
        message = f"file=<{path!a}> cannot have that name: {error}"
        raise TransferError(message, hint="another program wrote an id that cannot be one: mend it first") from error


def _hint(error: OSError) -> str:
    if error.errno == errno.ENAMETOOLONG:
        return "the id is too long for the name of a file; use export_jsonl"
    return "look at the file, its folder and the disk, then run it again"


def agent_folder(session_folder: str, agent_id: str) -> str:
    """Return where an agent lies."""
    return f"{session_folder}/agents/{AGENT}{agent_id}"


def multi_agent_folder(session_folder: str, multi_agent_id: str) -> str:
    """Return where the state of a graph or swarm lies."""
    return f"{session_folder}/multi_agents/{MULTI_AGENT}{multi_agent_id}"


def message_file(session_folder: str, agent_id: str, message_id: int) -> str:
    """Return where a message lies."""
    return f"{agent_folder(session_folder, agent_id)}/messages/message_{message_id}.json"


def require_no_link(path: str) -> None:
    """Refuse a symbolic link: it may lead out of the folder, and the SDK reads none either.

    Raises:
        TransferError: It is one.
    """
    if os.path.islink(path):
        message = f"file=<{path}> is a symbolic link"
        raise TransferError(message, hint=_LINKS)


class Files(Protocol):
    """A place where the files of sessions lie: a folder, or a bucket. Their paths are names with `/` between them."""

    def folder_names(self, folder: str, prefix: str) -> Iterable[str]:
        """Give, in any order, the names of the folders in `folder` that begin with `prefix`; none if it is missing."""

    def file_names(self, folder: str) -> Iterable[str]:
        """Give, in any order, the names of what lies in `folder` and may be files; none if it is missing."""

    def has(self, path: str) -> bool:
        """Tell whether something lies there."""

    def open(self, path: str) -> IO[bytes]:
        """Return the file, to be read from its beginning and closed.

        Raises:
            OSError: It cannot be read; `naming` says which it was.
        """

    def written_at(self, path: str) -> datetime:
        """Return when the file was written last."""


class Folders:
    """The folders of a file system. Symbolic links are refused: they may lead out, and the SDK follows none either."""

    def folder_names(self, folder: str, prefix: str) -> Iterator[str]:
        """Give the names of the folders in `folder` that begin with `prefix`.

        Raises:
            TransferError: It is a symbolic link, or one of them is.
        """
        for name in self.file_names(folder):
            if name.startswith(prefix) and _is_folder(f"{folder}/{name}"):
                yield name

    def file_names(self, folder: str) -> Iterator[str]:
        """Give the names of what lies in `folder`.

        Raises:
            TransferError: It is a symbolic link.
        """
        require_no_link(folder)
        with naming(folder):
            try:
                with os.scandir(folder) as entries:
                    yield from (entry.name for entry in entries)
            except (FileNotFoundError, NotADirectoryError):
                return

    def has(self, path: str) -> bool:
        """Tell whether something lies there, a symbolic link that leads nowhere too."""
        return os.path.lexists(path)

    def open(self, path: str) -> IO[bytes]:
        """Return the file, to be read.

        Raises:
            TransferError: It is a symbolic link, or no file.
            OSError: It cannot be opened.
        """
        require_no_link(path)
        descriptor = os.open(path, os.O_RDONLY | _NO_FOLLOW)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            message = f"file=<{path}> is no file"
            raise TransferError(message, hint=_MENDED)
        return os.fdopen(descriptor, "rb")

    def written_at(self, path: str) -> datetime:
        """Return when the file was written last."""
        with naming(path):
            return datetime.fromtimestamp(os.stat(path, follow_symlinks=False).st_mtime, timezone.utc)


FOLDERS = Folders()


def ids_below(folder: str, prefix: str, files: Files = FOLDERS) -> list[str]:
    """Return, in order, the ids of the folders in `folder` whose names begin with `prefix`."""
    return sorted(name[len(prefix) :] for name in files.folder_names(folder, prefix))


def message_ids(session_folder: str, agent_id: str, files: Files = FOLDERS) -> list[int]:
    """Return, in order, the ids of an agent's messages.

    Raises:
        TransferError: A file has the name of a message, but not with a number.
    """
    folder = f"{agent_folder(session_folder, agent_id)}/messages"
    found = []
    for name in files.file_names(folder):
        if match := _MESSAGE.fullmatch(name):
            if not _MESSAGE_ID.fullmatch(match[1]):
                message = f"file=<{folder}/{name}> has the name of a message, but no number in it"
                raise TransferError(message, hint=_MENDED)
            found.append(int(match[1]))
    return sorted(found)


def _is_folder(path: str) -> bool:
    require_no_link(path)
    return os.path.isdir(path)


def read_json(path: str, files: Files = FOLDERS) -> Any:
    """Return the value in the file.

    Raises:
        TransferError: It is damaged, or cannot be read.
    """
    with naming(path), files.open(path) as file:
        try:
            return json.loads(file.read().decode())
        except (ValueError, RecursionError) as error:
            message = f"is not readable JSON: {error}"
            raise RecordError(message) from error


def read_object(path: str, files: Files = FOLDERS) -> dict[str, Any]:
    """Return the JSON object in the file.

    Raises:
        TransferError: It is damaged, holds something else, or cannot be read.
    """
    value = read_json(path, files)
    if isinstance(value, dict):
        return value
    message = f"file=<{path}> does not hold a JSON object"
    raise TransferError(message, hint=_MENDED)


def write_json(path: str, value: object) -> None:
    """Write the file as the SDK does: the same bytes, and whole or not at all.

    Raises:
        TransferError: There is a symbolic link in its place, or the value holds what no file of the SDK can.
        OSError: It cannot be written.
    """
    try:
        data = json.dumps(value, indent=2, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:  # another program has stored it as an escape
        message = f"file=<{path}> cannot hold a lone surrogate, as the value does"
        raise TransferError(message, hint="use export_jsonl") from error
    write_file(path, [data])


def write_file(path: str, pieces: Iterable[bytes]) -> None:
    """Write the file, whole or not at all.

    Raises:
        TransferError: There is a symbolic link in its place.
        OSError: It cannot be written.
    """
    require_no_link(path)
    descriptor, partial = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".strands_", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(pieces)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise
