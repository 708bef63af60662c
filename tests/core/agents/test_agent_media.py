"""Images and documents: bytes in a conversation come back as the same bytes."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from strands import Agent, tool
from strands.session.repository_session_manager import RepositorySessionManager

from pytest_strands_sqlite import ScriptedModel, ToolCall

OpenSession = Callable[..., RepositorySessionManager]
NewAgent = Callable[..., Agent]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
BIG = os.urandom(1_000_000)


def image(content: bytes) -> Any:
    """An image block."""
    return {"image": {"format": "png", "source": {"bytes": content}}}


def document(content: bytes) -> Any:
    """A document block."""
    return {"document": {"format": "pdf", "name": "report", "source": {"bytes": content}}}


@tool
def screenshot() -> dict[str, Any]:
    """Take two pictures and write a report."""
    return {"status": "success", "content": [image(PNG), {"text": "and"}, image(BIG), document(PNG)]}


@pytest.mark.parametrize("content", [b"", b"\x00", PNG, BIG], ids=["empty", "nul", "png", "megabyte"])
def test_bytes_in_a_prompt_survive_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent, content: bytes
) -> None:
    """Images and documents of any size come back exactly, and go to the model again as bytes."""
    agent = new_agent(open_session(), "Nice.")
    agent([{"text": "Look:"}, image(content), document(content)])

    model = ScriptedModel("Still nice.")
    restored = new_agent(restart(), model=model)
    assert restored.messages == agent.messages
    restored("And now?")

    assert model.calls[0].messages[0]["content"] == [{"text": "Look:"}, image(content), document(content)]


def test_bytes_in_a_tool_result_survive_a_restart(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """What a tool photographed is in its result after a restart."""
    agent = new_agent(open_session(), ToolCall("screenshot"), "Done.", tools=[screenshot])
    agent("Take pictures.")

    restored = new_agent(restart(), tools=[screenshot])

    assert restored.messages == agent.messages
    content = restored.messages[2]["content"][0]["toolResult"]["content"]
    assert content == [image(PNG), {"text": "and"}, image(BIG), document(PNG)]


def test_one_picture_in_many_messages_is_each_time_the_same(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """A picture that is sent again and again, by several agents, comes back in each place."""
    manager = open_session()
    agents = [new_agent(manager, "1", "2", "3", agent_id=name) for name in ("a", "b")]
    for agent in agents:
        for _ in range(3):
            agent([image(PNG), image(PNG)])

    manager = restart()
    for agent in agents:
        restored = new_agent(manager, agent_id=agent.agent_id)
        assert restored.messages == agent.messages
        assert [message["content"] for message in restored.messages[::2]] == [[image(PNG), image(PNG)]] * 3


def test_a_deleted_session_leaves_the_pictures_of_another(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Deleting one of two sessions with the same picture keeps it in the other."""
    for session_id in ("gone", "kept"):
        new_agent(open_session(session_id), "Nice.")([image(BIG)])
    open_session("gone").delete_session("gone")  # type: ignore[attr-defined]  # both managers have it, not their base

    assert new_agent(restart("kept")).messages[0]["content"] == [image(BIG)]


def test_content_that_looks_like_encoded_bytes_comes_back_as_the_sdk_gives_it(
    open_session: OpenSession, restart: OpenSession, new_agent: NewAgent
) -> None:
    """Tool input with the SDK's own marker for bytes is decoded on restore, as with its own managers."""
    marked = {"blob": {"__bytes_encoded__": True, "data": "AAEC"}}
    new_agent(open_session(), ToolCall("screenshot", marked), "Done.", tools=[screenshot])("Go.")

    restored = new_agent(restart(), tools=[screenshot])

    assert restored.messages[1]["content"][0]["toolUse"]["input"] == {"blob": b"\x00\x01\x02"}
