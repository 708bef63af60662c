"""What is in one session: its agents, their messages, tokens, tool calls and bytes."""

from __future__ import annotations

from dataclasses import dataclass

from strands_sqlite_session_manager._activity import utc
from strands_sqlite_session_manager._codec import require_texts
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.catalog._details import SessionInfo, describe
from strands_sqlite_session_manager.repository._sessions import require_session

_AGENTS = f"""
SELECT agent_id, created_at, updated_at FROM agents WHERE session_id = ? ORDER BY {utc("created_at")}, agent_id
"""


def _sum(path: str) -> str:
    """Return SQL for the sum of what messages carry at `path` of their metadata, NULL where none does."""
    value = f"json_extract(metadata, '{path}')"
    return f"iif(count({value}), CAST(total({value}) AS INTEGER), NULL)"


# What a damaged row holds counts as a message and as bytes, and as nothing else.
_MESSAGES = f"""
SELECT count(*), {_sum("$.usage.inputTokens")}, {_sum("$.usage.outputTokens")}, {_sum("$.usage.totalTokens")},
    {_sum("$.metrics.latencyMs")}, ifnull(sum(tool_calls), 0), ifnull(sum(bytes), 0)
FROM (
    SELECT
        coalesce(
            iif(json_valid(message, 2), message -> '$.metadata', NULL),
            iif(json_valid(redact_message, 2), redact_message -> '$.metadata', NULL)
        ) AS metadata,
        (
            SELECT count(*)
            FROM json_each(iif(json_valid(shown, 2), shown, NULL), '$.content') AS block
            WHERE block.type = 'object' AND json_type(block.value, '$.toolUse') IS NOT NULL
        ) AS tool_calls,
        octet_length(message) + ifnull(octet_length(redact_message), 0) AS bytes
    FROM (
        SELECT message, redact_message, coalesce(redact_message, message) AS shown
        FROM messages WHERE session_id = ? AND agent_id = ?
    )
)
"""
_ATTACHMENTS_OF_AGENTS = """
SELECT agent_id, sum(length(content))
FROM (SELECT DISTINCT agent_id, blob_id FROM message_blobs WHERE session_id = ?) JOIN blobs USING (blob_id)
GROUP BY agent_id
"""
_ATTACHMENTS = """
SELECT ifnull(sum(length(content)), 0)
FROM (SELECT DISTINCT blob_id FROM message_blobs WHERE session_id = ?) JOIN blobs USING (blob_id)
"""


@dataclass(frozen=True)
class AgentSummary:
    """What an agent has in a session.

    Attributes:
        agent_id: Its id.
        messages: How many messages it has.
        input_tokens: What its model took in, all messages together; None where no message says it.
        output_tokens: What its model said, as `input_tokens`.
        total_tokens: Both, as the model counted them.
        latency_ms: How long its model took, in milliseconds, as `input_tokens`.
        tool_calls: How many tools it called.
        created_at: When it was created: ISO 8601, as it was stored.
        updated_at: When its state was last written: ISO 8601, as it was stored.
        bytes: Of its messages and their attachments, as stored; an attachment counts once.
    """

    agent_id: str
    messages: int
    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int | None
    latency_ms: int | None
    tool_calls: int
    created_at: str
    updated_at: str
    bytes: int


@dataclass(frozen=True)
class SessionSummary:
    """What is in a session.

    Attributes:
        info: What a list tells of it.
        agents: Its agents, the first that was created first.
        multi_agents: The ids of its graphs and swarms, in the same order.
        bytes: Of its messages and their attachments, as stored; what several agents attached counts once.
    """

    info: SessionInfo
    agents: tuple[AgentSummary, ...]
    multi_agents: tuple[str, ...]
    bytes: int


def summarize_session(database: Database, session_id: str) -> SessionSummary:
    """Return what is in a session, from one instant.

    Raises:
        NotFoundError: There is no such session.
        CodecError: Another program has left something in place of a text.
    """
    return database.read(lambda connection: _summary(connection, session_id))


def _summary(connection: Connection, session_id: str) -> SessionSummary:
    require_session(connection, session_id)
    (info,) = describe(connection, [session_id])
    attached = dict(connection.rows(_ATTACHMENTS_OF_AGENTS, (session_id,)))
    agents = []
    total = connection.row(_ATTACHMENTS, (session_id,))[0]
    for agent_id, created_at, updated_at in connection.rows(_AGENTS, (session_id,)):
        require_texts(created_at, updated_at)
        *counted, size = connection.row(_MESSAGES, (session_id, agent_id))
        values = (agent_id, *counted, created_at, updated_at, size + attached.get(agent_id, 0))
        agents.append(AgentSummary(*values))
        total += size
    return SessionSummary(info, tuple(agents), info.multi_agents, total)
