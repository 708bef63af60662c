"""A parcel desk: an agent that finds parcels and remembers where its customers want them."""

from .desk import build_agent, open_session, session_of
from .parcels import Locate, ParcelFile
from .tools import deliver_to, tracking

__all__ = ["Locate", "ParcelFile", "build_agent", "deliver_to", "open_session", "session_of", "tracking"]
