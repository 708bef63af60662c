"""Sessions as objects: the SDK's snapshots, and beside them what a snapshot has no place for."""

from __future__ import annotations

import json
import re
from typing import Any

from strands_sqlite_session_manager._bases import Bases
from strands_sqlite_session_manager._codec import dumps, dumps_strict, loads
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._keys import normalized_key, normalized_prefix
from strands_sqlite_session_manager._objects import WriteObject, list_keys, read_object
from strands_sqlite_session_manager._sdk import repaired
from strands_sqlite_session_manager.conversion._archive import Archive, from_archive, to_archive
from strands_sqlite_session_manager.conversion._windows import Window, held, log_of, offset_of, window
from strands_sqlite_session_manager.errors import CodecError, InvalidKeyError
from strands_sqlite_session_manager.repository.logs import AgentLog, LogMessage, MultiAgent, SessionLog

LATEST = "snapshots/snapshot_latest.json"
ARCHIVE = "snapshots/message_log.json"
SESSION_ARCHIVE = "message_log.json"

_CHECKPOINT = re.compile(r"snapshots/immutable_history/snapshot_[\w-]+\.json")
_SCOPE = re.compile(r"scopes/(agent|multiAgent)/([^/]+)/(.+)")
_OWN = frozenset({"messages", "state", "conversation_manager_state", "interrupt_state", "model_state"})
"""The fields of a snapshot for which the message log has a place."""

_INTERNAL = ("interrupt_state", "model_state")

_KEPT = "snapshot"
"""Under this name the `extra` of an agent keeps what the message log has no place for."""


def session_folder(namespace: str, session_id: str) -> str:
    """Return the prefix of every key of a session's snapshots.

    Raises:
        InvalidKeyError: The id cannot be part of a key.
    """
    above = normalized_prefix(namespace).rstrip("/")
    return _exact(f"{above}/{session_id}" if above else session_id) + "/"


def exist(connection: Connection, folder: str) -> bool:
    """Tell whether the session has snapshots."""
    return any(key.endswith((LATEST, SESSION_ARCHIVE)) for key in list_keys(folder)(connection))


def write(connection: Connection, folder: str, log: SessionLog) -> None:
    """Store a session as snapshots of its agents, each with its archive."""
    bases = Bases()
    for agent in log.agents:
        scope = _exact(f"{folder}scopes/agent/{agent.agent_id}") + "/"
        cms = loads(agent.conversation_manager_state)
        plain = held(agent.messages, cms)
        messages = repaired(plain)
        _put(connection, bases, scope + LATEST, _agent_snapshot(agent, messages))
        _put(connection, bases, scope + ARCHIVE, to_archive(agent, None if messages == plain else messages))
    for multi_agent in log.multi_agents:
        scope = _exact(f"{folder}scopes/multiAgent/{multi_agent.multi_agent_id}") + "/"
        data = {"orchestrator_id": multi_agent.multi_agent_id, "state": loads(multi_agent.state)}
        _put(connection, bases, scope + LATEST, _snapshot("multiAgent", multi_agent.updated_at, data, {}))
    _put(connection, bases, folder + SESSION_ARCHIVE, _session_archive(log))


def _exact(key: str) -> str:
    """Return `key`, which is made of ids; refuse one that a storage would understand otherwise."""
    if normalized_key(key) != key:
        message = f"key=<{key!a}> | an id is empty, and cannot be part of a key"
        raise InvalidKeyError(message, hint="pass a new_session_id, or rename the agent")
    return key


def _put(connection: Connection, bases: Bases, key: str, value: dict[str, Any]) -> None:
    """Store a value in the SDK's own spelling, so that equal messages are equal parts."""
    operation = WriteObject(key, json.dumps(value, ensure_ascii=False).encode(), bases)
    operation(connection)
    operation.remember()


def _snapshot(scope: str, time: str, data: dict[str, Any], app_data: dict[str, Any]) -> dict[str, Any]:
    return {"scope": scope, "schema_version": "1.0", "created_at": time, "data": data, "app_data": app_data}


def _agent_snapshot(agent: AgentLog, messages: list[Any]) -> dict[str, Any]:
    kept = _kept(agent)
    cms, internal = loads(agent.conversation_manager_state), loads(agent.internal_state)
    if kept.get("missing"):
        cms = {**cms, "removed_message_count": offset_of(cms) + kept["missing"]}
    data = {"messages": messages, "state": loads(agent.state)}
    if cms:  # a bidirectional agent has none
        data["conversation_manager_state"] = cms
    if "interrupt_state" in internal:
        data["interrupt_state"] = internal["interrupt_state"]
    data |= kept.get("data", {})
    if "model_state" in internal:
        data["model_state"] = internal["model_state"]
    return _snapshot("agent", agent.updated_at, data, kept.get("app_data", {}))


def _kept(agent: AgentLog) -> dict[str, Any]:
    extra = loads(agent.extra) if agent.extra else {}
    kept = extra.get(_KEPT) if isinstance(extra, dict) else None
    return kept if isinstance(kept, dict) else {}


def _session_archive(log: SessionLog) -> dict[str, Any]:
    times = {each.multi_agent_id: [each.created_at, each.updated_at] for each in log.multi_agents}
    session = [log.session_type, log.created_at, log.updated_at, log.extra]
    return {"session": session, "multi_agents": times}


