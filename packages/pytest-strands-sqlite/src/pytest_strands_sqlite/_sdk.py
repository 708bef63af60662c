"""Everything this package uses of the core and of the SDK that these do not call public."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strands_sqlite_session_manager._guards import GUARDS

if TYPE_CHECKING:
    from strands.session import SnapshotSessionManager

__all__ = ["GUARDS", "is_namespaced", "is_open", "storage_of"]


def is_open(state: dict[str, Any]) -> bool:
    """Tell whether a user of a database, whose attributes `state` is, has opened it and not closed it."""
    return "_file" in state and not state["_closed"]


def is_namespaced(storage: object) -> bool:
    """Tell whether a storage is scoped already, so that the SDK puts no prefix in front of its keys."""
    return hasattr(storage, "_namespaced")


def storage_of(manager: SnapshotSessionManager) -> Any:
    """Return where a manager of snapshots keeps them, below the prefix that the SDK puts in front.

    Raises:
        RuntimeError: It has no storage yet, and gets that of its first agent.
    """
    return manager._resolved_storage  # noqa: SLF001 - the SDK has no other way
