"""What a session holds as text, and assertions whose failures show it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from strands import Agent, tool
from strands.types.session import SessionAgent, SessionMessage

from pytest_strands_sqlite import Reasoning, Redaction, SessionFactory, ToolCall, Transcript, transcript
from strands_sqlite_session_manager import NotFoundError, SessionStore, SQLiteStorage

Agents = Callable[..., Agent]


@tool
def find(order: int, hurry: bool = False) -> str:  # noqa: FBT001, FBT002 - as the model calls it
    """Find an order.

    Args:
        order: Its number.
        hurry: Whether it matters.
    """
    return f"order {order} is in Oslo{'!' * hurry}"


CONVERSATION = """\
session session, agent default
    0 user      Where is order 7?
    1 assistant [reasoning] Look it up.
    1 assistant -> find({"order": 7, "hurry": false})
    2 user      <- find: order 7 is in Oslo
    3 assistant It is in Oslo.
                Anything else?"""


@pytest.fixture
def talk(agent_factory: Agents, sqlite_session_factory: SessionFactory) -> Transcript:
    """A conversation with a tool."""
    steps = (
        [Reasoning("Look it up."), ToolCall("find", {"order": 7, "hurry": False})],
        "It is in Oslo.\nAnything else?",
    )
    agent = agent_factory(*steps, tools=[find], state={"vip": True, "orders": [7]})
    agent("Where is order 7?")
    return transcript(sqlite_session_factory())


def test_a_transcript_is_what_was_said(talk: Transcript) -> None:
    """A line for each thing that was said, with who said it."""
    assert str(talk) == CONVERSATION
    assert [line.kind for line in talk.lines] == ["text", "reasoning", "call", "result", "text"]
    assert talk.lines[2].arguments == {"order": 7, "hurry": False}
    assert talk.states == {"default": {"vip": True, "orders": [7]}}


def test_what_is_so_is_accepted(talk: Transcript) -> None:
    """Assertions that hold say nothing."""
    talk.assert_said("order 7")
    talk.assert_said("Oslo", role="assistant", agent_id="default")
    talk.assert_not_said("Bergen")
    talk.assert_not_said("Oslo.", role="user")
    talk.assert_called("find")
    talk.assert_called("find", {"hurry": False, "order": 7})
    talk.assert_not_called("cancel")
    talk.assert_roles("user", "assistant", "user", "assistant")
    talk.assert_state({"vip": True})
    talk.assert_state({"orders": [7], "vip": True}, agent_id="default")


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (lambda talk: talk.assert_said("Bergen"), "nobody said 'Bergen'"),
        (lambda talk: talk.assert_said("Look it up."), "nobody said 'Look it up.'"),
        (lambda talk: talk.assert_said("It is", role="user"), "the user did not say 'It is'"),
        (lambda talk: talk.assert_not_said("Anything"), "the assistant said 'Anything', in message 3"),
        (lambda talk: talk.assert_not_said("is in Oslo", role="user"), "the user said 'is in Oslo', in message 2"),
        (
            lambda talk: talk.assert_called("cancel"),
            'cancel was not called; the calls are: find({"order": 7, "hurry": false})',
        ),
        (
            lambda talk: talk.assert_called("find", {"order": 7}),
            'find({"order": 7}) was not called; the calls are: find({"order": 7, "hurry": false})',
        ),
        (lambda talk: talk.assert_not_called("find"), 'find({"order": 7, "hurry": false}) was called, in message 1'),
        (
            lambda talk: talk.assert_roles("user", "assistant"),
            "the roles are user, assistant, user, assistant, not user, assistant",
        ),
        (
            lambda talk: talk.assert_state({"vip": False}),
            "no agent has {'vip': False} in its state; the states are default: {'vip': True, 'orders': [7]}",
        ),
        (lambda talk: talk.assert_said("Hi", agent_id="clerk"), "there is no agent 'clerk'; there is: 'default'"),
        (lambda talk: talk.assert_not_said("Hi", agent_id="clerk"), "there is no agent 'clerk'; there is: 'default'"),
        (lambda talk: talk.assert_state({}, agent_id="clerk"), "there is no agent 'clerk'; there is: 'default'"),
    ],
)
def test_what_is_not_so_is_said_with_the_conversation(
    talk: Transcript, check: Callable[[Transcript], None], text: str
) -> None:
    """A failure says in one line what is missing, then shows everything."""
    with pytest.raises(AssertionError) as failure:
        check(talk)
    assert str(failure.value) == f"{text}\n\n{CONVERSATION}"


def test_a_role_that_nobody_has_is_a_mistake(talk: Transcript) -> None:
    """A misspelt role does not let an assertion pass."""
    with pytest.raises(ValueError, match=r"^role must be user or assistant, not 'assistent'$"):
        talk.assert_not_said("Hi", role="assistent")


def test_the_failure_points_at_the_test(pytester: pytest.Pytester) -> None:
    """The traceback of a failed assertion ends in the test, not in this package."""
    pytester.makepyfile(
        """
        from pytest_strands_sqlite import transcript

        def test_it(sqlite_session_manager):
            transcript(sqlite_session_manager).assert_said("Hi")
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    result.assert_outcomes(failed=1)
    assert "E       AssertionError: nobody said 'Hi'" in result.outlines
    assert "E       session session, no agent" in result.outlines
    assert "test_the_failure_points_at_the_test.py:4: AssertionError" in result.outlines


