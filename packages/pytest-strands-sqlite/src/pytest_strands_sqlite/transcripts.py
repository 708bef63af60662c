"""What the sessions of a database hold, as text that a person reads, and assertions that show it when they fail."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from . import _failures
from ._sdk import storage_of
from ._snapshots import below_sessions, read_snapshots

if TYPE_CHECKING:
    from strands.session import SnapshotSessionManager

    from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager, SQLiteStorage

    Source = SQLiteSessionManager | SessionStore | SQLiteStorage | SnapshotSessionManager

_LONGEST = 200
_INDENT = "\n" + " " * 16
_ROLES = ("user", "assistant")


@dataclass(frozen=True)
class Line:
    """A thing that was said.

    Attributes:
        agent_id: Who keeps it in its conversation.
        message_id: Its place there.
        role: `user` or `assistant`.
        kind: `text`, `reasoning`, `call`, `result`, or the SDK's name of a block, such as `image`.
        text: What it says: of a call the tool and its arguments as JSON.
        tool: The tool that is called, or that answers.
        arguments: With what it is called.
        redacted: Whether it stands in place of something else.
    """

    agent_id: str
    message_id: int
    role: str
    kind: str
    text: str
    tool: str | None = None
    arguments: Mapping[str, Any] | None = None
    redacted: bool = False

    def __str__(self) -> str:
        """Return it as a line of the transcript."""
        mark = {"call": "-> ", "result": "<- "}.get(self.kind, "" if self.kind == "text" else f"[{self.kind}] ")
        text = self.text if len(self.text) <= _LONGEST else f"{self.text[:_LONGEST]}…"
        shown = f"{mark}{text}{' [redacted]' if self.redacted else ''}".replace("\n", _INDENT)
        return f"{self.message_id:>5} {self.role:<9} {shown}"


@dataclass(frozen=True)
class Transcript:
    """A session as it is stored.

    Attributes:
        session_id: The session.
        lines: What was said, agent by agent.
        states: The state of each agent.
        is_snapshot: Whether it is the newest snapshot of each agent, with the messages that the agent still held.
    """

    session_id: str
    lines: tuple[Line, ...]
    states: Mapping[str, Mapping[str, Any]]
    is_snapshot: bool = False

    def __str__(self) -> str:
        """Return the conversation, a line for each thing that was said."""
        return "\n".join(self._rows())

    def assert_said(self, text: str, *, role: str | None = None, agent_id: str | None = None) -> None:
        """Check that somebody said `text`, among other words or alone; reasoning and tool calls are not said.

        Args:
            text: What was said, as it stands.
            role: By whom: `user` or `assistant`; by default anybody.
            agent_id: In whose conversation; by default in any.

        Raises:
            AssertionError: Nobody did, or there is no such agent; the message shows the conversation.
            ValueError: There is no such role.
        """
        __tracebackhide__ = True
        if not any(text in line.text for line in self._of(agent_id, role) if line.kind == "text"):
            self._fail(_failures.not_said(text, role))

    def assert_not_said(self, text: str, *, role: str | None = None, agent_id: str | None = None) -> None:
        """Check that `text` occurs nowhere: in reasoning, tool calls and results neither.

        Raises:
            AssertionError: It does, or there is no such agent; the message shows the conversation.
            ValueError: There is no such role.
        """
        __tracebackhide__ = True
        for line in self._of(agent_id, role):
            if text in line.text:
                self._fail(_failures.said(text, line.role, line.message_id))

    def assert_called(
        self, tool: str, arguments: Mapping[str, Any] | None = None, *, agent_id: str | None = None
    ) -> None:
        """Check that a tool was called, with exactly these arguments where they are given.

        Raises:
            AssertionError: It was not, or there is no such agent; the message shows the conversation.
        """
        __tracebackhide__ = True
        calls = [line for line in self._of(agent_id) if line.kind == "call"]
        if not any(line.tool == tool and arguments in (None, line.arguments) for line in calls):
            wanted = tool if arguments is None else f"{tool}({_json(arguments)})"
            self._fail(_failures.not_called(wanted, [line.text for line in calls]))

    def assert_not_called(self, tool: str, *, agent_id: str | None = None) -> None:
        """Check that a tool was not called, whatever the arguments.

        Raises:
            AssertionError: It was, or there is no such agent; the message shows the conversation.
        """
        __tracebackhide__ = True
        for line in self._of(agent_id):
            if line.kind == "call" and line.tool == tool:
                self._fail(_failures.called(line.text, line.message_id))

    def assert_roles(self, *roles: str, agent_id: str | None = None) -> None:
        """Check whose messages they are, in order: tool results are the user's.

        Raises:
            AssertionError: They are others, or there is no such agent; the message shows the conversation.
        """
        __tracebackhide__ = True
        found = list({(line.agent_id, line.message_id): line.role for line in self._of(agent_id)}.values())
        if found != list(roles):
            self._fail(_failures.other_roles(found, roles))

    def assert_state(self, expected: Mapping[str, Any], *, agent_id: str | None = None) -> None:
        """Check values in the state of an agent; others do not matter.

        Raises:
            AssertionError: They are not there, or are others, or there is no such agent; the message shows the
                conversation.
        """
        __tracebackhide__ = True
        self._require_agent(agent_id)
        states = {name: dict(state) for name, state in self.states.items() if agent_id in (None, name)}
        if not any(
            all(key in state and state[key] == value for key, value in expected.items()) for state in states.values()
        ):
            self._fail(_failures.other_state(dict(expected), states))

    def _of(self, agent_id: str | None, role: str | None = None) -> list[Line]:
        __tracebackhide__ = True
        if role is not None and role not in _ROLES:
            raise ValueError(_failures.no_role(role))
        self._require_agent(agent_id)
        return [line for line in self.lines if agent_id in (None, line.agent_id) and role in (None, line.role)]

    def _require_agent(self, agent_id: str | None) -> None:
        __tracebackhide__ = True
        if agent_id is not None and agent_id not in self.states:
            self._fail(_failures.no_agent(agent_id, self.states))

    def _fail(self, what: str) -> NoReturn:
        __tracebackhide__ = True
        raise AssertionError(_failures.transcript_lacks(what, str(self)))

    def _rows(self) -> Iterator[str]:
        if not self.states:
            yield f"session {self.session_id}, no agent"
        for agent_id in self.states:
            yield f"session {self.session_id}, agent {agent_id}{', snapshot' if self.is_snapshot else ''}"
            yield from map(str, self._of(agent_id)) if self._of(agent_id) else ["      (nothing was said)"]


def transcript(source: Source, session_id: str | None = None) -> Transcript:
    """Return what is stored of a session.

    ```python
    def test_the_order_is_found(sqlite_session_manager, agent_factory):
        agent = agent_factory(ToolCall("find", {"order": 7}), "It is in Oslo.", tools=[find])
        agent("Where is order 7?")
        transcript(sqlite_session_manager).assert_called("find", {"order": 7})
    ```

    Of a session that is kept as snapshots, this is the newest snapshot of each agent: what the agent would resume with.

    Args:
        source: A session manager, a storage or a store on the database, or the SDK's manager of snapshots. A session
            that is kept in both ways is read from its messages, and from its snapshots for the manager of those.
        session_id: The session; that of the session manager without it.

    Raises:
        NotFoundError: There is no such session.
        TypeError: The source is none of these.
        ValueError: The source has no session of its own, and none is named.
    """
    from strands.session import SnapshotSessionManager  # noqa: PLC0415 - nothing of the SDK before it is needed

    from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager, SQLiteStorage  # noqa: PLC0415

    if not isinstance(source, SQLiteSessionManager | SessionStore | SQLiteStorage | SnapshotSessionManager):
        raise TypeError(_failures.no_transcript(type(source).__name__))
    wanted = getattr(source, "session_id", None) if session_id is None else session_id
    if wanted is None:
        raise ValueError(_failures.no_session(type(source).__name__))
    if isinstance(source, SnapshotSessionManager):
        return snapshot_transcript(storage_of(source), wanted)
    return _stored(source, wanted)


def _stored(source: SQLiteSessionManager | SessionStore | SQLiteStorage, session_id: str) -> Transcript:
    from strands_sqlite_session_manager import (  # noqa: PLC0415 - as in `transcript`
        NotFoundError,
        SessionStore,
        SQLiteSessionManager,
        SQLiteStorage,
    )

    with SessionStore(source) as store:
        try:
            agents = [agent.agent_id for agent in store.summarize_session(session_id).agents]
        except NotFoundError:
            with SQLiteStorage(store) as shared:
                storage = source if isinstance(source, SQLiteStorage) else shared
                return snapshot_transcript(below_sessions(storage), session_id)
        lines = [
            line
            for agent_id in agents
            for line in _lines(
                agent_id,
                [(each.message_id, each.message, each.redacted) for each in store.read_messages(session_id, agent_id)],
            )
        ]
        with SQLiteSessionManager(session_id, store) as manager:
            stored = {agent_id: manager.read_agent(session_id, agent_id) for agent_id in agents}
    states = {agent_id: agent.state for agent_id, agent in stored.items() if agent is not None}
    return Transcript(session_id, tuple(lines), states)


def snapshot_transcript(storage: Any, session_id: str) -> Transcript:
    """Return what the snapshots of a session hold; `storage` is below the prefix that the SDK puts in front.

    Raises:
        NotFoundError: There is no such session.
    """
    from strands_sqlite_session_manager import NotFoundError  # noqa: PLC0415 - as in `transcript`

    snapshots = read_snapshots(storage, session_id)
    if not snapshots:
        raise NotFoundError(_failures.no_snapshots(session_id))
    lines = [
        line
        for agent_id, data in snapshots.items()
        for line in _lines(agent_id, [(number, each, False) for number, each in enumerate(data["messages"])])
    ]
    states = {agent_id: data.get("state", {}) for agent_id, data in snapshots.items()}
    return Transcript(session_id, tuple(lines), states, is_snapshot=True)


def _lines(agent_id: str, messages: Iterable[tuple[int, Mapping[str, Any], bool]]) -> Iterator[Line]:
    """Yield what messages say, each given with its place and whether it is redacted."""
    tools: dict[str, str] = {}
    for number, message, redacted in messages:
        content, role = message.get("content"), str(message.get("role"))
        for block in content if isinstance(content, list) else []:
            for kind, text, tool, arguments in _said(block, tools):
                yield Line(agent_id, number, role, kind, text, tool, arguments, redacted=redacted)


def _said(block: object, tools: dict[str, str]) -> Iterator[tuple[str, str, str | None, Any]]:
    """Yield kind, text, tool and arguments of what a block says; `tools` remembers which tool a call was of."""
    for name, value in block.items() if isinstance(block, Mapping) else []:
        if name == "text":
            yield "text", str(value), None, None
        elif not isinstance(value, Mapping):
            continue
        elif name == "toolUse":
            tool, arguments = str(value.get("name")), value.get("input")
            tools[str(value.get("toolUseId"))] = tool
            yield "call", f"{tool}({_json(arguments)})", tool, arguments
        elif name == "toolResult":
            tool = tools.get(str(value.get("toolUseId")), str(value.get("toolUseId")))
            failed = " failed" if value.get("status") == "error" else ""
            yield "result", f"{tool}{failed}: {_content(value.get('content') or [])}", tool, None
        elif name == "reasoningContent":
            yield "reasoning", str((value.get("reasoningText") or {}).get("text", "(hidden)")), None, None
        else:
            yield name, str(value.get("name") or value.get("format") or ""), None, None


def _content(content: Sequence[Mapping[str, Any]]) -> str:
    return " ".join(
        str(value) if name == "text" else _json(value) if name == "json" else f"[{name}]"
        for block in content
        for name, value in block.items()
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)
