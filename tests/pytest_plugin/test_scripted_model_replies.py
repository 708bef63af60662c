"""Replies with more than text: reasoning, structured output, guardrails, delays, failures in the middle."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, computed_field
from strands import Agent, tool
from strands.types.content import Messages
from strands.types.event_loop import Usage
from strands.types.exceptions import MaxTokensReachedException
from strands.types.streaming import StreamEvent

from pytest_strands_sqlite import ModelCall, Redaction, ScriptedModel, ToolCall
from pytest_strands_sqlite.scripted_model import Reasoning, Reply, Step

HELLO: Messages = [{"role": "user", "content": [{"text": "Hello there"}]}]


class Place(BaseModel):
    """A place; its JSON has another name for the country, and something that is worked out."""

    model_config = ConfigDict(extra="forbid")

    name: str
    country: str = Field(alias="in")

    @computed_field
    @property
    def label(self) -> str:
        """How it is shown."""
        return f"{self.name}, {self.country}"


OSLO = Place(name="Oslo", **{"in": "Norway"})


@tool
def count() -> str:
    """Count."""
    return "1"


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        """Begin at 0."""
        self.now = 0.0
        super().__init__(selectors.DefaultSelector())
        select = self._selector.select

        def jump(timeout: float | None = None) -> Any:
            self.now += timeout or 0
            return select(0 if timeout else timeout)

        self._selector.select = jump

    def time(self) -> float:
        """The time that passed."""
        return self.now


def on_jumping_loop(work: Callable[[JumpingLoop], Awaitable[Any]]) -> Any:
    """Run on a loop that waits for nothing."""
    loop = JumpingLoop()
    try:
        return loop.run_until_complete(work(loop))
    finally:
        loop.close()


def chunks_of(*steps: Step) -> list[StreamEvent]:
    """Call a model once and collect what it streams."""
    model = ScriptedModel(*steps, check_tools=False)

    async def collect() -> list[StreamEvent]:
        return [chunk async for chunk in model.stream(HELLO)]

    return asyncio.run(collect())


def kinds(chunks: list[StreamEvent]) -> list[str]:
    """Name each chunk by its only key."""
    return [next(iter(chunk)) for chunk in chunks]


def deltas(chunks: list[StreamEvent]) -> list[Any]:
    """What the chunks add to the message."""
    return [chunk["contentBlockDelta"]["delta"] for chunk in chunks if "contentBlockDelta" in chunk]


def talk(*steps: Step, said: str = "Hello.", **options: Any) -> Any:
    """Say something to an agent with a script that it must use up, and return the agent and the result."""
    model = ScriptedModel(*steps)
    agent = Agent(model=model, callback_handler=None, **options)
    result = agent(said)
    model.assert_consumed()
    return agent, result


def test_reasoning_is_streamed_word_by_word_and_its_signature_last() -> None:
    """A reasoning block streams as a provider's: the text in deltas, then one with the signature."""
    assert deltas(chunks_of(Reasoning("think a bit", signature="s1gn"))) == [
        {"reasoningContent": {"text": "think "}},
        {"reasoningContent": {"text": "a "}},
        {"reasoningContent": {"text": "bit"}},
        {"reasoningContent": {"signature": "s1gn"}},
    ]


def test_reasoning_text_and_tool_calls_form_one_message() -> None:
    """Each block of a message keeps what belongs to it: a signature stays with its own reasoning."""
    blocks = [
        Reasoning("Let me see.", signature="s1gn"),
        Reasoning(redacted=b"\x00\xff"),
        Reasoning("Unsigned."),
        "I count.",
        ToolCall("count", tool_use_id="call-1", reasoning_signature="g3m"),
    ]
    agent, _ = talk(blocks, "One.", tools=[count])
    assert agent.messages[1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Let me see.", "signature": "s1gn"}}},
        {"reasoningContent": {"redactedContent": b"\x00\xff"}},
        {"reasoningContent": {"reasoningText": {"text": "Unsigned."}}},
        {"text": "I count."},
        {"toolUse": {"toolUseId": "call-1", "name": "count", "input": {}, "reasoningSignature": "g3m"}},
    ]


def test_an_object_answers_a_request_for_structured_output() -> None:
    """A Pydantic object as a step calls the tool of its class, with the names that the class takes."""
    agent, result = talk(OSLO, structured_output_model=Place)
    assert result.structured_output == OSLO
    assert agent.messages[1]["content"][0]["toolUse"]["input"] == {"name": "Oslo", "in": "Norway"}


def test_an_object_answers_the_forced_tool_call_after_a_text() -> None:
    """When the first reply is text, the agent forces the tool, and the object answers that call."""
    _, result = talk("Oslo, I think.", OSLO, structured_output_model=Place)
    assert result.structured_output == OSLO


