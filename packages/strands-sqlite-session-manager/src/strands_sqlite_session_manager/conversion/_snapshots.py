"""Sessions as objects: the SDK's snapshots, and beside them what a snapshot has no place for."""

from __future__ import annotations

import json
import re
from typing import Any

from strands_sqlite_session_manager._archives import OF_AGENT as ARCHIVE
from strands_sqlite_session_manager._archives import OF_SESSION as SESSION_ARCHIVE
from strands_sqlite_session_manager._bases import Bases
from strands_sqlite_session_manager._codec import dumps, dumps_strict, loads
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._keys import normalized_key, normalized_prefix
from strands_sqlite_session_manager._objects import WriteObject, delete_object, list_keys, read_object
from strands_sqlite_session_manager._sdk import repaired
from strands_sqlite_session_manager.conversion._archive import Archive, from_archive, to_archive
from strands_sqlite_session_manager.conversion._windows import Window, held, in_front, log_behind, trimmed
from strands_sqlite_session_manager.errors import CodecError, InvalidIdError, InvalidKeyError
from strands_sqlite_session_manager.repository.logs import AgentLog, LogMessage, MultiAgent, SessionLog

LATEST = "snapshots/snapshot_latest.json"

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
        InvalidIdError: `SnapshotSessionManager` does not take the id.
        InvalidKeyError: The id cannot be part of a key.
    """
    if not session_id.strip() or session_id in (".", ".."):
        message = f"session_id=<{session_id!a}> | snapshots need another id"
        raise InvalidIdError(message, hint="pass a new_session_id")
    above = normalized_prefix(namespace).rstrip("/")
    return _exact(f"{above}/{session_id}" if above else session_id) + "/"


def exist(connection: Connection, folder: str) -> bool:
    """Tell whether the session has snapshots."""
    return any(_is_current(key[len(folder) :]) for key in list_keys(folder)(connection))


def remove(connection: Connection, folder: str) -> None:
    """Delete the session's latest snapshots and archives; its checkpoints stay."""
    for key in list_keys(folder)(connection):
        if _is_current(key[len(folder) :]):
            delete_object(key)(connection)


def _is_current(name: str) -> bool:
    """Tell whether an object of a session, by its key below the session's folder, is one that a conversion writes."""
    found = _SCOPE.fullmatch(name)
    return name == SESSION_ARCHIVE if found is None else found[3] in (LATEST, ARCHIVE)


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


