"""An agent in a process of its own: a turn for each line of input; it then prints how many messages it has."""

from __future__ import annotations

import sys

from strands import Agent
from strands.agent.conversation_manager import NullConversationManager

from pytest_strands_sqlite import ScriptedModel
from strands_sqlite_session_manager import SQLiteSessionManager


def main(path: str) -> None:
    """Talk until standard input ends."""
    model = ScriptedModel(*[f"answer {number}" for number in range(10_000)])
    agent = Agent(
        model=model,
        agent_id="helper",
        callback_handler=None,
        conversation_manager=NullConversationManager(),
        session_manager=SQLiteSessionManager("order", path),
    )
    for line in sys.stdin:
        agent(line.strip())
        print(len(agent.messages), flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main(sys.argv[1])
