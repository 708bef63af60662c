"""An offline model that plays a script, so that agents can be tested without a provider."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from pydantic import BaseModel
from strands.event_loop.streaming import process_stream
from strands.models import Model
from strands.tools import convert_pydantic_to_tool_spec
from strands.types.content import Message, Messages
from strands.types.streaming import StreamEvent
from strands.types.tools import ToolChoice, ToolSpec
from typing_extensions import override

from . import _failures
from ._script_calls import caller_id, last_words, resolve_step
from ._script_errors import ScriptError, ScriptExhaustedError, ToolNotOfferedError
from ._script_steps import (
    Answer,
    Content,
    ModelCall,
    Part,
    Reasoning,
    Redaction,
    Reply,
    Step,
    ToolCall,
    require_steps,
)
from ._script_stream import called_tools, stream_reply

__all__ = [
    "Answer",
    "Content",
    "ModelCall",
    "Part",
    "Reasoning",
    "Redaction",
    "Reply",
    "Script",
    "ScriptError",
    "ScriptExhaustedError",
    "ScriptedModel",
    "Step",
    "ToolCall",
    "ToolNotOfferedError",
]

_Output = TypeVar("_Output", bound=BaseModel)


class ScriptedModel(Model):
    """A model that answers each call with the next step of a script, offline and without delay.

    It streams as a provider does: text and reasoning word by word, tool input in pieces, then the stop reason and the
    token usage (one token per word). Several agents, threads and event loops may share one model; steps go out in the
    order in which calls come in.

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

    def __init__(self, *steps: Step, name: str | None = None, check_tools: bool = True) -> None:
        """Write the script.

        Args:
            *steps: One step per call of the model. A step is one of

                - text, a `ToolCall`, a `Reasoning`, or an object of a Pydantic model, which answers a request for
                  structured output; or a list of these, which become one message;
                - a `Redaction`, for what a guardrail does;
                - an exception to raise;
                - a `Reply` around any of these, with a delay, token counts, an exception in the middle;
                - a function, plain or async, that takes the `ModelCall` and returns one of these.
            name: Whose script it is, for the text of failures.
            check_tools: Refuse to call a tool that the agent did not offer, as no provider does.

        Raises:
            TypeError: A step is none of these.
        """
        require_steps(steps)
        self._steps = steps
        self._name = name
        self._check_tools = check_tools
        self._calls: list[ModelCall] = []
        self._misfits: list[ScriptError] = []
        self._config: dict[str, Any] = {"model_id": "scripted"}
        self._lock = threading.Lock()

    @property
    def calls(self) -> list[ModelCall]:
        """Every call so far, oldest first, those that raised included."""
        with self._lock:
            return list(self._calls)

    def assert_consumed(self) -> None:
        """Check that the agents used the whole script and asked for nothing beyond it.

        Raises:
            AssertionError: A call did not fit the script and the error went unseen, as in a `Swarm`; or some steps
                were not used. The message names them.
        """
        with self._lock:
            used, misfits = len(self._calls), list(self._misfits)
        if misfits:
            raise AssertionError(_failures.did_not_fit(str(misfits[0]))) from misfits[0]
        left = [(position, step) for position, step in enumerate(self._steps, start=1) if position > used]
        if left:
            raise AssertionError(_failures.unused(self._name, len(self._steps), left))

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
            **kwargs: What else the SDK sends; only the agent in `invocation_state` is looked at.

        Yields:
            The chunks of one message.

        Raises:
            ScriptExhaustedError: The script has no step left.
            ToolNotOfferedError: The step calls a tool that is not on offer.
            TypeError: A function in the script returned something that is not a reply, or JSON cannot hold the input
                of a tool call.
            BaseException: The exception that the step asks for.
        """
        call = copy.deepcopy(ModelCall(messages, tool_specs, system_prompt, tool_choice, caller_id(kwargs)))
        position, step = self._next_step(call)
        reply = await resolve_step(step, call)
        self._require_offered(position, reply, call)
        if reply.delay:
            await asyncio.sleep(reply.delay)
        pause = 0.0
        for chunk in stream_reply(reply, call):
            is_delta = "contentBlockDelta" in chunk
            await asyncio.sleep(pause if is_delta else 0)  # also without a pause: other agents on the loop run
            yield chunk
            pause = reply.delta_delay if is_delta else pause
        if reply.then_raise is not None:
            raise reply.then_raise

    @override
    async def structured_output(
        self, output_model: type[_Output], prompt: Messages, system_prompt: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[dict[str, _Output | Any], None]:
        """Answer one call with the next step: an object of the output model, or a call of the tool named after it.

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

    def _next_step(self, call: ModelCall) -> tuple[int, Step]:
        """Record the call and take the step that belongs to it, with its place in the script."""
        with self._lock:
            self._calls.append(call)
            position = len(self._calls)
        if position <= len(self._steps):
            return position, self._steps[position - 1]
        text = _failures.exhausted(self._name, len(self._steps), call.agent_id, last_words(call.messages))
        raise self._misfit(ScriptExhaustedError(text))

    def _require_offered(self, position: int, reply: Reply, call: ModelCall) -> None:
        if not self._check_tools:
            return
        offered = [spec["name"] for spec in call.tool_specs or []]
        for tool, structured in called_tools(reply):
            if tool not in offered:
                text = _failures.tool_not_offered(
                    self._name, position, call.agent_id, tool, offered, structured=structured
                )
                raise self._misfit(ToolNotOfferedError(text))

    def _misfit(self, error: ScriptError) -> ScriptError:
        """Remember an error that the SDK may keep to itself."""
        with self._lock:
            self._misfits.append(error)
        return error


