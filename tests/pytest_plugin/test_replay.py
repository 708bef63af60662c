"""A stored conversation becomes a script that gives the same conversation again."""

import runpy
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from strands import Agent, tool
from strands.multiagent import Swarm
from strands.types.content import Message

from pytest_strands_sqlite import Redaction, ScriptedModel, ToolCall
from pytest_strands_sqlite.replay import RecordedScript, record_script
from pytest_strands_sqlite.scripted_model import Reasoning, Reply, Script, Step
from strands_sqlite_session_manager import NotFoundError, SQLiteSessionManager
from strands_sqlite_session_manager.store import SessionStore

OpenSession = Callable[..., SQLiteSessionManager]


class City(BaseModel):
    """A city."""

    name: str


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"rain in {city}"


@tool
def read_card() -> str:
    """Read a card."""
    return "4111"


def in_parallel(agent: Agent) -> None:
    """A talk with several tool calls in one message."""
    agent("Where does it rain?")
    agent([{"text": "Thank"}, {"text": "you."}])


def with_redactions(agent: Agent) -> None:
    """A talk in which a guardrail redacts what the user said, the result of a tool, and an answer."""
    for said in ("My card is 4111.", "Read my card.", "Say it.", "Bye."):
        agent(said)


def with_structured_output(agent: Agent) -> None:
    """A talk in which one answer is an object, and the user calls a tool in between."""
    agent("Where?", structured_output_model=City)
    agent.tool.weather(city="Bergen")
    agent("And then?")


OSLO, ROME = ToolCall("weather", {"city": "Oslo"}), ToolCall("weather", {"city": "Rome"})
TALKS: dict[str, tuple[Callable[[Agent], None], list[Step]]] = {
    "in parallel": (
        in_parallel,
        [
            [Reasoning("Two cities.", signature="s1gn"), "Let me see.", OSLO, ROME],
            [Reasoning(redacted=b"\x00\xff"), "In 'both', it \"rains\"."],
            "",
        ],
    ),
    "redactions": (
        with_redactions,
        [
            Redaction("[removed]", ["I cannot", "say."]),
            ToolCall("read_card"),
            Redaction("[result removed]", "No."),
            Redaction(user_message=None, reply="It is 4111.", assistant_message="[answer removed]"),
            "Bye.",
        ],
    ),
    "structured output": (
        with_structured_output,
        ["Oslo, I think.", City(name="Oslo"), "Nothing."],
    ),
}


@pytest.fixture
def open_session(tmp_path: Path) -> Iterator[OpenSession]:
    """Open a session in the file of the test."""
    with ExitStack() as opened:
        yield lambda session_id="talk": opened.enter_context(
            SQLiteSessionManager(session_id, tmp_path / "sessions.db", durability="normal")
        )


def hold(manager: SQLiteSessionManager, talk: Callable[[Agent], None], *steps: Step, **options: Any) -> Agent:
    """Hold a conversation that uses up its script."""
    model = ScriptedModel(*steps)
    agent = Agent(model=model, session_manager=manager, tools=[weather, read_card], callback_handler=None, **options)
    talk(agent)
    model.assert_consumed()
    return agent


def stored(manager: SQLiteSessionManager) -> list[Any]:
    """What was said: each message as shown, without what is new each time, and whether a guardrail changed it."""
    records = manager.list_messages(manager.session_id, "default")
    messages: list[Any] = [record.to_message() for record in records]
    for message in messages:
        del message["tracking_id"]
        message.pop("metadata", None)
    return [(message, record.redact_message is not None) for message, record in zip(messages, records, strict=True)]


def without_direct_calls(conversation: list[Any]) -> list[Any]:
    """A conversation without the ids of the tool calls that the test made itself, which are new each time."""
    return [each for each in conversation if "tooluse_weather_" not in str(each)]


