"""`SQLiteSessionManager`: the SDK's session manager on one SQLite file."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from strands.hooks import HookRegistry
from strands.session.repository_session_manager import RepositorySessionManager

from . import _sdk
from ._database import Batch, DatabasePath, DatabaseUser, Options
from ._schema import open_database
from ._sdk import session_key
from ._session_repository import SQLiteSessionRepository
from .errors import AlreadyExistsError, ConflictError
from .repository._watch import Watch

if TYPE_CHECKING:
    from strands.types.content import Message

    from ._requests import Durability


class SQLiteSessionManager(RepositorySessionManager, SQLiteSessionRepository, DatabaseUser):
    """Keeps agents' conversations and state in one SQLite file.

    A drop-in for the SDK's `S3SessionManager`: change the import, drop the bucket.

    ```python
    from strands import Agent
    from strands_sqlite_session_manager import SQLiteSessionManager

    agent = Agent(session_manager=SQLiteSessionManager("support-42"))
    agent("My order never arrived.")
    ```

    Every message is stored, together with the agent's state, before the agent goes on. Any number of managers, threads
    and processes may use one file. Writes of a synchronous agent run on its own thread. On an event loop that agents
    share, hooks await the commit in a thread, so that they do not make the loop wait for the disk. Making a manager or
    an agent commits on the calling thread where the session or the agent is new: there, make them with
    `asyncio.to_thread`. A redaction and the state after a context overflow are stored on the loop by the SDK.

    Attributes:
        session_id: The session this manager was made for.
        db_path: The file, `:memory:` or URI in use.
    """

    def __init__(
        self,
        session_id: str,
        db_path: DatabasePath = None,
        *,
        durability: Durability = "full",
        busy_timeout: float = 30.0,
        **kwargs: Any,
    ) -> None:
        """Open the database and the session in it; create what is missing.

        Args:
            session_id: ID of the session; no path separators.
            db_path: The database file; `~` is expanded, missing folders are made. `:memory:` is a database of this
                manager alone, a `file:` URI goes to SQLite, its path made absolute. None takes the environment variable
                `STRANDS_SQLITE_DB_PATH`, else `./sessions.db`. Another manager, a storage or store: the database that
                it uses, in memory too.
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
        self._watches: dict[str, Watch] = {}
        self._database.session_id = session_id  # before it is looked for: who deletes sessions spares it from here on
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
        self._is_new_session = False  # it is stored: from now on others may put agents and graphs into it

    def append_message(self, message: Message, agent: Any, **kwargs: Any) -> None:
        """Append a message to the agent's session; where that fails, the manager stays where it was.

        Args:
            message: The message.
            agent: The agent it belongs to.
            **kwargs: Ignored.

        Raises:
            ConflictError: Another writer was at work on the session, or it was rewound or deleted since the agent was
                initialized.
            SQLiteSessionError: It was not stored; the type says why.
        """
        if self._database.collects:  # whoever collects puts things back
            super().append_message(message, agent, **kwargs)
            return
        put_back = _sdk.remember(self, agent.agent_id)
        try:
            super().append_message(message, agent, **kwargs)
        except BaseException as error:
            put_back(error)
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
        try:
            self._begin(agent, **kwargs)
        except (AlreadyExistsError, ConflictError):  # others were at work on it in this very moment
            self._begin(agent, **kwargs)

    def _begin(self, agent: Any, **kwargs: Any) -> None:
        agent_id = agent.agent_id
        if agent_id in self._latest_agent_message:
            super().initialize(agent, **kwargs)  # which refuses it
            return
        put_back = _sdk.remember(self, agent_id)
        watch = Watch(self._database, self.session_id, agent_id, self._latest_agent_message)  # before any restoring
        self._watches[agent_id] = watch
        try:
            super().initialize(agent, **kwargs)
            if self._latest_agent_message[agent_id] is None:
                last = self.list_messages(self.session_id, agent_id, offset=-1)
                self._latest_agent_message[agent_id] = last[0] if last else None
            watch.begin()
        except BaseException as error:
            put_back(error)
            del self._watches[agent_id]
            raise

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        """Register what the SDK's manager registers, so that all writes of one event are committed together.

        Args:
            registry: The agent's hooks.
            **kwargs: Passed on.
        """
        callbacks = _Callbacks(registry)
        super().register_hooks(callbacks, **kwargs)
        for (event_type, options), steps in callbacks.steps.items():
            in_turn = event_type.__name__.endswith("InitializedEvent")
            hook: Any = self._hook(steps) if in_turn else self._async_hook(steps)
            registry.add_callback(event_type, hook, **dict(options))

    def _hook(self, steps: list[Callable[[Any], None]]) -> Callable[[Any], None]:
        def store(event: Any) -> None:
            try:
                self._store(steps, event)
            except AlreadyExistsError:  # another manager created the agent in this very moment: now it is restored
                self._store(steps, event)

        return store

    def _store(self, steps: list[Callable[[Any], None]], event: Any) -> None:
        batch, put_back = self._gather(steps, event)
        try:
            batch.commit()
        except BaseException as error:
            put_back(error)
            raise

    def _async_hook(self, steps: list[Callable[[Any], None]]) -> Callable[[Any], Awaitable[None]]:
        async def store(event: Any) -> None:
            first = _sdk.error_of_turn(event)
            batch, put_back = self._gather(steps, event)
            try:
                if _sdk.loop_is_shared():
                    await batch.commit_async()
                else:
                    batch.commit()
            except BaseException as error:
                if not batch.committed:
                    put_back(error.__cause__ or error)
                if isinstance(error, ConflictError) and first is not None:
                    return  # the turn's own error is on its way; a conflict lasts, and the next turn meets it
                raise

        return store

    def _gather(self, steps: list[Callable[[Any], None]], event: Any) -> tuple[Batch, Callable[[BaseException], None]]:
        """Let the SDK's callbacks do their work on `event`, and gather the writes they make."""
        agent = getattr(event, "agent", None)
        put_back = _sdk.remember(self, agent.agent_id) if agent is not None else _nothing
        try:
            return self._database.collect(lambda: [step(event) for step in steps]), put_back
        except BaseException as error:
            put_back(error)
            raise


class _Callbacks(HookRegistry):
    """Takes the callbacks that the SDK's manager registers, by event and options, in order; lets async ones pass."""

    def __init__(self, registry: HookRegistry) -> None:
        super().__init__()
        self._registry = registry
        self.steps: dict[tuple[type, tuple[tuple[str, Any], ...]], list[Callable[[Any], None]]] = {}

    def add_callback(self, event_type: Any, callback: Any, **options: Any) -> None:
        if inspect.iscoroutinefunction(callback):
            self._registry.add_callback(event_type, callback, **options)
            return
        for each in event_type if isinstance(event_type, list) else [event_type]:
            self.steps.setdefault((each, tuple(options.items())), []).append(callback)


def _nothing(_error: BaseException) -> None:
    """Put nothing back: a graph or swarm has no books in the manager."""