class Script(Mapping[str, ScriptedModel]):
    """What several agents say, for a `Graph` or a `Swarm`: a model for each, and one check for all.

    A model does not learn for which node it is called, so each agent gets the model that has its script.

    Example:
        ```python
        script = Script({
            "researcher": [ToolCall("search", {"query": "rain"}), "It rains in Oslo."],
            "writer": ["Take an umbrella."],
        })
        graph = GraphBuilder()
        graph.add_node(Agent(model=script["researcher"], tools=[search]), "researcher")
        graph.add_node(Agent(model=script["writer"]), "writer")
        graph.add_edge("researcher", "writer")
        graph.build()("What is the weather in Oslo?")
        script.assert_consumed()
        ```
    """

    def __init__(self, steps: Mapping[str, Sequence[Step]], *, check_tools: bool = True) -> None:
        """Write the scripts.

        Args:
            steps: By name, the steps of each agent. The names are those of the failures; they need not be ids.
            check_tools: As for `ScriptedModel`.

        Raises:
            TypeError: Something is not a list of steps.
        """
        for name, each in steps.items():
            if isinstance(each, str) or not isinstance(each, Sequence):
                raise TypeError(_failures.steps_are_no_list(name, each))
        self._models = {name: ScriptedModel(*each, name=name, check_tools=check_tools) for name, each in steps.items()}

    def __getitem__(self, name: str) -> ScriptedModel:
        """Return the model of an agent."""
        if name not in self._models:
            raise KeyError(_failures.no_such_script(name, self._models))
        return self._models[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    @property
    def calls(self) -> list[tuple[str, ModelCall]]:
        """Every call so far with the name of its script, oldest first: who spoke when."""
        calls = [(name, call) for name, model in self._models.items() for call in model.calls]
        return sorted(calls, key=lambda named: named[1].number)

    def assert_consumed(self) -> None:
        """Check that the agents used all of their scripts and asked for nothing beyond them.

        Raises:
            AssertionError: As for `ScriptedModel`; the message has a line for each script that it names.
        """
        failures = []
        for model in self._models.values():
            try:
                model.assert_consumed()
            except AssertionError as error:
                failures.append(str(error))
        if failures:
            raise AssertionError("\n".join(failures))


def _tool_input(message: Message, name: str) -> dict[str, Any]:
    for block in message["content"]:
        if "toolUse" in block and block["toolUse"]["name"] == name:
            return cast("dict[str, Any]", block["toolUse"]["input"])
    raise ValueError(_failures.no_structured_output(name, message["content"]))
