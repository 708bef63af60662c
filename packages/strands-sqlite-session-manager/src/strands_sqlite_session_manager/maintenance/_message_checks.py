"""Messages: their ids, their JSON, their tool calls with the results, and their attachments."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import Any

from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager.maintenance._findings import (
    RESTORE,
    Batch,
    Check,
    Finding,
    Kind,
    json_column,
    place,
)
from strands_sqlite_session_manager.maintenance._pairs import (
    Broken,
    Look,
    can_be_mended,
    judge,
    judge_end,
    look_at,
    removed_count,
    waits_for_answer,
)
from strands_sqlite_session_manager.maintenance._shape import MARK, message_problem, object_problem, read, references

BATCH_ROWS = 500
BATCH_BYTES = 4 * 1024 * 1024

_COUNT = "SELECT count(*) FROM messages"
_COLUMNS = f"""
session_id, agent_id, message_id, {json_column("message")}, {json_column("redact_message")}, {json_column("extra")}
"""
_FIRST_MESSAGES = f"SELECT {_COLUMNS} FROM messages ORDER BY session_id, agent_id, message_id"
_NEXT_MESSAGES = f"""
SELECT {_COLUMNS} FROM messages
WHERE (session_id, agent_id, message_id) > (?, ?, ?) ORDER BY session_id, agent_id, message_id
"""
_LINKS = """
SELECT session_id, agent_id, message_id, sha256, length(content) FROM message_blobs JOIN blobs USING (blob_id)
WHERE (session_id, agent_id, message_id) >= (?, ?, ?) AND (session_id, agent_id, message_id) <= (?, ?, ?)
"""
_AGENT = "SELECT conversation_manager_state, internal_state FROM agents WHERE session_id = ? AND agent_id = ?"

_Place = tuple[Any, ...]
_GAP = "restore the missing messages from a backup; agents go on with those that are there"


@dataclass
class _State:
    """Where the walk through all messages stands.

    Attributes:
        place: The message that was looked at last; empty before the first.
        look: What matters in it; None where it cannot be read, or is the first.
        known: Whether it could be read, or is the first.
        position: How many messages of its agent come before it.
        removed: How many messages its agent is no longer given.
    """

    place: _Place
    look: Look | None = None
    known: bool = True
    position: int = -1
    removed: int = 0


@dataclass
class _Walk:
    connection: Connection
    state: _State
    links: dict[_Place, dict[str, int]]
    findings: list[Finding] = field(default_factory=list)

    def note(self, kind: Kind, problem: str, advice: str = RESTORE) -> None:
        self.findings.append(Finding(kind, place(*self.state.place), problem, advice))

    def visit(self, row: tuple[Any, ...]) -> None:
        where, texts, extra = row[:3], row[3:5], row[5]
        if where[:2] != self.state.place[:2]:
            self.leave_agent()
            agent = self.connection.row(_AGENT, where[:2])
            self.state = _State((*where[:2], -1), removed=removed_count(agent[0]) if agent else 0)
        self._check_id(where)
        state = self.state
        before, was_known = state.look, state.known
        state.place, state.position = where, state.position + 1
        self._check_content(texts)
        if state.look is not None and was_known:
            self._check_pair(before, state.look)
        if extra is not None:
            value, problem = read(extra)
            self._note_json("the fields of a newer SDK", problem or object_problem(value))

    def leave_agent(self) -> None:
        """Look at what the last message of an agent leaves open."""
        state = self.state
        broken = judge_end(state.look)
        if broken is not None and state.look is not None and state.position >= state.removed:
            agent = self.connection.row(_AGENT, state.place[:2])
            if agent is None or not waits_for_answer(agent[1]):
                problem = broken.value.format(calls=", ".join(state.look.calls))
                self.note("tool pair", problem, "unless the turn is still running, `repair` it: the results are errors")

    def _check_id(self, where: _Place) -> None:
        message_id, last = where[2], self.state.place[2]
        if not isinstance(message_id, int) or message_id < 0:
            finding = Finding("id", place(*where), "the id is no number from zero on", RESTORE)
        elif isinstance(last, int) and message_id != max(last, -1) + 1:
            missing = f"{max(last, -1) + 1} to {message_id - 1}"
            finding = Finding("id", place(*where[:2]), f"the messages {missing} are missing", _GAP)
        else:
            return
        self.findings.append(finding)

    def _check_content(self, texts: tuple[Any, Any]) -> None:
        used: dict[str, object] = {}
        shown = None
        for name, text in zip(("message", "redact_message"), texts, strict=True):
            if text is None and name == "redact_message":
                continue
            value, problem = read(text)
            problem = problem or message_problem(value)
            shown = None if problem else value
            self._note_json(name, problem)
            if isinstance(text, bytes) and MARK in text:
                used |= references(value)
        self.state.look = None if shown is None else look_at(shown)
        self.state.known = shown is not None
        if used or self.state.place in self.links:
            self._check_attachments(used)

    def _check_pair(self, before: Look | None, look: Look) -> None:
        position, removed = self.state.position, self.state.removed
        splits_pair = position == removed and before is not None and before.calls
        broken = None if position < removed or splits_pair else judge(before, look)
        if broken is None:
            return
        calls = before.calls if before is not None and before.calls else look.results
        advice = "`repair` it"
        if broken is Broken.ORPHANED_ONLY and position == removed:
            self.state.removed += 1  # the repair counts it as removed, and the next message is the first
        elif not can_be_mended(broken, look):
            advice = "it cannot be repaired in place; whenever the session is restored, the SDK mends it in memory"
        self.note("tool pair", broken.value.format(calls=", ".join(calls)), advice)

    def _check_attachments(self, used: dict[str, object]) -> None:
        links = self.links.get(self.state.place, {})
        for digest, size in used.items():
            if digest not in links:
                self.note("blob", f"the attachment {digest} is missing")
            elif size != links[digest]:
                self.note("blob", f"the attachment {digest} has {links[digest]} bytes, it had {size}")
        for digest in sorted(links.keys() - used.keys()):
            self.note("blob", f"the attachment {digest} is kept for it, which it does not use", "it only takes space")

    def _note_json(self, name: str, problem: str) -> None:
        if problem:
            self.note("json", f"{name} {problem}")


def _step(connection: Connection, state: _State) -> Batch:
    rows, more = _rows(connection, state.place)
    walk = _Walk(connection, copy(state), _links(connection, rows[0][:3], rows[-1][:3]) if rows else {})
    for row in rows:
        walk.visit(row)
    if not more:
        walk.leave_agent()
    return Batch(walk.findings, len(rows), walk.state if more else None)


def _rows(connection: Connection, after: _Place) -> tuple[list[tuple[Any, ...]], bool]:
    """Return the next messages, and whether there may be more."""
    rows: list[tuple[Any, ...]] = []
    size = 0
    for row in connection.execute(_NEXT_MESSAGES if after else _FIRST_MESSAGES, after):
        rows.append(row)
        size += sum(len(text) for text in row[3:5] if isinstance(text, bytes))
        if size >= BATCH_BYTES or len(rows) == BATCH_ROWS:
            return rows, True
    return rows, False


def _links(connection: Connection, first: _Place, last: _Place) -> dict[_Place, dict[str, int]]:
    found: dict[_Place, dict[str, int]] = {}
    for *where, digest, size in connection.rows(_LINKS, (*first, *last)):
        found.setdefault((where[0], where[1], where[2]), {})[digest] = size
    return found


MESSAGES = Check("messages", _COUNT, _step, _State(()))
