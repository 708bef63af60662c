"""What reads the rows of a whole session, and what writes them."""

from __future__ import annotations

from strands_sqlite_session_manager.repository._records import next_change

SESSION = "SELECT session_type, created_at, updated_at, extra, title, metadata FROM sessions WHERE session_id = ?"
TAGS = "SELECT tag FROM session_tags WHERE session_id = ? ORDER BY tag"
AGENTS = """
SELECT agent_id, state, conversation_manager_state, internal_state, created_at, updated_at, extra
FROM agents WHERE session_id = ? ORDER BY agent_id
"""
MESSAGES = """
SELECT message_id, message, redact_message, created_at, updated_at, extra
FROM messages WHERE session_id = ? AND agent_id = ? ORDER BY message_id
"""
HISTORY = """
SELECT change_number, message_id, changes, created_at
FROM agent_state_history WHERE session_id = ? AND agent_id = ? ORDER BY change_number
"""
MULTI_AGENTS = """
SELECT multi_agent_id, state, created_at, updated_at FROM multi_agents WHERE session_id = ? ORDER BY multi_agent_id
"""
ADD_SESSION = f"""
INSERT INTO sessions (change_id, session_id, session_type, created_at, updated_at, extra, title, metadata)
VALUES ({next_change("sessions")}, ?, ?, ?, ?, ?, ?, ?)
"""
ADD_TAG = "INSERT INTO session_tags (session_id, tag) VALUES (?, ?)"
ADD_AGENT = f"""
INSERT INTO agents (change_id, session_id, agent_id, state, conversation_manager_state, internal_state,
    created_at, updated_at, extra)
VALUES ({next_change("agents")}, ?, ?, ?, ?, ?, ?, ?, ?)
"""
ADD_MESSAGE = f"""
INSERT INTO messages (change_id, session_id, agent_id, message_id, message, redact_message,
    created_at, updated_at, extra)
VALUES ({next_change("messages")}, ?, ?, ?, ?, ?, ?, ?, ?)
"""
ADD_HISTORY = """
INSERT INTO agent_state_history (session_id, agent_id, change_number, message_id, changes, created_at)
VALUES (?, ?, ?, ?, ?, ?)
"""
ADD_MULTI_AGENT = f"""
INSERT INTO multi_agents (change_id, session_id, multi_agent_id, state, created_at, updated_at)
VALUES ({next_change("multi_agents")}, ?, ?, ?, ?, ?)
"""
