"""Where calls come from: ever new threads and loops, many managers in one process, loops that others share."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from strands import Agent
from strands.session.repository_session_manager import RepositorySessionManager
from strands.types.exceptions import SessionException

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import ConflictError

from .backends import Manager, SQLiteBackend
from .samples import agent, crew, said, stock, text_of

TICKS = 2000
"""Turns of the loop in which an agent that is not held up gets to its first write, with room to spare."""


def new_agent(manager: Manager | None, *answers: str, agent_id: str = "a") -> Agent:
    """Build an agent with a scripted model."""
    return Agent(agent_id=agent_id, model=ScriptedModel(*answers), session_manager=manager, callback_handler=None)


def on_a_new_thread(call: Callable[..., Any], *arguments: object) -> Any:
    """Make a call as a synchronous agent makes its hooks: on a new thread, on a new event loop."""

    async def on_loop() -> Any:
        return call(*arguments)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, on_loop()).result()


def open_files() -> int:
    """Count the file descriptors of this process."""
    gc.collect()
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - only the number is wanted


def test_sqlite_keeps_no_connection_for_a_thread(sqlite: SQLiteBackend) -> None:
    """**Ours.** However many threads have called, no more files are open than after the first few."""
    manager = sqlite.open("s")
    manager.create_agent("s", agent("a"))

    def turn(number: int) -> None:
        manager.create_message("s", "a", said(number))
        manager.list_messages("s", "a", limit=1)

    for number in range(5):
        on_a_new_thread(turn, number)
    after_five = open_files()
    for number in range(5, 60):
        on_a_new_thread(turn, number)

    assert open_files() <= after_five


def test_sqlite_many_managers_share_what_is_open(sqlite: SQLiteBackend) -> None:
    """**Ours.** However many managers a process builds on one file, no more files are open than for one."""
    stock(sqlite.open("s-0"), "s-0")
    sqlite.open("s-0").list_messages("s-0", "a")
    with_one = open_files()

    managers = [sqlite.open(f"s-{number}") for number in range(1, 60)]
    for manager in managers:
        stock(manager, manager.session_id)
        assert len(manager.list_messages(manager.session_id, "a")) == 2

    assert open_files() <= with_one


def test_sqlite_closing_one_manager_leaves_the_others_at_work(sqlite: SQLiteBackend) -> None:
    """**Ours.** Of many managers on one file, each may be closed without the others noticing."""
    managers = [sqlite.open(f"s-{number}") for number in range(4)]
    for position, manager in enumerate(managers):
        manager.close()
        for other in managers[position + 1 :]:
            stock(other, other.session_id) if position == 0 else None
            assert len(other.list_messages(other.session_id, "a")) == 2

    assert len(sqlite.open("s-3").list_messages("s-3", "a")) == 2


def test_sqlite_calls_from_many_loops_at_once_lose_nothing(sqlite: SQLiteBackend) -> None:
    """**Ours.** Several loops in several threads, each with several agents, on one file: every turn is stored, once."""
    loops, agents, turns = 3, 3, 3

    async def converse(name: str) -> None:
        speaker = new_agent(sqlite.open(name), *(f"answer {turn}" for turn in range(turns)))
        for turn in range(turns):
            await speaker.invoke_async(f"question {turn}")

    async def crowd(loop: int) -> None:
        await asyncio.gather(*(converse(f"s-{loop}-{number}") for number in range(agents)))

    with ThreadPoolExecutor(loops) as pool:
        list(pool.map(lambda loop: asyncio.run(crowd(loop)), range(loops)))

    expected = [f"{who} {turn}" for turn in range(turns) for who in ("question", "answer")]
    for loop in range(loops):
        for number in range(agents):
            name = f"s-{loop}-{number}"
            assert [text_of(found) for found in sqlite.open(name).list_messages(name, "a")] == expected


def test_sqlite_racing_writers_of_one_session_lose_no_acknowledged_message(sqlite: SQLiteBackend) -> None:
    """**Ours.** Of writers that race for the same ids, one wins each; the others are told, nothing is overwritten."""
    writers, messages = 4, 20
    sqlite.open("s").create_agent("s", agent("a"))
    start = threading.Barrier(writers, timeout=60)

    def race(writer: int) -> dict[int, str]:
        manager = sqlite.open("s")
        stored = {}
        start.wait()
        for number in range(messages):
            try:
                manager.create_message("s", "a", said(number, f"from {writer}"))
            except ConflictError:
                continue
            stored[number] = f"from {writer}"
        return stored

    with ThreadPoolExecutor(writers) as pool:
        won = list(pool.map(race, range(writers)))

    found = {message.message_id: text_of(message) for message in sqlite.open("s").list_messages("s", "a")}
    assert sum(map(len, won)) == messages
    assert {number: text for part in won for number, text in part.items()} == found


def test_sqlite_loop_goes_on_while_a_write_waits(sqlite: SQLiteBackend) -> None:
    """**Ours.** While an agent's write waits for a lock, the other tasks of its loop run: here, the one that unlocks.

    Were the loop held up by the write, the lock would never be given up, and the write would run into its deadline.
    """
    waiting = new_agent(sqlite.open("s", busy_timeout=3.0), "answer")
    foreign = sqlite.foreign()

    async def give_up_lock() -> None:
        for _ in range(TICKS):
            await asyncio.sleep(0)
        foreign.execute("COMMIT")

    async def both() -> None:
        await asyncio.gather(waiting.invoke_async("question"), give_up_lock())

    foreign.execute("BEGIN IMMEDIATE")
    asyncio.run(both())

    assert [text_of(found) for found in sqlite.open("s").list_messages("s", "a")] == ["question", "answer"]


def test_sqlite_runs_the_logic_of_the_base_class(sqlite: SQLiteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """**Ours.** Numbering, change checks, redaction and repair of tool pairs are the SDK's own code, no copy of it."""
    logic = {
        "initialize",
        "append_message",
        "sync_agent",
        "redact_latest_message",
        "initialize_multi_agent",
        "sync_multi_agent",
        "_fix_broken_tool_use",
    }
    run = set()

    def watched(name: str) -> Callable[..., Any]:
        original = getattr(RepositorySessionManager, name)

        def method(*arguments: Any, **options: Any) -> Any:
            run.add(name)
            return original(*arguments, **options)

        return method

    for name in logic:
        monkeypatch.setattr(RepositorySessionManager, name, watched(name))
    new_agent(sqlite.open("s"), "answer")("question")
    manager = sqlite.open("s")
    resumed = new_agent(manager)
    manager.redact_latest_message({"role": "assistant", "content": [{"text": "[redacted]"}]}, resumed)
    manager.initialize_multi_agent(crew())
    manager.sync_multi_agent(crew())

    assert run == logic


