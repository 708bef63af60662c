"""`SessionStore`: the open database for people and tools."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._database import DatabasePath, DatabaseUser, Options
from ._schema import open_database, open_for_reading


class _Room:
    """A room that is imported when something of it is first asked for: to list sessions needs none of the others."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(f".{self._name}", __package__), name)


if TYPE_CHECKING:
    from . import catalog, history, maintenance, message_search, retention, transfer
    from ._requests import Durability
else:
    catalog, history, maintenance = _Room("catalog"), _Room("history"), _Room("maintenance")
    message_search, retention, transfer = _Room("message_search"), _Room("retention"), _Room("transfer")


class SessionStore(DatabaseUser):
    """The sessions of a file, to list, search, branch, keep and move.

    ```python
    from strands_sqlite_session_manager import SessionStore

    with SessionStore() as store:
        for session in store.list_sessions(limit=10).sessions:
            print(session.last_activity, session.session_id, session.preview)
    ```

    Agents may go on writing to the file meanwhile, in this process and in others. What a method does it does in one
    transaction, unless the function that it names says otherwise.

    Attributes:
        db_path: The file, `:memory:` or URI in use.
    """

    def __init__(
        self,
        db_path: DatabasePath = None,
        *,
        read_only: bool = False,
        durability: Durability = "full",
        busy_timeout: float = 30.0,
    ) -> None:
        """Open the file; create it where it is missing, unless it is to be read only.

        Args:
            db_path: The database file, as for `SQLiteSessionManager`.
            read_only: Refuse to write, and to open what does not exist.
            durability: As for `SQLiteSessionManager`.
            busy_timeout: How long to wait for another process's lock, in seconds.

        Raises:
            SQLiteSessionError: The database cannot be opened; the type says why, `hint` what to do.
            ValueError: An option has no such value.
        """
        options = Options(durability=durability, busy_timeout=busy_timeout)
        self._database = (open_for_reading if read_only else open_database)(db_path, options)

    # The catalog

    def list_sessions(
        self,
        where: catalog.SessionFilter | None = None,
        *,
        sort: catalog.Sort = "activity",
        descending: bool | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> catalog.SessionPage:
        """Return a page of the sessions: see `catalog.list_sessions`."""
        return catalog.list_sessions(
            self._database, where or catalog.SessionFilter(), sort=sort, descending=descending, limit=limit, after=after
        )

    def summarize_session(self, session_id: str) -> catalog.SessionSummary:
        """Return what is in a session: see `catalog.summarize_session`."""
        return catalog.summarize_session(self._database, session_id)

    def read_messages(
        self, session_id: str, agent_id: str | None = None, *, limit: int | None = None, offset: int = 0
    ) -> list[catalog.StoredMessage]:
        """Return messages as agents get them: see `catalog.read_messages`."""
        return catalog.read_messages(self._database, session_id, agent_id, limit=limit, offset=offset)

    def set_title(self, session_id: str, title: str | None) -> None:
        """Give a session a title, or take it away: see `catalog.set_title`."""
        catalog.set_title(self._database, session_id, title)

    def add_tags(self, session_id: str, *tags: str) -> None:
        """Tag a session: see `catalog.add_tags`."""
        catalog.add_tags(self._database, session_id, *tags)

    def remove_tags(self, session_id: str, *tags: str) -> None:
        """Take tags away: see `catalog.remove_tags`."""
        catalog.remove_tags(self._database, session_id, *tags)

    def set_metadata(self, session_id: str, values: Mapping[str, Any]) -> None:
        """Note values about a session: see `catalog.set_metadata`."""
        catalog.set_metadata(self._database, session_id, values)

    def search_messages(  # noqa: PLR0913 - options, each with a default
        self,
        query: str,
        where: message_search.MessageFilter | None = None,
        *,
        order: message_search.Order = "relevance",
        limit: int = 20,
        offset: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[message_search.SearchHit]:
        """Search what was said: see `message_search.search_messages`."""
        return message_search.search_messages(
            self._database,
            query,
            where or message_search.MessageFilter(),
            order=order,
            limit=limit,
            offset=offset,
            progress=progress,
        )

    # History

    def list_checkpoints(
        self, session_id: str, agent_id: str | None = None, *, limit: int | None = None, offset: int = 0
    ) -> list[history.Checkpoint]:
        """Return the points to which a session can go back: see `history.list_checkpoints`."""
        return history.list_checkpoints(self._database, session_id, agent_id, limit=limit, offset=offset)

    def read_checkpoint(self, session_id: str, at: int, agent_id: str | None = None) -> history.AgentMoment:
        """Return the state an agent had then: see `history.read_checkpoint`."""
        return history.read_checkpoint(self._database, session_id, at, agent_id)

    def fork_session(
        self, session_id: str, new_session_id: str, *, at: int | None = None, agent_id: str | None = None
    ) -> history.Fork:
        """Begin a new session with what another was: see `history.fork_session`."""
        return history.fork_session(self._database, session_id, new_session_id, at=at, agent_id=agent_id)

    def rewind_session(self, session_id: str, *, at: int, agent_id: str | None = None) -> history.Rewind:
        """Take a session back: see `history.rewind_session`."""
        return history.rewind_session(self._database, session_id, at=at, agent_id=agent_id)

    # Retention

    def plan_prune(self, policy: retention.PrunePolicy, *, now: datetime | None = None) -> retention.PrunePlan:
        """Return what a policy would delete: see `retention.plan_prune`."""
        return retention.plan_prune(self._database, policy, now=now)

    def prune(
        self, plan: retention.PrunePlan, *, progress: Callable[[int, int], None] | None = None
    ) -> retention.Pruned:
        """Delete what was planned: see `retention.prune`."""
        return retention.prune(self._database, plan, progress=progress)

    def plan_erase(self, session_ids: Iterable[str], *, namespaces: Iterable[str] = ()) -> retention.ErasePlan:
        """Return what `erase` would take: see `retention.plan_erase`."""
        return retention.plan_erase(self._database, session_ids, namespaces=namespaces)

    def erase(
        self,
        session_ids: Iterable[str],
        *,
        namespaces: Iterable[str] = (),
        progress: Callable[[int, int], None] | None = None,
    ) -> retention.Erased:
        """Delete sessions so that nothing of them is left in the file: see `retention.erase`."""
        return retention.erase(self._database, session_ids, namespaces=namespaces, progress=progress)

    def erase_redacted(self, session_ids: Iterable[str] | None = None) -> int:
        """Erase the originals of redacted messages: see `retention.erase_redacted`."""
        return retention.erase_redacted(self._database, session_ids)

    def compact(self, *, progress: Callable[[int, int], None] | None = None) -> retention.Compacted:
        """Give free space back: see `retention.compact`."""
        return retention.compact(self._database, progress=progress)

    # Transfer

    def export_jsonl(
        self,
        target: transfer.Target,
        session_ids: Iterable[str] | None = None,
        *,
        progress: Callable[[transfer.ExportProgress], None] | None = None,
    ) -> transfer.Exported:
        """Write sessions as JSON Lines: see `transfer.export_jsonl`."""
        return transfer.export_jsonl(self._database, target, session_ids, progress=progress)

    def import_jsonl(
        self,
        source: transfer.Source,
        *,
        on_conflict: transfer.Conflict = "fail",
        progress: Callable[[transfer.ImportProgress], None] | None = None,
    ) -> transfer.Imported:
        """Read sessions from JSON Lines: see `transfer.import_jsonl`."""
        return transfer.import_jsonl(self._database, source, on_conflict=on_conflict, progress=progress)

    def export_files(
        self,
        folder: str | os.PathLike[str],
        session_ids: Iterable[str] | None = None,
        *,
        progress: Callable[[transfer.ExportProgress], None] | None = None,
    ) -> transfer.Exported:
        """Write sessions as the SDK's `FileSessionManager` does: see `transfer.export_files`."""
        return transfer.export_files(self._database, folder, session_ids, progress=progress)

    def import_files(
        self,
        folder: str | os.PathLike[str],
        session_ids: Iterable[str] | None = None,
        *,
        on_conflict: transfer.Conflict = "fail",
        progress: Callable[[transfer.ImportProgress], None] | None = None,
    ) -> transfer.Imported:
        """Read sessions that the SDK's `FileSessionManager` wrote: see `transfer.import_files`."""
        return transfer.import_files(self._database, folder, session_ids, on_conflict=on_conflict, progress=progress)

    # Maintenance

    def back_up(
        self,
        target: str | os.PathLike[str],
        *,
        progress: Callable[[int, int], None] | None = None,
        overwrite: bool = False,
    ) -> maintenance.Backup:
        """Copy the file while it is in use: see `maintenance.back_up`."""
        return maintenance.back_up(self._database, target, progress=progress, overwrite=overwrite)

    def verify(self, *, progress: Callable[[int, int], None] | None = None) -> list[maintenance.Finding]:
        """Look for damage: see `maintenance.verify`."""
        return maintenance.verify(self._database, progress=progress)

    def repair(self, session_id: str | None = None, *, dry_run: bool = False) -> list[maintenance.Repair]:
        """Complete interrupted turns: see `maintenance.repair`."""
        return maintenance.repair(self._database, session_id, dry_run=dry_run)

    def stats(self, *, top: int = 10) -> maintenance.Stats:
        """Return what takes how much space: see `maintenance.stats`."""
        return maintenance.stats(self._database, top=top)
