"""A person who is asked before a node of a graph or swarm runs."""

from typing import Any

from strands.hooks import BeforeNodeCallEvent, HookProvider, HookRegistry


class AskBefore(HookProvider):
    """Asks a person before one node of a graph, or before the turn of one agent of a swarm."""

    def __init__(self, node_id: str) -> None:
        self.node_id = node_id

    def register_hooks(self, registry: HookRegistry, **_: Any) -> None:
        """Listen to node calls."""
        registry.add_callback(BeforeNodeCallEvent, self.ask)

    def ask(self, event: BeforeNodeCallEvent) -> None:
        """Cancel the node unless the person agrees."""
        if event.node_id == self.node_id and event.interrupt("gate", reason=event.node_id) != "yes":
            event.cancel_node = "a person said no"
