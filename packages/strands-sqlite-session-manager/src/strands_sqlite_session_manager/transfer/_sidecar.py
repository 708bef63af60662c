"""The file beside `session.json` that holds what the layout of the SDK's `FileSessionManager` has no place for.

It is one JSON document with a record on each line, so that it is written and read line by line. Where a session has
nothing to tell that an import would not make up by itself, there is no such file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from typing import Any

from strands_sqlite_session_manager._state_history import FIELDS

from ._records import ID, KINDS, Kinds, Record, RecordError, json_text, parse, render, transfer_error
from ._spool import Spool
from ._tree import SIDECAR, Files, naming, write_file

FORMAT = "strands-sqlite-session"
VERSION = 1

_SESSION, _CHANGE, _MULTI_AGENT = (KINDS[kind] for kind in ("session", "state_change", "multi_agent"))
_KINDS: Kinds = {
    "notes": {name: _SESSION[name] for name in ("title", "tags", "metadata")},
    "state_change": {"agent_id": ID, **_CHANGE},
    "multi_agent": {name: _MULTI_AGENT[name] for name in ("multi_agent_id", "created_at", "updated_at")},
}
_HEAD = f'{{"format":"{FORMAT}","version":{VERSION},"records":['
_TAIL = "]}"
_HINT = "put it back as it was, or remove it: then the session comes without title, tags, metadata and state history"
_TIMES = ("created_at", "updated_at")


class SidecarWriter:
    """Gathers, record by record of a session, what belongs into the file."""

    def __init__(self, spool: Spool) -> None:
        """Gather into `spool`."""
        spool.clear()
        self._spool = spool
        self._needed = False
        self._session: dict[str, Any] = {}
        self._agent: dict[str, Any] = {}
        self._last_message: int | None = None
        self._changes: list[str] = []

    def add(self, record: Record) -> None:
        """Take what the layout has no place for."""
        if record.kind == "session":
            self._session = record.values
            notes = {name: record.texts[name] for name in _KINDS["notes"] if name in record.texts}
            self._needed = bool(notes)
            self._put("notes", notes)
        elif record.kind == "agent":
            self._end_agent()
            self._agent, self._last_message = record.values, None
        elif record.kind == "message":
            self._last_message = record.values["message_id"]
        elif record.kind == "state_change":
            if len(self._changes) < 2:  # noqa: PLR2004 - one may be as expected, two never are
                self._changes.append(json.dumps(record.values, sort_keys=True))
            self._put("state_change", {"agent_id": json_text(self._agent["agent_id"]), **record.texts})
        elif record.kind == "multi_agent":
            self._needed |= any(record.values[name] != self._session[name] for name in _TIMES)
            self._put("multi_agent", {name: record.texts[name] for name in _KINDS["multi_agent"]})

    def write(self, session_folder: str) -> None:
        """Write the file, if there is anything to tell, or one to be replaced."""
        self._end_agent()
        path = os.path.join(session_folder, SIDECAR)
        if self._needed or os.path.lexists(path):
            write_file(path, self.pieces())

    def _end_agent(self) -> None:
        if self._agent:
            change = change_to(self._agent, {}, 1, self._last_message)
            expected = [] if change is None else [json.dumps(change, sort_keys=True)]
            self._needed |= self._changes != expected
        self._agent, self._changes = {}, []

    def _put(self, kind: str, texts: Mapping[str, str]) -> None:
        self._spool.add(kind, render(kind, texts, _KINDS))

    def pieces(self) -> Iterator[bytes]:
        """Give the document in pieces, once everything was added."""
        yield _HEAD.encode()
        mark = "\n"
        for line in self._spool.lines():
            yield f"{mark}{line}".encode()
            mark = ",\n"
        yield f"\n{_TAIL}\n".encode()


class Sidecar:
    """The file, read from its beginning to its end: notes, then changes by agent, then times of graphs and swarms."""

    def __init__(self, path: str, lines: Iterable[str]) -> None:
        """Read the header."""
        self._path = path
        self._records = _records(iter(lines))
        self._next: Record | None = None
        self._forward()

    def notes(self) -> dict[str, str]:
        """Return title, tags and metadata as JSON texts."""
        record = self._next
        if record is None or record.kind != "notes":
            return {}
        self._forward()
        return record.texts

    def changes(self, agent_id: str) -> Iterator[Record]:
        """Give the changes of the agent's state; ask for agents in the order of their ids."""
        while (record := self._next) is not None and record.kind == "state_change":
            if record.values["agent_id"] > agent_id:
                return
            if record.values["agent_id"] == agent_id:
                yield record
            self._forward()

    def times(self, multi_agent_id: str) -> dict[str, str]:
        """Return when the state of a graph or swarm was written; ask in the order of their ids, after all agents."""
        while (record := self._next) is not None:
            id_ = record.values.get("multi_agent_id", "")
            if record.kind == "multi_agent" and id_ > multi_agent_id:
                break
            self._forward()
            if record.kind == "multi_agent" and id_ == multi_agent_id:
                return {name: record.values[name] for name in _TIMES}
        return {}

    def end(self) -> None:
        """Read on to the end, whatever stands there.

        Raises:
            TransferError: It was cut short, or is damaged.
        """
        while self._next is not None:
            self._forward()

    def _forward(self) -> None:
        try:
            self._next = next(self._records, None)
        except (RecordError, UnicodeError) as error:
            where = f"file=<{self._path}>"
            raise transfer_error(where, error, _HINT) from error


