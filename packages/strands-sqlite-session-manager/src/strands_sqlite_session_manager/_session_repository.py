"""The SDK's repository interface over an open database: thin methods that check ids and call the rows below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strands.session.session_repository import SessionRepository
from strands.types.session import Session, SessionAgent, SessionMessage

from ._database import Database
from ._sdk import agent_key, session_key
from .repository import agents, messages, multi_agents, sessions

if TYPE_CHECKING:
    from strands.multiagent.base import MultiAgentBase

    from .repository._watch import Watch


class SQLiteSessionRepository(SessionRepository):
    """What `SQLiteSessionManager` is beside a session manager: its own repository."""

    session_id: str
    _database: Database
    _latest_agent_message: dict[str, SessionMessage | None]
    _watches: dict[str, Watch]

    def _watch(self, session_id: str, agent_id: str) -> Watch | None:
        """Return what notices that the agent's conversation was taken away, if it is at work here."""
        return self._watches.get(agent_id) if session_id == self.session_id else None

    def _beginning(self, session_id: str, agent_id: str) -> Watch | None:
        """Return what watches the agent's conversation, if it is being initialized here and not at work yet."""
        watch = self._watch(session_id, agent_id)
        return None if watch is None or watch.at_work else watch

    def create_session(self, session: Session, **kwargs: Any) -> Session:
        """Store a new session and return it.

        Raises:
            AlreadyExistsError: There is one with its id.
            ValueError: The id contains a path separator or cannot be stored.
        """
        session_key(session.session_id)
        sessions.create_session(self._database, session)
        return session

    def read_session(self, session_id: str, **kwargs: Any) -> Session | None:
        """Return the session, or None where there is none."""
        return sessions.read_session(self._database, session_key(session_id))

    def delete_session(self, session_id: str, **kwargs: Any) -> None:
        """Delete the session with its agents, messages, multi-agent states and binary values.

        Raises:
            NotFoundError: There is no such session.
        """
        sessions.delete_session(self._database, session_key(session_id))

    def create_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        """Store an agent, over the one with its id where there is one.

        Raises:
            AlreadyExistsError: An agent is being initialized here, and another manager has stored it meanwhile.
            NotFoundError: There is no such session.
            TypeError: Its state holds what JSON cannot.
        """
        session_key(session_id)
        agent_key(session_agent.agent_id)
        must_be_new = self._beginning(session_id, session_agent.agent_id) is not None
        agents.create_agent(self._database, session_id, session_agent, must_be_new=must_be_new)

    def read_agent(self, session_id: str, agent_id: str, **kwargs: Any) -> SessionAgent | None:
        """Return the agent, or None where there is none."""
        session_key(session_id)
        agent_key(agent_id)
        return agents.read_agent(self._database, session_id, agent_id, self._beginning(session_id, agent_id))

    def update_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        """Store the agent's state; its `created_at` stays, and is set on `session_agent`.

        Raises:
            ConflictError: The agent was initialized here, and its session rewound or deleted since, or others have said
                in it what the agent has not seen.
            NotFoundError: There is no such agent.
            TypeError: Its state holds what JSON cannot.
        """
        session_key(session_id)
        agent_key(session_agent.agent_id)
        watch = self._watch(session_id, session_agent.agent_id)
        agents.update_agent(self._database, session_id, session_agent, watch)

    def create_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any) -> None:
        """Append a message. The same id with the same content again is a retry, and accepted.

        Raises:
            ConflictError: The id is taken by other content; or the message is what an agent says next, and its session
                was rewound or deleted since the agent was initialized. Nothing was overwritten.
            NotFoundError: There is no such session, or no such agent in it.
            TypeError: The message holds what JSON cannot.
        """
        messages.require_message_id(session_message.message_id)
        session_key(session_id)
        agent_key(agent_id)
        watch = self._watches.get(agent_id)  # as in `_watch`, without a call: appends are counted in microseconds
        if watch is not None and (
            self._latest_agent_message.get(agent_id) is not session_message or session_id != self.session_id
        ):
            watch = None  # not what the agent says next
        messages.create_message(self._database, session_id, agent_id, session_message, watch)

    def read_message(self, session_id: str, agent_id: str, message_id: int, **kwargs: Any) -> SessionMessage | None:
        """Return the message, or None where there is none."""
        messages.require_message_id(message_id)
        session_key(session_id)
        return messages.read_message(self._database, session_id, agent_key(agent_id), message_id)

    def update_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any) -> None:
        """Store a message over the one with its id; `created_at` stays, and is set on `session_message`.

        Raises:
            NotFoundError: There is no such message.
            TypeError: The message holds what JSON cannot.
        """
        messages.require_message_id(session_message.message_id)
        session_key(session_id)
        agent_key(agent_id)
        said_last = self._latest_agent_message.get(agent_id) is session_message
        watch = self._watch(session_id, agent_id) if said_last else None
        messages.update_message(self._database, session_id, agent_id, session_message, watch)

    def list_messages(
        self, session_id: str, agent_id: str, limit: int | None = None, offset: int = 0, **kwargs: Any
    ) -> list[SessionMessage]:
        """Return the agent's messages in the order of their ids.

        Args:
            session_id: The session.
            agent_id: The agent.
            limit: How many at most; None for all.
            offset: How many to leave out, counted by position as a Python slice counts.
            **kwargs: Ignored.
        """
        session_key(session_id)
        return messages.list_messages(self._database, session_id, agent_key(agent_id), limit, offset)

    def create_multi_agent(self, session_id: str, multi_agent: MultiAgentBase, **kwargs: Any) -> None:
        """Store the state of a graph or swarm, over the one with its id where there is one.

        Raises:
            NotFoundError: There is no such session.
            TypeError: The state holds what JSON cannot.
        """
        session_key(session_id)
        agent_key(multi_agent.id)
        state = multi_agent.serialize_state()
        multi_agents.create_multi_agent(self._database, session_id, multi_agent.id, state)

    def read_multi_agent(self, session_id: str, multi_agent_id: str, **kwargs: Any) -> dict[str, Any] | None:
        """Return the state of a graph or swarm as it was stored, or None where there is none."""
        session_key(session_id)
        return multi_agents.read_multi_agent(self._database, session_id, agent_key(multi_agent_id))

    def update_multi_agent(self, session_id: str, multi_agent: MultiAgentBase, **kwargs: Any) -> None:
        """Store the state of a graph or swarm.

        Raises:
            NotFoundError: There is no such state.
            TypeError: The state holds what JSON cannot.
        """
        session_key(session_id)
        agent_key(multi_agent.id)
        state = multi_agent.serialize_state()
        multi_agents.update_multi_agent(self._database, session_id, multi_agent.id, state)
