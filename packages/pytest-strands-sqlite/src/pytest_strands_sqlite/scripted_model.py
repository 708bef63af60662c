"""An offline model that plays a script, so that agents can be tested without a provider."""

import asyncio
import copy
import json
import re
import threading
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, cast

from pydantic import BaseModel
from strands.event_loop.streaming import process_stream
from strands.models import Model
from strands.tools import convert_pydantic_to_tool_spec
from strands.types.content import Message, Messages
from strands.types.event_loop import StopReason, Usage
from strands.types.streaming import StreamEvent
from strands.types.tools import ToolChoice, ToolSpec
from typing_extensions import override

__all__ = ["ModelCall", "Redaction", "Reply", "ScriptExhaustedError", "ScriptedModel", "Step", "ToolCall"]

_Output = TypeVar("_Output", bound=BaseModel)

_WORDS = re.compile(r"\S+\s*|\s+")
_INPUT_PIECE = 24


class ScriptExhaustedError(Exception):
    """The agent called the model more often than the script has steps.

    The message says how long the script was and what the agent sent. Add the missing step, or look for the call that
    the test did not expect, such as a retry or a structured-output round.
    """


@dataclass(frozen=True)
class ToolCall:
    """A tool call that the model makes.

    Attributes:
        name: Name of the tool. The name of a Pydantic model answers a request for structured output.
        input: Arguments of the call; anything that JSON can hold.
        tool_use_id: Id of the call. Without one, each call gets a new random id, as from a provider.
    """

    name: str
    input: Mapping[str, Any] = field(default_factory=dict)
    tool_use_id: str | None = None


@dataclass(frozen=True)
class Redaction:
    """A guardrail that steps in: it replaces what the user said and answers in the model's place.

    Attributes:
        user_message: Text that replaces the user's last message.
        reply: Text that the guardrail answers.
    """

    user_message: str = "[User input redacted.]"
    reply: str = "[Blocked by a guardrail.]"


@dataclass(frozen=True)
class ModelCall:
    """What an agent sent with one call, copied when the call came in.

    Attributes:
        messages: The conversation so far.
        tool_specs: The tools on offer, or `None` when there are none.
        system_prompt: The system prompt, if any.
        tool_choice: Which tool the model must use, if the agent asks for one.
    """

    messages: Messages
    tool_specs: list[ToolSpec] | None = None
    system_prompt: str | None = None
    tool_choice: ToolChoice | None = None


Reply: TypeAlias = str | ToolCall | Redaction | BaseException | Sequence[str | ToolCall]
"""What one call gives: text, one tool call, text and tool calls in order, a redaction, or an error to raise."""

Step: TypeAlias = Reply | Callable[[ModelCall], Reply]
"""A reply, or a function that makes one from the call."""


