"""The context stash in a new process: what another process put away is read in this one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from strands import Agent, tool
from strands.session import SnapshotSessionManager
from strands.storage import Storage

from pytest_strands_sqlite import ToolCall

OpenStorage = Callable[..., Storage]
NewAgent = Callable[..., Agent]

LONG = "\n".join(f"line {number}: {number * number}" for number in range(2_000))


@pytest.fixture
def folder(left_behind: Callable[[str], Path]) -> Path:
    """The storage that the first process left."""
    return left_behind("others")


@tool
def read_log() -> str:
    """Read a long log."""
    return LONG


@pytest.mark.parametrize("stash", ["lasting", "passing"])
def test_the_stash_is_there(
    open_storage: OpenStorage, open_passing: OpenStorage, new_agent: NewAgent, first_process: Any, stash: str
) -> None:
    """Both a stash in the file and one that was in memory give out the long text that is no longer in the context."""
    context_manager: Any = "auto" if stash == "lasting" else {"stash": {"storage": open_passing()}}
    storage = open_storage()
    call = ToolCall("retrieve_context", {"reference": "call-log_0"}, "call-retrieve")
    options = {"storage": storage, "tools": [read_log], "context_manager": context_manager}
    agent = new_agent(SnapshotSessionManager(stash, storage=storage), call, "Now I know.", **options)
    assert agent.messages == first_process.reports["stash"][stash]
    assert LONG not in repr(agent.messages)

    agent("What was in it?")

    result = agent.messages[-2]["content"][0]["toolResult"]
    assert (result["toolUseId"], json.loads(result["content"][0]["text"])) == ("call-retrieve", {"text": LONG})
