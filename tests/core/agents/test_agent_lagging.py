"""Agents that lag behind their stored conversation: they are told, and overwrite nothing of what the others stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from strands import Agent
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.hooks import BeforeInvocationEvent, MessageAddedEvent
from strands.multiagent.base import Status
from strands.session.repository_session_manager import RepositorySessionManager
from strands.types.exceptions import EventLoopException
from strands.types.session import SessionAgent, SessionMessage

from pytest_strands_sqlite import ToolCall
from strands_sqlite_session_manager import ConflictError, SQLiteSessionManager
from tests.core.talking import said

from .gates import AskBefore
from .graphs import answers, graph, outputs, team
from .questions import delete, deleted
from .swarms import HAND_OVER, swarm

OpenSession = Callable[..., RepositorySessionManager]
NewAgent = Callable[..., Agent]

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def window() -> dict[str, Any]:
    """Options of an agent that keeps four messages."""
    return {"conversation_manager": SlidingWindowConversationManager(window_size=4)}


def states(manager: RepositorySessionManager, agent_id: str = "default") -> tuple[Any, ...]:
    """What is stored of an agent beside its messages."""
    agent = manager.session_repository.read_agent(manager.session_id, agent_id)
    assert agent is not None
    return agent.state, agent.conversation_manager_state, agent._internal_state


def stored(manager: RepositorySessionManager) -> list[str]:
    """What is stored of the conversation, which has no gaps."""
    messages = manager.session_repository.list_messages(manager.session_id, "default")
    assert [message.message_id for message in messages] == list(range(len(messages)))
    return said([message.to_message() for message in messages])


def pay(agent: Agent, turns: int) -> None:
    """Hold so many turns, each with another state."""
    for turn in range(turns):
        agent.state.set("paid", turn)
        agent(f"quick {turn}")


@pytest.mark.parametrize("changed", ["nothing", "its state", "its state, in the turn"])
@pytest.mark.parametrize("on_a_loop", [False, True])
def test_the_loser_of_a_conflict_leaves_the_winners_state(
    open_session: OpenSession, new_agent: NewAgent, changed: str, *, on_a_loop: bool
) -> None:
    """The turn that is refused stores neither its message nor the older state and window of its agent.

    The one who is built anew, as the error says, has all that the winner has.
    """
    new_agent(open_session(), "0")("zero")
    slow = new_agent(open_session(), **window())
    winner = open_session()
    quick = new_agent(winner, *"12345", **window())
    pay(quick, 5)
    before, conversation = states(winner), stored(winner)
    assert before[:2] == ({"paid": 4}, quick.conversation_manager.get_state())
    assert quick.conversation_manager.removed_message_count == 8

    def change(_event: Any) -> None:
        slow.state.set("paid", "by the loser")

    if changed == "its state":
        change(None)
    if changed == "its state, in the turn":
        slow.hooks.add_callback(BeforeInvocationEvent, change)

    async def beside_another_task() -> None:
        await asyncio.gather(slow.invoke_async("Me too?"), asyncio.sleep(0))

    for _ in range(2):
        with pytest.raises(ConflictError, match="Message 2 of agent default in session session exists with other"):
            asyncio.run(beside_another_task()) if on_a_loop else slow("Me too?")
        assert (states(winner), stored(winner)) == (before, conversation)

    again = new_agent(open_session(), "6", **window())
    assert again.messages == quick.messages
    assert again.state.get() == {"paid": 4}
    again("Me too?")
    assert stored(winner) == [*conversation, "Me too?", "6"]


@pytest.mark.parametrize("said_before", [0, 1])
def test_a_state_of_before_is_refused_without_any_message(
    open_session: OpenSession, new_agent: NewAgent, said_before: int
) -> None:
    """`sync_agent` of an agent that lags behind is a conflict each time, and the state that others stored stays."""
    begun = new_agent(open_session(), *["0"] * said_before)
    for _ in range(said_before):
        begun("zero")
    manager = open_session()
    slow = new_agent(manager)
    winner = open_session()
    pay(new_agent(winner, "1"), 1)
    before = states(winner)

    for _ in range(2):
        slow.state.set("paid", "by the loser")
        with pytest.raises(ConflictError, match="agent default has not seen") as raised:
            manager.sync_agent(slow)
        assert "build a new session manager and agent" in raised.value.hint
        assert states(winner) == before


def test_a_model_that_fails_is_named_before_a_state_that_is_refused(
    open_session: OpenSession, new_agent: NewAgent
) -> None:
    """A turn that fails while others go on ends with its own error; the state of its agent is not stored.

    The agent is told of the conflict by its next turn.
    """
    winner = open_session()

    def fail(_call: Any) -> str:
        pay(new_agent(winner, "1"), 1)
        slow.state.set("paid", "by the loser")
        message = "no connection"
        raise RuntimeError(message)

    slow = new_agent(open_session(), fail)
    with pytest.raises((RuntimeError, EventLoopException), match="no connection"):
        slow("Me first.")
    assert stored(winner) == ["Me first.", "quick 0", "1"]
    assert states(winner)[0] == {"paid": 0}
    with pytest.raises(ConflictError):
        slow("Me too?")
    assert states(winner)[0] == {"paid": 0}


@pytest.mark.parametrize("within", ["no error", "an error that the caller handles"])
def test_a_turn_that_ends_well_but_for_its_state_is_a_conflict(
    open_session: OpenSession, new_agent: NewAgent, within: str
) -> None:
    """Where no message is refused, but the state at the end of the turn, the turn raises that."""
    winner = open_session()

    def overtaken(event: MessageAddedEvent) -> None:
        if event.message["role"] == "user":
            return
        pay(new_agent(winner, "1"), 1)
        slow.state.set("paid", "by the loser")

    slow = new_agent(open_session(), "0")
    slow.hooks.add_callback(MessageAddedEvent, overtaken)

    async def ask() -> None:
        try:
            {"no error": ""}[within]
        except KeyError:
            await slow.invoke_async("Me first.")
        else:
            await slow.invoke_async("Me first.")

    with pytest.raises(ConflictError, match="has not seen"):
        asyncio.run(ask())
    assert stored(winner) == ["Me first.", "0", "quick 0", "1"]
    assert states(winner)[0] == {"paid": 0}


@pytest.mark.parametrize("changed", ["nothing", "its state"])
def test_a_turn_that_is_overtaken_in_its_middle_says_so(
    open_session: OpenSession, new_agent: NewAgent, changed: str
) -> None:
    """An answer that comes too late is a conflict, by itself or as the cause of the SDK's error."""
    winner = open_session()

    def answer(_call: Any) -> str:
        pay(new_agent(winner, "1"), 1)
        if changed == "its state":
            slow.state.set("paid", "by the loser")
        return "too late"

    slow = new_agent(open_session(), answer)
    with pytest.raises((ConflictError, EventLoopException)) as raised:
        slow("Me first.")
    assert isinstance(raised.value if changed == "its state" else raised.value.__cause__, ConflictError)
    assert stored(winner) == ["Me first.", "quick 0", "1"]
    assert states(winner)[0] == {"paid": 0}


