"""A session from its files, wherever they lie: each read once, checked, and put into a `Spool` as lines."""

from __future__ import annotations

from typing import Any

from strands_sqlite_session_manager._codec import dumps
from strands_sqlite_session_manager.errors import TransferError

from ._records import PLAIN, Record, json_text, parse, render
from ._sidecar import Sidecar, apply_change, change_to, open_sidecar
from ._spool import Spool
from ._storing import require_bytes
from ._tree import (
    AGENT,
    FIELDS,
    MULTI_AGENT,
    Files,
    agent_folder,
    ids_below,
    message_file,
    message_ids,
    multi_agent_folder,
    naming,
    read_json,
    read_object,
)


def is_session(files: Files, folder: str) -> bool:
    """Tell whether there is a session in `folder`; a manager that was stopped at once leaves an empty one.

    Raises:
        TransferError: There are agents without a session.
    """
    path = f"{folder}/session.json"
    if files.has(path):
        return True
    if ids_below(f"{folder}/agents", AGENT, files) or ids_below(f"{folder}/multi_agents", MULTI_AGENT, files):
        message = f"file=<{path}> is missing, but there is more of the session"
        raise TransferError(message, hint="finish the export that was interrupted, or remove the folder")
    return False


def read_session(files: Files, folder: str, session_id: str, sidecar: str, spool: Spool) -> None:
    """Put the session into `spool`, in place of what is there, to be stored with `store_session`.

    The files are read in this order: `sidecar`, `session.json`, then each agent by its id with its messages by theirs,
    then each graph or swarm by its id.

    Args:
        files: Where the files lie.
        folder: The folder of the session in it.
        session_id: Whose they must be.
        sidecar: The file with what the layout has no place for, if there is one.
        spool: Takes the session.

    Raises:
        TransferError: A file is missing, damaged, or another's; the message names it.
    """
    spool.clear()
    with open_sidecar(sidecar, files) as noted:
        _Reader(files, folder, sidecar, noted, spool).read(session_id)


class _Reader:
    """What reading one session needs all the way down."""

    def __init__(self, files: Files, folder: str, sidecar_path: str, sidecar: Sidecar | None, spool: Spool) -> None:
        self._files = files
        self._folder = folder
        self._sidecar_path = sidecar_path
        self._sidecar = sidecar
        self._spool = spool
        self._session: dict[str, Any] = {}

    def read(self, session_id: str) -> None:
        """Read everything."""
        self._add_session(session_id)
        for agent_id in ids_below(f"{self._folder}/agents", AGENT, self._files):
            self._add_agent(agent_id)
        for multi_agent_id in ids_below(f"{self._folder}/multi_agents", MULTI_AGENT, self._files):
            self._add_multi_agent(multi_agent_id)

    def _add_session(self, session_id: str) -> None:
        path = f"{self._folder}/session.json"
        values = read_object(path, self._files)
        time = "" if "created_at" in values else self._files.written_at(path).isoformat()  # no SDK leaves it out
        values = {"session_type": "AGENT", "created_at": time, "updated_at": values.get("created_at", time), **values}
        _require_id(path, "session", values.get("session_id"), session_id)
        notes = {} if self._sidecar is None else self._sidecar.notes()
        self._session = self._add(path, "session", _texts(path, "session", values) | notes).values

    def _add_agent(self, agent_id: str) -> None:
        path = f"{agent_folder(self._folder, agent_id)}/agent.json"
        ids = message_ids(self._folder, agent_id, self._files)
        if not self._files.has(path):
            if ids:
                message = f"file=<{path}> is missing, but there are messages of the agent"
                raise TransferError(message, hint="put the file back, or remove the folder of the agent")
            return
        values = read_object(path, self._files)
        created_at = values.get("created_at", self._session["created_at"])
        defaults = {"created_at": created_at, "updated_at": created_at}
        states: dict[str, Any] = {"state": {}, "conversation_manager_state": {}, "_internal_state": {}}
        values = {**states, **defaults, **values}
        _require_id(path, "agent", values.get("agent_id"), agent_id)
        agent = self._add(path, "agent", _texts(path, "agent", values)).values
        for message_id in ids:
            self._add_message(agent, message_id)
        self._add_history(agent, ids[-1] if ids else None)

    def _add_message(self, agent: dict[str, Any], message_id: int) -> None:
        path = message_file(self._folder, agent["agent_id"], message_id)
        values = read_object(path, self._files)
        created_at = values.get("created_at", agent["created_at"])
        values = {"created_at": created_at, "updated_at": created_at, **values}
        _require_id(path, "message", values.get("message_id"), message_id)
        texts = _texts(path, "message", values)
        if values.get("redact_message") is None:
            texts.pop("redact_message", None)
        self._add(path, "message", texts)

    def _add_history(self, agent: dict[str, Any], last_message: int | None) -> None:
        """Add the changes of the agent's state that are known, then what an SDK changed since they were written."""
        path = self._sidecar_path
        states: dict[str, Any] = {}
        number = 0
        for record in () if self._sidecar is None else self._sidecar.changes(agent["agent_id"]):
            with naming(path):
                apply_change(states, record.values["changes"])
            number = record.values["change_number"]
            self._add(path, "state_change", record.texts)
        change = change_to(agent, states, number + 1, last_message)
        if change is not None:
            texts = {name: json_text(value) for name, value in change.items()} | {"changes": dumps(change["changes"])}
            self._add(path, "state_change", texts)

    def _add_multi_agent(self, multi_agent_id: str) -> None:
        path = f"{multi_agent_folder(self._folder, multi_agent_id)}/multi_agent.json"
        if not self._files.has(path):
            return
        times = {name: self._session[name] for name in ("created_at", "updated_at")}
        if self._sidecar is not None:
            times |= self._sidecar.times(multi_agent_id)
        texts = {name: json_text(value) for name, value in {"multi_agent_id": multi_agent_id, **times}.items()}
        state = read_json(path, self._files)
        with naming(path):
            texts["state"] = dumps(state)
        self._add(path, "multi_agent", texts)

    def _add(self, path: str, kind: str, texts: dict[str, str]) -> Record:
        with naming(path):
            line = render(kind, texts)
            record = parse(line)
            require_bytes(record)
            self._spool.add_record(record, line)
        return record


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


def _require_id(path: str, kind: str, found: object, wanted: str | int) -> None:
    """Refuse a file that is another's: one that was copied or renamed would show up under two ids."""
    if found != wanted or type(found) is not type(wanted):
        message = f"file=<{path}> says that it is {kind} {found!r}"
        raise TransferError(message, hint="put the file where it belongs, or mend the id in it")
