"""Graphs of a press, which drafts, edits and prints, and what became of them."""

from collections.abc import Callable
from typing import Any

from strands import Agent, ToolContext, tool
from strands.multiagent import GraphBuilder
from strands.multiagent.graph import Graph
from strands.session import SessionManager

NewAgent = Callable[..., Agent]

PIXELS = bytes(range(256))


@tool(context=True)
def publish(text: str, tool_context: ToolContext) -> str:
    """Publish a text when a person agrees."""
    return f"{text}: {tool_context.interrupt('publish', reason=text)}"


EDGES = {
    "line": [("draft", "edit"), ("edit", "print")],
    "diamond": [("draft", "edit"), ("draft", "check"), ("edit", "print"), ("check", "print")],
}


def graph(manager: SessionManager, agents: dict[str, Agent], shape: str = "line", **options: Any) -> Graph:
    """Build a graph that starts at its draft node."""
    builder = GraphBuilder().set_session_manager(manager).set_max_node_executions(20)
    nodes = {name: builder.add_node(agent, name) for name, agent in agents.items()}
    for source, target in EDGES[shape]:
        builder.add_edge(nodes[source], nodes[target])
    builder.set_graph_id(options.get("graph_id", "press")).set_hook_providers(options.get("hooks", []))
    return builder.set_entry_point("draft").build()


def team(new_agent: NewAgent, **scripts: list[Any]) -> dict[str, Agent]:
    """Make the agents of a graph from their scripts."""
    return {name: new_agent(None, *script, name=name, tools=[publish]) for name, script in scripts.items()}


def sent_to(agent: Agent) -> list[str]:
    """The texts that an agent got as its input."""
    return [block["text"] for block in agent.messages[0]["content"] if "text" in block]


def answers(result: Any, response: Any) -> Any:
    """The prompt that answers all interrupts alike."""
    return [{"interruptResponse": {"interruptId": each.id, "response": response}} for each in result.interrupts]


def outputs(result: Any) -> dict[str, str]:
    """What each node said."""
    return {name: str(node.result).strip() for name, node in result.results.items()}


def image() -> Any:
    """An image block."""
    return {"image": {"format": "png", "source": {"bytes": PIXELS}}}