def test_an_open_question_is_not_forgotten_by_one_who_lags_behind(
    open_session: OpenSession, new_agent: NewAgent
) -> None:
    """A question that waits for a person outlives the refused turn of another one on the same conversation."""
    deleted.clear()
    new_agent(open_session(), "0")("zero")
    slow = new_agent(open_session(), tools=[delete])
    winner = open_session()
    asking = new_agent(winner, ToolCall("delete", {"path": "a"}), tools=[delete])
    waiting = asking("Delete a.")
    with pytest.raises(ConflictError):
        slow("Me too?")

    restored = new_agent(open_session(), "Done.", tools=[delete])
    assert str(restored(answers(waiting, "yes"))).strip() == "Done."
    assert deleted == ["a"]


def test_states_that_are_stored_by_hand_are_stored_as_ever(open_session: OpenSession, new_agent: NewAgent) -> None:
    """Who uses a manager as a repository only, with no agent at work in it, stores what it says; other agents too."""
    by_hand = open_session()
    manager = open_session()
    first, second = new_agent(manager, "0"), new_agent(manager, "0", agent_id="second")
    first("zero")
    by_hand.session_repository.update_agent("session", SessionAgent("default", {"by": "hand"}, {}, {}))
    assert states(manager)[0] == {"by": "hand"}
    second("zero")
    first.state.set("by", "the agent")
    manager.sync_agent(first)
    assert states(manager)[0] == {"by": "the agent"}