def test_the_state_is_that_of_now(agent_factory: Agents, sqlite_session_factory: SessionFactory) -> None:
    """The state of an agent that has said nothing is there, and so is what changed after the last message."""
    agent_factory(agent_id="silent", state={"a": 1})
    manager = sqlite_session_factory()
    talker = agent_factory("Hello!", agent_id="talker", session_manager=manager)
    talker("Hi")
    talker.state.set("b", 2)
    manager.sync_agent(talker)
    shown = transcript(manager)
    assert shown.states == {"silent": {"a": 1}, "talker": {"b": 2}}
    assert "      (nothing was said)" in str(shown).splitlines()


def test_redactions_are_marked(agent_factory: Agents, sqlite_session_factory: SessionFactory) -> None:
    """What replaced the words of somebody is shown as that, and the words are not."""
    agent_factory(Redaction(reply="No."))("My card is 4111.")
    shown = transcript(sqlite_session_factory())
    shown.assert_not_said("4111")
    assert [line.redacted for line in shown.lines] == [True, False]
    assert str(shown).splitlines()[1] == "    0 user      [User input redacted.] [redacted]"


def test_any_user_of_the_database_will_do(
    agent_factory: Agents, session_store: SessionStore, sqlite_storage: SQLiteStorage
) -> None:
    """A store and a storage show a session that is named."""
    asyncio.run(agent_factory("Hello!", session_id="a").invoke_async("Hi"))
    for source in (session_store, sqlite_storage):
        transcript(source, "a").assert_roles("user", "assistant")
    with pytest.raises(ValueError, match=r"^a SessionStore has no session of its own: name one with session_id$"):
        transcript(session_store)
    with pytest.raises(NotFoundError):
        transcript(session_store, "b")


@pytest.mark.parametrize("source", [None, "sessions.db", object()])
def test_something_else_has_no_transcript(source: Any) -> None:
    """What is no database of ours is named."""
    text = (
        "transcript() takes a SQLiteSessionManager, a SessionStore, a SQLiteStorage or a SnapshotSessionManager, "
        f"not a {type(source).__name__}"
    )
    with pytest.raises(TypeError) as failure:
        transcript(source)
    assert str(failure.value) == text


def test_odd_messages_do_not_stop_a_transcript(sqlite_session_factory: SessionFactory) -> None:
    """What the SDK would not write, but its repository takes, is left out; media and tool results are named."""
    manager = sqlite_session_factory()
    manager.create_agent("session", SessionAgent("a", {}, {}))
    contents: list[Any] = [
        "no list",
        [None, {"text": "Look:"}, {"image": {"format": "png", "source": {"bytes": b"1"}}}],
        [
            {"document": {"name": "bill", "format": "pdf", "source": {"bytes": b"1"}}},
            {"cachePoint": {"type": "default"}},
        ],
        [{"toolResult": {"toolUseId": "t1", "status": "success", "content": [{"json": {"a": 1}}, {"text": "b"}]}}],
    ]
    for number, content in enumerate(contents):
        message: Any = {"role": "user", "content": content}
        manager.create_message("session", "a", SessionMessage(message, number))
    assert str(transcript(manager)).splitlines()[1:] == [
        "    1 user      Look:",
        "    1 user      [image] png",
        "    2 user      [document] bill",
        "    2 user      [cachePoint] ",
        '    3 user      <- t1: {"a": 1} b',
    ]
