"""New sessions that begin with what another session was."""

from __future__ import annotations

import os
from dataclasses import dataclass

from strands_sqlite_session_manager import _state_history
from strands_sqlite_session_manager._codec import dumps, loads
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import AlreadyExistsError, InvalidIdError
from strands_sqlite_session_manager.history._cuts import AgentCut, Cut, cut_at, require_agent, require_message, whole
from strands_sqlite_session_manager.repository._records import next_change
from strands_sqlite_session_manager.repository._sessions import require_session

_LONGEST_ID = 1024

_METADATA = "SELECT metadata FROM sessions WHERE session_id = ?"
_COPY_SESSION = f"""
INSERT INTO sessions (change_id, session_id, session_type, created_at, updated_at, extra, title, metadata)
SELECT {next_change("sessions")}, ?, session_type, strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'),
    strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), extra, title, ?
FROM sessions WHERE session_id = ?
ON CONFLICT (session_id) DO NOTHING
"""
_COPY_TAGS = "INSERT INTO session_tags (session_id, tag) SELECT ?, tag FROM session_tags WHERE session_id = ?"
_COPY_AGENT = f"""
INSERT INTO agents (change_id, session_id, agent_id, state, conversation_manager_state, internal_state,
    created_at, updated_at, extra)
SELECT {next_change("agents")}, ?, agent_id, ?, ?, ?, created_at, updated_at, extra
FROM agents WHERE session_id = ? AND agent_id = ?
"""
_FIRST_MESSAGE = "SELECT min(message_id) FROM messages WHERE session_id = ? AND agent_id = ?"
# Of the new change counters the first is given, and SQLite gives each row the next: that is the fastest way.
_COPY_MESSAGES = f"""
INSERT INTO messages (change_id, session_id, agent_id, message_id, message, redact_message,
    created_at, updated_at, extra)
SELECT iif(message_id = ?, {next_change("messages")}, NULL), ?, agent_id, message_id, message, redact_message,
    created_at, updated_at, extra
FROM messages WHERE session_id = ? AND agent_id = ? AND message_id <= ? ORDER BY message_id
"""
_COPY_BLOB_LINKS = """
INSERT INTO message_blobs (session_id, agent_id, message_id, blob_id)
SELECT ?, agent_id, message_id, blob_id FROM message_blobs WHERE session_id = ? AND agent_id = ? AND message_id <= ?
"""
_COPY_HISTORY = """
INSERT INTO agent_state_history (session_id, agent_id, change_number, message_id, changes, created_at)
SELECT ?, agent_id, change_number, message_id, changes, created_at FROM agent_state_history
WHERE session_id = ? AND agent_id = ? AND (message_id IS NULL OR message_id <= ?)
"""
_COPY_MULTI_AGENT = f"""
INSERT INTO multi_agents (change_id, session_id, multi_agent_id, state, created_at, updated_at)
SELECT {next_change("multi_agents")}, ?, multi_agent_id, state, created_at, updated_at
FROM multi_agents WHERE session_id = ? AND multi_agent_id = ?
"""


@dataclass(frozen=True)
class Fork:
    """A session that begins with what another was.

    Attributes:
        session_id: The new session.
        agents: The ids of its agents.
        messages: How many messages it has.
        multi_agents: The ids of the multi-agent states that came along. A graph or swarm that went on after the moment
            of the fork is not among them, for nobody knows how it stood then: in the new session it starts anew.
    """

    session_id: str
    agents: tuple[str, ...]
    messages: int
    multi_agents: tuple[str, ...]


