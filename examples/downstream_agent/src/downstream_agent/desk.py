"""The agent, and the session in which it remembers a customer."""

from pathlib import Path

from strands import Agent
from strands.models import Model
from strands.session.session_manager import SessionManager

from strands_sqlite_session_manager import SQLiteSessionManager

from .parcels import Locate
from .tools import deliver_to, tracking

PROMPT = "You are the parcel desk. Look parcels up, never guess, and answer in one sentence."


def session_of(customer: str) -> str:
    """Return the id of the session of a customer."""
    return f"customer-{customer}"


def open_session(customer: str, path: Path) -> SQLiteSessionManager:
    """Open what was said with a customer, in the database at `path`; close it, or take it in a `with` block."""
    return SQLiteSessionManager(session_of(customer), path)


def build_agent(session: SessionManager, locate: Locate, model: Model | None = None) -> Agent:
    """Return the desk, with everything in mind that its session holds.

    Args:
        session: Where it remembers.
        locate: Says where parcels are.
        model: What it speaks with; the SDK's default without it.
    """
    return Agent(
        model=model,
        system_prompt=PROMPT,
        tools=[tracking(locate), deliver_to],
        session_manager=session,
        callback_handler=None,
    )
