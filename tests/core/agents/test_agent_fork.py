"""Forks and rewinds: an agent goes on from any message as if it had stopped there."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from strands import Agent, tool
from strands.hooks import AfterModelCallEvent, HookProvider, HookRegistry, MessageAddedEvent
from strands.multiagent import Swarm
from strands.session.repository_session_manager import RepositorySessionManager
from strands.session.snapshot_session_manager import SnapshotSessionManager

from pytest_strands_sqlite import Redaction, ScriptedModel, ToolCall
from strands_sqlite_session_manager import (
    SQLiteSessionManager,
    SQLiteStorage,
    convert_to_message_log,
    convert_to_snapshots,
)
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.history import fork_session, list_checkpoints, read_checkpoint, rewind_session
from tests.core.conversion.sessions import Memory, content, memory_of, query
from tests.core.conversion.talks import TALKS, TURNS, Talk, say
from tests.core.talking import results, said

from .graphs import answers, graph, outputs, team
from .questions import delete, deleted, rename

OpenSession = Callable[..., RepositorySessionManager]
NewAgent = Callable[..., Agent]

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _on_our_backend(backend: str) -> None:
    """Run where there are forks."""
    assert backend == "sqlite"
    deleted.clear()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the sessions are."""
    return tmp_path / "sessions.db"


@pytest.fixture
def database(file: Path) -> Iterator[Database]:
    """The database of the sessions."""
    opened = open_database(file)
    yield opened
    opened.close()


def restored(talk: Talk, file: Path, session_id: str) -> Memory:
    """Return what an agent has that is built on a session now."""
    with SQLiteSessionManager(session_id, file) as manager:
        return copy.deepcopy(memory_of(talk.agent(manager)))


@tool
def delete_at_once() -> str:
    """Delete without a question."""
    deleted.append("at once")
    return "deleted"


class Stops(HookProvider):
    """What an agent would have gone on with, had it stopped at a message: by message id."""

    def __init__(self, talk: Talk, file: Path) -> None:
        self.found: dict[int, Memory] = {}
        self._talk = talk
        self._file = file

    def register_hooks(self, registry: HookRegistry, **_: Any) -> None:
        """Look after each message, and before the next one: a summary comes in between, or a redaction."""
        registry.add_callback(MessageAddedEvent, lambda _event: self.look())
        registry.add_callback(AfterModelCallEvent, lambda _event: self.look())

    def look(self) -> None:
        """Stop here, and look."""
        last = query(self._file, "SELECT ifnull(max(message_id), -1) FROM messages WHERE session_id = 's'")[0][0]
        self.found[last] = restored(self._talk, self._file, "s")


def held(talk: Talk, file: Path) -> Stops:
    """Hold a conversation, half of it after a restart, and stop at every message."""
    stops = Stops(talk, file)
    with SQLiteSessionManager("s", file) as manager:
        agent = talk.agent(manager, *talk.replies, hooks=[stops], **talk.options)
        stops.look()
        for prompt in talk.prompts:
            agent(prompt)
            stops.look()
    replies = [step for reply in talk.later for step in (reply if isinstance(reply, tuple) else (reply,))]
    with SQLiteSessionManager("s", file) as manager:
        agent = talk.agent(manager, *replies, hooks=[stops])
        for turn in range(TURNS):
            say(agent, turn)
            stops.look()
    return stops


@pytest.mark.parametrize("name", TALKS)
def test_a_fork_at_any_message_and_a_rewind_to_it_are_an_agent_that_stopped_there(
    file: Path, database: Database, name: str
) -> None:
    """Messages, state, conversation manager, interrupts and model state are those that were stored at that message."""
    talk = TALKS[name]
    stops = held(talk, file)
    assert len(stops.found) > TURNS

    for at, expected in sorted(stops.found.items(), reverse=True):
        fork_session(database, "s", f"fork {at}", at=at)
        assert restored(talk, file, f"fork {at}") == expected, at

        removed = rewind_session(database, "s", at=at).removed_messages
        assert removed in (0, 1), at
        assert restored(talk, file, "s") == expected, at
        moment = read_checkpoint(database, "s", at)
        assert moment.state == expected.state
        assert moment.conversation_manager_state == expected.conversation_manager
        assert moment.messages == at + 1
    assert restored(talk, file, f"fork {max(stops.found)}") == stops.found[max(stops.found)]


