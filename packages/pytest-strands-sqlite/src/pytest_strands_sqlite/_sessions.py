"""Session managers, storages and stores on the one database of a test."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from strands import Agent
from strands.session import SnapshotSessionManager

from strands_sqlite_session_manager import SessionStore, SQLiteSessionError, SQLiteSessionManager, SQLiteStorage

from ._memory import MemoryDatabase
from .scripted_model import ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from strands.types.content import Message

    from ._options import SessionOptions
    from .faults import SessionFaults

_User = TypeVar("_User", SessionStore, SQLiteSessionManager, SQLiteStorage)

_PATIENCE = 0.2
"""How long writes wait for a lock, in seconds, where a test lets them fail."""


class SessionFactory:
    """Makes session managers, storages and stores, as many as a test wants, on one database.

    `restart()` closes them all: what is made afterwards sees what a new process would see.

    ```python
    def test_the_agent_remembers(sqlite_session_factory, scripted_model):
        agent = Agent(model=scripted_model("Hello!"), session_manager=sqlite_session_factory())
        agent("Hi")
        sqlite_session_factory.restart()
        resumed = Agent(model=scripted_model(), session_manager=sqlite_session_factory())
        assert len(resumed.messages) == 2
    ```

    Attributes:
        options: What the test says about its sessions.
        file: The file of the database, or None where it is in memory.
    """

    def __init__(
        self,
        options: SessionOptions,
        folder: Callable[[], Path],
        *,
        faults: SessionFaults | None = None,
    ) -> None:
        """Open the database of a test.

        Args:
            options: What the test says about its sessions.
            folder: Gives the folder of its file, if it is to be a file.
            faults: What can go wrong with that file.
        """
        self.options = options
        self.file: Path | None = None
        self._opened = ExitStack()
        self._faults = faults
        self._root: MemoryDatabase | None = None
        self._defaults: dict[str, Any] = {"durability": options.durability}
        if options.in_memory and not options.keep and faults is None:
            self._root = MemoryDatabase()
        else:
            self.file = folder() / "sessions.db"
            if faults is not None:
                faults.uri(self.file)
                self._defaults["busy_timeout"] = _PATIENCE
        if options.messages or options.state:
            self._seed()

    def __call__(self, session_id: str | None = None, **options: Any) -> SQLiteSessionManager:
        """Return a new session manager.

        Args:
            session_id: The session; by default that of the test.
            **options: As for `SQLiteSessionManager`.
        """
        wanted = self.options.session_id if session_id is None else session_id
        return self._closing(SQLiteSessionManager(wanted, self.database, **{**self._defaults, **options}))

    def storage(self, **options: Any) -> SQLiteStorage:
        """Return a new storage; `options` are those of `SQLiteStorage`."""
        return self._closing(SQLiteStorage(self.database, **{**self._defaults, **options}))

    def store(self, **options: Any) -> SessionStore:
        """Return a new store; `options` are those of `SessionStore`."""
        return self._closing(SessionStore(self.database, **{**self._defaults, **options}))

    def snapshot_manager(self, session_id: str | None = None, **options: Any) -> SnapshotSessionManager:
        """Return a new manager of snapshots, on a storage of its own; `options` are those of the SDK's manager."""
        wanted = self.options.session_id if session_id is None else session_id
        return SnapshotSessionManager(wanted, storage=self.storage(), **options)

    def restart(self) -> None:
        """Close everything that was made so far, as the end of a process would; what is stored stays."""
        crashed = self._faults is not None and self._faults.crashed
        if self._faults is not None and not crashed:
            self._faults.clear()
        try:
            self._opened.close()
        except SQLiteSessionError:
            if not crashed:  # a process that is dead closes nothing
                raise
        if self._faults is not None:
            self._faults.clear()

    def close(self) -> None:
        """Close everything; what is in memory is gone."""
        try:
            self.restart()
        finally:
            if self._root is not None:
                self._root.close()

    @property
    def db_path(self) -> str:
        """The file or `:memory:`, as the session managers name it; `database` is what opens it."""
        return ":memory:" if self.file is None else str(self.database)

    @property
    def database(self) -> Any:
        """What to give as `db_path` to whatever opens the test's database itself: it is not a path in memory."""
        if self.file is None:
            return self._root
        return str(self.file) if self._faults is None else self._faults.uri(self.file)

    @contextmanager
    def faults_suspended(self) -> Iterator[None]:
        """Let the database work in the block, whatever fault is set."""
        if self._faults is None:
            yield
        else:
            with self._faults.suspended():
                yield

    def _closing(self, user: _User) -> _User:
        self._opened.callback(user.close)
        return user

    def _seed(self) -> None:
        """Store what was said before the test, as an agent without a model would have."""
        messages = _messages(self.options.messages)
        Agent(
            agent_id=self.options.agent_id,
            model=ScriptedModel(),
            messages=messages,
            state=dict(self.options.state),
            session_manager=self(),
            callback_handler=None,
        )
        self.restart()


def _messages(given: Sequence[str | Message]) -> list[Message]:
    return [
        {"role": "assistant" if number % 2 else "user", "content": [{"text": message}]}
        if isinstance(message, str)
        else message
        for number, message in enumerate(given)
    ]
