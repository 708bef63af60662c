"""What the manager's hooks do to the loop and the thread they run on, and to one another's writes."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import apsw
import pytest
from strands import Agent
from strands.hooks import AfterInvocationEvent, HookRegistry, MessageAddedEvent
from strands.session.session_manager import SessionManager

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import ConflictError, DatabaseFullError, SessionStore, SQLiteSessionManager

from .faults import FaultyVFS

PATIENCE = 30.0
"""Seconds after which a test that waits for another thread gives up and fails."""


def agent_on(manager: SQLiteSessionManager, *steps: Any) -> Agent:
    return Agent(model=ScriptedModel(*steps), session_manager=manager, callback_handler=None)


def stored(manager: SQLiteSessionManager) -> list[str]:
    records = manager.list_messages(manager.session_id, "default")
    return [record.to_message()["content"][0]["text"] for record in records]


def test_a_loop_that_others_share_goes_on_while_a_hook_waits_for_the_disk(tmp_path: Path, vfs: FaultyVFS) -> None:
    """While one agent's commit waits for the disk, other tasks of the loop run."""
    manager = SQLiteSessionManager("s", vfs.uri(tmp_path / "sessions.db"))
    agent = agent_on(manager, "fine")
    waiting, ran_meanwhile = threading.Event(), threading.Event()
    outcomes: list[bool] = []

    def block(method: str, _file: str) -> None:
        if method == "sync" and not waiting.is_set():
            waiting.set()
            outcomes.append(ran_meanwhile.wait(PATIENCE))

    async def others() -> None:
        await asyncio.to_thread(waiting.wait, PATIENCE)
        ran_meanwhile.set()

    async def main() -> None:
        await asyncio.gather(agent.invoke_async("how are you?"), others())

    vfs.fault = block
    asyncio.run(main())
    assert outcomes == [True], "the loop stood still during the sync"
    assert stored(manager) == ["how are you?", "fine"]
    manager.close()


def test_a_synchronous_agent_pays_no_thread_hop(tmp_path: Path, vfs: FaultyVFS) -> None:
    """Every write of a synchronous agent runs on the thread that runs its hooks, and the writer starts no thread."""
    manager = SQLiteSessionManager("s", vfs.uri(tmp_path / "sessions.db"))
    agent = agent_on(manager, "one", "two")
    hooks, syncs = set(), set()

    def note(method: str, _file: str) -> None:
        if method == "sync":
            syncs.add(threading.get_ident())

    agent.hooks.add_callback(MessageAddedEvent, lambda _event: hooks.add(threading.get_ident()))
    vfs.fault = note
    agent("first")
    agent("second")
    assert syncs
    assert syncs == hooks
    assert manager._database._file.writer._background is None
    manager.close()


def transactions(manager: SQLiteSessionManager) -> list[list[str]]:
    """Let the statements that the manager runs from now on be listed, by transaction; each as its first three words."""
    connection = manager._database._file.writer.connection
    assert connection is not None
    found: list[list[str]] = []

    def note(_cursor: apsw.Cursor, sql: str, _bindings: Any) -> bool:
        statement = " ".join(sql.split()[:3])
        if sql == "BEGIN IMMEDIATE":
            found.append([])
        elif not connection.in_transaction:
            found.append([statement])
        elif sql != "COMMIT":
            found[-1].append(statement)
        return True

    connection.set_exec_trace(note)
    return found


def test_a_message_and_the_state_that_belongs_to_it_are_one_commit(tmp_path: Path) -> None:
    """A message and a change of state made before it are stored together, in one transaction."""
    manager = SQLiteSessionManager("s", tmp_path / "sessions.db")
    agent = agent_on(manager, "fine")
    agent.state.set("mood", "curious")
    found = transactions(manager)
    agent("how are you?")
    first, second = found
    assert first[0] == second[0] == "INSERT INTO messages"
    assert "UPDATE agents SET" in first
    assert "INSERT INTO agent_state_history" in first
    assert second == ["INSERT INTO messages"], "the state did not change again"
    manager.close()


