"""The history of sessions: the points they can go back to, and new sessions that begin at one of them."""

from ._checkpoints import AgentMoment, Checkpoint, list_checkpoints, read_checkpoint
from ._forks import Fork, fork_session
from ._rewinds import Rewind, rewind_session

__all__ = [
    "AgentMoment",
    "Checkpoint",
    "Fork",
    "Rewind",
    "fork_session",
    "list_checkpoints",
    "read_checkpoint",
    "rewind_session",
]