def read(connection: Connection, folder: str) -> SessionLog | None:
    """Return a session of snapshots as a message log, or None where there is none."""
    scopes: dict[tuple[str, str], list[str]] = {}
    for key in list_keys(folder)(connection):
        if found := _SCOPE.fullmatch(key[len(folder) :]):
            kind, id_, name = found.groups()
            if name in (LATEST, ARCHIVE) or _CHECKPOINT.fullmatch(name):
                scopes.setdefault((kind, id_), []).append(name)
    archive = _get(connection, folder + SESSION_ARCHIVE)
    if archive is None:
        if not scopes:
            return None
        archive = {}
    log = SessionLog(*archive.get("session", ("AGENT", "", "")))
    for (kind, id_), names in sorted(scopes.items()):
        scope = f"{folder}scopes/{kind}/{id_}/"
        if kind == "agent":
            log.agents.append(_agent_log(connection, scope, id_, names))
        elif LATEST in names:
            log.multi_agents.append(_multi_agent(connection, scope + LATEST, id_, archive.get("multi_agents", {})))
    times = [agent.created_at for agent in log.agents] + [each.created_at for each in log.multi_agents]
    log.created_at = log.created_at or min(times)
    log.updated_at = log.updated_at or log.created_at
    return log


def _get(connection: Connection, key: str) -> dict[str, Any] | None:
    data = read_object(key)(connection)
    if data is None:
        return None
    try:
        value = loads(data.decode())
    except ValueError as error:
        message = f"key=<{key}> holds no snapshot: {error}"
        raise CodecError(message, hint="delete the object, or write it anew") from error
    if isinstance(value, dict):
        return value
    message = f"key=<{key}> holds no snapshot, but {type(value).__name__}"
    raise CodecError(message, hint="delete the object, or write it anew")


def _multi_agent(connection: Connection, key: str, id_: str, archived_times: dict[str, list[str]]) -> MultiAgent:
    snapshot = _get(connection, key) or {}
    time = snapshot.get("created_at", "")
    created_at = archived_times.get(id_, [time])[0]
    return MultiAgent(id_, dumps_strict(_data(snapshot, key).get("state", {})), created_at, time)


def _data(snapshot: dict[str, Any], key: str) -> dict[str, Any]:
    data = snapshot.get("data")
    if isinstance(data, dict):
        return data
    message = f"key=<{key}> holds no snapshot: it has no data"
    raise CodecError(message, hint="delete the object, or write it anew")


def _agent_log(connection: Connection, scope: str, agent_id: str, names: list[str]) -> AgentLog:
    """Return the agent whose snapshots lie below `scope`."""
    archive = from_archive(agent_id, _get(connection, scope + ARCHIVE))
    checkpoints = sorted((name for name in names if _CHECKPOINT.fullmatch(name)), reverse=True)
    latest = LATEST if LATEST in names else next(iter(checkpoints), None)
    if latest is None:
        return archive.agent
    snapshot = _get(connection, scope + latest) or {}
    data = _data(snapshot, scope + latest)
    before = _missing(archive.agent)
    cms = data.get("conversation_manager_state", {})
    messages = data.get("messages", [])
    time = snapshot.get("created_at", "")
    if archive.is_continued_by(messages, offset_of(cms) - before):
        added = messages[len(archive.window) :]
        records, missing = _with(archive.agent.messages, added, time), before
    else:
        earlier = (_window(connection, scope + name, before) for name in checkpoints)
        records, missing = log_of(archive.agent.messages, window(messages, cms, time, before), earlier)
        missing += before
    return _merged(archive, snapshot, data, records, missing)


def _missing(agent: AgentLog) -> int:
    """Return how many messages in front of the log nobody knows any more."""
    count = _kept(agent).get("missing", 0)
    return count if isinstance(count, int) else 0


def _window(connection: Connection, key: str, before: int) -> Window:
    """Return what an agent held when it made a checkpoint."""
    snapshot = _get(connection, key) or {}
    data = _data(snapshot, key)
    cms = data.get("conversation_manager_state", {})
    return window(data.get("messages", []), cms, snapshot.get("created_at", ""), before)


def _with(known: list[LogMessage], added: list[Any], time: str) -> list[LogMessage]:
    following = known[-1].message_id + 1 if known else 0
    return known + [LogMessage(number, message, None, time, time) for number, message in enumerate(added, following)]


def _merged(
    archive: Archive, snapshot: dict[str, Any], data: dict[str, Any], records: list[LogMessage], missing: int
) -> AgentLog:
    """Return the archived agent with what a later snapshot says of it."""
    old = archive.agent
    time = snapshot.get("created_at", "")
    cms = data.get("conversation_manager_state", loads(old.conversation_manager_state))
    if missing and isinstance(cms, dict):
        cms = {**cms, "removed_message_count": offset_of(cms) - missing}
    internal = {**loads(old.internal_state), **{name: data[name] for name in _INTERNAL if name in data}}
    values = (data.get("state", {}), cms, internal)
    texts = [_text(value, text) for value, text in zip(values, old.states, strict=True)]
    merged = AgentLog(old.agent_id, texts[0], texts[1], texts[2], old.created_at or time, time)
    merged.extra = _extra(old, snapshot, data, missing)
    merged.messages = records
    merged.history = old.history
    merged.previous = old.states if old.history and merged.states != old.states else None
    return merged


def _text(value: Any, archived: str) -> str:
    """Return `value` as JSON text; as it was spelled in the archive, where it is the same."""
    text = dumps(value)
    return archived if dumps(loads(archived)) == text else text


def _extra(old: AgentLog, snapshot: dict[str, Any], data: dict[str, Any], missing: int) -> str | None:
    """Return the agent's `extra` with what the message log has no place for."""
    kept = {
        "data": {name: value for name, value in data.items() if name not in _OWN},
        "app_data": snapshot.get("app_data", {}),
        "missing": missing,
    }
    kept = {name: value for name, value in kept.items() if value}
    extra = loads(old.extra) if old.extra else {}
    if kept == extra.get(_KEPT, {}):
        return old.extra
    others = {name: value for name, value in extra.items() if name != _KEPT}
    return dumps({**others, _KEPT: kept} if kept else others)
