"""Turns of an agent, of which only the time in the hooks of its session manager counts."""

from __future__ import annotations

import itertools
from functools import partial
from time import perf_counter

from strands import Agent
from strands._async import run_async  # the bridge from synchronous code that `agent()` uses itself
from strands.hooks import (
    AfterInvocationEvent,
    AgentInitializedEvent,
    BeforeInvocationEvent,
    HookEvent,
    HookRegistry,
    MessageAddedEvent,
)
from strands.session import SessionManager
from strands.types.content import Message

from benchmarks import material
from pytest_strands_sqlite import ScriptedModel


class Conversation:
    """A conversation with an agent that is called from synchronous code, as `agent()` is.

    The events are those of the SDK's event loop, in its order and on its bridge: another thread with a new event loop
    for every turn. No model is called, and the agent's own hooks are not part of the registry.
    """

    def __init__(self, manager: SessionManager) -> None:
        """Create the agent and restore it from its session."""
        self._agent = Agent(model=ScriptedModel(), agent_id=material.AGENT, callback_handler=None)
        self._hooks = HookRegistry()
        self._hooks.add_hook(manager)
        self._hooks.invoke_callbacks(AgentInitializedEvent(agent=self._agent))
        self._turns = enumerate(material.turns())

    def cycle(self) -> float:
        """Play one turn of each size and return the seconds in hooks per turn."""
        sizes = material.TURN_SIZES
        return sum(run_async(partial(self._turn, *each)) for each in itertools.islice(self._turns, len(sizes))) / len(
            sizes
        )

    async def _turn(self, number: int, messages: list[Message]) -> float:
        spent = await self._fire(BeforeInvocationEvent(agent=self._agent))
        for message in messages:
            if message is messages[-1]:
                for key, value in material.state(number).items():
                    self._agent.state.set(key, value)
            self._agent.messages.append(message)
            spent += await self._fire(MessageAddedEvent(agent=self._agent, message=message))
        self._agent.conversation_manager.apply_management(self._agent)
        return spent + await self._fire(AfterInvocationEvent(agent=self._agent))

    async def _fire(self, event: HookEvent) -> float:
        begin = perf_counter()
        await self._hooks.invoke_callbacks_async(event)
        return perf_counter() - begin
