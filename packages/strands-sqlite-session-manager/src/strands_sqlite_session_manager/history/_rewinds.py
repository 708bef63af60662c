"""Sessions taken back to what they were."""

from __future__ import annotations

from dataclasses import dataclass

from strands_sqlite_session_manager import _blobs, _state_history
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.history._cuts import AgentCut, cut_at, require_agent, require_message
from strands_sqlite_session_manager.repository._records import next_change

_AGENT_IDS = "SELECT agent_id FROM agents WHERE session_id = ?"
_MULTI_AGENT_IDS = "SELECT multi_agent_id FROM multi_agents WHERE session_id = ?"
_STATES = """
SELECT state, conversation_manager_state, internal_state FROM agents WHERE session_id = ? AND agent_id = ?
"""
# A counter above all others, so that those of what is deleted are not given twice.
_RECORD_DELETION = """
INSERT INTO deletions (change_id, session_id, agent_id, first_message_id)
SELECT 1 + max(
    ifnull((SELECT max(change_id) FROM sessions), 0), ifnull((SELECT max(change_id) FROM agents), 0),
    ifnull((SELECT max(change_id) FROM messages), 0), ifnull((SELECT max(change_id) FROM multi_agents), 0),
    ifnull((SELECT max(change_id) FROM deletions), 0)
), ?, ?, ?
"""
_BLOBS_AFTER = """
SELECT DISTINCT blob_id FROM message_blobs WHERE session_id = ? AND agent_id = ? AND message_id > ?
"""
_HAS_MESSAGES_AFTER = "SELECT 1 FROM messages WHERE session_id = ? AND agent_id = ? AND message_id > ? LIMIT 1"
_DELETE_MESSAGES = "DELETE FROM messages WHERE session_id = ? AND agent_id = ? AND message_id > ?"
_DELETE_HISTORY = "DELETE FROM agent_state_history WHERE session_id = ? AND agent_id = ? AND message_id > ?"
_DELETE_ALL_HISTORY = "DELETE FROM agent_state_history WHERE session_id = ? AND agent_id = ?"
_DELETE_AGENT = "DELETE FROM agents WHERE session_id = ? AND agent_id = ?"
_DELETE_MULTI_AGENT = "DELETE FROM multi_agents WHERE session_id = ? AND multi_agent_id = ?"
_PUT_BACK = f"""
UPDATE agents SET change_id = {next_change("agents")}, state = ?, conversation_manager_state = ?, internal_state = ?,
    updated_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')
WHERE session_id = ? AND agent_id = ?
"""


@dataclass(frozen=True)
class Rewind:
    """What became of a session that was taken back.

    Attributes:
        session_id: The session.
        removed_messages: How many messages it lost.
        agents: The ids of the agents that it has.
    """

    session_id: str
    removed_messages: int
    agents: tuple[str, ...]


def rewind_session(database: Database, session_id: str, *, at: int, agent_id: str | None = None) -> Rewind:
    """Take a session back to what it was after one of its messages, for good.

    What came later is deleted: messages, changes of state, binary values that nothing else uses, agents that did not
    exist yet, and the states of graphs and swarms that went on later. An agent that is built on the session then goes
    on as if it had stopped there, as with `fork_session`, which keeps the old session too.

    Agents that are at work on the session get a `ConflictError` at their next message: build new ones.

    Args:
        database: The database.
        session_id: The session.
        at: The id of the last message that stays; -1: none does.
        agent_id: The agent whose message that is; None: the session's only one.

    Raises:
        NotFoundError: There is no such session, agent or message.
        ValueError: The session has several agents, and none was named.
    """
    rewinds: list[Rewind] = []

    def rewind(connection: Connection) -> None:
        found = require_agent(connection, session_id, agent_id)
        require_message(connection, session_id, found, at)
        cut = cut_at(connection, session_id, found, at)
        removed = sum(_take_back(connection, session_id, each) for each in cut.agents)
        agents = tuple(each.agent_id for each in cut.agents)
        for (other,) in connection.rows(_AGENT_IDS, (session_id,)):
            if other not in agents:
                removed += _remove_agent(connection, session_id, other)
        _remove_multi_agents(connection, session_id, AgentCut(found, at), cut.multi_agents)
        rewinds.append(Rewind(session_id, removed, agents))

    database.write(rewind)
    return rewinds[-1]


def _take_back(connection: Connection, session_id: str, cut: AgentCut) -> int:
    """Take an agent back; return how many messages it lost."""
    agent, after = (session_id, cut.agent_id), (session_id, *cut)
    if connection.row(_HAS_MESSAGES_AFTER, after) is None:
        return 0
    past = _state_history.state_at(connection, *after)
    changed = tuple(connection.row(_STATES, agent)) != past.texts
    removed = _remove_messages(connection, after)
    if changed:
        connection.run(_PUT_BACK, (*past.texts, *agent))
    if past.known:
        connection.run(_DELETE_HISTORY, after)
    else:
        connection.run(_DELETE_ALL_HISTORY, agent)
        _state_history.record(connection, *agent, (), past.texts)
    return removed


def _remove_messages(connection: Connection, after: tuple[str, str, int]) -> int:
    """Delete an agent's messages after one, and the binary values that nothing else uses; return how many."""
    session_id, agent_id, last = after
    connection.run(_RECORD_DELETION, (session_id, agent_id, last + 1))
    blobs = connection.rows(_BLOBS_AFTER, after)
    connection.run(_DELETE_MESSAGES, after)
    removed = connection.changes()
    _blobs.free(connection, blobs)
    return removed


def _remove_agent(connection: Connection, session_id: str, agent_id: str) -> int:
    """Delete an agent that did not exist yet; return how many messages it had."""
    removed = _remove_messages(connection, (session_id, agent_id, -1))
    connection.run(_DELETE_AGENT, (session_id, agent_id))
    return removed


def _remove_multi_agents(connection: Connection, session_id: str, cut: AgentCut, kept: tuple[str, ...]) -> None:
    """Delete the states of graphs and swarms that went on after the moment."""
    for (multi_agent_id,) in connection.rows(_MULTI_AGENT_IDS, (session_id,)):
        if multi_agent_id not in kept:
            connection.run(_RECORD_DELETION, (session_id, cut.agent_id, cut.last + 1))
            connection.run(_DELETE_MULTI_AGENT, (session_id, multi_agent_id))
