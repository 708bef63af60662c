"""A stored conversation as a script, so that it can be held again without a provider."""

from __future__ import annotations

import keyword
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast, overload

from strands.types.content import ContentBlock, Message
from strands.types.session import SessionMessage

from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager

from . import _failures
from ._script_source import write_source
from ._script_steps import Part, Reasoning, Redaction, Reply, ToolCall

__all__ = ["RecordedScript", "RecordedStep", "Source", "record_script"]

Source: TypeAlias = "SQLiteSessionManager | SessionStore | Sequence[Message] | Sequence[SessionMessage]"
"""What holds a conversation: a session manager, a store, or the messages themselves."""

RecordedStep: TypeAlias = Part | list[Part] | Redaction | Reply
"""What is recorded of a call: what `ScriptedModel` takes as a step."""

_Shown: TypeAlias = tuple[Message, bool]
"""A message as an agent that resumes the session gets it, and whether it stands in the place of a redacted one."""


class RecordedScript(Sequence[RecordedStep]):
    """The steps with which a model says again what it said in a stored conversation.

    ```python
    script = record_script(manager)
    agent = Agent(model=ScriptedModel(*script), tools=[weather])
    ```
    """

    def __init__(self, steps: Iterable[tuple[tuple[str, ...], RecordedStep]]) -> None:
        """Keep steps.

        Args:
            steps: Each step, and what the user said before it.
        """
        self._steps = tuple(steps)

    @overload
    def __getitem__(self, index: int) -> RecordedStep: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RecordedStep]: ...
    def __getitem__(self, index: int | slice) -> RecordedStep | Sequence[RecordedStep]:
        """Return a step, or some."""
        return tuple(step for _, step in self._steps)[index]

    def __len__(self) -> int:
        return len(self._steps)

    def __repr__(self) -> str:
        return f"RecordedScript({list(self)!r})"

    def as_source(self, variable: str = "STEPS") -> str:
        """Return Python source that sets a variable to a list of the steps, to paste into a test.

        What the user said stands above each step, shortened to a line; what was redacted is not in it.

        Args:
            variable: Name of the variable.

        Returns:
            The imports and the list, formatted as `ruff format` does.

        Raises:
            ValueError: Python does not allow the name.
        """
        if not variable.isidentifier() or keyword.iskeyword(variable):
            raise ValueError(_failures.not_a_name(variable))
        notes = ((tuple(f"user: {prompt}" for prompt in prompts), step) for prompts, step in self._steps)
        return write_source(notes, variable)

    def write_script(self, path: str | os.PathLike[str], variable: str = "STEPS", *, overwrite: bool = False) -> None:
        """Write the source to a file.

        Args:
            path: The file.
            variable: Name of the variable.
            overwrite: Replace the file where there is one.

        Raises:
            FileExistsError: There is one, and it is not to be replaced.
            ValueError: Python does not allow the name.
        """
        source = self.as_source(variable)
        with Path(path).open("w" if overwrite else "x", encoding="utf-8", newline="\n") as file:
            file.write(source)


def record_script(
    source: Source, agent_id: str | None = None, *, session_id: str | None = None, usage: bool = False
) -> RecordedScript:
    """Make a script of what the model said in a conversation.

    Played to an agent with the same tools that is told the same, it gives the same conversation: texts, reasoning,
    tool calls with their ids, and redactions of what the user said. What no message tells is not in it: calls that
    failed, answers that were discarded, summaries of a conversation manager. Where messages carry the token counts
    that the SDK notes with what a model said, those of the assistant without are none of the model's (of a direct tool
    call, or what the agent was made with) and become no steps.

    Args:
        source: A `SQLiteSessionManager` for its session, a `SessionStore`, or messages.
        agent_id: Of which agent; None where the session has one only.
        session_id: Of which session of a store; None where it holds one only.
        usage: Record token counts and latency too.

    Returns:
        The steps, which can be played or written as Python source.

    Raises:
        NotFoundError: There is no such session or agent.
        TypeError: The source is none of these.
        ValueError: The session or agent is to be named, or a message holds what no step says, such as citations.
    """
    messages = _read(source, agent_id, session_id)
    counted = any(_is_counted(message) for message, _ in messages)
    return RecordedScript(_steps(messages, counted=counted, usage=usage))


