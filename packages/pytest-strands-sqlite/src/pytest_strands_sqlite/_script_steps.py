"""What a script is made of: the steps, and the call that a step answers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeAlias

from pydantic import BaseModel
from strands.types.content import Messages
from strands.types.event_loop import StopReason, Usage
from strands.types.tools import ToolChoice, ToolSpec

from . import _failures

_USAGE = tuple(Usage.__annotations__)
_next_number = itertools.count().__next__


class _Brief:
    """Shows of a step only what was set, so that a script reads in a failure as it was written."""

    def __repr__(self) -> str:
        first = fields(self)[0].name  # type: ignore[arg-type]  # each subclass is a dataclass
        shown = (f"{value!r}" if name == first else f"{name}={value!r}" for name, value in options_of(self))
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, repr=False)
class ToolCall(_Brief):
    """A tool call that the model makes.

    Attributes:
        name: Name of the tool. The name of a Pydantic model answers a request for structured output.
        input: Arguments of the call; anything that JSON can hold.
        tool_use_id: Id of the call. Without one, each call gets a new random id, as from a provider.
        reasoning_signature: The signature that some providers put on a call that came out of reasoning.
    """

    name: str
    input: Mapping[str, Any] = field(default_factory=dict)
    tool_use_id: str | None = None
    reasoning_signature: str | None = None


@dataclass(frozen=True, repr=False)
class Reasoning(_Brief):
    """What the model thinks before it speaks.

    Attributes:
        text: The reasoning, as far as the provider shows it.
        signature: The provider's proof that the text is its own; sent after the text.
        redacted: Reasoning that the provider keeps to itself: encrypted bytes, in place of a text.

    Raises:
        ValueError: There is neither text nor bytes, or there are both, or a signature without a text.
    """

    text: str | None = None
    signature: str | None = None
    redacted: bytes | None = None

    def __post_init__(self) -> None:
        if (self.text is None) == (self.redacted is None) or (self.text is None and self.signature is not None):
            raise ValueError(_failures.nothing_to_think())


Part: TypeAlias = str | ToolCall | Reasoning | BaseModel
"""One block of a message: text, a tool call, reasoning, or the Pydantic object that structured output asks for."""


@dataclass(frozen=True, repr=False)
class Redaction(_Brief):
    """A guardrail that steps in, as the SDK's Bedrock model reports one.

    Attributes:
        user_message: Text that replaces the user's last message; None leaves it as it is.
        reply: What comes as the answer: of the guardrail, or of the model where the answer is what is redacted.
        assistant_message: Text that replaces the answer after it was streamed; None leaves it as it is.

    Raises:
        TypeError: The reply is nothing that a model can say.
        ValueError: Both messages are left as they are.

    ```python
    Redaction()  # what the user said is replaced, and the guardrail answers
    Redaction(user_message=None, reply="Her number is 4111.", assistant_message="[Assistant output redacted.]")
    ```
    """

    user_message: str | None = "[User input redacted.]"
    reply: Part | Sequence[Part] = "[Blocked by a guardrail.]"
    assistant_message: str | None = None

    def __post_init__(self) -> None:
        if not _is_said(self.reply):
            raise TypeError(_failures.not_a_redaction_reply(self.reply))
        if self.user_message is None and self.assistant_message is None:
            raise ValueError(_failures.redacts_nothing())


Content: TypeAlias = Part | Redaction | Sequence[Part]
"""What one message says: one block, several in order, or what a guardrail makes of it."""


@dataclass(frozen=True, repr=False)
class Reply(_Brief):
    """An answer with more about it than its content.

    Attributes:
        content: What it says, as a step without a `Reply` around it would; may be empty where `then_raise` is set.
        delay: Seconds to wait before the answer begins. The wait is awaited, so it can be cancelled.
        delta_delay: Seconds to wait between two pieces of the answer.
        usage: Token counts that replace those counted here; `totalTokens` follows from the others unless it is given.
        latency_ms: How long the provider says that it took.
        stop_reason: Why the answer ends, such as `"max_tokens"`; without one, as its content says.
        then_raise: Raised after the last piece of the content, before the message is complete: a broken connection.

    Raises:
        TypeError: The content is nothing that a model can say, or there is neither content nor exception.
        ValueError: A time is negative, or `usage` has names that the SDK does not have.

    ```python
    Reply("It is raining in Os", then_raise=ConnectionResetError("the line is dead"))
    Reply([Reasoning("Oslo, in autumn."), "Rain."], delay=2, usage={"inputTokens": 1200})
    ```
    """

    content: Content = ()
    delay: float = field(default=0, kw_only=True)
    delta_delay: float = field(default=0, kw_only=True)
    usage: Mapping[str, int] | None = field(default=None, kw_only=True)
    latency_ms: int = field(default=0, kw_only=True)
    stop_reason: StopReason | None = field(default=None, kw_only=True)
    then_raise: BaseException | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.content == () and self.then_raise is None:
            raise TypeError(_failures.says_nothing())
        if self.content != () and not _is_content(self.content):
            raise TypeError(_failures.not_content(self.content))
        for option in ("delay", "delta_delay", "latency_ms"):
            value = getattr(self, option)
            if not (0 <= value < math.inf):
                raise ValueError(_failures.negative(option, value))
        unknown = sorted(set(self.usage or ()) - set(_USAGE))
        if unknown:
            raise ValueError(_failures.unknown_usage(unknown, _USAGE))

    @property
    def parts(self) -> tuple[Part, ...]:
        """The blocks that are streamed, those included that a guardrail then replaces."""
        said = self.content.reply if isinstance(self.content, Redaction) else self.content
        return (said,) if isinstance(said, str | ToolCall | Reasoning | BaseModel) else tuple(said)


@dataclass(frozen=True)
class ModelCall:
    """What an agent sent with one call, copied when the call came in.

    Attributes:
        messages: The conversation so far.
        tool_specs: The tools on offer, or `None` when there are none.
        system_prompt: The system prompt, if any.
        tool_choice: Which tool the model must use, if the agent asks for one.
        agent_id: Id of the agent that called, or `None` where the model was called without one.
        number: Counts the calls of all scripted models of the process, so that theirs can be put in order.
    """

    messages: Messages
    tool_specs: list[ToolSpec] | None = None
    system_prompt: str | None = None
    tool_choice: ToolChoice | None = None
    agent_id: str | None = None
    number: int = field(default_factory=_next_number, init=False, repr=False, compare=False)


Answer: TypeAlias = Content | Reply | BaseException
"""What one call gives: content, a `Reply` around it, or an exception to raise."""

Step: TypeAlias = Answer | Callable[[ModelCall], Answer | Awaitable[Answer]]
"""An answer, or a function, plain or async, that makes one from the call."""


def as_reply(answer: object) -> Reply | None:
    """Return the answer as a `Reply`, or None where it is no answer."""
    if isinstance(answer, Reply):
        return answer
    if isinstance(answer, BaseException):
        return Reply(then_raise=answer)
    return Reply(answer) if _is_content(answer) else None  # type: ignore[arg-type]  # that is what was asked


def options_of(step: Any) -> list[tuple[str, Any]]:
    """Return the fields of a step that were set to something, by name."""
    pairs = ((each, getattr(step, each.name)) for each in fields(step))
    return [(each.name, value) for each, value in pairs if value != _default(each)]


def require_steps(steps: Sequence[object]) -> None:
    """Raise a `TypeError` that names the first thing among the steps that no call could be answered with."""
    for position, step in enumerate(steps, start=1):
        if as_reply(step) is None and (isinstance(step, type) or not callable(step)):
            raise TypeError(_failures.not_a_step(position, step))


def _is_content(value: object) -> bool:
    return isinstance(value, Redaction) or _is_said(value)


def _is_said(value: object) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(part, str | ToolCall | Reasoning | BaseModel) for part in value)
    return isinstance(value, str | ToolCall | Reasoning | BaseModel)


def _default(each: Any) -> object:
    return each.default_factory() if each.default_factory is not MISSING else each.default
