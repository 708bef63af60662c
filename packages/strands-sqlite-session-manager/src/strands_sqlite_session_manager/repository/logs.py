"""Whole sessions, with everything the tables hold of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from strands_sqlite_session_manager import _blobs, _state_history
from strands_sqlite_session_manager._codec import (
    decode_bytes_values,
    dumps_apart,
    encode_bytes_values,
    loads,
    loads_bytes,
)
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager.errors import CodecError
from strands_sqlite_session_manager.repository import _statements as sql


class LogMessage(NamedTuple):
    """A message; its values are JSON, bytes in them as base64."""

    message_id: int
    message: Any
    redact_message: Any
    created_at: str
    updated_at: str
    extra: str | None = None

    @property
    def shown(self) -> Any:
        """What an agent gets of it."""
        return self.message if self.redact_message is None else self.redact_message


class StateChange(NamedTuple):
    """A change of an agent's state."""

    change_number: int
    message_id: int | None
    changes: str
    created_at: str


class MultiAgent(NamedTuple):
    """The state of a graph or swarm, as JSON text."""

    multi_agent_id: str
    state: str
    created_at: str
    updated_at: str


@dataclass
class AgentLog:
    """An agent: JSON texts of its state, its messages in order, and how its state came about.

    Attributes:
        previous: The texts of the state that the history ends with, where it is not the state of today.
    """

    agent_id: str
    state: str
    conversation_manager_state: str
    internal_state: str
    created_at: str
    updated_at: str
    extra: str | None = None
    messages: list[LogMessage] = field(default_factory=list)
    history: list[StateChange] = field(default_factory=list)
    previous: tuple[str, str, str] | None = None

    @property
    def states(self) -> tuple[str, str, str]:
        """The three JSON texts of its state."""
        return self.state, self.conversation_manager_state, self.internal_state


@dataclass
class SessionLog:
    """A session with everything in it; `metadata` is JSON text."""

    session_type: str
    created_at: str
    updated_at: str
    extra: str | None = None
    title: str | None = None
    metadata: str | None = None
    tags: list[str] = field(default_factory=list)
    agents: list[AgentLog] = field(default_factory=list)
    multi_agents: list[MultiAgent] = field(default_factory=list)


def read_log(connection: Connection, session_id: str) -> SessionLog | None:
    """Return the session, or None where there is none."""
    row = connection.row(sql.SESSION, (session_id,))
    if row is None:
        return None
    log = SessionLog(*row)
    log.tags = [tag for (tag,) in connection.rows(sql.TAGS, (session_id,))]
    log.multi_agents = [MultiAgent(*each) for each in connection.rows(sql.MULTI_AGENTS, (session_id,))]
    for found in connection.rows(sql.AGENTS, (session_id,)):
        agent = AgentLog(*found)
        agent.messages = _messages(connection, session_id, agent.agent_id)
        agent.history = [StateChange(*each) for each in connection.rows(sql.HISTORY, (session_id, agent.agent_id))]
        log.agents.append(agent)
    return log


def _messages(connection: Connection, session_id: str, agent_id: str) -> list[LogMessage]:
    rows = connection.rows(sql.MESSAGES, (session_id, agent_id))
    blobs = _blobs.load(connection, session_id, agent_id, rows[0][0], rows[-1][0]) if rows else {}
    messages = []
    for message_id, *texts, created_at, updated_at, extra in rows:
        apart = blobs.get(message_id)
        message, redacted = (None if text is None else _json(text, apart) for text in texts)
        messages.append(LogMessage(message_id, message, redacted, created_at, updated_at, extra))
    return messages


def _json(text: str, blobs: dict[str, bytes] | None) -> Any:
    return loads(text) if blobs is None else encode_bytes_values(loads_bytes(text, blobs))


def write_log(connection: Connection, session_id: str, log: SessionLog) -> None:
    """Store a session that is not there yet."""
    times = (log.created_at, log.updated_at)
    connection.run(sql.ADD_SESSION, (session_id, log.session_type, *times, log.extra, log.title, log.metadata))
    connection.executemany(sql.ADD_TAG, ((session_id, tag) for tag in log.tags))
    for agent in log.agents:
        rest = (agent.created_at, agent.updated_at, agent.extra)
        connection.run(sql.ADD_AGENT, (session_id, agent.agent_id, *agent.states, *rest))
        for message in agent.messages:
            _write_message(connection, (session_id, agent.agent_id, message.message_id), message)
        for change in agent.history:
            connection.run(sql.ADD_HISTORY, (session_id, agent.agent_id, *change))
        if agent.previous is not None or not agent.history:
            _state_history.record(connection, session_id, agent.agent_id, agent.previous or (), agent.states)
    for multi_agent in log.multi_agents:
        connection.run(sql.ADD_MULTI_AGENT, (session_id, *multi_agent))


def _write_message(connection: Connection, place: _blobs.Place, record: LogMessage) -> None:
    values = [record.message] if record.redact_message is None else [record.message, record.redact_message]
    try:
        decoded = [decode_bytes_values(value) for value in values]
    except (TypeError, ValueError) as error:
        message = f"message {record.message_id} of agent {place[1]} holds bytes that cannot be decoded: {error}"
        raise CodecError(message, hint="mend or delete the message where it comes from") from error
    texts, blobs = dumps_apart(*decoded)
    redacted = None if record.redact_message is None else texts[1]
    connection.run(sql.ADD_MESSAGE, (*place, texts[0], redacted, record.created_at, record.updated_at, record.extra))
    _blobs.link(connection, place, blobs)
