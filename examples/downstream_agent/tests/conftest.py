"""The desk of the tests: it speaks from a script, and remembers in a database of the test."""

from collections.abc import Callable

import pytest
from downstream_agent import Locate, build_agent, session_of
from strands import Agent

from pytest_strands_sqlite import ScriptedModel, SessionFactory

PLACES = {"P-7": "Oslo", "P-8": "Bergen"}


@pytest.fixture
def desk(sqlite_session_factory: SessionFactory, scripted_model: Callable[..., ScriptedModel]) -> Callable[..., Agent]:
    """Build the agent as for users, but for its model and its file: `desk(*steps, customer=…, locate=…)`."""

    def open_desk(*steps: object, customer: str = "ada", locate: Locate = PLACES.__getitem__) -> Agent:
        return build_agent(sqlite_session_factory(session_of(customer)), locate, scripted_model(*steps))

    return open_desk
