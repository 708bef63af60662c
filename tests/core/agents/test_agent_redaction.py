"""Guardrails: what one removed from a conversation is neither stored nor restored."""

from collections.abc import Callable
from importlib.metadata import version

import pytest
from strands import Agent, tool
from strands.session.repository_session_manager import RepositorySessionManager
from strands.types.content import Messages

from pytest_strands_sqlite import Redaction, ScriptedModel, ToolCall
from tests.core.talking import said

OpenSession = Callable[..., RepositorySessionManager]
NewAgent = Callable[..., Agent]

SECRET = "4111 1111 1111 1111"
REMOVED = "[removed]"
REFUSAL = "I cannot talk about that."
GUARD = Redaction(user_message=REMOVED, reply=REFUSAL)

SDK = tuple(int(part) for part in version("strands-agents").split(".")[:3])
REDACTS_RETRIED_PROMPTS = SDK >= (1, 57, 2)
"""Whether the SDK redacts every stored record of a prompt that was sent twice, or the last one only."""


@tool
def read_card() -> str:
    """Read the card."""
    return SECRET


def stored(manager: RepositorySessionManager, agent: Agent) -> str:
    """All that storage gives out about the messages of an agent, both versions of a redacted one included."""
    records = manager.session_repository.list_messages(manager.session_id, agent.agent_id)
    return repr([(record.message, record.redact_message) for record in records])


def test_a_redacted_prompt_is_stored_and_restored_redacted(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """The text that a guardrail removed is in no stored message, and the restored agent has its replacement."""
    manager = open_session()
    agent = new_agent(manager, "Hello.", GUARD, "Of course.")
    agent("Hi.")
    agent(f"My card is {SECRET}.")
    agent("Then something else.")
    assert SECRET not in stored(manager, agent)

    manager = restart()
    restored = new_agent(manager)
    assert restored.messages == agent.messages
    assert said(restored.messages) == ["Hi.", "Hello.", REMOVED, REFUSAL, "Then something else.", "Of course."]
    assert SECRET not in stored(manager, restored)


def test_the_first_prompt_after_a_restart_can_be_redacted(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A redaction right after a restart hits the new prompt and leaves the restored messages alone."""
    new_agent(open_session(), "Hello.")("Hi.")

    manager = restart()
    agent = new_agent(manager, GUARD)
    agent(f"My card is {SECRET}.")

    assert SECRET not in stored(manager, agent)
    assert said(new_agent(restart()).messages) == ["Hi.", "Hello.", REMOVED, REFUSAL]


def test_a_redacted_tool_result_keeps_its_pair(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A redacted tool result still answers its tool use, so that the conversation stays valid for a provider."""
    manager = open_session()
    agent = new_agent(manager, ToolCall("read_card", tool_use_id="call-1"), GUARD, tools=[read_card])
    agent("What is on the card?")
    assert SECRET not in stored(manager, agent)

    restored = new_agent(restart(), "Ask me something else.", tools=[read_card])
    assert restored.messages == agent.messages
    result = restored.messages[2]["content"][0]["toolResult"]
    assert (result["toolUseId"], result["content"]) == ("call-1", [{"text": REMOVED}])
    restored("Well?")
    assert new_agent(restart(), tools=[read_card]).messages == restored.messages


def test_a_prompt_that_was_retried_and_then_redacted(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A prompt sent again after an error is stored twice, and storage redacts each record that the SDK redacts."""
    prompt: Messages = [{"role": "user", "content": [{"text": SECRET}]}]
    agent = new_agent(open_session(), RuntimeError("no connection"), GUARD)
    with pytest.raises(RuntimeError, match="no connection"):
        agent(prompt)
    agent(prompt)

    first = REMOVED if REDACTS_RETRIED_PROMPTS else SECRET
    assert said(new_agent(restart()).messages) == [first, REMOVED, REFUSAL]


def test_a_redaction_of_one_agent_leaves_the_others_alone(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """In a session of several agents only the agent that was redacted changes."""
    manager = open_session()
    guarded = new_agent(manager, GUARD, agent_id="guarded")
    open_ = new_agent(manager, "Fine.", agent_id="open")
    open_("Hello.")
    guarded(SECRET)

    manager = restart()
    assert said(new_agent(manager, agent_id="guarded").messages) == [REMOVED, REFUSAL]
    assert said(new_agent(manager, agent_id="open").messages) == ["Hello.", "Fine."]


def test_a_model_sees_the_replacement_after_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """What was removed does not go to the model again."""
    new_agent(open_session(), GUARD)(SECRET)

    model = ScriptedModel("Hello.")
    new_agent(restart(), model=model)("Hi.")

    assert said(model.calls[0].messages) == [REMOVED, REFUSAL, "Hi."]