@pytest.mark.parametrize("name", TALKS)
def test_a_recorded_script_gives_the_same_conversation(open_session: OpenSession, name: str) -> None:
    """With the same tools and the same words, everything is stored as it was: texts, ids, redactions."""
    talk, steps = TALKS[name]
    manager = open_session("talk")
    hold(manager, talk, *steps)

    again = open_session("again")
    hold(again, talk, *record_script(manager))

    first = without_direct_calls(stored(manager))
    assert without_direct_calls(stored(again)) == first
    assert len(first) > len(steps)


@pytest.mark.parametrize("name", TALKS)
def test_the_source_of_a_script_gives_the_same_conversation(
    open_session: OpenSession, tmp_path: Path, name: str
) -> None:
    """The file that `write_script` writes is Python, and its list is the script."""
    talk, steps = TALKS[name]
    manager = open_session("talk")
    hold(manager, talk, *steps)
    script = record_script(manager)
    script.write_script(tmp_path / "recorded.py")
    written = runpy.run_path(str(tmp_path / "recorded.py"))["STEPS"]
    assert written == list(script)


def test_the_source_of_a_script_can_be_pasted_into_a_test(open_session: OpenSession) -> None:
    """It has the imports it needs, what the user said as comments, and the layout of `ruff format`."""
    manager = open_session()
    calls = [
        ["Let me see.", ToolCall("weather", {"city": "Oslo"}, "call-1"), ToolCall("weather", {"city": "R"}, "call-2")],
        'It rains in "both".',
        Redaction("[removed]", "I cannot say."),
    ]
    hold(manager, lambda agent: (agent("Where does it\nrain?"), agent("My card is 4111.")), *calls)
    assert record_script(manager).as_source("RAIN") == (
        """\
from pytest_strands_sqlite import Redaction, ToolCall

RAIN = [
    # user: Where does it rain?
    [
        "Let me see.",
        ToolCall("weather", {"city": "Oslo"}, tool_use_id="call-1"),
        ToolCall("weather", {"city": "R"}, tool_use_id="call-2"),
    ],
    'It rains in "both".',
    # user: [removed]
    Redaction(user_message="[removed]", reply="I cannot say."),
]
"""
    )


ROWS = {"rows": [{"name": "n" * 40, "text": "t" * 40}, {"name": "n"}]}
ANSWERS: list[tuple[Any, str]] = [
    ({"text": "It's \"so\" \\'\n\x00\u2028\ud800."}, r"""    "It's \"so\" \\'\n\x00\u2028\ud800.","""),
    ({"text": "It's."}, """    "It's.","""),
    (
        {"toolUse": {"name": "plot", "toolUseId": "c", "input": {"at": [1.5, float("inf"), None], "漢": {}}}},
        """    ToolCall("plot", {"at": [1.5, float("inf"), None], "漢": {}}, tool_use_id="c"),""",
    ),
    (
        {"toolUse": {"name": "save", "toolUseId": "c", "input": ROWS}},
        f"""\
    ToolCall(
        "save",
        {{
            "rows": [
                {{
                    "name": "{"n" * 40}",
                    "text": "{"t" * 40}",
                }},
                {{"name": "n"}},
            ],
        }},
        tool_use_id="c",
    ),""",
    ),
    (
        {"toolUse": {"name": "now", "toolUseId": "c", "input": {}, "reasoningSignature": "g"}},
        """    ToolCall("now", tool_use_id="c", reasoning_signature="g"),""",
    ),
    ({"reasoningContent": {"redactedContent": b"\x00'\xff"}}, """    Reasoning(redacted=b"\\x00'\\xff"),"""),
    ({"reasoningContent": {"reasoningText": {"text": "Hm."}}}, """    Reasoning("Hm."),"""),
]


