"""Sessions as plain Python values: what a `SessionStore` must say of them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]


@dataclass
class Said:
    """A message, when it was said, what was put in its place, and the agent's state before the next one."""

    message: Message
    created_at: str
    state: dict[str, Any]
    redacted: Message | None = None

    @property
    def shown(self) -> Message:
        """The message as an agent gets it."""
        return self.message if self.redacted is None else self.redacted


@dataclass
class ModelAgent:
    """An agent: its state, the one it began with, and what was said."""

    created_at: str
    state: dict[str, Any]
    first_state: dict[str, Any]
    messages: list[Said] = field(default_factory=list)

    def change_state(self, state: dict[str, Any]) -> None:
        self.state = state
        if self.messages:
            self.messages[-1].state = state
        else:
            self.first_state = state

    def state_at(self, at: int) -> dict[str, Any]:
        return self.messages[at].state if at >= 0 else self.first_state

    def cut(self, last: int) -> None:
        """Take it back to what it was after message `last`."""
        if last + 1 < len(self.messages):
            self.state = self.state_at(last)
            del self.messages[last + 1 :]


@dataclass
class ModelSession:
    """A session: its agents, and what people note about it."""

    agents: dict[str, ModelAgent] = field(default_factory=dict)
    title: str | None = None
    tags: set[str] = field(default_factory=set)
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def messages(self) -> int:
        return sum(len(agent.messages) for agent in self.agents.values())

    def copied(self) -> ModelSession:
        return copy.deepcopy(self)

    def take_back(self, agent_id: str, at: int) -> None:
        """Take the session back to what it was after a message of one of its agents."""
        agent = self.agents[agent_id]
        if not agent.messages:
            return
        moment = agent.messages[max(at, 0)].created_at
        for other_id, other in list(self.agents.items()):
            if other_id == agent_id:
                other.cut(at)
                continue
            last = sum(each.created_at <= moment and (at >= 0 or each.created_at < moment) for each in other.messages)
            if last == 0 and other.created_at > moment:
                del self.agents[other_id]
            else:
                other.cut(last - 1)

    def texts(self) -> list[str]:
        """Return every text that is stored of the session, of redacted messages too."""
        said = [each for agent in self.agents.values() for each in agent.messages]
        messages = [each.message for each in said] + [each.redacted for each in said if each.redacted is not None]
        return [message["content"][0]["text"] for message in messages]
