"""Deleting what was planned, in small transactions between which others get their turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.repository._sessions import remove_session
from strands_sqlite_session_manager.retention._planning import PlannedSession, PrunePlan

LONGEST_PAUSE = 0.2
"""How long a pause is at most, in seconds."""

_HAS_SESSION = "SELECT 1 FROM sessions WHERE session_id = ?"
_WRITTEN_SINCE = """
SELECT
    EXISTS (SELECT 1 FROM sessions WHERE session_id = ?1 AND +change_id > ?2)
    OR EXISTS (SELECT 1 FROM agents WHERE session_id = ?1 AND +change_id > ?3)
    OR EXISTS (SELECT 1 FROM messages WHERE session_id = ?1 AND +change_id > ?4)
    OR EXISTS (SELECT 1 FROM multi_agents WHERE session_id = ?1 AND +change_id > ?5)
"""
_COMMITS_OF_OTHERS = "PRAGMA data_version"


class Pace(NamedTuple):
    """How much is done at once, and how much time others get then.

    Attributes:
        seconds: How long sessions are deleted in one transaction; the one that is being deleted then is finished.
        pause: How long nothing is done after it, in proportion to what it took.
    """

    seconds: float
    pause: float


ALONE = Pace(seconds=0.004, pause=0.25)
AMONG_OTHERS = Pace(seconds=0.001, pause=3.0)
"""Once another process was seen to write: it looks again after as long as it has waited, and then finds its turn."""


@dataclass(frozen=True)
class Pruned:
    """What `prune` deleted.

    Attributes:
        sessions: How many sessions.
        skipped: Ids of planned sessions that stayed: they were written to since the plan was made, or a session manager
            in this process has them open.
        bytes: What the plan says of the deleted sessions together. The file keeps its size, and uses the space again.
    """

    sessions: int
    skipped: tuple[str, ...]
    bytes: int


def prune(database: Database, plan: PrunePlan, *, progress: Callable[[int, int], None] | None = None) -> Pruned:
    """Delete the sessions of a plan, the oldest first.

    They go in transactions of a few milliseconds, with pauses in which others write. Each session goes in one
    transaction, however long it is: whoever reads meanwhile, and whoever comes after this process was killed, finds it
    with everything in it or not at all. While one of 100,000 messages goes, others wait for some seconds. To go on
    after a stop, prune the same plan again, or a new one.

    Later writes use the space again; `compact` gives it back to the file system, and only `erase` leaves no bytes
    behind. Objects of `SQLiteStorage`, such as snapshots of sessions with these ids, stay.

    Args:
        database: The database.
        plan: What `plan_prune` returned.
        progress: Called between the transactions with the number of sessions seen to, and of all that were planned.

    Raises:
        SQLiteSessionError: A session could not be deleted; the type says why. Those before it are.
        BaseException: Whatever `progress` raised; what was deleted until then is.
    """
    total = len(plan.sessions)
    deleted: list[PlannedSession] = []
    skipped: list[str] = []
    done = 0
    pace = ALONE
    commits = None
    while done < total:
        batch = _Batch(plan, done, pace.seconds, database.open_sessions)
        database.write(batch)
        took = time.perf_counter() - batch.began
        deleted += batch.deleted
        skipped += batch.skipped
        done += batch.seen
        if progress is not None:
            progress(done, total)
        if commits not in (None, batch.commits_of_others):
            pace = AMONG_OTHERS
        commits = batch.commits_of_others
        if done < total:
            time.sleep(min(took * pace.pause, LONGEST_PAUSE))
    return Pruned(len(deleted), tuple(skipped), sum(session.bytes for session in deleted))


@dataclass
class _Batch:
    """The operation that deletes planned sessions from one on, as many as there is time for."""

    plan: PrunePlan
    first: int
    seconds: float
    open_here: set[str]
    seen: int = 0
    began: float = 0.0
    commits_of_others: int = 0
    deleted: list[PlannedSession] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __call__(self, connection: Connection) -> None:
        """Delete, beginning anew where the operation is run again."""
        self.seen, self.deleted, self.skipped = 0, [], []
        self.commits_of_others = connection.row(_COMMITS_OF_OTHERS)[0]
        self.began = time.perf_counter()
        for place in range(self.first, len(self.plan.sessions)):
            self._see_to(connection, self.plan.sessions[place])
            self.seen += 1
            if time.perf_counter() - self.began >= self.seconds:
                break

    def _see_to(self, connection: Connection, session: PlannedSession) -> None:
        if connection.row(_HAS_SESSION, (session.session_id,)) is None:
            return
        is_open = session.session_id in self.open_here
        if is_open or connection.row(_WRITTEN_SINCE, (session.session_id, *self.plan.counters))[0]:
            self.skipped.append(session.session_id)
        else:
            remove_session(connection, session.session_id)
            self.deleted.append(session)
