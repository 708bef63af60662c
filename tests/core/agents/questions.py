"""Tools that ask a person, and what they did."""

from typing import Any

from strands import ToolContext, tool
from strands.hooks import BeforeToolCallEvent, HookProvider, HookRegistry

PIXELS = bytes(range(256))

deleted: list[str] = []
photographed: list[str] = []


@tool(context=True)
def delete(path: str, tool_context: ToolContext) -> str:
    """Delete a file when a person agrees."""
    answer = tool_context.interrupt("approval", reason={"path": path, "why": "it cannot be undone"})
    if answer != "yes":
        return "kept"
    deleted.append(path)
    return "deleted"


@tool(context=True)
def rename(path: str, tool_context: ToolContext) -> str:
    """Ask a person two questions."""
    name = tool_context.interrupt("name", reason=path)
    sure = tool_context.interrupt("sure", reason=name)
    return f"{path} is {name}: {sure}"


@tool
def photograph(path: str) -> dict[str, Any]:
    """Take a picture.

    Args:
        path: Of what.
    """
    photographed.append(path)
    return {"status": "success", "content": [{"image": {"format": "png", "source": {"bytes": PIXELS}}}]}


class AskFirst(HookProvider):
    """Asks a person before each use of a tool."""

    def register_hooks(self, registry: HookRegistry, **_: Any) -> None:
        """Listen to tool calls."""
        registry.add_callback(BeforeToolCallEvent, self.ask)

    def ask(self, event: BeforeToolCallEvent) -> None:
        """Cancel the call unless the person agrees."""
        if event.interrupt("gate", reason=event.tool_use["input"]) != "yes":
            event.cancel_tool = "a person said no"