def test_an_interrupted_append_leaves_the_agent_at_work(
    open_session: OpenSession, new_agent: NewAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an interrupt nobody knows whether the message was stored; where it was not, the state still may be."""
    manager: Any = open_session()
    agent = new_agent(manager, "0", "2")
    agent("zero")

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(manager, "create_message", interrupt)
        with pytest.raises(KeyboardInterrupt):
            manager.append_message({"role": "user", "content": [{"text": "lost"}]}, agent)
    agent.state.set("after", "the interrupt")
    manager.sync_agent(agent)
    agent("two")
    assert states(manager)[0] == {"after": "the interrupt"}


def test_an_agent_is_restored_from_what_was_stored_after_its_manager_was_built(
    open_session: OpenSession, new_agent: NewAgent
) -> None:
    """Two workers that get the first requests of a new session at once hold one conversation, none over the other."""
    early = open_session()
    winner = open_session()
    quick = new_agent(winner, "1", state={"cart": ["book"]})
    pay(quick, 1)

    late = new_agent(early, "2", state={"cart": []})
    assert late.messages == quick.messages
    assert late.state.get() == {"cart": ["book"], "paid": 0}
    late("And now?")
    assert stored(winner) == ["quick 0", "1", "And now?", "2"]
    assert states(winner)[0] == {"cart": ["book"], "paid": 0}


@pytest.mark.parametrize("by_hand", [False, True])
def test_an_agent_that_another_one_creates_at_the_same_moment_is_restored(
    backend: str, tmp_path: Path, new_agent: NewAgent, *, by_hand: bool
) -> None:
    """Who finds no agent, and is overtaken before it has stored its own, starts from the other one's."""
    assert backend == "sqlite"

    class Overtaken(SQLiteSessionManager):
        overtaken = False

        def read_agent(self, session_id: str, agent_id: str, **kwargs: Any) -> SessionAgent | None:
            found = super().read_agent(session_id, agent_id, **kwargs)
            if not self.overtaken:
                self.overtaken = True
                with SQLiteSessionManager("session", tmp_path / "sessions.db") as winner:
                    pay(new_agent(winner, "1"), 1)
            return found

    with Overtaken("session", tmp_path / "sessions.db") as manager:
        agent = new_agent(None if by_hand else manager)
        if by_hand:
            manager.initialize(agent)
        assert said(agent.messages) == stored(manager) == ["quick 0", "1"]
        assert agent.state.get() == states(manager)[0] == {"paid": 0}
        manager.append_message({"role": "user", "content": [{"text": "And now?"}]}, agent)
        assert stored(manager) == ["quick 0", "1", "And now?"]


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_turn_in_the_middle_of_a_restore_is_restored_whole(
    backend: str, tmp_path: Path, new_agent: NewAgent, *, by_hand: bool
) -> None:
    """An agent never goes on with the state of before a turn and the messages of after it: that state would win."""
    assert backend == "sqlite"

    class Overtaken(SQLiteSessionManager):
        times = 1

        def list_messages(self, *args: Any, **kwargs: Any) -> list[SessionMessage]:
            if self.times:
                self.times -= 1
                with SQLiteSessionManager("session", tmp_path / "sessions.db") as winner:
                    pay(new_agent(winner, "1"), 1)
            return super().list_messages(*args, **kwargs)

    with SQLiteSessionManager("session", tmp_path / "sessions.db") as first:
        new_agent(first, "0")("zero")
    with Overtaken("session", tmp_path / "sessions.db") as manager:
        agent = new_agent(None if by_hand else manager)
        if by_hand:
            manager.initialize(agent)
        assert said(agent.messages) == stored(manager) == ["zero", "0", "quick 0", "1"]
        manager.sync_agent(agent)
        assert agent.state.get() == states(manager)[0] == {"paid": 0}

    with Overtaken("session", tmp_path / "sessions.db") as manager:
        manager.times = 99
        with pytest.raises(ConflictError, match="went on while agent default was being restored"):
            new_agent(manager)
        manager.times = 0
        assert said(new_agent(manager).messages) == stored(manager)


def test_messages_given_to_an_agent_that_another_one_creates_are_not_mixed(
    open_session: OpenSession, new_agent: NewAgent
) -> None:
    """A restored conversation wins over the messages that a program gives, also where it came a moment ago."""
    early = open_session()
    winner = open_session()
    pay(new_agent(winner, "1"), 1)
    given: Any = [{"role": "user", "content": [{"text": "given"}]}]
    late = new_agent(early, messages=given)
    assert said(late.messages) == ["quick 0", "1"]
    assert stored(winner) == ["quick 0", "1"]


def test_a_graph_and_a_swarm_are_restored_from_what_was_stored_after_their_manager_was_built(
    open_session: OpenSession, new_agent: NewAgent
) -> None:
    """A question that another worker has asked in a new session is answered, not overwritten."""
    early, winner = open_session(), open_session()
    line = team(new_agent, draft=["a draft"], edit=[], print=[])
    waiting = graph(winner, line, hooks=[AskBefore("edit")])("Write.")

    later = team(new_agent, draft=[], edit=["edited"], print=["printed"])
    result = graph(early, later, hooks=[AskBefore("edit")])(answers(waiting, "yes"))
    assert result.status == Status.COMPLETED
    assert outputs(result) == {"draft": "a draft", "edit": "edited", "print": "printed"}

    early, winner = open_session("of a swarm"), open_session("of a swarm")
    waiting = swarm(winner, new_agent, HAND_OVER, [], hooks=[AskBefore("coder")])("Build it.")
    result = swarm(early, new_agent, [], ["It is built."], hooks=[AskBefore("coder")])(answers(waiting, "yes"))
    assert result.status == Status.COMPLETED
