"""`SQLiteSessionManager`: the SDK's session manager on one SQLite file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from strands.hooks import HookRegistry
from strands.session.repository_session_manager import RepositorySessionManager
from strands.session.session_repository import SessionRepository
from strands.types.session import Session, SessionAgent, SessionMessage

from . import _sdk
from ._database import Batch, Database, Options
from ._schema import open_database
from ._sdk import agent_key, session_key
from .errors import AlreadyExistsError
from .repository import agents, messages, multi_agents, sessions

if TYPE_CHECKING:
    from strands.multiagent.base import MultiAgentBase
    from strands.types.content import Message
    from typing_extensions import Self

    from ._writer import Durability


class SQLiteSessionRepository(SessionRepository):
    """The SDK's repository interface over an open database."""

    _database: Database

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
            NotFoundError: There is no such session.
            TypeError: Its state holds what JSON cannot.
        """
        session_key(session_id)
        agent_key(session_agent.agent_id)
        agents.create_agent(self._database, session_id, session_agent)

    def read_agent(self, session_id: str, agent_id: str, **kwargs: Any) -> SessionAgent | None:
        """Return the agent, or None where there is none."""
        return agents.read_agent(self._database, session_key(session_id), agent_key(agent_id))

    def update_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        """Store the agent's state; its `created_at` stays, and is set on `session_agent`.

        Raises:
            NotFoundError: There is no such agent.
            TypeError: Its state holds what JSON cannot.
        """
        session_key(session_id)
        agent_key(session_agent.agent_id)
        agents.update_agent(self._database, session_id, session_agent)

    def create_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any) -> None:
        """Append a message. The same id with the same content again is a retry, and accepted.

        Raises:
            ConflictError: The id is taken by other content; nothing was overwritten.
            NotFoundError: There is no such session, or no such agent in it.
            TypeError: The message holds what JSON cannot.
        """
        messages.require_message_id(session_message.message_id)
        session_key(session_id)
        agent_key(agent_id)
        messages.create_message(self._database, session_id, agent_id, session_message)

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
        messages.update_message(self._database, session_id, agent_id, session_message)

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


class SQLiteSessionManager(RepositorySessionManager, SQLiteSessionRepository):
    """Keeps agents' conversations and state in one SQLite file.

    A drop-in for the SDK's `S3SessionManager`: change the import, drop the bucket.

    ```python
    from strands import Agent
    from strands_sqlite_session_manager import SQLiteSessionManager

    agent = Agent(session_manager=SQLiteSessionManager("support-42"))
    agent("My order never arrived.")
    ```

    Every message is stored, together with the agent's state, before the agent goes on. Any number of managers, threads
    and processes may use one file. Writes of a synchronous agent run on its own thread; writes of agents that share an
    event loop are awaited, so that the loop never waits for the disk.

    Attributes:
        session_id: The session this manager was made for.
        db_path: The file, `:memory:` or URI in use.
    """

    def __init__(
        self,
        session_id: str,
        db_path: str | os.PathLike[str] | None = None,
        *,
        durability: Durability = "full",
        busy_timeout: float = 30.0,
        **kwargs: Any,
    ) -> None:
        """Open the database and the session in it; create what is missing.

        Args:
            session_id: ID of the session; no path separators.
            db_path: The database file; `~` is expanded, missing folders are made. `:memory:` is a database of this
                manager alone, a `file:` URI goes to SQLite as it is. None takes the environment variable
                `STRANDS_SQLITE_DB_PATH`, else `./sessions.db`.
            durability: `"full"`: what was stored survives power loss. `"normal"`: it survives a crash of the process.
            busy_timeout: How long to wait for another process's lock, in seconds.
            **kwargs: Ignored with a warning, so that a call written for `S3SessionManager` works.

        Raises:
            SQLiteSessionError: The database cannot be opened; the type says why, `hint` what to do.
            ValueError: The id contains a path separator, or an option has no such value.
        """
        if kwargs:
            names = ", ".join(sorted(kwargs))
            warnings.warn(f"SQLiteSessionManager does not use: {names}", UserWarning, stacklevel=2)
        session_key(session_id)
        self._database = open_database(db_path, Options(durability=durability, busy_timeout=busy_timeout))
        try:
            self._join_session(session_id)
        except BaseException:
            self._database.close()
            raise

    def _join_session(self, session_id: str) -> None:
        try:
            super().__init__(session_id=session_id, session_repository=self)
        except AlreadyExistsError:  # another manager created it a moment ago
            super().__init__(session_id=session_id, session_repository=self)

    @property
    def db_path(self) -> str:
        """The file, `:memory:` or URI in use."""
        return self._database.path

    def close(self) -> None:
        """Leave the database; the last manager to leave closes the file. Again is fine."""
        self._database.close()

    def __enter__(self) -> Self:
        """Return the manager, to be closed at the end of the `with` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the manager."""
        self.close()

    def append_message(self, message: Message, agent: Any, **kwargs: Any) -> None:
        """Append a message to the agent's session; where that fails, the manager stays where it was.

        Args:
            message: The message.
            agent: The agent it belongs to.
            **kwargs: Ignored.

        Raises:
            SQLiteSessionError: It was not stored; the type says why.
        """
        if self._database.collects:  # whoever collects puts things back
            super().append_message(message, agent, **kwargs)
            return
        put_back = _sdk.remember(self, agent.agent_id)
        try:
            super().append_message(message, agent, **kwargs)
        except BaseException:
            put_back()
            raise

    def initialize(self, agent: Any, **kwargs: Any) -> None:
        """Restore an agent from the session, or store a new one.

        Where a conversation manager has trimmed every message, the SDK restores none and would count from zero again,
        over what is stored: the count goes on behind the last stored message.

        Args:
            agent: The agent.
            **kwargs: Passed on.

        Raises:
            SessionException: The session has an agent with this id in this manager already.
            SQLiteSessionError: It could not be read or stored; the type says why.
        """
        super().initialize(agent, **kwargs)
        if self._latest_agent_message[agent.agent_id] is None:
            last = self.list_messages(self.session_id, agent.agent_id, offset=-1)
            self._latest_agent_message[agent.agent_id] = last[0] if last else None

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        """Register what the SDK's manager registers, so that all writes of one event are committed together.

        Args:
            registry: The agent's hooks.
            **kwargs: Passed on.
        """
        callbacks = _Callbacks()
        super().register_hooks(callbacks, **kwargs)
        for event_type, steps in callbacks.by_event.items():
            in_turn = event_type.__name__.endswith("InitializedEvent")
            hook: Any = self._hook(steps) if in_turn else self._async_hook(steps)
            registry.add_callback(event_type, hook)

    def _hook(self, steps: list[Callable[[Any], None]]) -> Callable[[Any], None]:
        def store(event: Any) -> None:
            batch, put_back = self._gather(steps, event)
            try:
                batch.commit()
            except BaseException:
                put_back()
                raise

        return store

    def _async_hook(self, steps: list[Callable[[Any], None]]) -> Callable[[Any], Awaitable[None]]:
        async def store(event: Any) -> None:
            batch, put_back = self._gather(steps, event)
            try:
                if _sdk.loop_is_shared():
                    await batch.commit_async()
                else:
                    batch.commit()
            except BaseException:
                if not batch.committed:
                    put_back()
                raise

        return store

    def _gather(self, steps: list[Callable[[Any], None]], event: Any) -> tuple[Batch, Callable[[], None]]:
        """Let the SDK's callbacks do their work on `event`, and gather the writes they make."""
        agent = getattr(event, "agent", None)
        put_back = _sdk.remember(self, agent.agent_id) if agent is not None else _nothing
        try:
            with self._database.collect() as batch:
                for step in steps:
                    step(event)
        except BaseException:
            put_back()
            raise
        return batch, put_back


class _Callbacks(HookRegistry):
    """Takes the callbacks that the SDK's manager registers, by event and in order."""

    def __init__(self) -> None:
        super().__init__()
        self.by_event: dict[type, list[Callable[[Any], None]]] = {}

    def add_callback(self, event_type: Any, callback: Any, **kwargs: Any) -> None:
        self.by_event.setdefault(event_type, []).append(callback)


def _nothing() -> None:
    """Put nothing back: a graph or swarm has no books in the manager."""
