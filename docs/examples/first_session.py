"""A conversation that is kept: the second run goes on where the first one stopped."""

from strands import Agent

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import SQLiteSessionManager

with SQLiteSessionManager("customer-42", "agent.db") as sessions:
    model = ScriptedModel("Which order is it?")
    agent = Agent(model, agent_id="support", session_manager=sessions)
    print(len(agent.messages), "messages so far")
    agent("My order never arrived.")
    print()
