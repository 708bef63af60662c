"""Many agents, threads and event loops on one store: each conversation stays whole and its own."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from strands import Agent, tool
from strands.session.repository_session_manager import RepositorySessionManager

from pytest_strands_sqlite import ToolCall
from tests.core.talking import said

OpenSession = Callable[..., RepositorySessionManager]
NewAgent = Callable[..., Agent]

AGENTS = 20
TURNS = 2


@tool
async def look_up(key: str) -> str:
    """Look something up.

    Args:
        key: What.
    """
    await asyncio.sleep(0)
    return f"value of {key}"


def steps(name: str) -> list[str | ToolCall]:
    """A script of turns with a tool call each."""
    return [step for turn in range(TURNS) for step in (ToolCall("look_up", {"key": name}), f"{name} {turn}")]


def expected(name: str) -> list[str]:
    """The texts of such a conversation."""
    return [text for turn in range(TURNS) for text in (f"turn {turn}", f"{name} {turn}")]


async def talk(agent: Agent) -> None:
    """Hold all turns of a script."""
    for turn in range(TURNS):
        await agent.invoke_async(f"turn {turn}")


def test_many_agents_on_one_loop_each_in_its_own_session(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Twenty agents that talk at the same time on one loop lose nothing and mix nothing."""
    names = [f"agent-{number}" for number in range(AGENTS)]
    agents = {name: new_agent(open_session(name), *steps(name), tools=[look_up]) for name in names}

    async def talk_at_once() -> None:
        await asyncio.gather(*(talk(agent) for agent in agents.values()))

    asyncio.run(talk_at_once())
    restart()
    for name, agent in agents.items():
        restored = new_agent(open_session(name), tools=[look_up])
        assert restored.messages == agent.messages
        assert said(restored.messages) == expected(name)