def test_a_message_costs_one_statement_again_once_a_deletion_elsewhere_was_looked_at(tmp_path: Path) -> None:
    """Each message is a single statement; only the first one after some session lost messages takes a closer look."""
    manager = SQLiteSessionManager("s", tmp_path / "sessions.db")
    other = SQLiteSessionManager("other", manager)
    agent = agent_on(manager, "1", "2", "3", "4")
    agent("zero")
    found = transactions(manager)
    agent("one")
    assert found == [["INSERT INTO messages"]] * 2, "an agent that began before any deletion"
    other.delete_session("other")
    found.clear()
    agent("two")
    looked, settled = found[:-1], found[-1]
    assert "SELECT 1 FROM" in looked[-1]
    assert settled == ["INSERT INTO messages"]
    found.clear()
    agent("three")
    assert found == [["INSERT INTO messages"]] * 2
    assert stored(manager) == ["zero", "1", "one", "2", "two", "3", "three", "4"]
    other.close()
    manager.close()


def test_change_counters_stay_above_what_was_deleted(tmp_path: Path) -> None:
    """No message gets a number that one had before, however many of the newest were deleted meanwhile."""
    with SessionStore(tmp_path / "sessions.db") as store, SQLiteSessionManager("s", store) as manager:
        agent = agent_on(manager, *map(str, range(4)))
        seen: list[int] = []
        for turn in range(4):
            with SQLiteSessionManager(f"other {turn}", store) as other:
                agent_on(other, "fine", "fine")("long")
                seen += change_counters(store)
                other.delete_session(other.session_id)
            before = max(seen)
            agent(f"turn {turn}")
            assert [number > before for number in change_counters(store)[-2:]] == [True, True]


def change_counters(store: SessionStore) -> list[int]:
    rows = store._database.read(lambda connection: connection.rows("SELECT change_id FROM messages ORDER BY 1"))
    return [number for (number,) in rows]


@pytest.mark.parametrize("on_a_loop", [False, True])
def test_a_deletion_that_was_rolled_back_is_not_taken_for_one_that_is_known(tmp_path: Path, *, on_a_loop: bool) -> None:
    """A message that was to be committed with a deletion, and failed with it, leaves the agent as watchful as before.

    The rewind that comes then has the number of the deletion that was rolled back.
    """

    def fail(_connection: Any) -> None:
        raise ZeroDivisionError

    with (
        SessionStore(tmp_path / "sessions.db") as store,
        SQLiteSessionManager("s", store) as manager,
        SQLiteSessionManager("other", store),
    ):
        agent = agent_on(manager, "one")
        agent("zero")
        message: Any = {"role": "user", "content": [{"text": "lost"}]}

        def work() -> None:
            manager.delete_session("other")
            manager.append_message(message, agent)
            manager._database.write(fail)

        batch = manager._database.collect(work)
        with pytest.raises(ZeroDivisionError):
            asyncio.run(batch.commit_async()) if on_a_loop else batch.commit()
        manager._latest_agent_message["default"] = manager.list_messages("s", "default")[-1]

        store.rewind_session("s", at=0)
        with pytest.raises(ConflictError):
            agent("again")
        assert stored(manager) == ["zero"]


def test_an_agent_with_a_history_is_stored_in_one_commit(tmp_path: Path) -> None:
    """An agent that starts with messages is created with all of them, or not at all."""
    manager = SQLiteSessionManager("s", tmp_path / "sessions.db")
    found = transactions(manager)
    roles = ("user", "assistant") * 5
    history: Any = [{"role": role, "content": [{"text": f"{number}"}]} for number, role in enumerate(roles)]
    Agent(model=ScriptedModel(), messages=history, session_manager=manager, callback_handler=None)
    assert len(found) == 1
    assert found[0].count("INSERT INTO messages") == len(history)
    assert stored(manager) == [f"{number}" for number in range(len(history))]
    manager.close()


