"""Code as users write it, for the type checker; it is never run."""

import asyncio
import os
from pathlib import Path

from strands import Agent
from strands.multiagent import GraphBuilder, Swarm
from strands.multiagent.base import Status
from strands.session.repository_session_manager import RepositorySessionManager
from strands.session.session_manager import SessionManager
from strands.session.session_repository import SessionRepository
from strands.types.exceptions import SessionException
from strands.types.session import Session, SessionAgent, SessionMessage, SessionType
from typing_extensions import assert_type

import strands_sqlite_session_manager
from strands_sqlite_session_manager import (
    ConflictError,
    DatabaseBusyError,
    SQLiteSessionError,
    SQLiteSessionManager,
)


def every_form_of_the_constructor(folder: Path) -> list[SQLiteSessionManager]:
    """The path is text, a path, or left out; options are keywords."""
    path_like: os.PathLike[str] = folder / "agent.db"
    return [
        SQLiteSessionManager("customer-42"),
        SQLiteSessionManager(session_id="customer-42", db_path="~/agent.db"),
        SQLiteSessionManager("customer-42", folder / "agent.db"),
        SQLiteSessionManager("customer-42", path_like, durability="normal", busy_timeout=5),
        SQLiteSessionManager("customer-42", ":memory:", durability="full"),
        SQLiteSessionManager("customer-42", None),
    ]


def a_call_that_was_written_for_s3() -> SQLiteSessionManager:
    """Arguments of the other managers do not stop a program."""
    return SQLiteSessionManager(session_id="customer-42", bucket="sessions", prefix="production", region_name="eu-west")


def what_the_checker_refuses() -> None:
    """An option with a wrong value is found before the program runs."""
    SQLiteSessionManager("customer-42", durability="fast")  # type: ignore[arg-type]
    SQLiteSessionManager("customer-42", "agent.db", "normal")  # type: ignore[call-arg]
    SQLiteSessionManager(42)  # type: ignore[arg-type]


def an_agent_that_resumes() -> str:
    """The manager is an argument of the agent, and closes at the end of the block."""
    with SQLiteSessionManager("customer-42", "agent.db") as sessions:
        assert_type(sessions, SQLiteSessionManager)
        assert_type(sessions.db_path, str)
        agent = Agent(agent_id="support", session_manager=sessions)
        return str(agent("My order has not arrived."))


async def an_agent_on_an_event_loop(sessions: SQLiteSessionManager) -> str:
    """Asynchronous agents take the same manager."""
    agent = Agent(agent_id="support", session_manager=sessions)
    said = [event["data"] async for event in agent.stream_async("My order has not arrived.") if "data" in event]
    result = await agent.invoke_async("And now?")
    return f"{''.join(said)} {result}"


async def many_customers_on_one_loop(ids: list[str]) -> list[str]:
    """Managers on one file share it."""
    managers = [SQLiteSessionManager(name, "agent.db") for name in ids]
    try:
        return await asyncio.gather(*(an_agent_on_an_event_loop(manager) for manager in managers))
    finally:
        for manager in managers:
            assert_type(manager.close(), None)


def a_graph(sessions: SQLiteSessionManager) -> Status:
    """A graph keeps its state in a session."""
    builder = GraphBuilder()
    builder.add_node(Agent(name="researcher"), "research")
    builder.add_node(Agent(name="writer"), "write")
    builder.add_edge("research", "write")
    builder.set_session_manager(sessions)
    return builder.build()("Write a page about lighthouses.").status


def a_swarm(sessions: SQLiteSessionManager) -> Status:
    """A swarm keeps its state in a session."""
    swarm = Swarm([Agent(name="researcher"), Agent(name="writer")], session_manager=sessions)
    return swarm("Write a page about lighthouses.").status


def it_fits_where_the_sdk_expects_its_own(
    sessions: SQLiteSessionManager,
) -> tuple[SessionManager, SessionRepository, RepositorySessionManager]:
    """The manager is a session manager and a repository of the SDK."""
    return sessions, sessions, sessions


def the_repository(sessions: SQLiteSessionManager) -> None:
    """What is stored can be read and written without an agent."""
    session = Session(session_id="customer-43", session_type=SessionType.AGENT)
    assert_type(sessions.create_session(session), Session)
    assert_type(sessions.read_session("customer-43"), Session | None)
    sessions.create_agent("customer-43", SessionAgent(agent_id="support", state={}, conversation_manager_state={}))
    assert_type(sessions.read_agent("customer-43", "support"), SessionAgent | None)
    said = SessionMessage.from_message({"role": "user", "content": [{"text": "Hello"}]}, 0)
    sessions.create_message("customer-43", "support", said)
    assert_type(sessions.read_message("customer-43", "support", 0), SessionMessage | None)
    assert_type(sessions.list_messages("customer-43", "support", limit=10, offset=5), list[SessionMessage])
    sessions.delete_session("customer-43")


def errors(sessions: SQLiteSessionManager) -> str:
    """Code that catches the SDK's error catches ours; code that wants to know more asks for the type and the hint."""
    try:
        sessions.delete_session("customer-42")
    except DatabaseBusyError:
        return "later"
    except ConflictError as error:
        return assert_type(error.hint, str)
    except SQLiteSessionError as error:
        return f"{error}: {error.hint}"
    except SessionException as error:
        return str(error)
    return "deleted"


def the_names_at_the_root() -> list[str]:
    """What the package exports is listed."""
    return strands_sqlite_session_manager.__all__