@pytest.mark.parametrize(("block", "line"), ANSWERS)
def test_anything_that_was_said_can_be_written_as_source(block: Any, line: str) -> None:
    """Quotes, control characters, numbers and long input are Python, and come back as they were."""
    script = record_script([{"role": "user", "content": [{"text": "?"}]}, {"role": "assistant", "content": [block]}])
    source = script.as_source()
    names: dict[str, Any] = {}
    exec(source, names)  # noqa: S102 - that it runs is the promise
    assert names["STEPS"] == list(script)
    assert source.endswith(f"STEPS = [\n    # user: ?\n{line}\n]\n")


def test_a_comment_is_one_line_that_a_file_can_hold() -> None:
    """Long words are cut, and what cannot stand in a file is replaced."""
    said: list[Message] = [
        {"role": "user", "content": [{"text": "\x00# noqa\r\n" + "漢" * 60}]},
        {"role": "assistant", "content": [{"text": "a"}]},
    ]
    assert record_script(said).as_source() == f'STEPS = [\n    # user: ?# noqa {"漢" * 33}…\n    "a",\n]\n'


def test_nothing_said_is_an_empty_script() -> None:
    """A conversation without an answer has no steps."""
    script = record_script([])
    assert (list(script), script.as_source()) == ([], "STEPS = []\n")


def test_a_script_is_a_sequence_of_steps() -> None:
    """Steps can be counted, taken and cut out, to play a part of a conversation."""
    script = record_script([{"role": "assistant", "content": [{"text": text}]} for text in "abc"])
    assert (len(script), script[0], list(script[1:]), repr(script)) == (
        3,
        "a",
        ["b", "c"],
        "RecordedScript(['a', 'b', 'c'])",
    )


def test_usage_is_recorded_where_it_is_wanted(open_session: OpenSession) -> None:
    """With `usage=True` a replay costs what the conversation cost."""
    manager = open_session("talk")
    hold(manager, lambda agent: agent("Hi."), Reply("Hello.", usage={"inputTokens": 900}, latency_ms=12))
    script = record_script(manager, usage=True)
    usage = {"inputTokens": 900, "outputTokens": 1, "totalTokens": 901}
    assert list(script) == [Reply("Hello.", usage=usage, latency_ms=12)]
    again = open_session("again")
    replayed = hold(again, lambda agent: agent("Hi."), *script)
    metadata: Any = replayed.messages[-1]["metadata"]
    assert (metadata["usage"], metadata["metrics"]["latencyMs"]) == (usage, 12)


def test_messages_that_the_model_did_not_say_are_no_steps(open_session: OpenSession) -> None:
    """Direct tool calls, and messages that the agent was made with, are made again by whoever made them."""
    manager = open_session()
    given: list[Message] = [
        {"role": "user", "content": [{"text": "q0"}]},
        {"role": "assistant", "content": [{"text": "a0"}]},
    ]
    hold(manager, lambda agent: (agent.tool.weather(city="Oslo"), agent("q1")), "a1", messages=given)
    assert list(record_script(manager)) == ["a1"]


def test_records_of_any_session_manager_are_a_source(open_session: OpenSession) -> None:
    """A list of the SDK's records keeps redactions; plain messages show what was said in their place."""
    manager = open_session()
    hold(manager, lambda agent: agent("My card is 4111."), Redaction("[removed]", "No."))
    records = manager.list_messages(manager.session_id, "default")
    assert list(record_script(records)) == [Redaction("[removed]", "No.")]
    assert list(record_script([record.to_message() for record in records])) == ["No."]


def test_each_agent_of_a_session_has_its_own_script(open_session: OpenSession) -> None:
    """Where a session has several agents, the one that is meant must be named."""
    manager = open_session()
    hold(manager, lambda agent: agent("Hi."), "I am Ada.", agent_id="ada")
    hold(manager, lambda agent: agent("Hi."), "I am Bob.", agent_id="bob")
    assert list(record_script(manager, "bob")) == ["I am Bob."]
    with pytest.raises(ValueError, match="ada, bob"):
        record_script(manager)
    with pytest.raises(NotFoundError, match="eve"):
        record_script(manager, "eve")