def test_many_agents_of_one_session_on_one_loop(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Agents that share a session and a manager talk at the same time, each in its own conversation."""
    manager = open_session()
    names = [f"agent-{number}" for number in range(AGENTS)]
    agents = {name: new_agent(manager, *steps(name), tools=[look_up], agent_id=name) for name in names}

    async def talk_at_once() -> None:
        await asyncio.gather(*(talk(agent) for agent in agents.values()))

    asyncio.run(talk_at_once())
    manager = restart()
    for name, agent in agents.items():
        assert new_agent(manager, tools=[look_up], agent_id=name).messages == agent.messages


def test_a_cancelled_agent_does_not_disturb_the_others(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """When one of many turns on a loop is cancelled, the others end, and the cancelled session goes on later."""
    started, names = asyncio.Event(), [f"agent-{number}" for number in range(8)]

    @tool
    async def wait_for_ever() -> str:
        """Wait."""
        started.set()
        await asyncio.Event().wait()
        return "never"

    cancelled = new_agent(open_session("cancelled"), ToolCall("wait_for_ever"), tools=[wait_for_ever])
    agents = {name: new_agent(open_session(name), *steps(name), tools=[look_up]) for name in names}

    async def talk_and_cancel() -> None:
        turn = asyncio.create_task(cancelled.invoke_async("Wait."))
        others = [asyncio.create_task(talk(agent)) for agent in agents.values()]
        await started.wait()
        turn.cancel()
        await asyncio.gather(*others)
        await asyncio.wait([turn])
        assert turn.cancelled()

    asyncio.run(talk_and_cancel())
    again = new_agent(restart("cancelled"), "Here I am.", tools=[wait_for_ever])
    again("Are you there?")
    assert said(again.messages)[-2:] == ["Are you there?", "Here I am."]
    for name in names:
        assert said(new_agent(open_session(name), tools=[look_up]).messages) == expected(name)


def test_one_agent_called_from_several_threads_in_turn(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """An agent that is made in one thread works in any other, each of which ends after its turn."""
    agent = new_agent(open_session(), *(f"a{turn}" for turn in range(12)))
    answers: list[str] = []
    for turn in range(12):
        thread = threading.Thread(target=lambda turn=turn: answers.append(str(agent(f"q{turn}"))))
        thread.start()
        thread.join()

    assert answers == [f"a{turn}\n" for turn in range(12)]
    assert new_agent(restart()).messages == agent.messages


def test_agents_in_threads_of_their_own(open_session: OpenSession, restart: OpenSession, new_agent: NewAgent) -> None:
    """Agents that talk at the same time in different threads, managers made there too, lose nothing."""
    names = [f"agent-{number}" for number in range(8)]
    together = threading.Barrier(len(names))

    def converse(name: str) -> Agent:
        together.wait(timeout=60)
        agent = new_agent(open_session(name), *steps(name), tools=[look_up])
        for turn in range(TURNS):
            agent(f"turn {turn}")
        return agent

    with ThreadPoolExecutor(len(names)) as pool:
        agents = dict(zip(names, pool.map(converse, names), strict=True))
    restart()
    for name, agent in agents.items():
        restored = new_agent(open_session(name), tools=[look_up])
        assert restored.messages == agent.messages
        assert said(restored.messages) == expected(name)


def test_a_synchronous_call_inside_a_running_loop(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Managers, agents and calls made without `await` inside a running loop work, mixed with awaited ones."""

    async def converse() -> Agent:
        agent = new_agent(open_session(), "a0", "a1", ToolCall("look_up", {"key": "k"}), "a2", tools=[look_up])
        agent("q0")
        await agent.invoke_async("q1")
        agent("q2")
        return agent

    agent = asyncio.run(converse())
    restored = new_agent(restart(), tools=[look_up])
    assert restored.messages == agent.messages
    assert said(restored.messages) == ["q0", "a0", "q1", "a1", "q2", "a2"]


def test_one_agent_on_several_loops_in_turn(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """An agent outlives the event loop of its first turn."""
    agent = new_agent(open_session(), "a0", "a1", "a2")
    for turn in range(3):
        asyncio.run(agent.invoke_async(f"q{turn}"))

    assert new_agent(restart()).messages == agent.messages


def test_a_server_that_opens_a_manager_for_each_request(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Requests of many conversations at once, each with a manager of its own, find what the last request left."""
    names = [f"user-{number}" for number in range(12)]

    async def request(name: str, turn: int) -> str:
        manager = open_session(name)
        agent = new_agent(manager, ToolCall("look_up", {"key": name}), f"{name} {turn}", tools=[look_up])
        assert len(agent.messages) == 4 * turn
        answer = await agent.invoke_async(f"turn {turn}")
        if turn:  # a server may close its managers or leave that to the garbage collector
            getattr(manager, "close", lambda: None)()
        return str(answer).strip()

    async def user(name: str) -> list[str]:
        return [await request(name, turn) for turn in range(TURNS)]

    async def serve() -> list[list[str]]:
        return await asyncio.gather(*(user(name) for name in names))

    assert asyncio.run(serve()) == [[f"{name} {turn}" for turn in range(TURNS)] for name in names]
    restart()
    for name in names:
        assert said(new_agent(open_session(name), tools=[look_up]).messages) == expected(name)


def test_a_threaded_server_that_opens_a_manager_for_each_request(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """The same in worker threads with synchronous agents, whichever worker takes the next request."""
    names = [f"user-{number}" for number in range(6)]

    def request(name: str, turn: int) -> str:
        manager = open_session(name)
        agent = new_agent(manager, ToolCall("look_up", {"key": name}), f"{name} {turn}", tools=[look_up])
        answer = agent(f"turn {turn}")
        getattr(manager, "close", lambda: None)()
        return str(answer).strip()

    with ThreadPoolExecutor(4) as workers:
        for turn in range(TURNS):
            answers = list(workers.map(request, names, [turn] * len(names)))
            assert answers == [f"{name} {turn}" for name in names]
    restart()
    for name in names:
        assert said(new_agent(open_session(name), tools=[look_up]).messages) == expected(name)
