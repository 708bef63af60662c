"""The points a session can go back to, one after each message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from strands_sqlite_session_manager import _state_history
from strands_sqlite_session_manager._codec import loads, loads_bytes
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._texts import preview
from strands_sqlite_session_manager.history._cuts import require_agent, require_message

_COUNT = "SELECT count(*) FROM messages WHERE session_id = ? AND agent_id = ?"
_COUNT_UNTIL = f"{_COUNT} AND message_id <= ?"
_PAGE = """
SELECT message_id, coalesce(redact_message, message), created_at
FROM messages WHERE session_id = ? AND agent_id = ? ORDER BY message_id LIMIT ? OFFSET ?
"""


@dataclass(frozen=True)
class Checkpoint:
    """A point a session can go back to: after a message of one of its agents.

    Attributes:
        session_id: The session.
        agent_id: The agent.
        message_id: The message, `at` for the other functions.
        role: Who said it: `"user"` or `"assistant"`.
        preview: The beginning of it, in one line.
        created_at: When it was stored, as ISO 8601 in UTC.
        complete: Whether an agent can go on from here with a prompt. False: tool calls wait here, for their results or
            for the answer to an interrupt.
    """

    session_id: str
    agent_id: str
    message_id: int
    role: str
    preview: str
    created_at: str
    complete: bool


@dataclass(frozen=True)
class AgentMoment:
    """The state of an agent after a message, and before the next one.

    Attributes:
        agent_id: The agent.
        message_id: The message; -1 before the first.
        state: `agent.state`.
        conversation_manager_state: What its conversation manager had trimmed or summed up.
        internal_state: What the SDK keeps beside these, open interrupts among them.
        messages: How many messages were stored by then.
    """

    agent_id: str
    message_id: int
    state: dict[str, Any]
    conversation_manager_state: dict[str, Any]
    internal_state: dict[str, Any]
    messages: int


def list_checkpoints(
    database: Database, session_id: str, agent_id: str | None = None, *, limit: int | None = None, offset: int = 0
) -> list[Checkpoint]:
    """Return the points an agent's conversation can go back to, in the order of its messages.

    Args:
        database: The database.
        session_id: The session.
        agent_id: The agent; None: the session's only one.
        limit: How many at most; None for all.
        offset: How many to leave out, counted as a Python slice counts: `-10` begins with the tenth from the end.

    Raises:
        NotFoundError: There is no such session, or no such agent in it.
        ValueError: The session has several agents, and none was named.
    """

    def fetch(connection: Connection) -> tuple[str, list[tuple[int, str, str]]]:
        agent = (session_id, require_agent(connection, session_id, agent_id))
        count = connection.rows(_COUNT, agent)[0][0]
        start = slice(offset, None).indices(count)[0]
        return agent[1], connection.rows(_PAGE, (*agent, count if limit is None else max(0, min(limit, count)), start))

    found, rows = database.read(fetch)
    return [_checkpoint((session_id, found), *row) for row in rows]


def _checkpoint(agent: tuple[str, str], message_id: int, text: str, created_at: str) -> Checkpoint:
    message = loads(text)
    role = message.get("role") if isinstance(message, dict) else None
    complete = not any("toolUse" in block for block in _blocks(message))
    return Checkpoint(*agent, message_id, str(role or ""), preview(message), created_at, complete)


def _blocks(message: Any) -> list[dict[str, Any]]:
    content = message.get("content") if isinstance(message, dict) else None
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def read_checkpoint(database: Database, session_id: str, at: int, agent_id: str | None = None) -> AgentMoment:
    """Return the state an agent had after a message.

    What changed after the message and before the next one belongs to it: what the conversation manager trimmed at the
    end of the turn, and the interrupts that were raised. Agents whose history begins late, as after an update from
    0.1.0 or a conversion from snapshots, have before that the earliest state known, with nothing trimmed, and without
    open interrupts.

    ```python
    from strands_sqlite_session_manager import SessionStore

    with SessionStore("sessions.db") as store:
        for point in store.list_checkpoints("support-42"):
            print(point.message_id, point.preview, store.read_checkpoint("support-42", point.message_id).state)
    ```

    Args:
        database: The database.
        session_id: The session.
        at: The id of the message; -1: before the first.
        agent_id: The agent; None: the session's only one.

    Raises:
        NotFoundError: There is no such session, agent or message.
        ValueError: The session has several agents, and none was named.
    """

    def fetch(connection: Connection) -> tuple[str, tuple[str, ...], int]:
        agent = (session_id, require_agent(connection, session_id, agent_id))
        require_message(connection, *agent, at)
        past = _state_history.state_at(connection, *agent, at)
        return agent[1], past.texts, connection.rows(_COUNT_UNTIL, (*agent, at))[0][0]

    found, texts, messages = database.read(fetch)
    state, conversation_manager_state, internal_state = map(loads_bytes, texts)
    return AgentMoment(found, at, state, conversation_manager_state, internal_state, messages)
