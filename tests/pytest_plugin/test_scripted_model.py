"""The scripted model answers as its script says and remembers what it was asked."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import BaseModel
from strands import Agent, tool
from strands.types.content import Messages
from strands.types.exceptions import ModelThrottledException
from strands.types.streaming import StreamEvent

from pytest_strands_sqlite import ModelCall, Redaction, ScriptedModel, ScriptExhaustedError, ToolCall

HELLO: Messages = [{"role": "user", "content": [{"text": "Hello there"}]}]


class City(BaseModel):
    """A city with its country."""

    name: str
    country: str


@tool
def weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: Where.
    """
    return f"rain in {city}"


def new_agent(model: ScriptedModel, **options: Any) -> Agent:
    """Make an agent that prints nothing."""
    return Agent(model=model, callback_handler=None, **options)


def chunks_of(model: ScriptedModel, messages: Messages = HELLO) -> list[StreamEvent]:
    """Call the model once and collect what it streams."""

    async def collect() -> list[StreamEvent]:
        return [chunk async for chunk in model.stream(messages)]

    return asyncio.run(collect())


def kinds(chunks: list[StreamEvent]) -> list[str]:
    """Name each chunk by its only key."""
    return [next(iter(chunk)) for chunk in chunks]


def test_text_is_streamed_word_by_word_and_comes_out_unchanged() -> None:
    """A text step streams like a provider's message, and the deltas join to the exact text."""
    said = "  two words\nand a\tlast one. "
    chunks = chunks_of(ScriptedModel(said))
    deltas = [chunk["contentBlockDelta"]["delta"]["text"] for chunk in chunks if "contentBlockDelta" in chunk]
    assert "".join(deltas) == said
    assert len(deltas) > 1
    assert kinds(chunks) == [
        "messageStart",
        "contentBlockStart",
        *["contentBlockDelta"] * len(deltas),
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]


def test_usage_counts_one_token_per_word() -> None:
    """The usage of a call is the number of words that went in and came out."""
    usage = chunks_of(ScriptedModel("one two three"))[-1]["metadata"]["usage"]
    assert usage == {"inputTokens": 2, "outputTokens": 3, "totalTokens": 5}


def test_a_tool_call_runs_the_tool_and_its_result_goes_into_the_next_call() -> None:
    """A tool call step ends with `tool_use`: the agent runs the tool and sends the result back."""
    model = ScriptedModel(ToolCall("weather", {"city": "Oslo"}, "call-1"), "It rains.")
    result = new_agent(model, tools=[weather])("How is Oslo?")
    assert str(result) == "It rains.\n"
    answer = model.calls[1].messages[-1]["content"][0]["toolResult"]
    assert answer["toolUseId"] == "call-1"
    assert answer["content"] == [{"text": "rain in Oslo"}]


def test_text_and_several_tool_calls_form_one_message() -> None:
    """A list of texts and tool calls becomes one message with its blocks in that order."""
    model = ScriptedModel(
        ["Looking.", ToolCall("weather", {"city": "Oslo"}), ToolCall("weather", {"city": "Rome"})], ""
    )
    agent = new_agent(model, tools=[weather])
    agent("Where does it rain?")
    said = agent.messages[1]["content"]
    assert said[0] == {"text": "Looking."}
    assert [block["toolUse"]["input"] for block in said[1:]] == [{"city": "Oslo"}, {"city": "Rome"}]


def test_tool_input_arrives_in_pieces_and_complete() -> None:
    """Tool input is streamed as pieces of JSON that join to the exact input."""
    arguments = {"text": "ä \" ' \\ \x00" * 20, "nested": [{"n": 1.5, "none": None}]}
    chunks = chunks_of(ScriptedModel(ToolCall("any", arguments), check_tools=False))
    pieces = [
        chunk["contentBlockDelta"]["delta"]["toolUse"]["input"] for chunk in chunks if "contentBlockDelta" in chunk
    ]
    assert len(pieces) > 1
    assert json.loads("".join(pieces)) == arguments


def test_tool_calls_without_an_id_get_a_new_one_each() -> None:
    """Two calls of the same step object have different ids, in whatever process they happen."""
    step = ToolCall("weather", {"city": "Oslo"})
    model = ScriptedModel([step, step], step, "Done.")
    agent = new_agent(model, tools=[weather])
    agent("Go.")
    ids = [
        block["toolUse"]["toolUseId"]
        for message in agent.messages
        for block in message["content"]
        if "toolUse" in block
    ]
    assert len(set(ids)) == 3