@pytest.mark.parametrize("name", ["plain", "a window that trimmed", "a summary", "tools later", "a question later"])
def test_a_session_that_was_snapshots_in_between_forks_as_before(file: Path, database: Database, name: str) -> None:
    """Converted to snapshots and back, a session still knows each of its moments; forks of it convert too."""
    talk = TALKS[name]
    stops = held(talk, file)
    convert_to_snapshots("s", file)
    convert_to_message_log("s", file, new_session_id="back")

    for at, expected in stops.found.items():
        fork_session(database, "back", f"fork {at}", at=at)
        assert restored(talk, file, f"fork {at}") == expected, at
        convert_to_snapshots(f"fork {at}", file)
        with SQLiteStorage(file) as storage:
            snapshots = talk.agent(SnapshotSessionManager(f"fork {at}", storage=storage))
            assert content(snapshots.messages)[: len(expected.messages)] == content(expected.messages)
            assert snapshots.state.get() == expected.state


@pytest.mark.parametrize("name", ["plain", "a window that trimmed", "a summary", "an open question", "tools"])
def test_a_session_that_comes_from_snapshots_forks_with_the_messages_of_the_moment(
    file: Path, database: Database, name: str
) -> None:
    """A snapshot tells no past: a fork has all messages up to the moment, nothing of what came later, and goes on."""
    talk = TALKS[name]
    with SQLiteStorage(file) as storage:
        agent = talk.hold(SnapshotSessionManager("s", storage=storage))
    log = convert_to_message_log("s", file)
    assert log is not None
    expected = restored(talk, file, "s")
    messages = [json.loads(each) for (each,) in query(file, "SELECT message FROM messages ORDER BY message_id")]
    last = len(messages) - 1

    fork_session(database, "s", "whole", at=last)
    assert restored(talk, file, "whole") == expected
    for at in range(last):
        fork_session(database, "s", f"fork {at}", at=at)
        memory = restored(talk, file, f"fork {at}")
        assert content(memory.messages) == content(messages[: at + 1])
        assert memory.state == expected.state
        assert not memory.interrupts.get("activated")
    assert agent.messages


def test_a_fork_of_a_file_of_0_1_0_has_the_messages_of_the_moment(file: Path) -> None:
    """What 0.1.0 knew of an agent was its latest state alone; a fork before that forgets what was trimmed later."""
    file.write_bytes((Path(__file__).parents[1] / "data" / "legacy_0_1_0.db").read_bytes())
    database = open_database(file)
    agents = query(
        file,
        "SELECT session_id, agent_id, count(*), max(message_id) FROM messages GROUP BY session_id, agent_id",
    )
    assert agents
    for number, (session_id, agent_id, count, last) in enumerate(agents):
        fork_session(database, session_id, f"fork {number}", at=last, agent_id=agent_id)
        whole = "SELECT state, conversation_manager_state FROM agents WHERE session_id = ? AND agent_id = ?"
        assert query(file, whole, f"fork {number}", agent_id) == query(file, whole, session_id, agent_id)
        moment = read_checkpoint(database, session_id, 0, agent_id)
        assert moment.messages == 1 <= count
        assert moment.conversation_manager_state.get("removed_message_count", 0) == 0 or count == 1
    database.close()


def test_a_fork_at_an_open_question_asks_again_and_takes_the_answer(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, database: Database
) -> None:
    """The question that was answered in one session is open in its fork, and the other answer does something else."""
    waiting = new_agent(open_session(), ToolCall("delete", {"path": "a"}), tools=[delete])("Delete a.")
    new_agent(restart(), "Kept.", tools=[delete])(answers(waiting, "no"))
    points = list_checkpoints(database, "session")
    assert [point.complete for point in points] == [True, False, True, True]

    fork_session(database, "session", "braver", at=1)
    restart()
    braver = new_agent(open_session("braver"), "Done.", tools=[delete])
    again = braver._interrupt_state
    assert again.activated
    assert list(again.interrupts) == [interrupt.id for interrupt in waiting.interrupts or []]
    braver(answers(waiting, "yes"))

    assert deleted == ["a"]
    assert results(braver) == [[{"text": "deleted"}]]
    assert results(new_agent(open_session(), tools=[delete])) == [[{"text": "kept"}]]


