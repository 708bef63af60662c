"""Drop-in: one program, run on `S3SessionManager` and on `SQLiteSessionManager`, gives the same results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from strands import Agent, tool
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.types.exceptions import SessionException
from strands.types.session import SessionMessage

from pytest_strands_sqlite import Redaction, ScriptedModel, ToolCall

from .backends import Manager, S3Backend, SQLiteBackend
from .samples import agent, crew, said, session

VARYING = frozenset({"created_at", "updated_at", "tracking_id", "metadata", "latencyMs", "timeToFirstByteMs"})
"""Keys whose values differ from run to run whatever the manager: times, random ids, measurements."""


@tool
def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: The first.
        b: The second.
    """
    return a + b


def steady(value: Any) -> Any:
    """Return a value without the parts that differ from run to run."""
    if hasattr(value, "to_dict"):
        return steady(value.to_dict())
    if isinstance(value, dict):
        return {key: steady(item) for key, item in value.items() if key not in VARYING}
    return [steady(item) for item in value] if isinstance(value, list) else value


class Log(list[Any]):
    """What a program saw, in order."""

    def see(self, what: str, value: Any) -> None:
        self.append((what, steady(value)))

    @contextmanager
    def error(self, what: str) -> Iterator[None]:
        """See which error the block raises, as a caller would catch it."""
        try:
            yield
        except SessionException as error:
            self.append((what, "SessionException", str(error)))
        except (TypeError, ValueError) as error:
            self.append((what, type(error).__name__, str(error)))
        else:
            self.append((what, "no error"))


def guide(manager: Manager, *steps: Any) -> Agent:
    """Build the agent of the program."""
    return Agent(
        agent_id="guide",
        model=ScriptedModel(*steps),
        tools=[add],
        session_manager=manager,
        conversation_manager=SlidingWindowConversationManager(window_size=6),
        callback_handler=None,
    )


def converse(make_manager: Callable[[str], Manager], log: Log) -> None:
    """Hold a conversation with tools, state, trimming and a redaction, restart in the middle, and redact again."""
    first = guide(
        make_manager("trip"),
        ToolCall("add", {"a": 2, "b": 3}, tool_use_id="call-1"),
        "That makes 5.",
        Redaction("[redacted]", "I cannot answer that."),
        "Fine.",
    )
    first("What is 2 + 3?")
    first.state.set("count", {"sums": 1, "ünïcode": ["🙂", None, 1.5]})
    first("My password is hunter2")
    image: Any = {"image": {"format": "png", "source": {"bytes": b"\x89PNG" + b"\0" * 3000}}}
    first([{"text": "And this?"}, image])
    log.see("messages before the restart", first.messages)

    manager = make_manager("trip")
    second = guide(manager, "Welcome back.", "Bye.")
    log.see("messages after the restart", second.messages)
    log.see("state after the restart", second.state.get())
    log.see("trimmed", second.conversation_manager.removed_message_count)
    second("I am back")
    second.state.delete("count")
    second("Bye")
    manager.redact_latest_message({"role": "assistant", "content": [{"text": "[gone]"}]}, second)
    with log.error("a second agent of the same id"):
        guide(manager)
    log.see("stored", make_manager("trip").list_messages("trip", "guide"))
    log.see("stored agent", make_manager("trip").read_agent("trip", "guide"))


def repair(make_manager: Callable[[str], Manager], log: Log) -> None:
    """Resume a conversation that was cut between a tool call and its result."""
    manager = make_manager("cut")
    guide(manager)
    call: Any = {"role": "assistant", "content": [{"toolUse": {"name": "add", "toolUseId": "lost", "input": {}}}]}
    manager.create_message("cut", "guide", said(0, "add, please"))
    manager.create_message("cut", "guide", SessionMessage(call, 1))
    manager.create_message("cut", "guide", said(2, "are you there?"))

    resumed = guide(make_manager("cut"), "Yes.")
    log.see("repaired", resumed.messages)
    resumed("Go on")
    log.see("stored after the repair", make_manager("cut").list_messages("cut", "guide"))


def administer(make_manager: Callable[[str], Manager], log: Log) -> None:
    """Use the repository itself, as a tool would: pages, updates, multi-agents, deletion, and every error."""
    manager = make_manager("admin")
    manager.create_agent("admin", agent("a", seen=b"\x00\xff"))
    for number in (3, -1, 12):
        manager.create_message("admin", "a", said(number))
    looks_like_bytes = {"__bytes_encoded__": True, "data": "eA=="}
    manager.create_multi_agent("admin", crew("m", {"nodes": [1, 2], "raw": looks_like_bytes}))
    for cut in ({"limit": 2}, {"offset": 1}, {"limit": 1, "offset": -1}, {"limit": 0}, {"offset": 99}):
        log.see(f"page {cut}", manager.list_messages("admin", "a", **cut))
    log.see("agent", manager.read_agent("admin", "a"))
    log.see("crew", manager.read_multi_agent("admin", "m"))
    log.see("nobody's messages", manager.list_messages("admin", "nobody"))
    log.see("nobody", manager.read_agent("admin", "nobody"))
    errors: dict[str, Callable[[], object]] = {
        "session exists": lambda: manager.create_session(session("admin")),
        "no session": lambda: manager.delete_session("nowhere"),
        "no agent": lambda: manager.update_agent("admin", agent("nobody")),
        "no message": lambda: manager.update_message("admin", "a", said(99)),
        "no crew": lambda: manager.update_multi_agent("admin", crew("nobody")),
        "separator": lambda: manager.read_session("a/b"),
        "separator in agent": lambda: manager.read_agent("admin", "../a"),
        "separator in both": lambda: manager.read_agent("x/y", "v/w"),
        "no text": lambda: manager.read_session(None),  # type: ignore[arg-type]
        "no integer": lambda: manager.read_message("admin", "a", "0"),  # type: ignore[arg-type]
        "no JSON": lambda: manager.create_message("admin", "a", said(50, value={1})),
        "bytes in a crew": lambda: manager.create_multi_agent("admin", crew("m", {"raw": b"x"})),
        "separator in a new manager": lambda: make_manager("a/b"),
    }
    for what, call in errors.items():
        with log.error(what):
            call()
    manager.delete_session("admin")
    log.see("deleted", [manager.read_session("admin"), manager.list_messages("admin", "a")])
    with log.error("deleted twice"):
        manager.delete_session("admin")
    again = make_manager("admin")
    log.see("anew", [again.read_agent("admin", "a"), again.read_multi_agent("admin", "m")])


def program(make_manager: Callable[[str], Manager]) -> list[Any]:
    """Do all of it; return what there was to see."""
    log = Log()
    converse(make_manager, log)
    repair(make_manager, log)
    administer(make_manager, log)
    return log


def test_one_program_gives_the_same_results_on_s3_and_sqlite(s3: S3Backend, sqlite: SQLiteBackend) -> None:
    """Conversation, restart, trimming, redaction, repair, pages and errors: SQLite yields what S3 yields, in order."""
    on_s3, on_sqlite = program(s3.open), program(sqlite.open)

    assert len(on_s3) == len(on_sqlite) > 30
    for expected, found in zip(on_s3, on_sqlite, strict=True):
        assert found == expected