def _snapshot(scope: str, time: str, data: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    snapshot: dict[str, Any] = {"scope": scope, "schema_version": "1.0", "created_at": time, "data": data}
    return {**snapshot, "app_data": {}, **kept.get("snapshot", {})}


def _agent_snapshot(agent: AgentLog, messages: list[Any]) -> dict[str, Any]:
    kept = _kept(agent)
    internal = loads(agent.internal_state)
    data = {"messages": messages, "state": loads(agent.state)}
    if cms := _in_snapshots(loads(agent.conversation_manager_state), kept):  # a bidirectional agent has none
        data["conversation_manager_state"] = cms
    if "interrupt_state" in internal:
        data["interrupt_state"] = internal["interrupt_state"]
    data |= kept.get("data", {})
    if "model_state" in internal:
        data["model_state"] = internal["model_state"]
    return _snapshot("agent", agent.updated_at, data, kept)


def _in_snapshots(cms: Any, kept: dict[str, Any]) -> Any:
    """Return a conversation manager's state as snapshots have it, which count messages that no log has."""
    if "manager_in_log" not in kept or not isinstance(cms, dict):
        return cms
    if cms == kept["manager_in_log"]:
        return kept["manager"]
    since = trimmed(cms) - trimmed(kept["manager_in_log"])
    return {**cms, "removed_message_count": trimmed(kept["manager"]) + since}


def _kept(agent: AgentLog) -> dict[str, Any]:
    extra = loads(agent.extra) if agent.extra else {}
    kept = extra.get(_KEPT) if isinstance(extra, dict) else None
    return kept if isinstance(kept, dict) else {}


def _session_archive(log: SessionLog) -> dict[str, Any]:
    times = {each.multi_agent_id: [each.created_at, each.updated_at] for each in log.multi_agents}
    session = [log.session_type, log.created_at, log.updated_at, log.extra]
    return {"session": session, "noted": [log.title, log.metadata, log.tags], "multi_agents": times}


def read(connection: Connection, folder: str) -> SessionLog | None:
    """Return a session of snapshots as a message log, or None where there is none."""
    archive = _get(connection, folder + SESSION_ARCHIVE)
    scopes = _scopes(connection, folder, archived=archive is not None)
    if archive is None and not scopes:
        return None
    log, times = _session_log(folder + SESSION_ARCHIVE, archive or {})
    for (kind, id_), names in sorted(scopes.items()):
        scope = f"{folder}scopes/{kind}/{id_}/"
        if kind == "agent":
            log.agents.append(_agent_log(connection, scope, id_, names))
        else:
            log.multi_agents.append(_multi_agent(connection, scope + LATEST, id_, times))
    if not log.created_at:
        created = [agent.created_at for agent in log.agents] + [each.created_at for each in log.multi_agents]
        log.created_at = log.updated_at = min(created)
    return log


def _scopes(connection: Connection, folder: str, *, archived: bool) -> dict[tuple[str, str], list[str]]:
    """Return the objects of each agent, graph and swarm of a session, by kind and id.

    Args:
        connection: To read with.
        folder: The session.
        archived: Whether the session came from a message log; then who has only checkpoints is of one before it.
    """
    scopes: dict[tuple[str, str], list[str]] = {}
    for key in list_keys(folder)(connection):
        found = _SCOPE.fullmatch(key[len(folder) :])
        if found is not None and (found[3] in (LATEST, ARCHIVE) or _CHECKPOINT.fullmatch(found[3])):
            scopes.setdefault((found[1], found[2]), []).append(found[3])
    needed = {"agent": {LATEST, ARCHIVE} if archived else set(), "multiAgent": {LATEST}}
    return {
        scope: names for scope, names in scopes.items() if not needed[scope[0]] or needed[scope[0]].intersection(names)
    }


def _session_log(key: str, archive: dict[str, Any]) -> tuple[SessionLog, dict[str, list[str]]]:
    """Return the session that its archive holds, without its agents, and the times of graphs and swarms."""
    try:
        session_type, created_at, updated_at, extra = archive.get("session", ("AGENT", "", "", None))
        title, metadata, tags = archive.get("noted", (None, None, []))
        times = {id_: [str(time) for time in each] for id_, each in archive.get("multi_agents", {}).items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise _no_snapshot(key, f"it is no archive: {error}") from error
    return SessionLog(session_type, created_at, updated_at, extra, title, metadata, [str(tag) for tag in tags]), times


def _archive(connection: Connection, key: str, agent_id: str) -> Archive:
    """Return the agent as it was when its log was converted; an empty one where there was no conversion."""
    archive = _get(connection, key)
    try:
        return from_archive(agent_id, archive)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise _no_snapshot(key, f"it is no archive: {error!r}") from error


def _get(connection: Connection, key: str) -> dict[str, Any] | None:
    """Return the JSON object under `key`, or None where there is nothing."""
    data = read_object(key)(connection)
    if data is None:
        return None
    try:
        value = loads(data.decode())
    except ValueError as error:
        raise _no_snapshot(key, str(error)) from error
    if isinstance(value, dict):
        return value
    raise _no_snapshot(key, f"it is no object, but {type(value).__name__}")


def _get_snapshot(connection: Connection, key: str, scope: str) -> dict[str, Any]:
    """Return the snapshot under `key`."""
    snapshot = _get(connection, key) or {}
    for name, value in (("schema_version", "1.0"), ("scope", scope)):
        if snapshot.get(name) != value:
            raise _no_snapshot(key, f"its {name} is {snapshot.get(name)!r}")
    if not isinstance(snapshot.get("created_at"), str):
        raise _no_snapshot(key, f"its created_at is {snapshot.get('created_at')!r}")
    data = snapshot.get("data")
    if not isinstance(data, dict):
        raise _no_snapshot(key, "it has no data")
    for name in ("state", "conversation_manager_state", "interrupt_state", "model_state"):
        if not isinstance(data.get(name, {}), dict):
            raise _no_snapshot(key, f"its {name} is {type(data[name]).__name__}")
    messages = data.get("messages", [])
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise _no_snapshot(key, "its messages are none")
    return snapshot


def _no_snapshot(key: str, reason: str) -> CodecError:
    message = f"key=<{key}> holds no snapshot that can be converted: {reason}"
    return CodecError(message, hint="delete the object, or write it anew")


def _multi_agent(connection: Connection, key: str, id_: str, archived_times: dict[str, list[str]]) -> MultiAgent:
    snapshot = _get_snapshot(connection, key, "multiAgent")
    time = snapshot["created_at"]
    created_at = archived_times.get(id_, [time])[0]
    return MultiAgent(id_, dumps_strict(snapshot["data"].get("state", {})), created_at, time)


def _agent_log(connection: Connection, scope: str, agent_id: str, names: list[str]) -> AgentLog:
    """Return the agent whose snapshots lie below `scope`."""
    archive = _archive(connection, scope + ARCHIVE, agent_id)
    checkpoints = sorted((name for name in names if _CHECKPOINT.fullmatch(name)), reverse=True)
    latest = LATEST if LATEST in names else next(iter(checkpoints), None)
    if latest is None:
        return archive.agent
    snapshot = _get_snapshot(connection, scope + latest, "agent")
    data = snapshot["data"]
    cms = data.get("conversation_manager_state", loads(archive.agent.conversation_manager_state))
    count = trimmed(cms) - _uncounted(archive.agent)
    if archive.is_continued_by(messages := data.get("messages", []), count):
        records = _with(archive.agent.messages, messages[len(archive.window) :], snapshot["created_at"])
    else:
        uncounted = _uncounted(archive.agent)
        earlier = (_window(_get_snapshot(connection, scope + name, "agent"), uncounted) for name in checkpoints)
        records, count = log_behind(archive.agent.messages, _window(snapshot, uncounted), earlier)
    return _merged(archive, snapshot, data, records, count)


def _uncounted(agent: AgentLog) -> int:
    """Return how many messages more its conversation manager counts in snapshots than in the log."""
    kept = _kept(agent)
    return trimmed(kept.get("manager")) - trimmed(kept.get("manager_in_log"))


def _window(snapshot: dict[str, Any], uncounted: int) -> Window:
    """Return what an agent held when it was saved, without the summary that a restored agent gets in front."""
    data = snapshot["data"]
    messages = data.get("messages", [])
    front = in_front(data.get("conversation_manager_state"))
    own = messages[len(front) :] if messages[: len(front)] == front else messages
    return Window(own, snapshot["created_at"], trimmed(data.get("conversation_manager_state")) - uncounted)


def _with(known: list[LogMessage], added: list[Any], time: str) -> list[LogMessage]:
    following = known[-1].message_id + 1 if known else 0
    return known + [LogMessage(number, message, None, time, time) for number, message in enumerate(added, following)]


def _merged(
    archive: Archive, snapshot: dict[str, Any], data: dict[str, Any], records: list[LogMessage], count: int
) -> AgentLog:
    """Return the archived agent with what a later snapshot says of it.

    Args:
        archive: The agent as it was.
        snapshot: The snapshot.
        data: What is in it.
        records: The agent's log.
        count: How many messages of the log the agent no longer holds.
    """
    old = archive.agent
    time = snapshot["created_at"]
    manager = data.get("conversation_manager_state", loads(old.conversation_manager_state))
    manager_in_log = _in_log(manager, data.get("messages", []), count)
    internal = {**loads(old.internal_state), **{name: data[name] for name in _INTERNAL if name in data}}
    values = (data.get("state", {}), manager_in_log, internal)
    texts = [_text(value, text) for value, text in zip(values, old.states, strict=True)]
    merged = AgentLog(old.agent_id, texts[0], texts[1], texts[2], old.created_at or time, time)
    kept = _without_place(snapshot, data)
    if manager_in_log != manager:
        kept |= {"manager": manager, "manager_in_log": manager_in_log}
    merged.extra = _extra(old, kept)
    merged.messages = records
    merged.history = old.history
    merged.previous = old.states if old.history and merged.states != old.states else None
    return merged


def _in_log(manager: Any, messages: list[Any], count: int) -> Any:
    """Return a conversation manager's state for a log: it counts what the log has, and the summary may be a message."""
    if not isinstance(manager, dict):
        return manager
    changed: dict[str, Any] = {}
    if trimmed(manager) != count:
        changed["removed_message_count"] = count
    front = in_front(manager)
    if front and messages[: len(front)] != front:
        changed["summary_message"] = None
    return {**manager, **changed}


def _without_place(snapshot: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Return what of a snapshot the message log has no place for."""
    usual = {"scope": "agent", "schema_version": "1.0", "app_data": {}}
    around = {
        name: value
        for name, value in snapshot.items()
        if name not in ("created_at", "data") and (name not in usual or usual[name] != value)
    }
    kept = {"snapshot": around, "data": {name: value for name, value in data.items() if name not in _OWN}}
    return {name: value for name, value in kept.items() if value}


def _text(value: Any, archived: str) -> str:
    """Return `value` as JSON text; as it was spelled in the archive, where it is the same."""
    text = dumps(value)
    return archived if dumps(loads(archived)) == text else text


def _extra(old: AgentLog, kept: dict[str, Any]) -> str | None:
    """Return the agent's `extra` with what the message log has no place for."""
    extra = loads(old.extra) if old.extra else {}
    if dumps(kept) == dumps(extra.get(_KEPT, {})):
        return old.extra
    others = {name: value for name, value in extra.items() if name != _KEPT}
    return dumps({**others, _KEPT: kept} if kept else others)
