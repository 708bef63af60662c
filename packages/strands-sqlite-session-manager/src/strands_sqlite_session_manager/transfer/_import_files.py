"""Sessions from the files of the SDK's `FileSessionManager`, of any version of it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import IO, Any

from strands_sqlite_session_manager._codec import dumps
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import NotFoundError, TransferError

from ._records import PLAIN, Record, json_text, parse, render, require_id
from ._sidecar import Sidecar, apply_change, change_to, open_sidecar
from ._spool import Spool
from ._storing import require_bytes, store_session
from ._tree import (
    AGENT,
    FIELDS,
    MULTI_AGENT,
    SESSION,
    SIDECAR,
    agent_folder,
    ids_below,
    message_file,
    message_ids,
    multi_agent_folder,
    naming,
    read_json,
    read_object,
    require_no_link,
)
from ._values import Conflict, Imported, ImportProgress, require_conflict

_FOREIGN = "name the storage_dir of a FileSessionManager: the folder in which the session_… folders lie"


def import_files(
    database: Database,
    folder: str | os.PathLike[str],
    session_ids: Iterable[str] | None = None,
    *,
    on_conflict: Conflict = "fail",
    progress: Callable[[ImportProgress], None] | None = None,
) -> Imported:
    """Read sessions that the SDK's `FileSessionManager` wrote; each becomes visible whole or not at all.

    Files of any SDK from 1.15 are read: what an older one does not write gets the SDK's default, and the fields of a
    newer one are kept for it. Files of other names are left alone, and so are folders that a manager has only begun.
    Nothing outside of `folder` is read. A session that is there already with the same content is passed over: an import
    that was interrupted can simply be run again. Let no agent write to the files meanwhile.

    Args:
        database: Where to put the sessions.
        folder: The `storage_dir` of a `FileSessionManager`, or what `export_files` wrote.
        session_ids: Which sessions; all without it.
        on_conflict: What to do with a session that is there with other content: `"fail"`, `"skip"` it, or `"replace"`
            the one that is there.
        progress: Called after each session.

    Returns:
        What was done.

    Raises:
        NotFoundError: The folder has no such session.
        AlreadyExistsError: A session is there with other content, and `on_conflict` is `"fail"`.
        TransferError: The folder is no such folder, or a file is damaged, a symbolic link, or another's; the message
            names it. What was imported until then stays, whole sessions only.
    """
    require_conflict(on_conflict)
    root = os.path.realpath(os.fspath(folder))
    ids = _all_sessions(root) if session_ids is None else _named_sessions(root, session_ids)
    tally: Counter[str] = Counter()
    with Spool() as spool:
        for done, session_id in enumerate(ids, 1):
            _read_session(os.path.join(root, f"{SESSION}{session_id}"), session_id, spool)
            outcome = store_session(database, session_id, spool, on_conflict)
            tally[outcome] += 1
            if outcome == "imported":
                tally.update(spool.counts)
            if progress is not None:
                progress(ImportProgress(session_id, done, len(ids)))
    return Imported(tally["imported"], tally["message"], tally["multi_agent"], tally["skipped"], tally["unchanged"])


def _all_sessions(root: str) -> list[str]:
    if not os.path.isdir(root):
        message = f"folder=<{root}> is not there, or is no folder"
        raise TransferError(message, hint=_FOREIGN)
    found = ids_below(root, SESSION)
    if not found and os.listdir(root):
        message = f"folder=<{root}> holds no session"
        raise TransferError(message, hint=_FOREIGN)
    return [session_id for session_id in found if _is_session(os.path.join(root, f"{SESSION}{session_id}"))]


def _named_sessions(root: str, session_ids: Iterable[str]) -> list[str]:
    if isinstance(session_ids, str):
        message = "session_ids must be a list of ids, not str"
        raise TypeError(message)
    ids = list(dict.fromkeys(session_ids))
    for session_id in ids:
        path = os.path.join(root, f"{SESSION}{require_id(session_id)}")
        require_no_link(path)
        if not os.path.isdir(path) or not _is_session(path):
            message = f"Session {session_id} does not exist in folder=<{root}>"
            raise NotFoundError(message, hint="look into the folder to see which there are")
    return ids


def _is_session(folder: str) -> bool:
    """Tell whether there is a session in `folder`; a manager that was stopped at once leaves an empty one.

    Raises:
        TransferError: There are agents without a session.
    """
    path = os.path.join(folder, "session.json")
    if os.path.lexists(path):
        return True
    if ids_below(os.path.join(folder, "agents"), AGENT) or ids_below(os.path.join(folder, "multi_agents"), MULTI_AGENT):
        message = f"file=<{path}> is missing, but there is more of the session"
        raise TransferError(message, hint="finish the export that was interrupted, or remove the folder")
    return False


def _read_session(folder: str, session_id: str, spool: Spool) -> None:
    """Put the session into `spool`, as lines."""
    spool.clear()
    files: list[IO[str]] = []
    with ExitStack() as stack:
        stack.callback(lambda: [file.close() for file in files])
        sidecar = open_sidecar(folder, files)
        session = _add_session(folder, session_id, sidecar, spool)
        for agent_id in ids_below(os.path.join(folder, "agents"), AGENT):
            _add_agent(folder, agent_id, session, sidecar, spool)
        for multi_agent_id in ids_below(os.path.join(folder, "multi_agents"), MULTI_AGENT):
            _add_multi_agent(folder, multi_agent_id, session, sidecar, spool)
        if sidecar is not None:
            sidecar.end()


def _add_session(folder: str, session_id: str, sidecar: Sidecar | None, spool: Spool) -> dict[str, Any]:
    path = os.path.join(folder, "session.json")
    values = read_object(path)
    time = _written_at(path) if "created_at" not in values else ""
    values = {"session_type": "AGENT", "created_at": time, "updated_at": values.get("created_at", time), **values}
    _require_id(path, "session", values.get("session_id"), session_id)
    notes = {} if sidecar is None else sidecar.notes()
    return _add(path, "session", _texts(path, "session", values) | notes, spool).values


def _written_at(path: str) -> str:
    """Return when the file was written, for what no SDK leaves out."""
    with naming(path):
        seconds = os.stat(path, follow_symlinks=False).st_mtime
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()


def _add_agent(folder: str, agent_id: str, session: dict[str, Any], sidecar: Sidecar | None, spool: Spool) -> None:
    path = os.path.join(agent_folder(folder, agent_id), "agent.json")
    ids = message_ids(folder, agent_id)
    if not os.path.lexists(path):
        if ids:
            message = f"file=<{path}> is missing, but there are messages of the agent"
            raise TransferError(message, hint="put the file back, or remove the folder of the agent")
        return
    values = read_object(path)
    created_at = values.get("created_at", session["created_at"])
    defaults = {"created_at": created_at, "updated_at": created_at}
    states: dict[str, Any] = {"state": {}, "conversation_manager_state": {}, "_internal_state": {}}
    values = {**states, **defaults, **values}
    _require_id(path, "agent", values.get("agent_id"), agent_id)
    agent = _add(path, "agent", _texts(path, "agent", values), spool).values
    for message_id in ids:
        _add_message(folder, (agent_id, message_id), agent, spool)
    _add_history(folder, agent, ids[-1] if ids else None, sidecar, spool)


def _add_message(folder: str, place: tuple[str, int], agent: dict[str, Any], spool: Spool) -> None:
    path = message_file(folder, *place)
    values = read_object(path)
    created_at = values.get("created_at", agent["created_at"])
    values = {"created_at": created_at, "updated_at": created_at, **values}
    _require_id(path, "message", values.get("message_id"), place[1])
    texts = _texts(path, "message", values)
    if values.get("redact_message") is None:
        texts.pop("redact_message", None)
    _add(path, "message", texts, spool)


def _add_history(
    folder: str, agent: dict[str, Any], last_message: int | None, sidecar: Sidecar | None, spool: Spool
) -> None:
    """Add the changes of the agent's state that are known, then what an SDK changed since they were written."""
    path = os.path.join(folder, SIDECAR)
    states: dict[str, Any] = {}
    number = 0
    for record in () if sidecar is None else sidecar.changes(agent["agent_id"]):
        with naming(path):
            apply_change(states, record.values["changes"])
        number = record.values["change_number"]
        _add(path, "state_change", record.texts, spool)
    change = change_to(agent, states, number + 1, last_message)
    if change is not None:
        texts = {name: json_text(value) for name, value in change.items()} | {"changes": dumps(change["changes"])}
        _add(path, "state_change", texts, spool)