@pytest.mark.parametrize("on_a_loop", [False, True])
def test_after_a_write_that_failed_the_manager_knows_what_is_stored(
    tmp_path: Path, vfs: FaultyVFS, *, on_a_loop: bool
) -> None:
    """A turn whose message could not be stored fails; the next one is stored in its place, its state with it."""
    manager = SQLiteSessionManager("s", vfs.uri(tmp_path / "sessions.db"))
    agent = agent_on(manager, "one", "two")

    def say(text: str) -> None:
        if on_a_loop:
            asyncio.run(agent.invoke_async(text))
        else:
            agent(text)

    def full(method: str, _file: str) -> None:
        if method == "write":
            raise apsw.FullError

    say("first")
    agent.state.set("mood", "tense")
    vfs.fault = full
    with pytest.raises(DatabaseFullError):
        say("lost")
    vfs.fault = None
    say("second")
    assert stored(manager) == ["first", "one", "second", "two"]
    assert [record.message_id for record in manager.list_messages("s", "default")] == [0, 1, 2, 3]
    restored = manager.read_agent("s", "default")
    assert restored is not None
    assert restored.state == {"mood": "tense"}
    manager.close()


def test_a_cancelled_turn_leaves_what_was_written_known(tmp_path: Path, vfs: FaultyVFS) -> None:
    """A task that is cancelled, twice, while its commit waits for the disk ends after it; the agent then goes on."""
    manager = SQLiteSessionManager("s", vfs.uri(tmp_path / "sessions.db"))
    agent = agent_on(manager, "fine")
    waiting, cancelled = threading.Event(), threading.Event()

    def block(method: str, _file: str) -> None:
        if method == "sync" and not waiting.is_set():
            waiting.set()
            cancelled.wait(PATIENCE)

    async def main() -> None:
        task = asyncio.create_task(agent.invoke_async("cut short"))
        await asyncio.to_thread(waiting.wait, PATIENCE)
        task.cancel()
        asyncio.get_running_loop().call_soon(task.cancel)
        asyncio.get_running_loop().call_soon(cancelled.set)
        with pytest.raises(asyncio.CancelledError):
            await task

    vfs.fault = block
    asyncio.run(main())
    vfs.fault = None
    assert cancelled.is_set()
    assert stored(manager)[:1] == ["cut short"]
    agent("and again")
    texts = stored(manager)
    assert texts[0] == "cut short"
    assert texts[-2:] == ["and again", "fine"]
    manager.close()


def test_callbacks_of_a_newer_sdk_are_registered_as_it_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the SDK's manager registers reaches the agent: for several events, with an order, and async ones."""
    heard: list[str] = []

    async def listen(_event: Any) -> None:
        heard.append("async")

    def register(_manager: Any, registry: HookRegistry, **_kwargs: Any) -> None:
        registry.add_callback(MessageAddedEvent, lambda _event: heard.append("late"), order=50)
        registry.add_callback([MessageAddedEvent, AfterInvocationEvent], lambda _event: heard.append("both"))
        registry.add_callback(MessageAddedEvent, lambda _event: heard.append("first"), order=-50)
        registry.add_callback(AfterInvocationEvent, listen)

    with SQLiteSessionManager("s", tmp_path / "sessions.db") as manager:
        registry = HookRegistry()
        monkeypatch.setattr(SessionManager, "register_hooks", register)
        manager.register_hooks(registry)
        agent = agent_on(manager)

        async def fire() -> None:
            await registry.invoke_callbacks_async(
                MessageAddedEvent(agent=agent, message={"role": "user", "content": []})
            )
            heard.append("|")
            await registry.invoke_callbacks_async(AfterInvocationEvent(agent=agent))

        asyncio.run(fire())
    assert heard[:4] == ["first", "both", "late", "|"]
    assert sorted(heard[4:]) == ["async", "both"]
