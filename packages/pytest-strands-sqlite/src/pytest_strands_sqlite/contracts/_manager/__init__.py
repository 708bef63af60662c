"""The contract of a session manager, a module for each section."""

from ._cost import Cost
from ._handles import Handles
from ._isolation import Isolation
from ._order import Order
from ._round_trip import RoundTrip

# pytest runs the tests of the last base first.


class SessionManagerContract(Cost, Handles, Isolation, Order, RoundTrip):
    """What a `SessionManager` of the SDK must do: subclass it, and define `open(self, place, session_id)`."""


__all__ = ["SessionManagerContract"]