def fork_session(
    database: Database, session_id: str, new_session_id: str, *, at: int | None = None, agent_id: str | None = None
) -> Fork:
    """Begin a new session with what another was after one of its messages.

    An agent on the new session goes on as if it had stopped there: with the messages, the state, what the conversation
    manager had trimmed, and the interrupts that were open. The other agents of the session come along with what they
    had stored when that message was, each in the state after its own last message by then. Those that did not exist
    yet are left out, and so are the graphs and swarms that went on later. What a guardrail has redacted by today stays
    redacted. See `read_checkpoint` for agents whose history begins late.

    The new session has the title and the tags of the old one, and in its metadata `forked_from`: the session, agent and
    message. Binary values are shared, not copied. The old session stays as it is, and may be written to meanwhile.

    ```python
    from strands import Agent
    from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager

    with SessionStore("sessions.db") as store:
        store.fork_session("support-42", "support-42-friendlier", at=11)
    agent = Agent(
        session_manager=SQLiteSessionManager("support-42-friendlier", "sessions.db"),
        system_prompt="Be friendlier.",
    )
    ```

    Args:
        database: The database.
        session_id: The session to begin with.
        new_session_id: The new session; as for `SQLiteSessionManager`, but not empty.
        at: The id of the last message to come along; -1: the moment before the first. None: everything.
        agent_id: The agent whose message that is; None: the session's only one.

    Raises:
        NotFoundError: There is no such session, agent or message.
        AlreadyExistsError: There is a session `new_session_id`.
        InvalidIdError: `new_session_id` is empty, or cannot be stored.
        ValueError: `new_session_id` contains a path separator, or the session has several agents and none was named.
    """
    _require_new_id(new_session_id)
    forks: list[Fork] = []

    def fork(connection: Connection) -> None:
        cut, origin = _cut(connection, session_id, at, agent_id)
        _copy_session(connection, session_id, new_session_id, origin)
        messages = sum(_copy_agent(connection, session_id, new_session_id, each) for each in cut.agents)
        for multi_agent_id in cut.multi_agents:
            connection.run(_COPY_MULTI_AGENT, (new_session_id, session_id, multi_agent_id))
        agents = tuple(each.agent_id for each in cut.agents)
        forks.append(Fork(new_session_id, agents, messages, cut.multi_agents))

    database.write(fork)
    return forks[-1]


def _require_new_id(session_id: str) -> None:
    """Refuse an id that `SQLiteSessionManager` does not take, and an empty one, which is a slip."""
    if not session_id:
        message = "session_id=<> is empty"
        raise InvalidIdError(message, hint="name the new session")
    if os.path.basename(session_id) != session_id:
        message = f"session_id={session_id} | id cannot contain path separators"
        raise ValueError(message)
    size = len(session_id.encode(errors="surrogatepass"))
    if size > _LONGEST_ID:
        message = f"session_id=<{session_id[:40]}…> has {size} bytes of UTF-8"
        raise InvalidIdError(message)
    if "\0" in session_id or any("\ud800" <= character <= "\udfff" for character in session_id):
        message = f"session_id=<{session_id!a}> holds NUL or a lone surrogate"
        raise InvalidIdError(message)


def _cut(
    connection: Connection, session_id: str, at: int | None, agent_id: str | None
) -> tuple[Cut, dict[str, str | int | None]]:
    """Return what to copy, and how the copy's metadata name it."""
    origin: dict[str, str | int | None] = {"session_id": session_id, "agent_id": agent_id, "message_id": at}
    if at is None and agent_id is None:
        require_session(connection, session_id)
        return whole(connection, session_id), origin
    found = require_agent(connection, session_id, agent_id)
    if at is None:
        return whole(connection, session_id), origin
    require_message(connection, session_id, found, at)
    return cut_at(connection, session_id, found, at), {**origin, "agent_id": found}


def _copy_session(
    connection: Connection, session_id: str, new_session_id: str, origin: dict[str, str | int | None]
) -> None:
    metadata = loads(connection.rows(_METADATA, (session_id,))[0][0] or "{}")
    noted = dumps({**(metadata if isinstance(metadata, dict) else {}), "forked_from": origin})
    connection.run(_COPY_SESSION, (new_session_id, noted, session_id))
    if not connection.changes():
        message = f"Session {new_session_id} already exists"
        raise AlreadyExistsError(message, hint="choose another id, or delete the session first")
    connection.run(_COPY_TAGS, (new_session_id, session_id))


def _copy_agent(connection: Connection, session_id: str, new_session_id: str, cut: AgentCut) -> int:
    """Copy an agent as it was; return how many messages it had."""
    agent, until = (session_id, cut.agent_id), (session_id, *cut)
    past = _state_history.state_at(connection, *until)
    connection.run(_COPY_AGENT, (new_session_id, *past.texts, *agent))
    first = connection.rows(_FIRST_MESSAGE, agent)[0][0]
    connection.run(_COPY_MESSAGES, (first, new_session_id, *until))
    messages = connection.changes()
    connection.run(_COPY_BLOB_LINKS, (new_session_id, *until))
    if past.known:
        connection.run(_COPY_HISTORY, (new_session_id, *until))
    else:
        _state_history.record(connection, new_session_id, cut.agent_id, (), past.texts)
    return messages
