"""What it takes to complete the interrupted turns of a session: read here, done by `_edits`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager.maintenance import _edits
from strands_sqlite_session_manager.maintenance._findings import json_column
from strands_sqlite_session_manager.maintenance._pairs import (
    Broken,
    Look,
    can_be_mended,
    counts_removed,
    judge,
    judge_end,
    look_at,
    mended,
    removed_count,
    waits_for_answer,
)
from strands_sqlite_session_manager.maintenance._shape import message_problem, read

_AGENTS = """
SELECT agent_id, conversation_manager_state, internal_state FROM agents WHERE session_id = ? ORDER BY agent_id
"""
_MESSAGES = f"""
SELECT message_id, {json_column("ifnull(redact_message, message)")} FROM messages
WHERE session_id = ? AND agent_id = ? ORDER BY message_id LIMIT -1 OFFSET ?
"""
_TOOLS = (b'"toolUse"', b'"toolResult"')
_NO_TOOLS = Look("", [], [], others=True)
_NOT_IN_PLACE = "cannot be repaired in place; whenever the session is restored, the SDK mends it in memory"
_INTERRUPTED = "left alone: an interrupt of the agent waits for an answer, which must be given first"
_WHAT = {
    Broken.WAITING: "append error results for {calls}",
    Broken.UNANSWERED: "put error results for {calls} in front",
    Broken.MISMATCHED: "give each of {calls} one result, an error where it has none",
    Broken.ORPHANED: "take out the results of {calls}, which nobody called",
    Broken.ORPHANED_ONLY: "no longer give it to the agent: it has only results of {calls}, which nobody called",
}


@dataclass(frozen=True)
class Repair:
    """Something that was mended, or would be.

    Attributes:
        session_id: The session; None for a search index.
        agent_id: The agent whose conversation it is.
        message_id: The message that is added or changed.
        what: What is done, or why nothing is.
        repaired: Whether it is done; where not, the place stays as it is.
    """

    session_id: str | None
    agent_id: str | None
    message_id: int | None
    what: str
    repaired: bool = True


class Step(NamedTuple):
    """A repair, and the operation that does it; None where nothing is done."""

    repair: Repair
    run: Callable[[Connection], None] | None


def plan(connection: Connection, session_id: str) -> list[Step]:
    """Return what it takes to complete the interrupted turns of all agents of a session."""
    steps: list[Step] = []
    for agent_id, manager_state, internal_state in connection.rows(_AGENTS, (session_id,)):
        agent = _Agent(connection, session_id, agent_id, waits=waits_for_answer(internal_state))
        steps += agent.plan(removed_count(manager_state), may_remove=counts_removed(manager_state))
    return steps


@dataclass
class _Agent:
    connection: Connection
    session_id: str
    agent_id: str
    waits: bool
    steps: list[Step] = field(default_factory=list)

    def plan(self, removed: int, *, may_remove: bool) -> list[Step]:
        """Walk through what the agent is given, after a look at the message before it."""
        before: Look | None = _NO_TOOLS
        position, message_id = max(0, removed - 1), -1
        for message_id, stored in self.connection.execute(_MESSAGES, (self.session_id, self.agent_id, position)):
            message, look = _look(stored, before)
            broken = judge(before, look) if before and look and _is_judged(position, removed, before) else None
            if broken is Broken.ORPHANED_ONLY and look and position == removed and may_remove:
                removed += 1
                self._note(broken, message_id, look.results, partial(_edits.remove_first, removed=removed))
            elif broken is not None and before and look:
                self._mend(broken, message_id, message, (before, look))
            before = look
            position += 1
        if judge_end(before) is not None and before and position > removed and not self.waits:
            append = partial(_edits.append_results, message_id=message_id + 1, calls=before.calls)
            self._note(Broken.WAITING, message_id + 1, before.calls, append)
        return self.steps

    def _mend(self, broken: Broken, message_id: int, message: Any, pair: tuple[Look, Look]) -> None:
        before, look = pair
        if can_be_mended(broken, look):
            shown = {**message, "content": mended(before, message["content"])}
            put = partial(_edits.put_shown, message_id=message_id, shown=shown)
            self._note(broken, message_id, before.calls or look.results, put)
        else:
            repair = Repair(self.session_id, self.agent_id, message_id, _NOT_IN_PLACE, repaired=False)
            self.steps.append(Step(repair, None))

    def _note(self, broken: Broken, message_id: int, calls: list[str], run: Callable[..., None]) -> None:
        what = _WHAT[broken].format(calls=", ".join(calls))
        repair = Repair(self.session_id, self.agent_id, message_id, what)
        if self.waits:
            self.steps.append(Step(replace(repair, what=_INTERRUPTED, repaired=False), None))
        else:
            self.steps.append(Step(repair, partial(run, session_id=self.session_id, agent_id=self.agent_id)))


def _look(stored: bytes, before: Look | None) -> tuple[Any, Look | None]:
    """Return a message and what matters in it; None where it cannot be read."""
    if not (before and before.calls) and not any(tool in stored for tool in _TOOLS):
        return None, _NO_TOOLS
    message, problem = read(stored)
    return (None, None) if problem or message_problem(message) else (message, look_at(message))


def _is_judged(position: int, removed: int, before: Look) -> bool:
    """Tell whether the agent is given a message, and the calls that it answers too."""
    return position > removed or (position == removed and not before.calls)
