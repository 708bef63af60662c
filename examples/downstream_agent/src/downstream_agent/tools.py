"""What the desk can do besides talking."""

from strands import ToolContext, tool
from strands.types.tools import AgentTool

from .parcels import Locate


def tracking(locate: Locate) -> AgentTool:
    """Return the tool that finds parcels."""

    @tool
    def find_parcel(number: str) -> str:
        """Find out where a parcel is.

        Args:
            number: The number on its label.
        """
        return f"Parcel {number} is in {locate(number)}."

    return find_parcel


@tool(context=True)
def deliver_to(place: str, tool_context: ToolContext) -> str:
    """Remember where the customer wants parcels to be delivered.

    Args:
        place: The address, or words such as "the neighbour".
        tool_context: Where the SDK says which agent it is; the model gives none.
    """
    tool_context.agent.state.set("deliver_to", place)
    return f"Parcels go to {place} from now on."
