"""What is told of a session wherever it is listed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from strands_sqlite_session_manager._activity import LAST_ACTIVITY, utc
from strands_sqlite_session_manager._codec import loads, require_texts
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._texts import PREVIEW_CHARACTERS, pieces, preview
from strands_sqlite_session_manager.errors import CodecError

_PREVIEWED = 20
"""Among so many first messages of an agent the first text of the user is looked for."""

_SHORT = 2 * PREVIEW_CHARACTERS

_THESE = "(SELECT value FROM json_each(?))"
_SESSIONS = f"SELECT session_id, title, metadata, created_at FROM sessions WHERE session_id IN {_THESE}"
_ACTIVITY = f"SELECT session_id, {LAST_ACTIVITY} FROM sessions WHERE session_id IN {_THESE}"
_TAGS = f"SELECT session_id, tag FROM session_tags WHERE session_id IN {_THESE} ORDER BY tag"
_AGENTS = f"""
SELECT session_id, agent_id, (
    SELECT count(*) FROM messages WHERE messages.session_id = agents.session_id AND messages.agent_id = agents.agent_id
)
FROM agents WHERE session_id IN {_THESE} ORDER BY {utc("created_at")}, agent_id
"""
_MULTI_AGENTS = f"""
SELECT session_id, multi_agent_id FROM multi_agents WHERE session_id IN {_THESE}
ORDER BY {utc("created_at")}, multi_agent_id
"""
_FIRST_MESSAGES = """
SELECT asked.key, coalesce(redact_message, message)
FROM json_each(?) AS asked CROSS JOIN messages ON session_id = asked.value ->> 0 AND agent_id = asked.value ->> 1
AND message_id = (
    SELECT min(message_id) FROM messages WHERE session_id = asked.value ->> 0 AND agent_id = asked.value ->> 1
)
"""
_BEGINNING = """
SELECT coalesce(redact_message, message) FROM messages WHERE session_id = ? AND agent_id = ?
ORDER BY message_id LIMIT ?
"""
_STATE = "SELECT state FROM multi_agents WHERE session_id = ? AND multi_agent_id = ?"


@dataclass(frozen=True)
class SessionInfo:
    """A session, as it stands in a list.

    Attributes:
        session_id: Its id.
        title: What somebody called it.
        preview: The beginning of the first text of the user, in one line of at most 80 characters; empty where the
            first messages have none. Where there are no agents, the task of a graph or swarm.
        tags: Its tags, from a to z.
        metadata: What somebody noted about it.
        created_at: When it was created: ISO 8601, as it was stored.
        last_activity: When its last message was stored, or an agent, graph or swarm in it was last written: ISO 8601 in
            UTC with milliseconds. What people note about a session is no activity.
        agents: The ids of its agents, the first that was created first.
        multi_agents: The ids of its graphs and swarms, in the same order.
        messages: How many messages all its agents have.
    """

    session_id: str
    title: str | None
    preview: str
    tags: tuple[str, ...]
    metadata: dict[str, Any]
    created_at: str
    last_activity: str
    agents: tuple[str, ...]
    multi_agents: tuple[str, ...]
    messages: int


def describe(
    connection: Connection, session_ids: Iterable[str], activity: Mapping[str, str] | None = None
) -> list[SessionInfo]:
    """Return what is told of each of the sessions that exist, in the order in which they are asked for.

    Args:
        connection: Reads from one instant.
        session_ids: Which.
        activity: Their last activity, where it is known.

    Raises:
        CodecError: Another program has left something in place of a text.
    """
    wanted = list(session_ids)
    these = (json.dumps(wanted),)
    sessions = {row[0]: row for row in connection.rows(_SESSIONS, these)}
    known = dict(connection.rows(_ACTIVITY, these)) if activity is None else activity
    tags = _grouped(connection.rows(_TAGS, these))
    counts = connection.rows(_AGENTS, these)
    agents, multi_agents = _grouped(counts), _grouped(connection.rows(_MULTI_AGENTS, these))
    messages: Counter[str] = Counter()
    for session_id, _, count in counts:
        messages[session_id] += count
    previews = _previews(connection, agents, multi_agents)
    found = [
        SessionInfo(
            session_id=session_id,
            title=sessions[session_id][1],
            preview=previews.get(session_id, ""),
            tags=tags.get(session_id, ()),
            metadata=noted(sessions[session_id][2]),
            created_at=sessions[session_id][3],
            last_activity=known[session_id],
            agents=agents.get(session_id, ()),
            multi_agents=multi_agents.get(session_id, ()),
            messages=messages[session_id],
        )
        for session_id in wanted
        if session_id in sessions
    ]
    for one in found:
        require_texts(one.title or "", one.created_at, one.last_activity, *one.tags, *one.agents, *one.multi_agents)
    return found


def noted(metadata: str | None) -> dict[str, Any]:
    """Return the metadata of a session from its column; what another program left there counts as nothing."""
    if metadata is None:
        return {}
    value = _readable(metadata)
    return value if isinstance(value, dict) else {}


def _grouped(rows: list[tuple[Any, ...]]) -> dict[str, tuple[str, ...]]:
    """Return the second column by the first."""
    groups: dict[str, list[str]] = {}
    for row in rows:
        groups.setdefault(row[0], []).append(row[1])
    return {session_id: tuple(values) for session_id, values in groups.items()}


def _previews(
    connection: Connection, agents: Mapping[str, tuple[str, ...]], multi_agents: Mapping[str, tuple[str, ...]]
) -> dict[str, str]:
    """Return the preview of each session that has one: nearly always the first message of the first agent."""
    places = [(session_id, agent_ids[0]) for session_id, agent_ids in agents.items()]
    found = {}
    for place, text in connection.rows(_FIRST_MESSAGES, (json.dumps(places),)):
        found[places[place][0]] = _line(_text_of_user(_readable(text)))
    for session_id, agent_ids in agents.items():
        if not found.get(session_id):
            found[session_id] = _line(_first_text(connection, session_id, agent_ids))
    for session_id in multi_agents.keys() - agents.keys():
        state = _readable(connection.row(_STATE, (session_id, multi_agents[session_id][0]))[0])
        found[session_id] = preview({"content": state.get("current_task")}) if isinstance(state, dict) else ""
    return found


def _first_text(connection: Connection, session_id: str, agent_ids: tuple[str, ...]) -> str:
    for agent_id in agent_ids:
        for (text,) in connection.rows(_BEGINNING, (session_id, agent_id, _PREVIEWED)):
            said = _text_of_user(_readable(text))
            if said:
                return said
    return ""


def _line(text: str) -> str:
    """Return the preview of `text`; most are short and plain, and need not be looked at as messages are."""
    if len(text) <= _SHORT and text.isascii():
        line = " ".join(text.split())
        if len(line) <= PREVIEW_CHARACTERS:
            return line
    return preview({"content": text}) if text else ""


def _text_of_user(message: object) -> str:
    """Return the first text in `message`, empty where it has none or is not the user's."""
    if not isinstance(message, dict) or message.get("role") != "user":
        return ""
    content = message.get("content")
    text = content[0].get("text") if isinstance(content, list) and content and isinstance(content[0], dict) else content
    if isinstance(text, str) and text and not text.isspace():  # as nearly every message: the short way
        return text
    return next((piece.text for piece in pieces(message) if piece.kind == "text" and not piece.text.isspace()), "")


def _readable(text: str) -> Any:
    """Return the value, or None where another program left something that is no JSON."""
    try:
        return loads(text)
    except CodecError:
        return None
