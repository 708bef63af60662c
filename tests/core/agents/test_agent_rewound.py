"""Sessions that are rewound or deleted under an agent at work: it stops, and what is stored stays one conversation."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from strands import Agent
from strands.session.repository_session_manager import RepositorySessionManager
from strands.types.session import SessionMessage

from pytest_strands_sqlite import ScriptedModel, ToolCall
from strands_sqlite_session_manager import ConflictError, NotFoundError, SessionStore, SQLiteSessionManager
from tests.core.talking import said

from .questions import delete, deleted

OpenSession = Callable[..., RepositorySessionManager]
NewAgent = Callable[..., Agent]

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)

HELD = ["one", "1", "two", "2"]
"""What was said before a session is changed."""


@pytest.fixture
def store(backend: str, tmp_path: Path) -> Iterator[SessionStore]:
    """The store of the same file."""
    assert backend == "sqlite"
    deleted.clear()
    with SessionStore(tmp_path / "sessions.db") as opened:
        yield opened


def held(manager: RepositorySessionManager, *later: Any, **options: Any) -> Agent:
    """Hold a conversation, and leave the agent at work: `later` is what its model has to say yet."""
    agent = Agent(model=ScriptedModel("1", "2", *later), session_manager=manager, callback_handler=None, **options)
    agent.state.set("turns", 0)
    for turn, prompt in enumerate(HELD[::2], 1):
        agent(prompt)
        agent.state.set("turns", turn)
    manager.sync_agent(agent)
    return agent


def stored(store: SessionStore, session_id: str = "session", agent_id: str = "default") -> list[str]:
    """What is stored of a conversation, which has no gaps."""
    messages = store.read_messages(session_id, agent_id)
    assert [message.message_id for message in messages] == list(range(len(messages)))
    return [block["text"] for message in messages for block in message.message["content"]]


def delete_and_begin_again(store: SessionStore, turns: int) -> None:
    """Delete the session, and let another agent hold a conversation of so many turns in it."""
    with SQLiteSessionManager("session", store) as manager:
        manager.delete_session("session")
    with SQLiteSessionManager("session", store) as manager:
        agent = Agent(model=ScriptedModel(*["other answer"] * turns), session_manager=manager, callback_handler=None)
        for _ in range(turns):
            agent("other")


CHANGES: dict[str, tuple[Callable[[SessionStore], Any], list[str]]] = {
    "rewound": (lambda store: store.rewind_session("session", at=1), ["one", "1"]),
    "rewound to nothing": (lambda store: store.rewind_session("session", at=-1), []),
    "deleted, nothing said since": (lambda store: delete_and_begin_again(store, 0), []),
    "deleted, less said since": (lambda store: delete_and_begin_again(store, 1), ["other", "other answer"]),
    "deleted, as much said since": (lambda store: delete_and_begin_again(store, 2), ["other", "other answer"] * 2),
    "deleted, more said since": (lambda store: delete_and_begin_again(store, 3), ["other", "other answer"] * 3),
}
"""What becomes of a session, by name, and what is stored then."""


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("on_a_loop", [False, True])
def test_an_agent_whose_conversation_was_taken_away_stops(
    store: SessionStore, open_session: OpenSession, new_agent: NewAgent, change: str, *, on_a_loop: bool
) -> None:
    """Its next message is refused, each time it tries, and a new manager and agent go on with what is stored."""
    agent = held(open_session())
    act, left = CHANGES[change]
    act(store)

    async def beside_another_task() -> None:
        await asyncio.gather(agent.invoke_async("three"), asyncio.sleep(0))

    for _ in range(2):
        with pytest.raises(ConflictError, match="while agent default was at work on it") as raised:
            asyncio.run(beside_another_task()) if on_a_loop else agent("three")
        assert "build a new session manager and agent" in raised.value.hint
        assert stored(store) == left

    restored = new_agent(open_session(), "3", "4")
    assert said(restored.messages) == left
    restored("three")
    restored("four")
    assert stored(store) == [*left, "three", "3", "four", "4"]
    with pytest.raises(ConflictError):
        agent("five")


def test_another_process_rewinds(store: SessionStore, open_session: OpenSession) -> None:
    """The agent stops too when the command takes its session back."""
    agent = held(open_session())
    command = [sys.executable, "-m", "strands_sqlite_session_manager", "rewind", "session", "--at", "1", "--yes"]
    subprocess.run([*command, "--db", store.db_path], check=True, capture_output=True, timeout=120)

    with pytest.raises(ConflictError):
        agent("three")
    assert stored(store) == ["one", "1"]


def test_a_picture_is_refused_like_text(store: SessionStore, open_session: OpenSession) -> None:
    """A message whose binary values are stored apart does not get past a rewind either."""
    agent = held(open_session())
    store.rewind_session("session", at=1)
    picture: Any = [{"image": {"format": "png", "source": {"bytes": bytes(5000)}}}]
    with pytest.raises(ConflictError):
        agent(picture)
    assert stored(store) == ["one", "1"]


def test_a_session_that_is_gone_is_not_found(store: SessionStore, open_session: OpenSession) -> None:
    """Where the session was deleted and nobody created it again, the error says so."""
    agent = held(open_session())
    store.erase(["session"])
    with pytest.raises(NotFoundError, match="Session session does not exist"):
        agent("three")


def test_an_agent_that_a_rewind_removed_stops(store: SessionStore, open_session: OpenSession) -> None:
    """An agent that did not exist yet at the message that the session was taken back to cannot go on."""
    manager = open_session()
    held(manager)
    late = held(manager, agent_id="late")
    store.rewind_session("session", agent_id="default", at=1)
    with pytest.raises(ConflictError, match="agent late"):
        late("three")


@pytest.mark.parametrize("conversation", ["of this session", "of another session"])
def test_other_conversations_may_be_taken_away(
    store: SessionStore, open_session: OpenSession, conversation: str
) -> None:
    """Rewinds of agents and sessions that are not the agent's, deleted sessions and forks do not disturb it."""
    session_id = "session" if conversation == "of this session" else "other"
    agent = held(open_session(), "3", "4", "5", "6")
    held(open_session(session_id), agent_id="second")

    store.rewind_session(session_id, at=1, agent_id="second")
    agent("three")
    agent("four")
    store.fork_session("session", "fork", at=3, agent_id="default")
    agent("five")
    store.rewind_session("fork", at=1, agent_id="default")
    with SQLiteSessionManager("fork", store) as manager:
        manager.delete_session("fork")
    agent("six")

    assert stored(store) == [*HELD, "three", "3", "four", "4", "five", "5", "six", "6"]
    assert stored(store, session_id, "second") == ["one", "1"]
    assert said(agent.messages) == stored(store)