class ScriptedModel(Model):
    """A model that answers each call with the next step of a script, offline and without delay.

    It streams as a provider does: text word by word, tool input in pieces, then the stop reason and the token usage
    (one token per word). Several agents, threads and event loops may share one model; steps go out in the order in
    which calls come in.

    Example:
        ```python
        model = ScriptedModel(
            ToolCall("weather", {"city": "Oslo"}),
            "It is raining in Oslo.",
        )
        agent = Agent(model=model, tools=[weather])
        agent("What is the weather in Oslo?")
        model.assert_consumed()
        ```
    """

    def __init__(self, *steps: Step) -> None:
        """Write the script.

        Args:
            *steps: One step per call of the model. A step is text, a `ToolCall`, a list of texts and tool calls, a
                `Redaction`, an exception to raise, or a function that takes the `ModelCall` and returns one of these.

        Raises:
            TypeError: A step is none of these.
        """
        for position, step in enumerate(steps, start=1):
            if not _is_reply(step) and (isinstance(step, type) or not callable(step)):
                msg = f"step {position} is {step!r}, which is not a reply and not a function that returns one"
                raise TypeError(msg)
        self._steps = steps
        self._calls: list[ModelCall] = []
        self._config: dict[str, Any] = {"model_id": "scripted"}
        self._lock = threading.Lock()

    @property
    def calls(self) -> list[ModelCall]:
        """Every call so far, oldest first, those that raised included."""
        with self._lock:
            return list(self._calls)

    def assert_consumed(self) -> None:
        """Check that the agents used the whole script.

        Raises:
            AssertionError: Some steps were not used; the message names them.
        """
        used = len(self.calls)
        unused = [f"step {position}: {step!r}" for position, step in enumerate(self._steps, start=1) if position > used]
        if unused:
            msg = f"{len(unused)} of {len(self._steps)} steps were not used: {'; '.join(unused)}"
            raise AssertionError(msg)

    @override
    def update_config(self, **model_config: Any) -> None:
        """Change the configuration.

        Args:
            **model_config: Entries to set, such as `context_window_limit`.
        """
        self._config.update(model_config)

    @override
    def get_config(self) -> dict[str, Any]:
        """Return the configuration."""
        return self._config

    @override
    async def stream(
        self,
        messages: Messages,
        tool_specs: list[ToolSpec] | None = None,
        system_prompt: str | None = None,
        *,
        tool_choice: ToolChoice | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[StreamEvent, None]:
        """Answer one call with the next step of the script.

        Args:
            messages: The conversation so far.
            tool_specs: The tools on offer.
            system_prompt: The system prompt.
            tool_choice: Which tool the model must use.
            **kwargs: What else the SDK sends; ignored.

        Yields:
            The chunks of one message.

        Raises:
            ScriptExhaustedError: The script has no step left.
            TypeError: A function in the script returned something that is not a reply, or JSON cannot hold the input
                of a tool call.
            BaseException: The exception that the step asks for.
        """
        call = copy.deepcopy(ModelCall(messages, tool_specs, system_prompt, tool_choice))
        reply = _resolve(self._next_step(call), call)
        if isinstance(reply, BaseException):
            raise reply
        for chunk in _chunks(reply, call):
            await asyncio.sleep(0)  # a network stream lets other agents on the loop run between two chunks
            yield chunk

    @override
    async def structured_output(
        self, output_model: type[_Output], prompt: Messages, system_prompt: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[dict[str, _Output | Any], None]:
        """Answer one call with the next step of the script, which must call the tool named after the output model.

        Args:
            output_model: The Pydantic model to fill.
            prompt: The conversation so far.
            system_prompt: The system prompt.
            **kwargs: What else the SDK sends; passed to `stream`.

        Yields:
            The events of one message, then `{"output": ...}` with the filled model.

        Raises:
            ValueError: The step does not call that tool, or its input does not fit the model.
        """
        spec = convert_pydantic_to_tool_spec(output_model)
        forced = cast("ToolChoice", {"tool": {"name": spec["name"]}})
        chunks = self.stream(prompt, [spec], system_prompt, tool_choice=forced, **kwargs)
        message: Message = {"role": "assistant", "content": []}
        async for event in process_stream(chunks):
            if "stop" in event:
                message = event["stop"][1]
            yield cast("dict[str, _Output | Any]", event)
        yield {"output": output_model(**_tool_input(message, spec["name"]))}

    def _next_step(self, call: ModelCall) -> Step:
        """Record the call and take the step that belongs to it."""
        with self._lock:
            position = len(self._calls)
            self._calls.append(call)
        if position < len(self._steps):
            return self._steps[position]
        last = call.messages[-1]["content"] if call.messages else "nothing"
        msg = f"all steps of the script are used ({len(self._steps)}), and the agent called again with: {last!r}"
        raise ScriptExhaustedError(msg)


def _is_reply(step: object) -> bool:
    if isinstance(step, list | tuple):
        return bool(step) and all(isinstance(part, str | ToolCall) for part in step)
    return isinstance(step, str | ToolCall | Redaction | BaseException)


def _resolve(step: Step, call: ModelCall) -> Reply:
    if not callable(step):
        return step
    reply = step(call)
    if not _is_reply(reply):
        msg = f"a function in the script returned {reply!r}, which is not a reply"
        raise TypeError(msg)
    return reply


def _chunks(reply: str | ToolCall | Redaction | Sequence[str | ToolCall], call: ModelCall) -> Iterator[StreamEvent]:
    """Stream a reply in the order in which the SDK's Bedrock provider streams one."""
    parts = _parts(reply)
    yield {"messageStart": {"role": "assistant"}}
    for part in parts:
        yield from _text_block(part) if isinstance(part, str) else _tool_block(part)
    yield {"messageStop": {"stopReason": _stop_reason(reply, parts)}}
    if isinstance(reply, Redaction):
        yield {"redactContent": {"redactUserContentMessage": reply.user_message}}
    sent, said = _count_words(_texts(call.messages)), _count_words(map(_written, parts))
    usage: Usage = {"inputTokens": sent, "outputTokens": said, "totalTokens": sent + said}
    yield {"metadata": {"usage": usage, "metrics": {"latencyMs": 0}}}


def _parts(reply: str | ToolCall | Redaction | Sequence[str | ToolCall]) -> Sequence[str | ToolCall]:
    if isinstance(reply, Redaction):
        return [reply.reply]
    return [reply] if isinstance(reply, str | ToolCall) else reply


def _stop_reason(reply: object, parts: Sequence[str | ToolCall]) -> StopReason:
    if isinstance(reply, Redaction):
        return "guardrail_intervened"
    return "tool_use" if any(isinstance(part, ToolCall) for part in parts) else "end_turn"


def _text_block(text: str) -> Iterator[StreamEvent]:
    yield {"contentBlockStart": {"start": {}}}
    for words in _WORDS.findall(text):
        yield {"contentBlockDelta": {"delta": {"text": words}}}
    yield {"contentBlockStop": {}}


def _tool_block(tool_call: ToolCall) -> Iterator[StreamEvent]:
    tool_use_id = tool_call.tool_use_id or f"tooluse_{uuid.uuid4().hex}"
    written = _written(tool_call)
    yield {"contentBlockStart": {"start": {"toolUse": {"name": tool_call.name, "toolUseId": tool_use_id}}}}
    for begin in range(0, len(written), _INPUT_PIECE):
        yield {"contentBlockDelta": {"delta": {"toolUse": {"input": written[begin : begin + _INPUT_PIECE]}}}}
    yield {"contentBlockStop": {}}


def _written(part: str | ToolCall) -> str:
    return part if isinstance(part, str) else json.dumps(dict(part.input))


def _texts(messages: Messages) -> Iterator[str]:
    return (block["text"] for message in messages for block in message["content"] if "text" in block)


def _count_words(texts: Iterable[str]) -> int:
    return sum(len(text.split()) for text in texts)


def _tool_input(message: Message, name: str) -> dict[str, Any]:
    for block in message["content"]:
        if "toolUse" in block and block["toolUse"]["name"] == name:
            return cast("dict[str, Any]", block["toolUse"]["input"])
    msg = f"the step does not call the tool {name!r}, which structured output needs; it said: {message['content']!r}"
    raise ValueError(msg)
