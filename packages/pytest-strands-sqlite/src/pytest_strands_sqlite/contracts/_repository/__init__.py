"""The contract of a session repository, a module for each section."""

from ._cost import Cost
from ._deletion import Deletion
from ._handles import Handles
from ._isolation import Isolation
from ._multi_agents import MultiAgents
from ._newer import Newer
from ._order import Order
from ._processes import Processes
from ._round_trip import RoundTrip
from ._upgrades import Upgrades
from ._values import Values

# pytest runs the tests of the last base first.


class SessionRepositoryContract(
    Upgrades, Cost, Processes, Handles, Deletion, Isolation, Order, Newer, MultiAgents, Values, RoundTrip
):
    """What a `SessionRepository` of the SDK must do: subclass it, and define `open(self, place)`."""


__all__ = ["SessionRepositoryContract"]
