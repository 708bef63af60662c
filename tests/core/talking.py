"""What tests look at in the messages of agents."""

from typing import Any

from strands import Agent
from strands.types.content import Messages


def said(messages: Messages) -> list[str]:
    """The texts of a conversation."""
    return [block["text"] for message in messages for block in message["content"] if "text" in block]


def results(agent: Agent) -> list[Any]:
    """The contents of all tool results in a conversation."""
    blocks = [block for message in agent.messages for block in message["content"]]
    return [block["toolResult"]["content"] for block in blocks if "toolResult" in block]