def test_a_rewind_to_an_open_question_asks_again(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, database: Database
) -> None:
    """Of two questions at one tool call, the one that was open last is open again, with the answer to the first."""
    first = new_agent(open_session(), ToolCall("rename", {"path": "a"}), tools=[rename])("Rename a.")
    second = new_agent(restart(), tools=[rename])(answers(first, "b"))
    new_agent(restart(), "Renamed.", tools=[rename])(answers(second, True))

    restart()
    rewind_session(database, "session", at=1)
    last = new_agent(restart(), "Not renamed.", tools=[rename])
    last(answers(second, False))

    assert results(last) == [[{"text": "a is b: False"}]]


def test_a_fork_in_the_middle_of_a_tool_call_goes_on(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, database: Database
) -> None:
    """With a prompt the call that is in flight gets an error as its result; without one it runs again."""
    agent = new_agent(
        open_session(), "Hello.", ToolCall("delete_at_once", {}, "call-1"), "Done.", tools=[delete_at_once]
    )
    agent("Hi.")
    agent("Delete.")
    for session_id in ("prompted", "finished"):
        fork_session(database, "session", session_id, at=3)

    restart()
    prompted = new_agent(open_session("prompted"), "As you like.", tools=[delete_at_once])
    prompted("Never mind.")
    finished = new_agent(open_session("finished"), "Done again.", tools=[delete_at_once])
    finished(None)

    assert results(finished) == [[{"text": "deleted"}]]
    statuses = [b["toolResult"]["status"] for m in prompted.messages for b in m["content"] if "toolResult" in b]
    assert statuses == ["error"]
    assert said(finished.messages) == ["Hi.", "Hello.", "Delete.", "Done again."]
    assert deleted == ["at once", "at once"]


def test_what_was_redacted_stays_redacted_in_forks_of_any_moment(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, database: Database, file: Path
) -> None:
    """A fork at the prompt that a guardrail removed a moment later does not bring it back; nor does a rewind."""
    agent = new_agent(open_session(), "Hello.", Redaction("[removed]", "No."), "Well.")
    for prompt in ("Hi.", "4111 1111", "So?"):
        agent(prompt)
    for at in range(6):
        fork_session(database, "session", f"fork {at}", at=at)
        restart()
        assert said(new_agent(open_session(f"fork {at}")).messages) == said(agent.messages)[: at + 1]
    rewind_session(database, "session", at=2)
    assert said(new_agent(restart()).messages) == ["Hi.", "Hello.", "[removed]"]
    assert not [
        row for row in query(file, "SELECT message || ifnull(redact_message, '') FROM messages") if "4111" in row[0]
    ]


def test_the_other_agents_of_a_session_stand_where_they_stood(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, database: Database
) -> None:
    """A helper that is called as a tool has what it had when the fork's message was stored; its redactions stay."""

    def build(manager: RepositorySessionManager, lead: ScriptedModel, helper: ScriptedModel) -> tuple[Agent, Agent]:
        assistant = new_agent(manager, model=helper, agent_id="helper", name="helper")
        tools = [assistant.as_tool(preserve_context=True)]
        return new_agent(manager, model=lead, agent_id="lead", tools=tools), assistant

    ask = ToolCall("helper", {"input": "How many?"})
    steps = (ScriptedModel(ask, "Seven.", ask, "Eight."), ScriptedModel("7", Redaction("[removed]", "no")))
    lead, assistant = build(open_session(), *steps)
    lead("How many?")
    lead("And now?")
    new_agent(open_session(), "Late.", agent_id="late")("Am I late?")

    expected = {-1: 0, 0: 0, 1: 0, 2: 2, 3: 2, 4: 2, 5: 2, 6: 4, 7: 4}
    for at, count in expected.items():
        fork = fork_session(database, "session", f"fork {at}", at=at, agent_id="lead")
        assert fork.agents == ("helper", "lead")
        assert fork.messages == at + 1 + count
    restart()
    for at, count in expected.items():
        found = build(open_session(f"fork {at}"), ScriptedModel(), ScriptedModel())
        assert [each.messages for each in found] == [lead.messages[: at + 1], assistant.messages[:count]]


