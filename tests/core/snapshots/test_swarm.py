"""Swarms on snapshots: one that stopped in the middle goes on after a restart with the agent whose turn it was."""

from collections.abc import Callable
from typing import Any

import pytest
from strands import Agent
from strands.session import SnapshotSessionManager

from tests.core.agents.swarms import HAND_OVER, swarm
from tests.core.agents.test_agent_swarm import (  # noqa: F401 - the same promises hold on snapshots
    test_a_swarm_that_came_to_its_end_starts_again_after_a_restart,
    test_a_swarm_that_was_stopped_goes_on_with_the_agent_that_was_at_work,
    test_a_tool_that_asks_in_a_turn_is_answered_after_a_restart,
)

OpenSession = Callable[..., SnapshotSessionManager]
NewAgent = Callable[..., Agent]
Stored = Callable[..., Any]


@pytest.mark.parametrize("strategy", ["node", "invocation"])
def test_what_is_in_the_file_while_a_swarm_runs(
    open_session: OpenSession, new_agent: NewAgent, stored: Stored, strategy: Any
) -> None:
    """After each turn the file holds it, or nothing before the end, as the strategy says."""
    seen: list[Any] = []

    def look(_: Any) -> str:
        snapshot = stored(agent_id="team", scope="multiAgent")
        seen.append(snapshot["data"]["state"]["node_history"] if snapshot else None)
        return "It is built."

    swarm(open_session(multi_agent_save_latest_on=strategy), new_agent, HAND_OVER, [look])("Build it.")

    assert seen == ([["planner"]] if strategy == "node" else [None])
    snapshot = stored(agent_id="team", scope="multiAgent")
    assert snapshot["data"]["state"]["node_history"] == ["planner", "coder"]
