"""A swarm of a planner and a coder, and what became of it."""

from collections.abc import Callable
from typing import Any

from strands import Agent, ToolContext, tool
from strands.multiagent import Swarm
from strands.session import SessionManager

from pytest_strands_sqlite import ToolCall

NewAgent = Callable[..., Agent]

HAND_OVER = [
    ToolCall("handoff_to_agent", {"agent_name": "coder", "message": "Please code.", "context": {"language": "SQL"}}),
    "The coder does it.",
]


@tool(context=True)
def deploy(target: str, tool_context: ToolContext) -> str:
    """Deploy when a person agrees."""
    return f"{target}: {tool_context.interrupt('deploy', reason=target)}"


def swarm(manager: SessionManager, new_agent: NewAgent, planner: list[Any], coder: list[Any], **options: Any) -> Swarm:
    """Make a swarm of two agents from their scripts."""
    nodes = [
        new_agent(None, *planner, name="planner"),
        new_agent(None, *coder, name="coder", tools=options.pop("tools", [deploy])),
    ]
    return Swarm(nodes, session_manager=manager, id="team", **options)


def answers(result: Any, response: Any) -> Any:
    """The prompt that answers all interrupts alike."""
    return [{"interruptResponse": {"interruptId": each.id, "response": response}} for each in result.interrupts]


def outputs(result: Any) -> dict[str, str]:
    """What each agent said last."""
    return {name: str(node.result).strip() for name, node in result.results.items()}


def history(result: Any) -> list[str]:
    """The agents in the order of their turns."""
    return [node.node_id for node in result.node_history]


def input_of(team: Swarm, name: str) -> str:
    """What the swarm gave an agent as its input."""
    return team.nodes[name].executor.messages[0]["content"][0]["text"]