def test_a_rewind_that_takes_nothing_of_an_agent_leaves_it_at_work(
    store: SessionStore, open_session: OpenSession
) -> None:
    """Of two agents, the one that had said all it said before the moment goes on; the other one stops."""
    manager = open_session()
    first = held(manager, "3", agent_id="first")
    second = held(manager, agent_id="second")
    store.rewind_session("session", at=1, agent_id="second")

    first("three")
    with pytest.raises(ConflictError):
        second("three")
    assert stored(store, agent_id="first") == [*HELD, "three", "3"]
    assert stored(store, agent_id="second") == ["one", "1"]


@pytest.mark.parametrize("when", ["before the turn", "in the turn", "at its end"])
def test_the_state_of_the_past_is_not_overwritten(store: SessionStore, open_session: OpenSession, when: str) -> None:
    """What the agent holds in memory is stored neither with its message nor after the failed turn."""
    manager = open_session()

    def answer(_call: Any) -> str:
        if when == "in the turn":
            store.rewind_session("session", at=1)
            agent.state.set("turns", 99)
        return "3"

    agent = held(manager, answer)
    if when == "before the turn":
        agent.state.set("turns", 99)
        store.rewind_session("session", at=1)
    if when == "at its end":
        agent("three")
        agent.state.set("turns", 99)
        store.rewind_session("session", at=1)
        with pytest.raises(ConflictError):
            manager.sync_agent(agent)
    else:
        with pytest.raises(ConflictError):
            agent("three")

    assert stored(store) == ["one", "1"]
    with SQLiteSessionManager("session", store) as again:
        restored = again.read_agent("session", "default")
    assert restored is not None
    assert restored.state == store.read_checkpoint("session", 1).state == {"turns": 0}