def _records(lines: Iterator[str]) -> Iterator[Record]:
    _require_head(next(lines, ""))
    more = True
    for line in lines:
        text = line.rstrip("\r\n")
        if not more or text == _TAIL:
            break
        more = text.endswith(",")
        yield parse(text.removesuffix(","), _KINDS)
    else:
        message = "was cut short"
        raise RecordError(message)
    if text != _TAIL or any(lines):
        message = "holds something after its last record"
        raise RecordError(message)


def _require_head(line: str) -> None:
    try:
        head = json.loads(line.rstrip() + _TAIL)
    except ValueError:
        head = None
    if not isinstance(head, dict) or head.get("format") != FORMAT or type(head.get("version")) is not int:
        message = "was not written by this package, or was laid out anew"
        raise RecordError(message)
    if head["version"] > VERSION:
        message = f"has version {head['version']}, this package knows {VERSION}"
        raise RecordError(message, hint="upgrade strands-sqlite-session-manager")
    if set(head) != {"format", "version", "records"}:
        message = "has an unknown field in its header"
        raise RecordError(message)


@contextmanager
def open_sidecar(path: str, files: Files) -> Iterator[Sidecar | None]:
    """Give the file, opened, for a `with` block; None where there is none.

    Raises:
        TransferError: It is damaged, or a newer version of this package wrote it.
    """
    if not files.has(path):
        yield None
        return
    with ExitStack() as stack:
        with naming(path):
            file = stack.enter_context(TextIOWrapper(files.open(path), encoding="utf-8", newline="\n"))
            sidecar = Sidecar(path, file)
        yield sidecar
        sidecar.end()


def change_to(
    agent: Mapping[str, Any], before: Mapping[str, Any], number: int, message_id: int | None
) -> dict[str, Any] | None:
    """Return the change that makes the state of `agent` of what was `before`; None where there is nothing to change.

    Its time is the one at which the agent was written last: importing the same files again gives the same.
    """
    changes = {
        field: _change(before.get(field, {}), agent[field])
        for field in FIELDS
        if not _same(before.get(field, {}), agent[field])
    }
    if not changes:
        return None
    change = {"change_number": number, "changes": changes, "created_at": agent["updated_at"]}
    return change if message_id is None else {**change, "message_id": message_id}


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _change(before: Any, after: Any) -> dict[str, Any]:
    return {"set": after} if before == {} and isinstance(after, dict) else {"replace": after}


def apply_change(states: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Bring `states`, by field, to where they were after `changes`.

    Raises:
        RecordError: They are not changes of a state.
    """
    for field, change in changes.items():
        try:
            states[field] = _changed(states.get(field, {}), change)
        except (AttributeError, TypeError) as error:
            message = f"holds a change of {field!r} that is none"
            raise RecordError(message) from error


def _changed(state: Any, change: dict[str, Any]) -> Any:
    if "replace" in change:
        return change["replace"]
    state = {**(state if isinstance(state, dict) else {}), **change.get("set", {})}
    for key in change.get("remove", ()):
        state.pop(key, None)
    return state
