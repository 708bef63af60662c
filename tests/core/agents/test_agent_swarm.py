"""Swarms: one that stopped in the middle goes on after a restart with the agent whose turn it was."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from strands import Agent, tool
from strands.multiagent.base import Status
from strands.session.repository_session_manager import RepositorySessionManager

from pytest_strands_sqlite import ToolCall

from .gates import AskBefore
from .swarms import HAND_OVER, answers, history, input_of, outputs, swarm

OpenSession = Callable[..., RepositorySessionManager]
NewAgent = Callable[..., Agent]


def test_a_swarm_that_was_stopped_goes_on_with_the_agent_that_was_at_work(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """After a restart the agent that was stopped starts its turn again, and knows what the others did."""
    started = asyncio.Event()

    @tool
    async def compile_all() -> str:
        """Compile, and never come to an end."""
        started.set()
        await asyncio.Event().wait()
        return "never"

    team = swarm(open_session(), new_agent, HAND_OVER, [ToolCall("compile_all")], tools=[compile_all])

    async def stop_in_the_middle() -> None:
        run = asyncio.create_task(team.invoke_async("Build it."))
        await started.wait()
        run.cancel()
        await asyncio.wait([run])

    asyncio.run(stop_in_the_middle())
    later = swarm(restart(), new_agent, [], ["It is built."])
    result = later("Build it.")

    assert result.status == Status.COMPLETED
    assert history(result) == ["planner", "coder"]
    assert outputs(result) == {"planner": "The coder does it.", "coder": "It is built."}
    for known in ("Build it.", "planner", "SQL"):
        assert known in input_of(later, "coder")


def test_a_swarm_that_waits_before_a_turn_is_answered_after_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A question of a hook survives the restart with the handoff that led to it."""
    waiting = swarm(open_session(), new_agent, HAND_OVER, [], hooks=[AskBefore("coder")])("Build it.")
    assert waiting.status == Status.INTERRUPTED

    later = swarm(restart(), new_agent, [], ["It is built."], hooks=[AskBefore("coder")])
    result = later(answers(waiting, "yes"))

    assert result.status == Status.COMPLETED
    assert history(result) == ["planner", "coder"]
    assert "Please code." in input_of(later, "coder")


@pytest.mark.parametrize("answer", ["yes", {"when": "tomorrow"}])
def test_a_tool_that_asks_in_a_turn_is_answered_after_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, answer: Any
) -> None:
    """The conversation and the waiting tool call of the agent are restored with the swarm."""
    team = swarm(open_session(), new_agent, HAND_OVER, [ToolCall("deploy", {"target": "moon"})])
    waiting = team("Build it.")
    assert [each.reason for each in waiting.interrupts] == ["moon"]

    later = swarm(restart(), new_agent, [], ["It is deployed."])
    result = later(answers(waiting, answer))

    assert outputs(result) == {"planner": "The coder does it.", "coder": "It is deployed."}
    messages = later.nodes["coder"].executor.messages
    assert messages[:2] == team.nodes["coder"].executor.messages
    assert messages[2]["content"][0]["toolResult"]["content"] == [{"text": f"moon: {answer}"}]


@pytest.mark.parametrize(
    ("coder", "status"), [(["It is built."], Status.COMPLETED), ([RuntimeError("no connection")], Status.FAILED)]
)
def test_a_swarm_that_came_to_its_end_starts_again_after_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, coder: list[Any], status: Status
) -> None:
    """A completed or failed swarm takes a new task from its first agent, with nothing left over."""
    assert swarm(open_session(), new_agent, HAND_OVER, coder)("Build it.").status == status

    later = swarm(restart(), new_agent, ["I did it myself."], [])
    result = later("Paint it.")

    assert history(result) == ["planner"]
    assert outputs(result) == {"planner": "I did it myself."}
    assert "SQL" not in input_of(later, "planner")
