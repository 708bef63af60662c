"""Turns of an agent, of which only the time in the hooks of its session manager counts."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from time import perf_counter

from strands import Agent
from strands._async import run_async  # the bridge from synchronous code that `agent()` uses itself
from strands.agent.conversation_manager import ConversationManager
from strands.hooks import (
    AfterInvocationEvent,
    AgentInitializedEvent,
    BeforeInvocationEvent,
    HookEvent,
    HookRegistry,
    MessageAddedEvent,
)
from strands.session import SessionManager

from benchmarks import material
from pytest_strands_sqlite import ScriptedModel

Runner = Callable[[Callable[[], Awaitable[float]]], float]
"""Runs a function that must be awaited, from synchronous code."""


def create_agent(conversation_manager: ConversationManager | None = None) -> Agent:
    """Return a new agent, without a session manager; its conversation has the SDK's window of 40, or that of yours."""
    return Agent(
        model=ScriptedModel(),
        agent_id=material.AGENT,
        callback_handler=None,
        conversation_manager=conversation_manager,
    )


class Conversation:
    """A conversation with an agent that is called from synchronous code, as `agent()` is.

    The events are those of the SDK's event loop, in its order and on its bridge: another thread with a new event loop
    for every turn. No model is called, and the agent's own hooks are not part of the registry.

    Attributes:
        agent: The agent.
    """

    def __init__(
        self,
        manager: SessionManager,
        conversation_manager: ConversationManager | None = None,
        prose: material.Prose | None = None,
    ) -> None:
        """Create the agent and restore it from its session; `prose` writes what is said."""
        self.agent = create_agent(conversation_manager)
        self._hooks = HookRegistry()
        self._hooks.add_hook(manager)
        self._hooks.invoke_callbacks(AgentInitializedEvent(agent=self.agent))
        self._turns = enumerate(material.turns(prose))

    def skip(self, turns: int) -> None:
        """Go on by `turns` turns that nobody stores."""
        for number, messages in itertools.islice(self._turns, turns):
            self._store_state(number)
            self.agent.messages.extend(messages)

    def cycle(self, run: Runner = run_async) -> float:
        """Play one turn of each size and return the seconds in hooks per turn; `run` runs each of them."""
        turns = len(material.TURN_SIZES)
        return sum(run(self.turn) for _ in range(turns)) / turns

    async def turn(self) -> float:
        """Play the next turn and return the seconds in hooks."""
        number, messages = next(self._turns)
        spent = await self._fire(BeforeInvocationEvent(agent=self.agent))
        for message in messages:
            if message is messages[-1]:
                self._store_state(number)
            self.agent.messages.append(message)
            spent += await self._fire(MessageAddedEvent(agent=self.agent, message=message))
        self.agent.conversation_manager.apply_management(self.agent)
        return spent + await self._fire(AfterInvocationEvent(agent=self.agent))

    def _store_state(self, number: int) -> None:
        for key, value in material.state(number).items():
            self.agent.state.set(key, value)

    async def _fire(self, event: HookEvent) -> float:
        begin = perf_counter()
        await self._hooks.invoke_callbacks_async(event)
        return perf_counter() - begin