def _add_multi_agent(
    folder: str, multi_agent_id: str, session: dict[str, Any], sidecar: Sidecar | None, spool: Spool
) -> None:
    path = os.path.join(multi_agent_folder(folder, multi_agent_id), "multi_agent.json")
    if not os.path.lexists(path):
        return
    times = {name: session[name] for name in ("created_at", "updated_at")}
    if sidecar is not None:
        times |= sidecar.times(multi_agent_id)
    texts = {name: json_text(value) for name, value in {"multi_agent_id": multi_agent_id, **times}.items()}
    state = read_json(path)
    with naming(path):
        texts["state"] = dumps(state)
    _add(path, "multi_agent", texts, spool)


def _texts(path: str, kind: str, values: dict[str, Any]) -> dict[str, str]:
    """Return the fields of a file by our names, as JSON texts; those that this SDK does not know in `extra`."""
    fields = FIELDS[kind]
    with naming(path):
        texts = {
            ours: json_text(values[name]) if name in PLAIN else dumps(values[name])
            for name, ours in fields.items()
            if name in values
        }
        extra = {name: value for name, value in values.items() if name not in fields}
        return {**texts, "extra": dumps(extra)} if extra else texts


def _add(path: str, kind: str, texts: dict[str, str], spool: Spool) -> Record:
    with naming(path):
        line = render(kind, texts)
        record = parse(line)
        require_bytes(record)
        spool.add_record(record, line)
    return record


def _require_id(path: str, kind: str, found: object, wanted: str | int) -> None:
    """Refuse a file that is another's: one that was copied or renamed would show up under two ids."""
    if found != wanted or type(found) is not type(wanted):
        message = f"file=<{path}> says that it is {kind} {found!r}"
        raise TransferError(message, hint="put the file where it belongs, or mend the id in it")
