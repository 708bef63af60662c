"""Where a session is cut: what each of its agents had stored at a moment."""

from __future__ import annotations

from typing import NamedTuple

from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager.errors import NotFoundError
from strands_sqlite_session_manager.repository._sessions import require_session

EVERYTHING = 2**63 - 1
"""In place of a message id: after the last message."""

_AGENT_IDS = "SELECT agent_id FROM agents WHERE session_id = ? ORDER BY agent_id"
_AGENTS = "SELECT agent_id, created_at FROM agents WHERE session_id = ? ORDER BY agent_id"
_MULTI_AGENTS = """
SELECT multi_agent_id FROM multi_agents WHERE session_id = ?1 AND (?2 IS NULL OR updated_at <= ?2)
ORDER BY multi_agent_id
"""
_STORED = "SELECT created_at, change_id FROM messages WHERE session_id = ? AND agent_id = ? AND message_id = ?"
_FIRST_STORED = """
SELECT created_at, change_id - 1 FROM messages WHERE session_id = ? AND agent_id = ? ORDER BY message_id LIMIT 1
"""
_FIRST_LATER = """
SELECT message_id FROM messages WHERE session_id = ? AND agent_id = ? AND (created_at, change_id) > (?, ?)
ORDER BY message_id LIMIT 1
"""
_HAS_EARLIER = "SELECT 1 FROM messages WHERE session_id = ? AND agent_id = ? AND message_id <= ? LIMIT 1"


class AgentCut(NamedTuple):
    """An agent of a session, and the last of its messages that stays."""

    agent_id: str
    last: int


class Cut(NamedTuple):
    """What a session had at a moment.

    Attributes:
        agents: The agents that existed, in the order of their ids.
        multi_agents: The ids of the multi-agent states that have not changed since.
    """

    agents: tuple[AgentCut, ...]
    multi_agents: tuple[str, ...]


class _Moment(NamedTuple):
    """When a message was stored.

    The time tells the order among agents also where a session was copied agent by agent; change counters tell it where
    the clock did not move. Redacting a message gives it a new counter and leaves its time.
    """

    created_at: str
    change_id: int


def require_agent(connection: Connection, session_id: str, agent_id: str | None) -> str:
    """Return the id of the agent that is meant: `agent_id`, or the session's only one.

    Raises:
        NotFoundError: There is no such session, or no such agent in it.
        ValueError: The session has several agents, and none was named.
    """
    require_session(connection, session_id)
    found = [each for (each,) in connection.rows(_AGENT_IDS, (session_id,))]
    if agent_id is None and len(found) > 1:
        message = f"session_id=<{session_id}> | has several agents, name one: {', '.join(found)}"
        raise ValueError(message)
    if agent_id is None and found:
        return str(found[0])
    if agent_id is None or agent_id not in found:
        message = f"Session {session_id} has no agent{'' if agent_id is None else f' {agent_id}'}"
        raise NotFoundError(message, hint="list the session's agents")
    return agent_id


def require_message(connection: Connection, session_id: str, agent_id: str, at: int) -> None:
    """Refuse what is neither a message of the agent nor -1, before the first.

    Raises:
        NotFoundError: There is no such message.
    """
    place = (session_id, agent_id, at)
    if at != -1 and (abs(at) > EVERYTHING or connection.row(_STORED, place) is None):
        message = f"Message {at} of agent {agent_id} in session {session_id} does not exist"
        raise NotFoundError(message, hint="list the checkpoints")


def whole(connection: Connection, session_id: str) -> Cut:
    """Return everything a session has."""
    agents = tuple(AgentCut(agent_id, EVERYTHING) for (agent_id,) in connection.rows(_AGENT_IDS, (session_id,)))
    return Cut(agents, _multi_agents(connection, session_id, None))


def cut_at(connection: Connection, session_id: str, agent_id: str, at: int) -> Cut:
    """Return what a session had when a message of one of its agents was stored.

    Args:
        connection: In a transaction.
        session_id: The session.
        agent_id: The agent, which exists.
        at: The id of the message, which exists, or -1: just before its first message was stored.
    """
    own = AgentCut(agent_id, at)
    moment = _moment(connection, session_id, own)
    if moment is None:  # the agent has said nothing yet: this is the moment
        return whole(connection, session_id)
    found = [
        own if other == agent_id else _cut_of_other(connection, (session_id, other), created_at, moment)
        for other, created_at in connection.rows(_AGENTS, (session_id,))
    ]
    agents = tuple(each for each in found if each is not None)
    return Cut(agents, _multi_agents(connection, session_id, moment.created_at))


def _moment(connection: Connection, session_id: str, cut: AgentCut) -> _Moment | None:
    row = connection.row(_STORED, (session_id, *cut))
    if row is None:
        row = connection.row(_FIRST_STORED, (session_id, cut.agent_id))
    return None if row is None else _Moment(*row)


def _cut_of_other(connection: Connection, agent: tuple[str, str], created_at: str, moment: _Moment) -> AgentCut | None:
    """Return where another agent is cut; None where it did not exist yet."""
    later = connection.row(_FIRST_LATER, (*agent, *moment))
    last = EVERYTHING if later is None else later[0] - 1
    existed = created_at <= moment.created_at or connection.row(_HAS_EARLIER, (*agent, last)) is not None
    return AgentCut(agent[1], last) if existed else None


def _multi_agents(connection: Connection, session_id: str, until: str | None) -> tuple[str, ...]:
    return tuple(each for (each,) in connection.rows(_MULTI_AGENTS, (session_id, until)))
