"""A converted session goes on where it stopped, in either model, and nothing that was said is lost on the way."""

from __future__ import annotations

from typing import Any

import pytest
from strands import Agent
from strands.types.session import SessionMessage

from pytest_strands_sqlite import Redaction
from strands_sqlite_session_manager import Conversion, convert_to_message_log, convert_to_snapshots

from .file import AGENT, File
from .sessions import Memory, assert_resumes_alike, content, memory_of, rows_of
from .talks import TALKS, TURNS, Talk

FORGETFUL = {"a window that trimmed everything", "a server that keeps the conversation"}
"""Talks whose agent holds no message when a turn ends, so that no snapshot has what was said in it."""


@pytest.fixture(params=sorted(TALKS))
def talk(request: pytest.FixtureRequest) -> Talk:
    """Each conversation in turn."""
    return TALKS[request.param]


def bare(value: Any) -> Any:
    """Leave out the ids and measurements that the SDK puts into messages: they differ from run to run."""
    if isinstance(value, dict):
        return {key: bare(item) for key, item in value.items() if key not in {"tracking_id", "metadata"}}
    return [bare(item) for item in value] if isinstance(value, list | tuple) else value


def alike(one: Agent, other: Agent) -> bool:
    """Tell whether two agents, each of which had the conversation by itself, have the same in memory."""
    return bool(bare(memory_of(one)) == bare(memory_of(other)))


def first_of(record: SessionMessage) -> tuple[Any, ...]:
    """Return what stays of a message: its place, its time and what it says; the SDK may give it an id later on."""
    return record.message_id, record.created_at, record.message, record.redact_message


def said(records: list[SessionMessage]) -> list[tuple[str, Any]]:
    """Return who said what in a log."""
    return content([record.to_message() for record in records])


def test_an_agent_on_snapshots_resumes_where_one_on_the_log_would(file: File, talk: Talk) -> None:
    """Messages, state, conversation manager, open questions and model state are equal, and the source is unchanged."""
    talk.hold(file.log("s"))
    file.close()
    before = rows_of(file.path, "s")

    conversion = convert_to_snapshots("s", file.path, new_session_id="t")

    assert conversion == Conversion("t", agents=1, messages=len(file.listed("s")), multi_agents=0)
    assert rows_of(file.path, "s") == before
    assert memory_of(talk.resume(file.snapshots("t"))) == memory_of(talk.resume(file.log("s")))


def test_each_later_turn_is_what_it_would_have_been(file: File, talk: Talk) -> None:
    """An agent that goes on in snapshots, restored for each turn, ends with what one that stayed in the log has."""
    talk.hold(file.log("s"))
    convert_to_snapshots("s", file.path, new_session_id="t")

    for turn in range(TURNS):
        file.close()
        stayed = talk.resume(file.log("s"), range(turn, turn + 1))
        assert alike(talk.resume(file.snapshots("t"), range(turn, turn + 1)), stayed)


def test_it_comes_back_with_what_it_had_and_what_was_said_since(file: File, talk: Talk) -> None:
    """The log has all old messages under their ids and times, resumes with what the snapshot held, and goes on."""
    talk.hold(file.log("s"))
    old = file.listed("s")
    convert_to_snapshots("s", file.path)
    moved = talk.resume(file.snapshots("s"), range(TURNS))

    file.close()
    convert_to_message_log("s", file.path, overwrite=True)

    new = file.listed("s")
    assert bare([first_of(record) for record in new[: len(old)]]) == bare([first_of(record) for record in old])
    assert [record.message_id for record in new] == sorted({record.message_id for record in new})
    back = talk.resume(file.log("s"))
    assert memory_of(back).uncounted() == memory_of(moved).uncounted()
    file.close()
    later = talk.resume(file.log("s"), range(TURNS - 1, TURNS))
    listed = file.listed("s")
    assert listed[: len(new)] == new
    assert len(listed) == len(new) + 2
    file.close()
    assert memory_of(talk.resume(file.log("s"))) == memory_of(later)


@pytest.mark.parametrize("name", sorted(TALKS.keys() - FORGETFUL))
def test_a_session_that_changes_its_model_with_every_turn_is_the_one_that_never_did(file: File, name: str) -> None:
    """After turns in both models in turn, the log holds all that was said, each message once and in order."""
    talk = TALKS[name]
    stayed, moved = talk.hold(file.log("stays")), talk.hold(file.log("moves"))
    for turn in range(TURNS):
        file.close()
        stayed = talk.resume(file.log("stays"), range(turn, turn + 1))
        if turn % 2:
            moved = talk.resume(file.log("moves"), range(turn, turn + 1))
            continue
        convert_to_snapshots("moves", file.path, overwrite=True)
        moved = talk.resume(file.snapshots("moves"), range(turn, turn + 1))
        convert_to_message_log("moves", file.path, overwrite=True)

    assert alike(moved, stayed)
    assert said(file.listed("moves")) == said(file.listed("stays"))
    assert alike(talk.resume(file.log("moves")), stayed)