def test_an_object_among_texts_is_one_block_of_the_message() -> None:
    """An object may stand in a list, as a tool call may."""
    agent, result = talk(["Here it is.", OSLO], structured_output_model=Place)
    assert result.structured_output == OSLO
    assert agent.messages[1]["content"][0] == {"text": "Here it is."}


def test_an_object_answers_the_model_itself() -> None:
    """`structured_output` of the model ends with an object equal to the step."""

    async def ask() -> list[Any]:
        return [event async for event in ScriptedModel(OSLO).structured_output(Place, HELLO)]

    assert asyncio.run(ask())[-1] == {"output": OSLO}


def test_a_guardrail_may_redact_the_answer() -> None:
    """What the model said is streamed, then replaced; what the user said stays."""
    step = Redaction(user_message=None, reply="Her number is 4111.", assistant_message="[removed]")
    assert deltas(chunks_of(step))[-1] == {"text": "4111."}
    agent, result = talk(step)
    assert result.stop_reason == "guardrail_intervened"
    assert [message["content"] for message in agent.messages] == [[{"text": "Hello."}], [{"text": "[removed]"}]]


def test_a_guardrail_may_redact_both_sides() -> None:
    """Both redactions come after the message and before the usage, that of the user first, as from Bedrock."""
    step = Redaction("[user]", ["One.", "Two."], "[assistant]")
    assert chunks_of(step)[-3:-1] == [
        {"redactContent": {"redactUserContentMessage": "[user]"}},
        {"redactContent": {"redactAssistantContentMessage": "[assistant]"}},
    ]
    agent, _ = talk(step)
    assert [message["content"] for message in agent.messages] == [[{"text": "[user]"}], [{"text": "[assistant]"}]]


def test_a_stream_can_break_off_in_the_middle() -> None:
    """`then_raise` comes after the last piece of content: no end of the block, no stop reason, no usage."""
    model = ScriptedModel(Reply(["One.", "It is"], then_raise=ConnectionResetError("the line is dead")))
    seen: list[StreamEvent] = []

    async def collect() -> None:
        async for chunk in model.stream(HELLO):
            seen.append(chunk)  # noqa: PERF401 - what came before the exception is kept

    with pytest.raises(ConnectionResetError, match="the line is dead"):
        asyncio.run(collect())
    block = ["contentBlockStart", "contentBlockDelta"]
    assert kinds(seen) == ["messageStart", *block, "contentBlockStop", *block, "contentBlockDelta"]


def test_an_agent_keeps_nothing_of_an_answer_that_broke_off() -> None:
    """The half answer is not in the conversation, and the next call gets the next step."""
    model = ScriptedModel(Reply("It is rai", then_raise=ConnectionResetError("the line is dead")), "It rains.")
    agent = Agent(model=model, callback_handler=None)
    with pytest.raises(ConnectionResetError, match="the line is dead"):
        agent("Weather?")
    assert [message["role"] for message in agent.messages] == ["user"]
    assert str(agent("Again?")) == "It rains.\n"


def test_usage_and_latency_can_be_set() -> None:
    """Counts that are given replace those counted, the total follows them, and the others stay."""
    given = {"inputTokens": 1200, "cacheReadInputTokens": 1000}
    metadata = chunks_of(Reply("one two", usage=given, latency_ms=250))[-1]["metadata"]
    assert metadata == {
        "usage": {"inputTokens": 1200, "outputTokens": 2, "totalTokens": 1202, "cacheReadInputTokens": 1000},
        "metrics": {"latencyMs": 250},
    }
    _, result = talk(Reply("one", usage={"totalTokens": 7}))
    assert result.metrics.accumulated_usage["totalTokens"] == 7


def test_the_stop_reason_can_be_set() -> None:
    """An answer may end for a reason that its content does not tell."""
    with pytest.raises(MaxTokensReachedException):
        talk(Reply("It is a very long", stop_reason="max_tokens"))


def test_an_answer_can_come_late_and_slowly() -> None:
    """`delay` passes before the first chunk, `delta_delay` between two deltas, on the clock of the event loop."""
    model = ScriptedModel(Reply(["one two", "three"], delay=60, delta_delay=5), "next")

    async def clock(loop: JumpingLoop) -> list[tuple[str, float]]:
        return [(next(iter(chunk)), loop.time()) async for chunk in model.stream(HELLO)]

    times = on_jumping_loop(clock)
    assert times[0] == ("messageStart", 60)
    assert [time for kind, time in times if kind == "contentBlockDelta"] == [60, 65, 70]
    assert times[-1] == ("metadata", 70)


