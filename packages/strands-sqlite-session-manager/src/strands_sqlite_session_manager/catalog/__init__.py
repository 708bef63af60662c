"""Which sessions there are, what is in one, and what people note about it."""

from strands_sqlite_session_manager.catalog._contents import StoredMessage, read_messages
from strands_sqlite_session_manager.catalog._details import SessionInfo
from strands_sqlite_session_manager.catalog._notes import add_tags, remove_tags, set_metadata, set_title
from strands_sqlite_session_manager.catalog._pages import SessionFilter, SessionPage, Sort, list_sessions
from strands_sqlite_session_manager.catalog._summaries import AgentSummary, SessionSummary, summarize_session

__all__ = [
    "AgentSummary",
    "SessionFilter",
    "SessionInfo",
    "SessionPage",
    "SessionSummary",
    "Sort",
    "StoredMessage",
    "add_tags",
    "list_sessions",
    "read_messages",
    "remove_tags",
    "set_metadata",
    "set_title",
    "summarize_session",
]