def test_a_redaction_replaces_the_user_message_and_answers() -> None:
    """A redaction step does what a guardrail does: other user text, own reply, stop reason of its own."""
    model = ScriptedModel(Redaction(user_message="[removed]", reply="I cannot say."))
    agent = new_agent(model)
    result = agent("My card is 4111.")
    assert result.stop_reason == "guardrail_intervened"
    assert [message["content"] for message in agent.messages] == [[{"text": "[removed]"}], [{"text": "I cannot say."}]]


def test_a_redaction_comes_after_the_message_and_before_the_usage() -> None:
    """The redaction chunk stands where the SDK's Bedrock provider puts it."""
    assert kinds(chunks_of(ScriptedModel(Redaction())))[-3:] == ["messageStop", "redactContent", "metadata"]


def test_an_exception_in_the_script_is_raised_and_the_script_goes_on() -> None:
    """An exception step fails that call only; the next call gets the next step."""
    model = ScriptedModel(RuntimeError("the line is dead"), "Back again.")
    agent = new_agent(model)
    with pytest.raises(RuntimeError, match="the line is dead"):
        agent("Hello?")
    assert str(agent("Hello?")) == "Back again.\n"
    assert len(model.calls) == 2


def test_a_throttled_call_reaches_the_caller_of_the_model_as_such() -> None:
    """Errors of the SDK keep their type, so that its own handling of them can be tested."""
    with pytest.raises(ModelThrottledException):
        chunks_of(ScriptedModel(ModelThrottledException("slow down")))


def test_a_function_gets_the_call_and_returns_the_reply() -> None:
    """A function step sees messages, tools and system prompt, and its reply is streamed."""

    def answer(call: ModelCall) -> str:
        names = [spec["name"] for spec in call.tool_specs or []]
        return f"{call.system_prompt} {names} {call.messages[-1]['content'][0]['text']}"

    agent = new_agent(ScriptedModel(answer), tools=[weather], system_prompt="Be brief.")
    assert str(agent("Well?")) == "Be brief. ['weather'] Well?\n"


def test_a_function_that_returns_no_reply_is_an_error() -> None:
    """A function step that returns something else fails with a message that shows it."""
    with pytest.raises(TypeError, match=r"^a function in the script returned 42, which is not a reply$"):
        chunks_of(ScriptedModel(lambda _call: 42))  # type: ignore[arg-type,return-value]  # wrong on purpose


@pytest.mark.parametrize("step", [None, 42, [], ["text", 42], ValueError, b"bytes", {"text": "no"}])
def test_a_step_of_the_wrong_type_is_refused_when_the_script_is_written(step: Any) -> None:
    """A step that no call could answer is refused at once, with its position."""
    with pytest.raises(TypeError, match="step 2 is"):
        ScriptedModel("fine", step)


def test_tool_input_that_json_cannot_hold_is_an_error() -> None:
    """Tool input is JSON, as from a provider; anything else raises a `TypeError`."""
    with pytest.raises(TypeError, match="not JSON serializable"):
        chunks_of(ScriptedModel(ToolCall("any", {"when": object()}), check_tools=False))


def test_a_tool_call_named_after_the_output_model_gives_structured_output() -> None:
    """Structured output that the agent asks for comes from a call of the tool with the model's name."""
    model = ScriptedModel(ToolCall("City", {"name": "Oslo", "country": "Norway"}))
    result = new_agent(model)("Where?", structured_output_model=City)
    assert result.structured_output == City(name="Oslo", country="Norway")


def test_structured_output_is_forced_after_a_plain_text() -> None:
    """When the first reply is text, the agent forces the tool, and the script and the calls show it."""
    model = ScriptedModel("Oslo, I think.", ToolCall("City", {"name": "Oslo", "country": "Norway"}))
    result = new_agent(model)("Where?", structured_output_model=City)
    assert result.structured_output == City(name="Oslo", country="Norway")
    assert model.calls[0].tool_choice is None
    assert model.calls[1].tool_choice is not None


def structured(model: ScriptedModel) -> list[dict[str, Any]]:
    """Ask the model itself for a city and collect its events."""

    async def collect() -> list[dict[str, Any]]:
        return [event async for event in model.structured_output(City, HELLO, "Be exact.")]

    return asyncio.run(collect())


