"""Sessions as the files that the SDK's `FileSessionManager` writes, byte for byte."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import AlreadyExistsError, NotFoundError, TransferError

from ._reading import all_ids, count_sessions, named_ids, spool_session
from ._records import Record, parse
from ._sidecar import SidecarWriter
from ._spool import Spool
from ._tree import (
    AGENT,
    FIELDS,
    MULTI_AGENT,
    SESSION,
    agent_folder,
    ids_below,
    message_file,
    message_ids,
    multi_agent_folder,
    naming,
    read_object,
    record_object,
    require_no_link,
    write_json,
)
from ._values import Exported, ExportProgress


def export_files(
    database: Database,
    folder: str | os.PathLike[str],
    session_ids: Iterable[str] | None = None,
    *,
    progress: Callable[[ExportProgress], None] | None = None,
) -> Exported:
    """Write sessions as the SDK's `FileSessionManager` does, each as it is at one instant.

    A `FileSessionManager` with `storage_dir=folder` resumes them. What its layout has no place for (title, tags,
    metadata, the history of states) lies beside each `session.json` in `strands_sqlite.json`, for `import_files`. Each
    file is replaced whole, `session.json` last. Files of an earlier export of the same session are brought up to date;
    nothing is ever deleted.

    Args:
        database: Where the sessions are.
        folder: Where to put them; made where it is missing.
        session_ids: Which sessions, in this order; all in the order of their ids without it. Those that are deleted
            meanwhile are then left out.
        progress: Called after each session.

    Returns:
        What was written.

    Raises:
        NotFoundError: There is no such session.
        AlreadyExistsError: The folder holds another session of the same id, or messages that the database has not.
        TransferError: A file cannot be written, or values of a session cannot be read. The sessions before it are
            complete.
    """
    root = os.path.realpath(os.fspath(folder))
    named = None if session_ids is None else named_ids(database, session_ids)
    total = count_sessions(database) if named is None else len(named)
    with naming(root):
        os.makedirs(root, mode=0o700, exist_ok=True)
    sessions = messages = multi_agents = 0
    with Spool() as spool, Spool() as notes:
        for done, session_id in enumerate(all_ids(database) if named is None else named, 1):
            try:
                spool_session(database, session_id, spool)
            except NotFoundError:
                if named is not None:
                    raise
                continue
            _write_session(os.path.join(root, f"{SESSION}{session_id}"), spool, SidecarWriter(notes))
            sessions += 1
            messages += spool.counts["message"]
            multi_agents += spool.counts["multi_agent"]
            if progress is not None:
                progress(ExportProgress(session_id, done, max(done, total)))
    return Exported(sessions, messages, multi_agents)


def _write_session(folder: str, spool: Spool, sidecar: SidecarWriter) -> None:
    """Write the files of a session: `session.json`, which makes it one, last."""
    with naming(folder):
        new = not os.path.lexists(folder)
        if not new:
            _require_same_session(folder, spool)
        for path in (folder, os.path.join(folder, "agents"), os.path.join(folder, "multi_agents")):
            os.makedirs(path, mode=0o700, exist_ok=True)
        session: dict[str, Any] = {}
        for path, record in _files(folder, _records(spool)):
            sidecar.add(record)
            if record.kind == "session":
                session = _content(record)
            elif record.kind != "state_change":
                _write_record(path, record, new=new)
        sidecar.write(folder)
        write_json(os.path.join(folder, "session.json"), session)


def _write_record(path: str, record: Record, *, new: bool) -> None:
    parent = os.path.dirname(path)
    if record.kind == "agent":
        _make_folder(parent, new=new)
        os.makedirs(os.path.join(parent, "messages"), mode=0o700, exist_ok=True)
    elif record.kind == "multi_agent":
        _make_folder(parent, new=new)
    write_json(path, _content(record))


def _make_folder(path: str, *, new: bool) -> None:
    """Make the folder of an agent; in a new session it cannot be there, unless the file system mixes up two ids."""
    if new and os.path.lexists(path):
        message = f"file=<{path}> is taken by another id, which this file system cannot tell from it"
        raise TransferError(message, hint="use export_jsonl, or a file system that tells the two apart")
    os.makedirs(path, mode=0o700, exist_ok=True)


def _records(spool: Spool) -> Iterator[Record]:
    return map(parse, spool.lines())


def _files(folder: str, records: Iterable[Record]) -> Iterator[tuple[str, Record]]:
    """Give each record with its file."""
    agent_id = path = ""
    for record in records:
        values = record.values
        if record.kind == "session":
            path = os.path.join(folder, "session.json")
        elif record.kind == "agent":
            agent_id = values["agent_id"]
            path = os.path.join(agent_folder(folder, agent_id), "agent.json")
        elif record.kind == "message":
            path = message_file(folder, agent_id, values["message_id"])
        elif record.kind == "multi_agent":
            path = os.path.join(multi_agent_folder(folder, values["multi_agent_id"]), "multi_agent.json")
        yield path, record


def _content(record: Record) -> Any:
    """Return what the SDK writes of a record."""
    values = record.values
    if record.kind == "multi_agent":
        return values["state"]
    fields = {name: values.get(column) for name, column in FIELDS[record.kind].items()}
    return record_object(record.kind, fields, values.get("extra", {}))


def _require_same_session(folder: str, spool: Spool) -> None:
    """Refuse a folder with anything of a session in it that this export would not write, or would mix up.

    Raises:
        AlreadyExistsError: It has another session, or more of this one.
    """
    require_no_link(folder)
    path = os.path.join(folder, "session.json")
    session = next(_records(spool)).values
    if os.path.lexists(path):
        found = read_object(path)
        if any(found.get(name) != session[name] for name in ("session_id", "created_at")):
            raise _taken(path, "belongs to another session of this id")
    left = set(_session_files(folder))
    for written, _ in _files(folder, _records(spool)):
        left.discard(written)
    if left:
        raise _taken(min(left), "is not in the session that is to be exported")


def _session_files(folder: str) -> Iterator[str]:
    """Give the path of each message and each state below the folder of a session."""
    for agent_id in ids_below(os.path.join(folder, "agents"), AGENT):
        yield os.path.join(agent_folder(folder, agent_id), "agent.json")
        for message_id in message_ids(folder, agent_id):
            yield message_file(folder, agent_id, message_id)
    for multi_agent_id in ids_below(os.path.join(folder, "multi_agents"), MULTI_AGENT):
        yield os.path.join(multi_agent_folder(folder, multi_agent_id), "multi_agent.json")


def _taken(path: str, what: str) -> AlreadyExistsError:
    return AlreadyExistsError(f"file=<{path}> {what}", hint="choose an empty folder, or import this one first")