def test_the_answer_to_a_question_of_the_past_is_refused(
    store: SessionStore, open_session: OpenSession, new_agent: NewAgent
) -> None:
    """An agent that waits for a person when its session is rewound can no longer go on; a new one asks anew."""
    agent = held(open_session(), ToolCall("delete", {"path": "a"}), tools=[delete])
    waiting = agent("Delete a.")
    assert waiting.stop_reason == "interrupt"
    store.rewind_session("session", at=3)
    answers: Any = [
        {"interruptResponse": {"interruptId": each.id, "response": "no"}} for each in waiting.interrupts or []
    ]
    with pytest.raises(ConflictError):
        agent(answers)

    assert stored(store) == HELD
    assert not store.read_checkpoint("session", 3).internal_state["interrupt_state"]["activated"]
    restored = new_agent(open_session(), ToolCall("delete", {"path": "b"}), tools=[delete])
    assert restored("Delete b.").stop_reason == "interrupt"


def test_a_redaction_does_not_reach_what_others_said_since(
    store: SessionStore, open_session: OpenSession, new_agent: NewAgent
) -> None:
    """The last message of an agent at work is not redacted where another one stands in its place."""
    manager = open_session()
    agent = held(manager)
    redaction: Any = {"role": "assistant", "content": [{"text": "redacted"}]}
    store.rewind_session("session", at=1)
    with pytest.raises(NotFoundError):
        manager.redact_latest_message(redaction, agent)

    new_agent(open_session(), "3")("three")
    with pytest.raises(ConflictError):
        manager.redact_latest_message(redaction, agent)
    assert stored(store) == ["one", "1", "three", "3"]


def test_a_rewind_in_the_middle_of_a_restore_is_noticed(store: SessionStore, open_session: OpenSession) -> None:
    """An agent that read its state before a rewind and its messages after it does not go on with both."""

    class Slow(SQLiteSessionManager):
        def list_messages(self, *args: Any, **kwargs: Any) -> list[SessionMessage]:
            store.rewind_session("session", at=1)
            return super().list_messages(*args, **kwargs)

    held(open_session())
    with Slow("session", store) as manager:
        agent = Agent(model=ScriptedModel(), session_manager=manager, callback_handler=None)
        with pytest.raises(ConflictError):
            agent("three")
    assert stored(store) == ["one", "1"]


def test_messages_that_are_stored_by_hand_are_stored_as_ever(store: SessionStore, open_session: OpenSession) -> None:
    """Whoever calls the repository itself says where a message belongs, also on the manager of an agent at work."""
    manager: Any = open_session()
    held(manager)
    store.rewind_session("session", at=1)
    message: Any = {"role": "user", "content": [{"text": "by hand"}]}
    for message_id in (2, 7):
        manager.create_message("session", "default", SessionMessage.from_message(message, message_id))
    assert [each.message_id for each in store.read_messages("session")] == [0, 1, 2, 7]


def test_an_agent_that_is_built_after_a_rewind_is_at_home(store: SessionStore, open_session: OpenSession) -> None:
    """What was deleted before an agent was built is no concern of it, with whatever number it begins."""
    held(open_session())
    store.rewind_session("session", at=-1)
    for number in range(3):
        agent = Agent(model=ScriptedModel("0"), session_manager=open_session(), callback_handler=None)
        agent("zero")
        assert stored(store) == ["zero", "0"] * (number + 1)
