"""Everything this package uses of the core that the core does not call public."""

from __future__ import annotations

from typing import Any

from strands_sqlite_session_manager._guards import GUARDS

__all__ = ["GUARDS", "is_open", "watch_sharing"]


def is_open(state: dict[str, Any]) -> bool:
    """Tell whether a user of a database, whose attributes `state` is, has opened it and not closed it."""
    return "_file" in state and not state["_closed"]


def watch_sharing(user: Any, watch: Any) -> None:
    """Let `watch` be asked whenever somebody joins the database of `user`, as it is when a database is opened."""
    share = user.share_database

    def share_database(options: object) -> Any:
        database = share(options)
        watch(database.path, database)
        return database

    vars(user)["share_database"] = share_database