def test_sqlite_numbers_go_on_when_all_messages_were_trimmed(sqlite: SQLiteBackend) -> None:
    """**Ours.** An agent that restores no message, as all were trimmed, appends behind the last stored one."""
    manager = sqlite.open("s")
    new_agent(manager, "answer")("question")
    record = manager.read_agent("s", "a")
    assert record is not None
    record.conversation_manager_state["removed_message_count"] = 2
    manager.update_agent("s", record)

    resumed = new_agent(sqlite.open("s"), "next answer")
    assert resumed.messages == []
    resumed("next question")

    stored = [text_of(found) for found in manager.list_messages("s", "a")]
    assert stored == ["question", "answer", "next question", "next answer"]


def test_sqlite_failed_append_leaves_no_gap(sqlite: SQLiteBackend) -> None:
    """**Ours.** After an append that failed, the next message takes its number: the conversation stays contiguous."""
    manager = sqlite.open("s")
    speaker = new_agent(manager, "answer")
    speaker("question")

    for broken, error in (({1}, TypeError), ("\ud800", SessionException)):
        with pytest.raises(error):
            manager.append_message({"role": "user", "content": [{"text": broken}]}, speaker)  # type: ignore[typeddict-item]
    manager.append_message({"role": "user", "content": [{"text": "next"}]}, speaker)

    assert [found.message_id for found in manager.list_messages("s", "a")] == [0, 1, 2]