def _read(source: object, agent_id: str | None, session_id: str | None) -> list[_Shown]:
    if isinstance(source, SQLiteSessionManager):
        if session_id is not None:
            raise ValueError(_failures.only_for_a_store())
        with SessionStore(source) as shared:
            stored = shared.read_messages(source.session_id, agent_id)
    elif isinstance(source, Sequence) and not isinstance(source, str | bytes):
        return _given(source, agent_id, session_id)
    else:
        store = _require_store(source)
        stored = store.read_messages(_chosen_session(store) if session_id is None else session_id, agent_id)
    return [(cast("Message", each.message), each.redacted) for each in stored]


def _given(source: Sequence[object], agent_id: str | None, session_id: str | None) -> list[_Shown]:
    if session_id is not None:
        raise ValueError(_failures.only_for_a_store())
    if agent_id is not None:
        raise ValueError(_failures.only_for_a_session())
    if not all(isinstance(each, SessionMessage | Mapping) for each in source):
        raise TypeError(_failures.not_a_source(source))
    return [
        (each.to_message(), each.redact_message is not None)
        if isinstance(each, SessionMessage)
        else (cast("Message", each), False)
        for each in source
    ]


def _require_store(source: object) -> SessionStore:
    if not isinstance(source, SessionStore):
        raise TypeError(_failures.not_a_source(source))
    return source


def _chosen_session(store: SessionStore) -> str:
    found = [session.session_id for session in store.list_sessions(sort="id", limit=10).sessions]
    if len(found) != 1:
        raise ValueError(_failures.which_session(found))
    return found[0]


def _steps(messages: list[_Shown], *, counted: bool, usage: bool) -> Iterator[tuple[tuple[str, ...], RecordedStep]]:
    prompts: list[str] = []
    replacement: str | None = None
    for position, (message, redacted) in enumerate(messages):
        if message["role"] == "user":
            prompts += _spoken(message)
            replacement = _replacement(message) if redacted else None
        elif not counted or _is_counted(message):
            step = _step(_parts(position, message), replacement)
            yield tuple(prompts), _with_usage(step, message) if usage else step
            prompts, replacement = [], None


def _is_counted(message: Message) -> bool:
    return message["role"] == "assistant" and "usage" in _metadata(message)


def _metadata(message: Message) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", message.get("metadata") or {})


def _spoken(message: Message) -> list[str]:
    text = " ".join(block["text"] for block in message["content"] if "text" in block)
    return [text] if text else []


def _replacement(message: Message) -> str:
    """Return the text that a guardrail put into a message: as its text, or as the result of each tool."""
    for block in message["content"]:
        for item in [block, *block["toolResult"]["content"]] if "toolResult" in block else [block]:
            if "text" in item:
                return item["text"]
    return ""


def _step(parts: list[Part], replacement: str | None) -> Part | list[Part] | Redaction:
    content = parts[0] if len(parts) == 1 else parts or ""
    return content if replacement is None else Redaction(user_message=replacement, reply=content)


def _parts(position: int, message: Message) -> list[Part]:
    parts = []
    for block in message["content"]:
        part = _part(block)
        if part is None:
            raise ValueError(_failures.cannot_be_said(position, block))
        parts.append(part)
    return parts


def _part(block: ContentBlock) -> Part | None:
    if "text" in block:
        return block["text"]
    if "toolUse" in block:
        call = block["toolUse"]
        return ToolCall(call["name"], call["input"], call["toolUseId"], call.get("reasoningSignature"))
    if "reasoningContent" in block:
        reasoning = block["reasoningContent"]
        if "reasoningText" in reasoning:
            return Reasoning(reasoning["reasoningText"]["text"], reasoning["reasoningText"].get("signature"))
        return Reasoning(redacted=reasoning["redactedContent"])
    return None


def _with_usage(step: RecordedStep, message: Message) -> RecordedStep:
    noted = _metadata(message)
    if "usage" not in noted:
        return step
    return Reply(step, usage=dict(noted["usage"]), latency_ms=noted.get("metrics", {}).get("latencyMs", 0))  # type: ignore[arg-type]  # no Reply yet
