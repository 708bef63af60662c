"""A program without threads that forks workers on demand: they start in milliseconds, the SDK being imported once.

It reads one JSON object a line, `{"task": name, ...arguments}`, and forks a worker for it. The worker reports lines
of JSON on standard output, the crew its end: `{"worker": pid, "exit": status}`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from itertools import count
from typing import Any

import apsw
from keepers import die_at_write, keep, overwrite
from reporting import report
from strands import Agent, tool
from strands.agent.conversation_manager import NullConversationManager
from strands.hooks import MessageAddedEvent
from strands.types.session import SessionAgent, SessionMessage

from pytest_strands_sqlite import ScriptedModel, ToolCall
from strands_sqlite_session_manager import (
    ConflictError,
    DatabaseClosedError,
    SQLiteSessionError,
    SQLiteSessionManager,
)


@tool
def look_up(order: int) -> str:
    """Look an order up."""
    return f"order {order} is on its way"


def talk(db: str, session: str, durability: Any) -> None:
    """Hold a conversation with tool calls until killed; report each message once it is acknowledged."""
    answers = (step for turn in count() for step in (ToolCall("look_up", {"order": turn}), f"answer {turn}"))
    model = ScriptedModel(*[lambda _: next(answers)] * 10_000)
    manager = SQLiteSessionManager(session, db, durability=durability)
    agent = Agent(
        model=model,
        tools=[look_up],
        session_manager=manager,
        conversation_manager=NullConversationManager(),
        callback_handler=None,
    )
    report(restored=len(agent.messages))

    def acknowledge(event: MessageAddedEvent) -> None:
        report(stored=event.message)

    agent.hooks.add_callback(MessageAddedEvent, acknowledge)
    for turn in count():
        agent.state.set("turn", turn)
        agent(f"question {turn}")


def append(db: str, session: str, agent: str, messages: int) -> None:
    """Append messages to a session of its own; report how many were acknowledged."""
    with SQLiteSessionManager(session, db) as manager:
        manager.create_agent(session, SessionAgent(agent, {}, {}))
        for number in range(messages):
            manager.create_message(session, agent, message(number, f"{os.getpid()}"))
    report(appended=messages)


def compete(db: str, session: str, agent: str, messages: int) -> None:
    """Append messages to a session that others append to; on a conflict, go on behind what is stored."""
    appended, conflicts = [], 0
    with SQLiteSessionManager(session, db) as manager:
        manager.create_agent(session, SessionAgent(agent, {}, {}))
        following = 0
        while len(appended) < messages:
            text = f"{os.getpid()}:{len(appended)}"
            try:
                manager.create_message(session, agent, message(following, text))
            except ConflictError:
                conflicts += 1
                following = manager.list_messages(session, agent, offset=-1)[0].message_id
            else:
                appended.append([following, text])
            following += 1
    report(appended=appended, conflicts=conflicts)


def open_first(db: str, session: str) -> None:
    """Open a database that others open for the first time at the same moment."""
    SQLiteSessionManager(session, db).close()
    report(opened=session)


def lock(db: str) -> None:
    """Hold the write lock until killed."""
    connection = apsw.Connection(db)
    connection.execute("BEGIN IMMEDIATE")
    report(locked=True)
    sys.stdin.readline()


def fork_while_open(db: str, session: str) -> None:
    """Fork with an open manager; parent and child write in turn, each through the manager they have."""
    in_memory = SQLiteSessionManager(session, ":memory:")
    manager = SQLiteSessionManager(session, db)
    manager.create_agent(session, SessionAgent("a", {}, {}))
    manager.create_message(session, "a", message(0, "before"))
    manager.list_messages(session, "a")
    if (child := os.fork()) == 0:
        manager.create_message(session, "a", message(1, "child"))
        try:
            in_memory.read_session(session)
        except DatabaseClosedError as error:
            report(in_memory=str(error))
        in_memory.close()
        report(child=len(manager.list_messages(session, "a")))
        manager.close()
        os._exit(0)
    os.waitpid(child, 0)
    manager.create_message(session, "a", message(2, "parent"))
    report(parent=len(manager.list_messages(session, "a")), in_memory_lives=in_memory.read_session(session) is not None)


def fork_under_load(db: str, session: str, forks: int) -> None:
    """Fork while threads write; every child writes too."""
    manager = SQLiteSessionManager(session, db)
    stop = threading.Event()
    written = [0, 0]

    def write(thread: int) -> None:
        agent = f"thread {thread}"
        manager.create_agent(session, SessionAgent(agent, {}, {}))
        while not stop.is_set():
            manager.create_message(session, agent, message(written[thread], agent))
            written[thread] += 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(written))]
    for thread in threads:
        thread.start()
    children = []
    for number in range(forks):
        if (child := os.fork()) == 0:
            manager.create_agent(session, SessionAgent(f"child {number}", {}, {}))
            manager.create_message(session, f"child {number}", message(0, "child"))
            os._exit(0)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    stop.set()
    for thread in threads:
        thread.join()
    report(statuses=statuses, written=written)


def open_as_nobody(db: str, session: str) -> None:
    """Open the database as a user who may not write it; report the error."""
    if os.getuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    try:
        SQLiteSessionManager(session, db)
    except SQLiteSessionError as error:
        report(error=type(error).__name__, text=str(error))


def message(number: int, text: str) -> SessionMessage:
    return SessionMessage({"role": "user", "content": [{"text": text}]}, number)


TASKS: dict[str, Callable[..., None]] = {
    task.__name__: task
    for task in (
        *(talk, append, compete, open_first, lock, fork_while_open, fork_under_load, open_as_nobody),
        *(keep, overwrite, die_at_write),
    )
}


def start(order: dict[str, Any]) -> None:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            TASKS[order.pop("task")](**order)
            status = 0
        except BaseException as error:  # noqa: BLE001 - the test that gave the order must hear of it
            report(failed=f"{type(error).__name__}: {error}")
        finally:
            os._exit(status)


def main() -> None:
    """Fork the workers of each line, all of them before the first is waited for; then report their ends."""
    for line in sys.stdin:
        orders = json.loads(line)
        for order in orders:
            start(order)
        for _ in orders:
            pid, status = os.wait()
            os.write(1, (json.dumps({"worker": pid, "exit": status}) + "\n").encode())


if __name__ == "__main__":
    main()