def test_a_late_exception_comes_late() -> None:
    """An exception may have a delay too."""
    model = ScriptedModel(Reply(then_raise=TimeoutError("too slow"), delay=30))

    async def fail(loop: JumpingLoop) -> float:
        with pytest.raises(TimeoutError, match="too slow"):
            await anext(model.stream(HELLO))
        return loop.time()

    assert on_jumping_loop(fail) == 30


def test_a_delay_can_be_cancelled() -> None:
    """A task that waits for a late answer is cancelled at once, and the step counts as used."""
    model = ScriptedModel(Reply("never", delay=1e9))

    async def cancel() -> None:
        asked = asyncio.create_task(anext(model.stream(HELLO)))
        await asyncio.sleep(0)
        assert model.calls
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    asyncio.run(cancel())
    model.assert_consumed()


def test_other_agents_run_while_an_answer_waits() -> None:
    """A late answer holds up nobody else on the event loop."""

    async def both(loop: JumpingLoop) -> list[tuple[str, float]]:
        done: list[tuple[str, float]] = []

        async def ask(name: str, model: ScriptedModel) -> None:
            await Agent(model=model, callback_handler=None).invoke_async("Hello.")
            done.append((name, loop.time()))

        await asyncio.gather(ask("late", ScriptedModel(Reply("a", delay=9))), ask("quick", ScriptedModel("b")))
        return done

    assert on_jumping_loop(both) == [("quick", 0), ("late", 9)]


def test_an_async_function_may_wait_before_it_answers() -> None:
    """An async function is awaited on the agent's loop, so that a test says when the answer comes."""

    async def converse() -> str:
        asked, may_answer = asyncio.Event(), asyncio.Event()

        async def answer(call: ModelCall) -> Reply:
            asked.set()
            await may_answer.wait()
            return Reply(f"{call.agent_id} may", latency_ms=3)

        agent = Agent(model=ScriptedModel(answer), callback_handler=None, agent_id="ada")
        task = asyncio.create_task(agent.invoke_async("May I?"))
        await asked.wait()
        assert not task.done()
        may_answer.set()
        return str(await task)

    assert asyncio.run(converse()) == "ada may\n"


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (Reply, TypeError, "a Reply needs content or an exception to raise"),
        (lambda: Reply([]), TypeError, "a Reply cannot say []"),
        (lambda: Reply(42), TypeError, "a Reply cannot say 42"),
        (lambda: Reply(["a", Redaction()]), TypeError, "a Reply cannot say ['a', Redaction()]"),
        (lambda: Reply("a", delay=-1), ValueError, "delay is -1, which is not a number of 0 or more"),
        (
            lambda: Reply("a", delta_delay=float("nan")),
            ValueError,
            "delta_delay is nan, which is not a number of 0 or more",
        ),
        (
            lambda: Reply("a", usage={"input": 1}),
            ValueError,
            f"usage has no 'input'; it has: {', '.join(map(repr, Usage.__annotations__))}",
        ),
        (
            Reasoning,
            ValueError,
            "a Reasoning holds either a text, which may have a signature, or redacted bytes",
        ),
        (
            lambda: Reasoning(redacted=b"x", signature="s"),
            ValueError,
            "a Reasoning holds either a text, which may have a signature, or redacted bytes",
        ),
        (lambda: Redaction(reply=[]), TypeError, "a Redaction cannot reply []"),
        (
            lambda: Redaction(user_message=None),
            ValueError,
            "a Redaction needs a user_message, an assistant_message or both",
        ),
    ],
)
def test_a_step_that_cannot_be_played_is_refused_where_it_is_written(
    make: Callable[[], object], error: type[Exception], text: str
) -> None:
    """What no model could answer is an error in the line that says so, not when the agent runs."""
    with pytest.raises(error) as failure:
        make()
    assert str(failure.value) == text


@pytest.mark.parametrize(
    ("step", "shown"),
    [
        (ToolCall("count"), "ToolCall('count')"),
        (ToolCall("count", {"to": 3}, "call-1"), "ToolCall('count', input={'to': 3}, tool_use_id='call-1')"),
        (Reasoning("Hm.", "s"), "Reasoning('Hm.', signature='s')"),
        (Reasoning(redacted=b"x"), "Reasoning(redacted=b'x')"),
        (Redaction(), "Redaction()"),
        (Redaction(None, "no", "[gone]"), "Redaction(None, reply='no', assistant_message='[gone]')"),
        (Reply("a", delay=2), "Reply('a', delay=2)"),
    ],
)
def test_a_step_shows_itself_as_it_was_written(step: object, shown: str) -> None:
    """Failures name steps, so a step shows what was set and nothing else."""
    assert repr(step) == shown
