"""A turn that is interrupted while a tool runs, and the process that takes over."""

import os
import sys

from strands import Agent, tool

from pytest_strands_sqlite import ScriptedModel, ToolCall
from strands_sqlite_session_manager import SQLiteSessionManager


@tool
def track_order(order: int) -> str:
    """Find an order."""
    if "--die" in sys.argv:
        os._exit(1)  # no cleanup, no goodbye: as a crash, or kill -9
    return f"Order {order} is in Oslo."


with SQLiteSessionManager("customer-42", "restart.db") as sessions:
    model = ScriptedModel(ToolCall("track_order", {"order": 4711}), "It is in Oslo.")
    agent = Agent(model, agent_id="support", tools=[track_order], session_manager=sessions)
    for message in agent.messages:
        print(message["role"], *(key for block in message["content"] for key in block))
    agent("It is 4711. Where is it?")
    print()
