"""Conversations to search in, and what a search finds in them."""

from __future__ import annotations

from typing import Any

from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.message_search import MessageFilter, SearchHit, search_messages
from strands_sqlite_session_manager.repository.agents import create_agent, read_agent
from strands_sqlite_session_manager.repository.messages import create_message, list_messages, update_message
from strands_sqlite_session_manager.repository.sessions import create_session, read_session

SESSION, AGENT = "session", "agent"


def say(database: Database, *contents: Any, session: str = SESSION, agent: str = AGENT, role: str = "user") -> None:
    """Append messages; each content is a text, or a list of blocks."""
    if read_session(database, session) is None:
        create_session(database, Session(session, SessionType.AGENT))
    if read_agent(database, session, agent) is None:
        create_agent(database, session, SessionAgent(agent, {}, {}))
    first = len(list_messages(database, session, agent, None, 0))

    def append_all() -> None:
        for message_id, content in enumerate(contents, first):
            blocks = [{"text": content}] if isinstance(content, str) else content
            message: Any = {"role": role, "content": blocks}
            create_message(database, session, agent, SessionMessage(message, message_id))

    database.collect(append_all).commit()


def redact(database: Database, message_id: int, text: str) -> None:
    """Let a guardrail put `text` in the place of a message."""
    record = list_messages(database, SESSION, AGENT, 1, message_id)[0]
    record.redact_message = {"role": "user", "content": [{"text": text}]}
    update_message(database, SESSION, AGENT, record)


def found(database: Database, query: str, *, limit: int = 100_000, **where: Any) -> set[tuple[str, str, int]]:
    """Return session, agent and message id of what a search finds."""
    hits = search_messages(database, query, MessageFilter(**where), limit=limit)
    places = [(hit.session_id, hit.agent_id, hit.message_id) for hit in hits]
    assert len(places) == len(set(places)), "a message was found twice"
    return set(places)


def ids(database: Database, query: str, **where: Any) -> set[int]:
    """Return the ids of the messages that a search finds."""
    return {message_id for _, _, message_id in found(database, query, **where)}


def marked(hit: SearchHit) -> list[str]:
    """Return what is highlighted in the snippet."""
    return [hit.snippet[begin:end] for begin, end in hit.highlights]
