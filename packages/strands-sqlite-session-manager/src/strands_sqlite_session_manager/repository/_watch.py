"""What notices that the session of an agent at work was deleted, or rewound under it."""

from __future__ import annotations

from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import ConflictError
from strands_sqlite_session_manager.repository._sessions import require_session

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
        settled: Whether, when it last looked, no other deletion was there and messages had been stored above it. Then
            SQLite's own next number is the right one for a message: each deletion is above all messages.
    """

    __slots__ = ("_agent_id", "_session_id", "newest", "settled")

    def __init__(self, database: Database, session_id: str, agent_id: str) -> None:
        """Watch from now on; begin before the agent's conversation is read.

        Raises:
            SQLiteSessionError: The file cannot be read; the type says why.
        """
        self._session_id = session_id
        self._agent_id = agent_id
        self.newest: int | None = database.read(lambda connection: connection.rows(_NEWEST)[0][0])
        self.settled = False

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

    def _is_concerned(self, connection: Connection) -> bool:
        return connection.row(_CONCERNING, (self.newest, self._session_id, self._agent_id)) is not None