@pytest.mark.parametrize("name", sorted(TALKS.keys() - FORGETFUL))
def test_a_session_that_came_back_converts_both_ways_again(file: File, name: str) -> None:
    """What turns in snapshots left in the log is no less exact on the next way there and back."""
    talk = TALKS[name]
    talk.hold(file.log("s"))
    convert_to_snapshots("s", file.path)
    talk.resume(file.snapshots("s"), range(TURNS))
    file.close()
    convert_to_message_log("s", file.path, overwrite=True)

    convert_to_snapshots("s", file.path, new_session_id="t")
    convert_to_message_log("t", file.path, new_session_id="back")

    assert rows_of(file.path, "back") == rows_of(file.path, "s")
    assert_resumes_alike(file.path, "s", "t", counted=False)


@pytest.mark.parametrize(
    "change",
    [
        lambda messages: messages.clear(),
        lambda messages: messages.pop(0),
        lambda messages: messages.pop(),
        lambda messages: messages.reverse(),
        lambda messages: messages.insert(0, {**messages[0], "content": [{"text": "first"}], "tracking_id": "new"}),
        lambda messages: messages[1].update(content=[{"text": "never mind"}]),
        lambda messages: messages.extend([*messages]),
    ],
    ids=["all gone", "first gone", "last gone", "turned around", "one more in front", "one other", "all twice"],
)
@pytest.mark.parametrize("name", ["plain", "a window that trimmed", "a summary"])
def test_messages_that_a_program_changed_are_resumed_as_changed(file: File, name: str, change: Any) -> None:
    """Whatever was done to the messages of an agent in snapshots, an agent on the log has the same, and goes on."""
    talk = TALKS[name]
    talk.hold(file.log("s"))
    convert_to_snapshots("s", file.path)
    manager = file.snapshots("s")
    agent = talk.resume(manager)
    change(agent.messages)
    manager.sync_agent(agent)

    file.close()
    convert_to_message_log("s", file.path, overwrite=True)

    assert memory_of(talk.resume(file.log("s"))).uncounted() == in_a_log(memory_of(agent).uncounted())
    file.close()
    later = talk.resume(file.log("s"), range(TURNS - 1, TURNS))
    file.close()
    assert memory_of(talk.resume(file.log("s"))) == memory_of(later)


def test_what_a_guardrail_removed_in_snapshots_does_not_come_back(file: File) -> None:
    """A prompt whose turn failed in the log and was redacted in snapshots is redacted in the log that comes back."""
    with pytest.raises(RuntimeError, match="no connection"):
        TALKS["plain"].agent(file.log("s"), RuntimeError("no connection"))("My card is 4111.")
    file.close()
    convert_to_snapshots("s", file.path)
    agent = TALKS["plain"].agent(file.snapshots("s"), Redaction("[removed]", "no"))
    agent(None)
    assert content(agent.messages)[0] == ("user", [{"text": "[removed]"}])

    convert_to_message_log("s", file.path, overwrite=True)

    assert TALKS["plain"].resume(file.log("s")).messages == agent.messages
    assert "4111" not in repr(file.listed("s"))


def in_a_log(memory: Memory) -> Memory:
    """Leave out a summary that is not the first message: the SDK would put it there when it restores a log."""
    state = memory.conversation_manager
    if not state.get("summary_message") or memory.messages[:1] == [state["summary_message"]]:
        return memory
    return memory._replace(conversation_manager={**state, "summary_message": None})


def test_several_agents_are_converted_together(file: File) -> None:
    """Each agent of a session keeps its own conversation, and what is counted is counted over all of them."""
    names = ("a", "A", "\u00e4 'x' %_", "a b")
    for number, name in enumerate(names):
        TALKS["tools"].agent(file.log("s"), f"for {number}", agent_id=name)(f"I am {name}.")
        file.close()

    assert convert_to_snapshots("s", file.path) == Conversion("s", agents=4, messages=8, multi_agents=0)

    assert_resumes_alike(file.path, "s", "s")
    for number, name in enumerate(names):
        agent = TALKS["tools"].agent(file.snapshots("s"), agent_id=name)
        assert content(agent.messages)[-1] == ("assistant", [{"text": f"for {number}"}])
    assert convert_to_message_log("s", file.path, new_session_id="t").agents == 4
    assert [len(file.listed("t", name)) for name in (*names, AGENT)] == [2, 2, 2, 2, 0]
