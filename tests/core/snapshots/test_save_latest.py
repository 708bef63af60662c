"""When the latest snapshot is written: after each message, after each invocation, or when a trigger says so."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from strands import Agent, tool
from strands.session import SnapshotSessionManager

from pytest_strands_sqlite import ModelCall, ToolCall
from tests.core.talking import said

OpenSession = Callable[..., SnapshotSessionManager]
NewAgent = Callable[..., Agent]
Stored = Callable[..., Any]

STRATEGIES = ["message", "invocation", "trigger"]

FIRST = ["user", "toolUse", "toolResult", "assistant"]
SECOND = ["user", "assistant"]
"""What two turns add to a conversation."""

AT_THE_MODEL: dict[str, list[list[str]]] = {
    "message": [["user"], FIRST[:3], [*FIRST, "user"]],
    "invocation": [[], [], FIRST],
    "trigger": [[], [], []],
}
"""By strategy, what the file holds when the model is called for the first, second and third time."""


@tool
def weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: Where.
    """
    return f"rain in {city}"


def kind(message: Any) -> str:
    """Who speaks in a message, or that it is a tool call or its result."""
    return next((name for name in ("toolUse", "toolResult") if name in message["content"][0]), message["role"])


def roles(snapshot: Any) -> list[str]:
    """The kinds of the messages in a snapshot."""
    return [kind(message) for message in snapshot["data"]["messages"]] if snapshot else []


class Watcher:
    """Steps of a model that look into the file before they answer."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self.seen: list[list[str]] = []

    def then(self, reply: Any) -> Callable[[ModelCall], Any]:
        """A step that looks, then answers."""

        def step(_: ModelCall) -> Any:
            self.seen.append(roles(self._stored()))
            return reply

        return step


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_in_the_file_after_each_step(
    open_session: OpenSession, new_agent: NewAgent, stored: Stored, strategy: str
) -> None:
    """The file holds what the strategy promises at each call of the model and after each turn, no less and no more."""
    watcher = Watcher(stored)
    steps = [watcher.then(ToolCall("weather", {"city": "Oslo"})), watcher.then("Rain."), watcher.then("You too.")]
    agent = new_agent(open_session(save_latest_on=strategy), *steps, tools=[weather])
    after_turns = []
    for prompt in ("Weather?", "Thanks."):
        agent(prompt)
        after_turns.append(roles(stored()))

    assert watcher.seen == AT_THE_MODEL[strategy]
    assert after_turns == ([[], []] if strategy == "trigger" else [FIRST, [*FIRST, *SECOND]])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_a_restarted_agent_gets(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, strategy: str
) -> None:
    """After a restart the agent has the last turn that its strategy saved, and talks on from there."""

    def second_turn(*, agent_data: Agent, **_: Any) -> bool:
        return len(agent_data.messages) == 4

    options: dict[str, Any] = {"save_latest_on": strategy, "snapshot_trigger": second_turn}
    agent = new_agent(open_session(**options), "a0", "a1", "a2")
    for turn in range(3):
        agent.state.set("turn", turn)
        agent(f"q{turn}")

    restored = new_agent(restart(**options), "again")

    kept = 2 if strategy == "trigger" else 3
    assert restored.messages == agent.messages[: 2 * kept]
    assert restored.state.get() == {"turn": kept - 1}
    restored("Go on.")
    assert said(restored.messages)[-2:] == ["Go on.", "again"]
    after = new_agent(restart(**options))
    assert said(after.messages)[-2:] == (["q1", "a1"] if strategy == "trigger" else ["Go on.", "again"])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_turn_that_is_stopped_in_a_tool(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, strategy: str
) -> None:
    """What a cancelled turn leaves can be restored under each strategy, and the agent goes on."""
    started = asyncio.Event()

    @tool
    async def wait_for_ever() -> str:
        """Wait."""
        started.set()
        await asyncio.Event().wait()
        return "never"

    agent = new_agent(open_session(save_latest_on=strategy), "a0", ToolCall("wait_for_ever"), tools=[wait_for_ever])

    async def stop_in_the_middle() -> None:
        await agent.invoke_async("q0")
        turn = asyncio.create_task(agent.invoke_async("q1"))
        await started.wait()
        turn.cancel()
        await asyncio.wait([turn])
        assert turn.cancelled()

    asyncio.run(stop_in_the_middle())
    restored = new_agent(restart(save_latest_on=strategy), "Here I am.", tools=[wait_for_ever])
    assert said(restored.messages)[:2] == ([] if strategy == "trigger" else ["q0", "a0"])
    restored("Are you there?")
    assert said(restored.messages)[-2:] == ["Are you there?", "Here I am."]


def test_a_snapshot_saved_by_hand(open_session: OpenSession, restart: OpenSession, new_agent: NewAgent) -> None:
    """Under `trigger` without a trigger only what is saved by hand is there after a restart."""
    manager = open_session(save_latest_on="trigger")
    agent = new_agent(manager, "a0", "a1")
    agent("q0")
    assert asyncio.run(manager.save_snapshot(agent, is_latest=True)) is None
    agent("q1")

    assert said(new_agent(restart(save_latest_on="trigger")).messages) == ["q0", "a0"]


def test_a_trigger_that_fails_loses_no_turn(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """When a user's trigger raises, the turn is saved as the latest all the same, and no checkpoint is made."""

    def broken(*, agent_data: Agent, **_: Any) -> bool:
        msg = f"no idea about {agent_data.agent_id}"
        raise RuntimeError(msg)

    new_agent(open_session(save_latest_on="trigger", snapshot_trigger=broken), "a0")("q0")

    manager = restart()
    restored = new_agent(manager)
    assert said(restored.messages) == ["q0", "a0"]
    assert asyncio.run(manager.list_snapshot_ids(restored)) == []


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_system_prompt_is_part_of_the_session(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, strategy: str
) -> None:
    """A snapshot brings the system prompt back, cache points included, over the one that the new agent was given."""
    prompt: Any = [{"text": "You are brief."}, {"cachePoint": {"type": "default"}}]
    options: dict[str, Any] = {"save_latest_on": strategy, "snapshot_trigger": lambda **_: True}
    new_agent(open_session(**options), "a0", system_prompt=prompt)("q0")

    restored = new_agent(restart(**options), system_prompt="You are long-winded.")

    assert restored.system_prompt == "You are brief."
    assert restored.system_prompt_content == prompt
