"""Several agents in one session, and the same agent in several sessions."""

from collections.abc import Callable

import pytest
from strands import Agent
from strands.session.repository_session_manager import RepositorySessionManager
from strands.types.exceptions import SessionException

from pytest_strands_sqlite import ScriptedModel, ToolCall
from tests.core.talking import said

OpenSession = Callable[..., RepositorySessionManager]
NewAgent = Callable[..., Agent]


def test_agents_of_one_session_keep_their_own_conversations_and_states(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Interleaved turns of three agents come back to the agent that had them."""
    manager = open_session()
    names = ("writer", "editor", "Editor")
    agents = {name: new_agent(manager, f"{name} 0", f"{name} 1", agent_id=name) for name in names}
    for turn in range(2):
        for name, agent in agents.items():
            agent.state.set("turn", f"{name} {turn}")
            agent(f"for {name}")

    manager = restart()
    for name, agent in agents.items():
        restored = new_agent(manager, agent_id=name)
        assert restored.messages == agent.messages
        assert said(restored.messages) == [f"for {name}", f"{name} 0", f"for {name}", f"{name} 1"]
        assert restored.state.get() == {"turn": f"{name} 1"}


def test_an_agent_added_to_an_old_session_starts_empty(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A new agent in an existing session sees nothing of the others and disturbs nothing."""
    writer = new_agent(open_session(), "Written.", agent_id="writer")
    writer("Write.")

    manager = restart()
    editor = new_agent(manager, "Edited.", agent_id="editor")
    assert editor.messages == []
    editor("Edit.")

    manager = restart()
    assert new_agent(manager, agent_id="writer").messages == writer.messages
    assert new_agent(manager, agent_id="editor").messages == editor.messages


def test_one_agent_id_in_many_sessions_is_many_conversations(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Sessions whose ids resemble one another share nothing."""
    ids = ["1", "10", "1 ", "a", "A", "ä", "a%", "a_", "..", "x' OR '1'='1"]
    agents = {session_id: new_agent(open_session(session_id), f"In {session_id}.") for session_id in ids}
    for agent in agents.values():
        agent("Where?")

    restart()
    for session_id, agent in agents.items():
        assert said(new_agent(open_session(session_id)).messages) == ["Where?", f"In {session_id}."]
        assert agent.messages


def test_an_agent_id_is_taken_once_per_manager(open_session: OpenSession, new_agent: NewAgent) -> None:
    """Two agents with one id on one manager would mix their messages, so the second is refused."""
    manager = open_session()
    new_agent(manager, agent_id="writer")
    with pytest.raises(SessionException, match="must be unique"):
        new_agent(manager, agent_id="writer")


def test_an_agent_as_a_tool_keeps_its_own_conversation(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """An orchestrator and the agent that it calls as a tool are both restored, each with its own messages."""

    def team(manager: RepositorySessionManager, lead: ScriptedModel, helper: ScriptedModel) -> tuple[Agent, Agent]:
        assistant = new_agent(manager, model=helper, agent_id="helper", name="helper")
        tools = [assistant.as_tool(preserve_context=True)]
        return new_agent(manager, model=lead, agent_id="lead", tools=tools), assistant

    ask = ToolCall("helper", {"input": "How many?"})
    lead, assistant = team(open_session(), ScriptedModel(ask, "Seven."), ScriptedModel("7"))
    lead("How many?")

    restored_lead, restored_assistant = team(restart(), ScriptedModel(ask, "Eight."), ScriptedModel("8"))
    assert restored_lead.messages == lead.messages
    assert restored_assistant.messages == assistant.messages
    restored_lead("And now?")

    assert said(restored_lead.messages) == ["How many?", "Seven.", "And now?", "Eight."]
    assert said(restored_assistant.messages) == ["How many?", "7", "How many?", "8"]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_agent_that_missed_turns_of_its_session_overwrites_none(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Of two agents on one conversation the one that lags behind gets an error; the SDK's managers lose turns."""
    quick = new_agent(open_session(), "First.", "Second.")
    slow = new_agent(open_session())
    quick("One?")
    with pytest.raises(SessionException, match="exists with other content"):
        slow("Me too?")
    quick("Two?")

    again = new_agent(restart(), "Third.")
    assert again.messages == quick.messages
    again("Three?")
    assert said(new_agent(restart()).messages) == ["One?", "First.", "Two?", "Second.", "Three?", "Third."]
