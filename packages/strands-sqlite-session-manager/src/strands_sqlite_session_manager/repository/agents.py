"""Rows of agents, and the history of their state."""

from __future__ import annotations

import strands.types.session as sdk

from strands_sqlite_session_manager import _state_history
from strands_sqlite_session_manager._codec import dumps, loads_bytes
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import AlreadyExistsError, NotFoundError
from strands_sqlite_session_manager.repository._records import build, extra_fields, next_change, times
from strands_sqlite_session_manager.repository._sessions import require_session
from strands_sqlite_session_manager.repository._watch import Watch

_AGENT_COLUMNS = frozenset(
    {"agent_id", "state", "conversation_manager_state", "_internal_state", "created_at", "updated_at"}
)
_SELECT_AGENT = """
SELECT state, conversation_manager_state, internal_state, created_at, updated_at, extra
FROM agents WHERE session_id = ? AND agent_id = ?
"""
_SELECT_WITH_LAST = """
SELECT state, conversation_manager_state, internal_state, created_at, updated_at, extra,
    (SELECT max(message_id) FROM messages WHERE session_id = ?1 AND agent_id = ?2)
FROM agents WHERE session_id = ?1 AND agent_id = ?2
"""
_SELECT_BEFORE = """
SELECT state, conversation_manager_state, internal_state, created_at, (SELECT max(change_id) FROM deletions),
    (SELECT max(message_id) FROM messages WHERE session_id = ?1 AND agent_id = ?2)
FROM agents WHERE session_id = ?1 AND agent_id = ?2
"""
_INSERT_AGENT = f"""
INSERT INTO agents (change_id, session_id, agent_id, state, conversation_manager_state, internal_state,
    created_at, updated_at, extra)
VALUES ({next_change("agents")}, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE_AGENT = f"""
UPDATE agents SET change_id = {next_change("agents")}, state = ?, conversation_manager_state = ?, internal_state = ?,
    created_at = ?, updated_at = ?, extra = ifnull(?, extra)
WHERE session_id = ? AND agent_id = ?
"""


def create_agent(database: Database, session_id: str, agent: sdk.SessionAgent, *, must_be_new: bool = False) -> None:
    """Store an agent, over the one with its id where there is one; not where it `must_be_new`.

    Raises:
        AlreadyExistsError: There is one, and it must be new.
        NotFoundError: There is no such session.
    """
    agent_id, texts, extra = agent.agent_id, _agent_texts(agent), extra_fields(agent, _AGENT_COLUMNS)
    created_at, updated_at = times(agent)

    def put(connection: Connection) -> None:
        old = connection.row(_SELECT_AGENT, (session_id, agent_id))
        if old is None:
            require_session(connection, session_id)
            connection.run(_INSERT_AGENT, (session_id, agent_id, *texts, created_at, updated_at, extra))
        elif must_be_new:
            message = f"Agent {agent_id} in session {session_id} already exists"
            raise AlreadyExistsError(message)
        else:
            connection.run(_UPDATE_AGENT, (*texts, created_at, updated_at, extra, session_id, agent_id))
        _state_history.record(connection, session_id, agent_id, () if old is None else old[:3], texts)

    database.write(put)


def update_agent(database: Database, session_id: str, agent: sdk.SessionAgent, watch: Watch | None = None) -> None:
    """Store what changed of an agent; its `created_at` stays, and is set on `agent`.

    Raises:
        ConflictError: By `watch`, the session was rewound or deleted meanwhile, or others have said more in it.
        NotFoundError: There is no such agent.
    """
    agent_id, texts, extra = agent.agent_id, _agent_texts(agent), extra_fields(agent, _AGENT_COLUMNS)
    _, updated_at = times(agent)

    def put(connection: Connection) -> None:
        old = connection.row(_SELECT_BEFORE, (session_id, agent_id))
        if old is None:
            message = f"Agent {agent_id} in session {session_id} does not exist"
            raise NotFoundError(message, hint="create the agent first")
        if watch is not None:
            if watch.newest != old[4]:
                watch.check(connection)
            watch.check_last(old[5])
        agent.created_at = old[3]
        connection.run(_UPDATE_AGENT, (*texts, old[3], updated_at, extra, session_id, agent_id))
        _state_history.record(connection, session_id, agent_id, old[:3], texts)

    database.write(put)


def read_agent(
    database: Database, session_id: str, agent_id: str, watch: Watch | None = None
) -> sdk.SessionAgent | None:
    """Return the agent, or None where there is none; `watch` notes which message was the last one then."""
    row = database.read(lambda connection: connection.row(_SELECT_WITH_LAST, (session_id, agent_id)))
    if row is None:
        return None
    state, conversation_manager_state, internal_state, created_at, updated_at, extra, last = row
    if watch is not None:
        watch.note_read(last)
    return build(
        sdk.SessionAgent,
        extra,
        agent_id=agent_id,
        state=loads_bytes(state),
        conversation_manager_state=loads_bytes(conversation_manager_state),
        _internal_state=loads_bytes(internal_state),
        created_at=created_at,
        updated_at=updated_at,
    )


def _agent_texts(agent: sdk.SessionAgent) -> tuple[str, str, str]:
    return dumps(agent.state), dumps(agent.conversation_manager_state), dumps(agent._internal_state)  # noqa: SLF001 - the SDK stores it under this name