def test_a_session_of_several_agents_is_rewound_as_one(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, database: Database
) -> None:
    """Turns of the others that came later are gone, with the agents that did not exist yet."""
    manager = open_session()
    writer, editor = (new_agent(manager, "one", "two", agent_id=name) for name in ("writer", "editor"))
    for turn in range(2):
        for agent in (writer, editor):
            agent.state.set("turn", turn)
            agent(f"turn {turn}")
    new_agent(manager, "Late.", agent_id="late")("Am I late?")

    rewind = rewind_session(database, "session", at=1, agent_id="editor")

    assert (rewind.removed_messages, rewind.agents) == (6, ("editor", "writer"))
    manager = restart()
    for name in rewind.agents:
        agent = new_agent(manager, "three", agent_id=name)
        assert said(agent.messages) == ["turn 0", "one"]
        assert agent.state.get() == {"turn": 0}
        agent("turn 2")
    assert new_agent(manager, agent_id="late").messages == []


def test_a_fork_and_its_origin_do_not_know_of_each_other(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, database: Database
) -> None:
    """Both go on, with pictures that they share, and deleting the one leaves the other whole."""
    picture = {"image": {"format": "png", "source": {"bytes": bytes(range(256)) * 9}}}
    agent = new_agent(open_session(), "A cat.", "Another.")
    agent([{"text": "What is it?"}, picture])
    fork_session(database, "session", "fork")
    agent("And this?")

    other = new_agent(restart("fork"), "A dog.")
    other([{"text": "Sure?"}, picture])
    manager = restart()
    manager.session_repository.delete_session("session")  # type: ignore[attr-defined]  # ours has it

    assert new_agent(open_session("fork")).messages == other.messages
    assert other.messages[0]["content"][1] == picture


def test_a_graph_that_waits_is_answered_in_a_fork(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, database: Database
) -> None:
    """A fork of everything has the graph where it stood; nodes that were done are not run again."""
    publish = ToolCall("publish", {"text": "The news"})
    waiting = graph(open_session(), team(new_agent, draft=["drafted"], edit=["edited"], print=[publish]))("Write.")
    fork = fork_session(database, "session", "fork")
    assert fork.multi_agents == ("press",)

    restart()
    for session_id, response in (("fork", "no"), ("session", "yes")):
        again = graph(open_session(session_id), team(new_agent, draft=[], edit=[], print=[f"printed {response}"]))
        assert outputs(again(answers(waiting, response)))["print"] == f"printed {response}"


def test_a_graph_that_went_on_after_the_moment_starts_anew(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, database: Database
) -> None:
    """Nobody knows how a graph stood earlier: it is left out of the fork, and taken out by a rewind."""
    agent = new_agent(open_session(), "one", "two")
    agent("turn 0")
    waiting = ToolCall("publish", {"text": "The news"})
    graph(open_session(), team(new_agent, draft=["drafted"], edit=[waiting], print=[]))("Write.")
    agent("turn 1")

    assert fork_session(database, "session", "after", at=2).multi_agents == ("press",)
    assert fork_session(database, "session", "before", at=1).multi_agents == ()
    rewind_session(database, "session", at=1)
    restart()
    for session_id in ("before", "session"):
        anew = graph(open_session(session_id), team(new_agent, draft=["d"], edit=["e"], print=["p"]))
        assert outputs(anew("Write.")) == {"draft": "d", "edit": "e", "print": "p"}
    agent = new_agent(open_session("before"))
    assert said(agent.messages) == ["turn 0", "one"]


def test_a_swarm_goes_on_in_a_fork(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, database: Database
) -> None:
    """A swarm that waits for a person waits in the fork too, at the same agent."""

    def swarm(manager: RepositorySessionManager, *steps: Any) -> Swarm:
        return Swarm([new_agent(None, *steps, name="desk", tools=[delete])], session_manager=manager, id="swarm")

    waiting = swarm(open_session(), ToolCall("delete", {"path": "a"}))("Delete a.")
    fork_session(database, "session", "fork")
    restart()
    swarm(open_session("fork"), "Done.")(answers(waiting, "yes"))
    assert deleted == ["a"]
