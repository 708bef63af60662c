"""Search over everything that was said in the sessions of a file."""

from strands_sqlite_session_manager.message_search._searches import MessageFilter, Order, SearchHit, search_messages

__all__ = ["MessageFilter", "Order", "SearchHit", "search_messages"]
