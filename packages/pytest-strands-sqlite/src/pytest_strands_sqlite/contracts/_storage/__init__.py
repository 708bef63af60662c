"""The contract of a storage, a module for each section."""

from ._cost import Cost
from ._handles import Handles
from ._isolation import Isolation
from ._namespaces import Namespaces
from ._order import Order
from ._round_trip import RoundTrip
from ._search import Search

# pytest runs the tests of the last base first.


class StorageContract(Cost, Search, Handles, Namespaces, Isolation, Order, RoundTrip):
    """What a `Storage` of the SDK must do: subclass it, and define `open(self, place)`."""


__all__ = ["StorageContract"]