def test_the_model_itself_gives_structured_output() -> None:
    """`structured_output` streams the events of a message and ends with the filled model."""
    model = ScriptedModel(["Sure.", ToolCall("City", {"name": "Oslo", "country": "Norway"})])
    events = structured(model)
    assert events[-1] == {"output": City(name="Oslo", country="Norway")}
    assert len(events) > 1
    call = model.calls[0]
    assert [spec["name"] for spec in call.tool_specs or []] == ["City"]
    assert call.system_prompt == "Be exact."


@pytest.mark.parametrize("step", ["Oslo", ToolCall("weather", {"city": "Oslo"}), ToolCall("City", {"name": "Oslo"})])
def test_structured_output_without_fitting_call_is_an_error(step: str | ToolCall) -> None:
    """A step that does not fill the output model raises a `ValueError`."""
    with pytest.raises(ValueError, match="City"):
        structured(ScriptedModel(step))


def test_a_text_where_structured_output_was_asked_for_is_shown_in_the_error() -> None:
    """The error names the tool that was needed, and shows what the step said instead."""
    with pytest.raises(ValueError, match="City") as raised:
        structured(ScriptedModel("Oslo"))
    expected = "the step does not call the tool 'City', which structured output needs; it said: [{'text': 'Oslo'}]"
    assert str(raised.value) == expected


def test_calls_are_copies_of_what_was_sent() -> None:
    """A recorded call does not change when the conversation goes on or is edited."""
    model = ScriptedModel("First.", "Second.")
    agent = new_agent(model)
    agent("One.")
    agent.messages[0]["content"][0]["text"] = "Edited."
    agent("Two.")
    assert [len(call.messages) for call in model.calls] == [1, 3]
    assert model.calls[0].messages[0]["content"] == [{"text": "One."}]


def test_assert_consumed_names_the_steps_that_were_not_used() -> None:
    """`assert_consumed` passes after the last step and names what is left before."""
    model = ScriptedModel("First.", "Second.", ToolCall("weather", {"city": "Oslo"}), check_tools=False)
    chunks_of(model)
    with pytest.raises(AssertionError) as failure:
        model.assert_consumed()
    assert str(failure.value) == (
        "2 of 3 steps were not used: step 2: 'Second.'; step 3: ToolCall('weather', input={'city': 'Oslo'})"
    )
    chunks_of(model)
    chunks_of(model)
    model.assert_consumed()


def test_an_exhausted_script_says_so_and_shows_the_call() -> None:
    """A call beyond the last step raises `ScriptExhaustedError`: how long the script was, who called, what was said."""
    agent = new_agent(ScriptedModel("Only this."), agent_id="support")
    agent("One.")
    with pytest.raises(ScriptExhaustedError) as failure:
        agent("Hm?")
    assert str(failure.value) == (
        "all steps of the script are used (1), and agent 'support' called again; the last message, of the user: Hm?"
    )


def test_several_threads_share_a_script_without_losing_a_step() -> None:
    """Each step goes out once, and each recorded call belongs to the step at its place."""
    total = 400
    model = ScriptedModel(*(f"{step}" for step in range(total)))

    def ask(number: int) -> tuple[str, str]:
        agent = new_agent(model)
        return f"{number}", str(agent(f"{number}")).strip()

    def stream(number: int) -> tuple[str, str]:
        chunks = chunks_of(model, [{"role": "user", "content": [{"text": f"{number}"}]}])
        return f"{number}", "".join(c["contentBlockDelta"]["delta"]["text"] for c in chunks if "contentBlockDelta" in c)

    with ThreadPoolExecutor(8) as pool:
        pairs = [*pool.map(ask, range(16)), *pool.map(stream, range(16, total))]
    asked_in_order = [call.messages[-1]["content"][0]["text"] for call in model.calls]
    assert {answer: question for question, answer in pairs} == {f"{i}": q for i, q in enumerate(asked_in_order)}
    model.assert_consumed()


def test_configuration_can_be_set_and_read() -> None:
    """What is set with `update_config` is what the SDK reads, the size of the context window included."""
    model = ScriptedModel()
    model.update_config(context_window_limit=1000)
    assert model.get_config()["model_id"] == "scripted"
    assert model.context_window_limit == 1000
