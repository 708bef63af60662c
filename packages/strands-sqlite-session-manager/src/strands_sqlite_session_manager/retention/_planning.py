"""What a policy lets go: the sessions it would delete, the oldest first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from strands_sqlite_session_manager import _activity
from strands_sqlite_session_manager._codec import require_texts
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.retention._weighing import Remainder, Weights, weigh

_COUNTERS = """
SELECT
    ifnull((SELECT max(change_id) FROM sessions), 0), ifnull((SELECT max(change_id) FROM agents), 0),
    ifnull((SELECT max(change_id) FROM messages), 0), ifnull((SELECT max(change_id) FROM multi_agents), 0)
"""
_IN_SCOPE = """
SELECT
    session_id,
    ifnull(last_activity, updated_at) AS active,
    EXISTS (
        SELECT 1 FROM session_tags WHERE session_tags.session_id = sessions.session_id
        AND tag IN (SELECT value FROM json_each(?2))
    )
FROM sessions LEFT JOIN session_activity USING (session_id)
WHERE (
    SELECT count(*) FROM session_tags WHERE session_tags.session_id = sessions.session_id
    AND tag IN (SELECT value FROM json_each(?1))
) = json_array_length(?1)
ORDER BY active, session_id
"""


@dataclass(frozen=True, kw_only=True)
class PrunePolicy:
    """Which sessions may go.

    `tags` says which sessions the policy is about; the limits `older_than` and `max_bytes` let some of them go, each on
    its own account; `keep_last`, `keep_tags` and `idle` keep sessions whatever the limits say. Without a limit every
    session goes that is not kept, so that `keep_last=100` alone leaves the newest hundred.

    Attributes:
        older_than: Sessions go whose last activity is longer ago.
        keep_last: So many stay, those with the newest activity.
        max_bytes: The sessions with the oldest activity go until what is left has no more bytes; an attachment that
            several of them share counts once, and is there until the last of them goes.
        tags: Only sessions with all these tags are looked at.
        keep_tags: Sessions with any of these tags stay.
        idle: A session that was active within this time is in use, and stays.
    """

    older_than: timedelta | None = None
    keep_last: int | None = None
    max_bytes: int | None = None
    tags: tuple[str, ...] = ()
    keep_tags: tuple[str, ...] = ()
    idle: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        """Refuse a policy that would take everything, and limits that mean nothing.

        Raises:
            ValueError: There is neither a limit nor `keep_last` nor `tags`, a number or time is negative, or a tag is
                blank: no session has that one.
            TypeError: Tags are one text instead of several.
        """
        if any(isinstance(tags, str) for tags in (self.tags, self.keep_tags)):
            message = "tags and keep_tags must be tuples of texts, not one text"
            raise TypeError(message)
        if not all(tag.strip() for tag in (*self.tags, *self.keep_tags)):
            message = "a blank tag is that of no session | leave it out, or name the tag that is meant"
            raise ValueError(message)
        if self.older_than is None and self.keep_last is None and self.max_bytes is None and not self.tags:
            message = "the policy would take every session | set older_than, keep_last, max_bytes or tags"
            raise ValueError(message)
        nothing = timedelta()
        if min(self.older_than or nothing, self.idle) < nothing or min(self.keep_last or 0, self.max_bytes or 0) < 0:
            message = "older_than, keep_last, max_bytes and idle must not be negative"
            raise ValueError(message)


@dataclass(frozen=True)
class PlannedSession:
    """A session that would go.

    Attributes:
        session_id: Its id.
        title: Its title, if it has one.
        last_activity: When something was last written to it: ISO 8601 in UTC.
        messages: How many messages it has.
        bytes: What goes with it: what is stored of its messages, states and their history, and attachments that nothing
            uses any more once the sessions before it in the plan have gone too.
    """

    session_id: str
    title: str | None
    last_activity: str
    messages: int
    bytes: int


@dataclass(frozen=True)
class PrunePlan:
    """What `prune` would delete.

    Attributes:
        sessions: The sessions, the one with the oldest activity first.
        kept_in_use: How many sessions would go too, had they not been active within `idle`.
        bytes: What goes with all of them together.
        counters: Where the change counters of sessions, agents, messages and multi-agent states stood when the plan was
            made: a session in which anything has a higher one was written to since.
    """

    sessions: tuple[PlannedSession, ...]
    kept_in_use: int
    bytes: int
    counters: tuple[int, int, int, int] = field(default=(0, 0, 0, 0), repr=False)


class _Candidate(NamedTuple):
    session_id: str
    last_activity: str
    kept: bool


def plan_prune(database: Database, policy: PrunePolicy, *, now: datetime | None = None) -> PrunePlan:
    """Return what a policy would delete; nothing is deleted.

    ```python
    from datetime import timedelta
    from strands_sqlite_session_manager import SessionStore
    from strands_sqlite_session_manager.retention import PrunePolicy

    with SessionStore() as store:
        plan = store.plan_prune(PrunePolicy(older_than=timedelta(days=90), keep_tags=("legal-hold",)))
        print(len(plan.sessions), "sessions,", plan.bytes, "bytes")
        store.prune(plan)
    ```

    Args:
        database: The database; it may be open for reading only.
        policy: What may go.
        now: The time from which ages are counted, with its time zone; the present if None.

    Raises:
        SQLiteSessionError: The file cannot be read; the type says why.
        ValueError: `now` has no time zone.
    """
    now = datetime.now(timezone.utc) if now is None else now
    if now.tzinfo is None:
        message = f"now=<{now}> | must have a time zone"
        raise ValueError(message)
    counters = database.read(lambda connection: connection.row(_COUNTERS))  # first: what is written from here on stays
    _activity.catch_up(database)
    tags = (json.dumps(sorted(set(policy.tags))), json.dumps(policy.keep_tags))
    in_scope = [_Candidate(*row) for row in database.read(lambda connection: connection.rows(_IN_SCOPE, tags))]
    require_texts(*(one.last_activity for one in in_scope))
    weights = Weights() if policy.max_bytes is None else weigh(database, [one.session_id for one in in_scope])
    going, kept_in_use = _choose(policy, now, in_scope, weights.among_themselves())
    if policy.max_bytes is None:
        weights = weigh(database, [one.session_id for one in going])
    freed = weights.in_database()
    planned = tuple(
        PlannedSession(one.session_id, weight.title, one.last_activity, weight.messages, freed.take(one.session_id))
        for one in going
        if (weight := weights.sessions.get(one.session_id)) is not None  # else somebody has deleted it meanwhile
    )
    return PrunePlan(planned, kept_in_use, sum(session.bytes for session in planned), counters)


def _choose(
    policy: PrunePolicy, now: datetime, in_scope: Sequence[_Candidate], left: Remainder
) -> tuple[list[_Candidate], int]:
    """Return the sessions that go, the oldest first, and how many would but for being in use."""
    newest = len(in_scope) - (policy.keep_last or 0)
    unlimited = policy.older_than is None and policy.max_bytes is None
    old_before = "" if policy.older_than is None else _moment(now, policy.older_than)
    in_use_after = _moment(now, policy.idle)
    going = []
    kept_in_use = 0
    for one in in_scope[: max(0, newest)]:
        must_shrink = policy.max_bytes is not None and left.bytes > policy.max_bytes
        if one.kept or not (unlimited or must_shrink or one.last_activity < old_before):
            continue
        if one.last_activity > in_use_after:
            kept_in_use += 1
            continue
        going.append(one)
        left.take(one.session_id)
    return going, kept_in_use


def _moment(now: datetime, ago: timedelta) -> str:
    """Return the time so long ago as stored times are written: they sort as texts."""
    try:
        return (now.astimezone(timezone.utc) - ago).isoformat(timespec="microseconds")
    except OverflowError:  # before the year 1
        return ""
