"""What notices that others changed the conversation of an agent at work: took of it, or added to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import ConflictError
from strands_sqlite_session_manager.repository._sessions import require_session

if TYPE_CHECKING:
    from strands.types.session import SessionMessage

_NEWEST = "SELECT max(change_id) FROM deletions"
_PASSED = "SELECT ?1 IS NULL OR ?1 < (SELECT max(change_id) FROM messages)"
_CONCERNING = """
SELECT 1 FROM deletions
WHERE change_id > ifnull(?, 0) AND session_id = ? AND (agent_id IS NULL OR agent_id = ?) LIMIT 1
"""


class Watch:
    """What is known of the deletions in a file since an agent at work read its conversation.

    As long as the newest deletion is the one that is known, nothing was taken away, and an append compares two numbers.
    After another deletion, of whatever session, an append looks at those that came, and goes on when none of
    them concerns its agent. What is known moves on only with a read, never within a transaction that may yet fail.

    Attributes:
        newest: The `change_id` of the newest deletion that is known; None: there was none.
        at_work: Whether the agent has its conversation; until then it is being initialized.
        settled: Whether, when it last looked, no other deletion was there and messages had been stored above it. Then
            SQLite's own next number is the right one for a message: each deletion is above all messages.
    """

    __slots__ = ("_agent_id", "_latest", "_read", "_session_id", "at_work", "newest", "settled")

    def __init__(
        self, database: Database, session_id: str, agent_id: str, latest: Mapping[str, SessionMessage | None]
    ) -> None:
        """Watch from now on; begin before the agent's conversation is read.

        Args:
            database: The database.
            session_id: The session.
            agent_id: The agent.
            latest: The last message of each agent at work, as far as it is known here.

        Raises:
            SQLiteSessionError: The file cannot be read; the type says why.
        """
        self._session_id = session_id
        self._agent_id = agent_id
        self._latest = latest
        self._read: tuple[int | None] | None = None
        self.at_work = False
        self.newest: int | None = database.read(lambda connection: connection.rows(_NEWEST)[0][0])
        self.settled = False

    def note_read(self, last: int | None) -> None:
        """Note that the agent's state was read, and which message was the last one then; None: there was none."""
        self._read = (last,)

    def begin(self) -> None:
        """Let the agent begin its work, with the state and the messages that were read one after the other.

        Raises:
            ConflictError: Others have added messages in between: the state is older than those.
        """
        if self._read is not None:
            latest = self._latest[self._agent_id]
            if latest is not None and (self._read[0] is None or self._read[0] < latest.message_id):
                message = f"Session {self._session_id} went on while agent {self._agent_id} was being restored from it"
                raise ConflictError(message)
        self.at_work = True

    def catch_up(self, database: Database) -> None:
        """Learn of deletions that came since, unless one of them concerns the agent: that is for `check` to say.

        Raises:
            SQLiteSessionError: The file cannot be read; the type says why.
        """

        def fetch(connection: Connection) -> tuple[int | None, bool]:
            if self._is_concerned(connection):
                return self.newest, False
            newest = connection.rows(_NEWEST)[0][0]
            return newest, bool(connection.rows(_PASSED, (newest,))[0][0])

        self.newest, self.settled = database.read(fetch)

    def check(self, connection: Connection) -> None:
        """Refuse to go on where something was deleted that the agent goes on from; in a write transaction.

        Raises:
            ConflictError: The session was rewound, or deleted and created again.
            NotFoundError: It was deleted.
        """
        if connection.rows(_NEWEST)[0][0] == self.newest:
            return
        self.settled = False
        if self._is_concerned(connection):
            require_session(connection, self._session_id)
            message = (
                f"Session {self._session_id} was rewound, or deleted and created again,"
                f" while agent {self._agent_id} was at work on it"
            )
            raise ConflictError(message)

    def check_last(self, stored: int | None) -> None:
        """Refuse to go on where others have said more than the agent has seen; in a write transaction.

        The manager counts a message before it is stored: what it counts is never behind what it stored itself, and may
        be ahead of it while an append is under way or after one that was interrupted.

        Args:
            stored: The id of the last message that is stored; None: there is none.

        Raises:
            ConflictError: The agent has not seen that message.
        """
        if stored is None or self._agent_id not in self._latest:
            return
        latest = self._latest[self._agent_id]
        if latest is None or latest.message_id < stored:
            message = (
                f"Session {self._session_id} goes on to message {stored}, which agent {self._agent_id} has not seen:"
                " another one is at work on it, and its state stays"
            )
            raise ConflictError(message)

    def _is_concerned(self, connection: Connection) -> bool:
        return connection.row(_CONCERNING, (self.newest, self._session_id, self._agent_id)) is not None