def test_a_swarm_can_be_replayed() -> None:
    """The scripts of all agents together play a swarm again."""
    hand_over = ToolCall("handoff_to_agent", {"agent_name": "coder", "message": "Code."})
    script = Script({"planner": [hand_over, "Over."], "coder": ["Coded."]})

    def run(script: Script) -> list[Agent]:
        agents = [Agent(name=name, model=model, callback_handler=None) for name, model in script.items()]
        Swarm(agents, entry_point=agents[0])("Build it.")
        script.assert_consumed()
        return agents

    first = run(script)
    again = run(Script({agent.name: record_script(agent.messages) for agent in first}))
    assert [[each["content"] for each in agent.messages] for agent in again] == [
        [each["content"] for each in agent.messages] for agent in first
    ]


def test_a_store_is_a_source(open_session: OpenSession, tmp_path: Path) -> None:
    """A store gives the conversation of its only session, or of the one that is named."""
    hold(open_session("talk"), lambda agent: agent("My card is 4111."), Redaction("[removed]", "No."))
    with SessionStore(tmp_path / "sessions.db", read_only=True) as store:
        assert list(record_script(store)) == [Redaction("[removed]", "No.")]
    hold(open_session("other"), lambda agent: agent("Hi."), "Hello.")
    with SessionStore(tmp_path / "sessions.db") as store:
        assert list(record_script(store, session_id="other")) == ["Hello."]
        with pytest.raises(ValueError, match=r"^name the session with session_id; the store holds: 'other', 'talk'$"):
            record_script(store)


def test_a_file_that_exists_is_not_replaced_by_accident(tmp_path: Path) -> None:
    """A test that was written by hand survives a wrong path."""
    path = tmp_path / "test_mine.py"
    path.write_text("mine")
    script = RecordedScript([((), "a")])
    with pytest.raises(FileExistsError):
        script.write_script(path)
    assert path.read_text() == "mine"
    script.write_script(path, "MINE", overwrite=True)
    assert path.read_bytes() == b'MINE = [\n    "a",\n]\n'


CITED: Any = {"role": "assistant", "content": [{"citationsContent": {"citations": [], "content": []}}]}
NO_SOURCE = "is not a SQLiteSessionManager, a SessionStore or a list of messages"
NO_STORE = "session_id names a session of a SessionStore; this source holds one conversation"
NO_SESSION = "agent_id names an agent of a session; a list of messages is of one agent"


@pytest.mark.parametrize(
    ("source", "options", "error", "text"),
    [
        ([CITED], {}, ValueError, "message 0 holds what a script cannot say: 'citationsContent'"),
        ([], {"agent_id": "ada"}, ValueError, NO_SESSION),
        ([], {"session_id": "talk"}, ValueError, NO_STORE),
        (42, {}, TypeError, f"42 {NO_SOURCE}"),
        ("talk", {}, TypeError, f"'talk' {NO_SOURCE}"),
        ([42], {}, TypeError, f"[42] {NO_SOURCE}"),
    ],
)
def test_what_cannot_be_recorded_is_named(
    source: Any, options: dict[str, str], error: type[Exception], text: str
) -> None:
    """Misuse says what is wrong and what is taken."""
    with pytest.raises(error) as failure:
        record_script(source, **options)
    assert str(failure.value) == text


def test_a_manager_has_one_session(open_session: OpenSession) -> None:
    """Only a store has to be told which session is meant."""
    with pytest.raises(ValueError, match=f"^{NO_STORE}$"):
        record_script(open_session(), session_id="talk")


@pytest.mark.parametrize("name", ["my steps", "class", ""])
def test_the_list_needs_a_name_that_python_allows(name: str) -> None:
    """Source that would not compile is not written."""
    with pytest.raises(ValueError, match=f"^'{name}' is not a name for a variable$"):
        record_script([]).as_source(name)
