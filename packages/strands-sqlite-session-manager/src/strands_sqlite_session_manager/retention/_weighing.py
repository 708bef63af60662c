"""How many bytes sessions have: each its own, and attachments that several share."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database

BATCH_SESSIONS = 200
"""How many sessions are weighed in one read, so that no read keeps the WAL from being reused for long."""

_WEIGH = """
SELECT
    session_id,
    title,
    (SELECT count(*) FROM messages AS each WHERE each.session_id = one.session_id),
    (
        SELECT total(octet_length(message) + ifnull(octet_length(redact_message), 0))
        FROM messages AS each WHERE each.session_id = one.session_id
    ) + (
        SELECT total(octet_length(state) + octet_length(conversation_manager_state) + octet_length(internal_state))
        FROM agents AS each WHERE each.session_id = one.session_id
    ) + (
        SELECT total(octet_length(changes)) FROM agent_state_history AS each WHERE each.session_id = one.session_id
    ) + (
        SELECT total(octet_length(state)) FROM multi_agents AS each WHERE each.session_id = one.session_id
    ),
    (SELECT json_group_array(DISTINCT blob_id) FROM message_blobs AS each WHERE each.session_id = one.session_id)
FROM json_each(?) AS wanted JOIN sessions AS one ON one.session_id = wanted.value
"""
_BLOBS = """
SELECT
    blob_id,
    octet_length(content),
    (SELECT count(DISTINCT session_id) FROM message_blobs AS each WHERE each.blob_id = blobs.blob_id)
FROM blobs WHERE blob_id IN (SELECT value FROM json_each(?))
"""


class Weight(NamedTuple):
    """What a session has.

    Attributes:
        title: Its title.
        messages: How many messages.
        own: The bytes of its messages, states and their history.
        blobs: The attachments that its messages use.
    """

    title: str | None
    messages: int
    own: int
    blobs: tuple[int, ...]


class Blob(NamedTuple):
    """An attachment: its bytes, and how many sessions of the database use it."""

    bytes: int
    users: int


class Weights:
    """What some sessions have, as far as they are there.

    Attributes:
        sessions: The sessions by their ids.
        blobs: The attachments that they use, by their ids.
    """

    def __init__(self) -> None:
        """Know no session yet."""
        self.sessions: dict[str, Weight] = {}
        self.blobs: dict[int, Blob] = {}

    def add(self, connection: Connection, session_ids: Sequence[str]) -> None:
        """Weigh sessions."""
        rows = connection.rows(_WEIGH, (json.dumps(session_ids),))
        found = {each: Weight(title, count, int(own), tuple(json.loads(ids))) for each, title, count, own, ids in rows}
        new = {blob_id for weight in found.values() for blob_id in weight.blobs} - self.blobs.keys()
        blobs = connection.rows(_BLOBS, (json.dumps(sorted(new)),))
        self.blobs |= {blob_id: Blob(size, users) for blob_id, size, users in blobs}
        self.sessions |= found

    def in_database(self) -> Remainder:
        """Return what sessions free in the database as they go."""
        return Remainder(self, Counter({blob_id: blob.users for blob_id, blob in self.blobs.items()}))

    def among_themselves(self) -> Remainder:
        """Return what is left of these sessions as some of them go, whoever else uses their attachments."""
        used = (blob_id for weight in self.sessions.values() for blob_id in weight.blobs if blob_id in self.blobs)
        return Remainder(self, Counter(used))


class Remainder:
    """What is left while sessions go one after the other.

    Attributes:
        bytes: The sessions' own bytes, and each attachment that one of them uses, once.
    """

    def __init__(self, weights: Weights, users: Counter[int]) -> None:
        """Begin with all the sessions.

        Args:
            weights: What they have.
            users: How many must go until an attachment goes.
        """
        self._weights = weights
        self._users = users
        own = sum(weight.own for weight in weights.sessions.values())
        self.bytes = own + sum(blob.bytes for blob in weights.blobs.values())

    def take(self, session_id: str) -> int:
        """Let a session go; return the bytes that go with it: its own, and attachments that it is the last to use."""
        weight = self._weights.sessions.get(session_id)
        if weight is None:
            return 0
        freed = weight.own
        for blob_id in weight.blobs:
            self._users[blob_id] -= 1
            if self._users[blob_id] == 0:
                freed += self._weights.blobs[blob_id].bytes
        self.bytes -= freed
        return freed


def weigh(database: Database, session_ids: Sequence[str]) -> Weights:
    """Weigh sessions, so many in one read."""
    weights = Weights()
    for start in range(0, len(session_ids), BATCH_SESSIONS):
        batch = session_ids[start : start + BATCH_SESSIONS]
        database.read(lambda connection, batch=batch: weights.add(connection, batch))  # type: ignore[misc]
    return weights
