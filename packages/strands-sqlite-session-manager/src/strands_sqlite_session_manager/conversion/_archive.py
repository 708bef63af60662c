"""What a snapshot has no place for, as JSON beside it: the whole log of an agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from strands_sqlite_session_manager._archives import ORIGINALS
from strands_sqlite_session_manager._codec import loads
from strands_sqlite_session_manager.conversion._windows import held, trimmed
from strands_sqlite_session_manager.repository.logs import AgentLog, LogMessage, StateChange


@dataclass(frozen=True)
class Archive:
    """An agent as it was when its log was converted.

    Attributes:
        agent: The agent with its messages; empty where there was no conversion.
        window: The messages that its snapshot began with.
    """

    agent: AgentLog
    window: list[Any]

    def is_continued_by(self, messages: list[Any], count: int) -> bool:
        """Tell whether an agent that holds `messages` has only added some since, and trimmed none."""
        same_offset = count == trimmed(loads(self.agent.conversation_manager_state))
        if not self.agent.created_at or not same_offset or messages[: len(self.window)] != self.window:
            return False
        return len(messages) == len(self.window) or 0 <= count <= len(self.agent.messages)


def to_archive(agent: AgentLog, repaired: list[Any] | None) -> dict[str, Any]:
    """Return everything about the agent; the messages as they are shown, so that they are parts of its snapshot too.

    Args:
        agent: The agent.
        repaired: The messages of its snapshot, where the SDK had to mend them.
    """
    redacted = {str(place): each for place, each in enumerate(agent.messages) if each.redact_message is not None}
    extras = {str(place): each.extra for place, each in enumerate(agent.messages) if each.extra is not None}
    return {
        "messages": [record.shown for record in agent.messages],
        "state_history": [list(change) for change in agent.history],
        "states": list(agent.states),
        "times": [agent.created_at, agent.updated_at],
        "extra": agent.extra,
        "ids": [record.message_id for record in agent.messages],
        "message_times": [[record.created_at, record.updated_at] for record in agent.messages],
        ORIGINALS: {place: record.message for place, record in redacted.items()},
        "message_extras": extras,
        "repaired": repaired,
    }


def from_archive(agent_id: str, archive: dict[str, Any] | None) -> Archive:
    """Return the agent that `archive` holds; an empty one without it."""
    if archive is None:
        return Archive(AgentLog(agent_id, "{}", "{}", "{}", "", ""), [])
    state, conversation_manager_state, internal_state = archive["states"]
    created_at, updated_at = archive["times"]
    agent = AgentLog(agent_id, state, conversation_manager_state, internal_state, created_at, updated_at)
    agent.extra = archive["extra"]
    agent.history = [StateChange(*change) for change in archive["state_history"]]
    agent.messages = [_message(archive, str(place)) for place in range(len(archive["ids"]))]
    repaired = archive["repaired"]
    window = held(agent.messages, loads(agent.conversation_manager_state)) if repaired is None else repaired
    return Archive(agent, window)


def _message(archive: dict[str, Any], place: str) -> LogMessage:
    index = int(place)
    shown, original = archive["messages"][index], archive[ORIGINALS].get(place)
    message, redacted = (shown, None) if place not in archive[ORIGINALS] else (original, shown)
    created_at, updated_at = archive["message_times"][index]
    extra = archive["message_extras"].get(place)
    return LogMessage(archive["ids"][index], message, redacted, created_at, updated_at, extra)
