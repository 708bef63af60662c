"""Sessions to JSON Lines: a header, each session with a record at its end, and a record at the very end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Any

from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import VERSION as SCHEMA
from strands_sqlite_session_manager.errors import NotFoundError

from ._reading import all_ids, count_sessions, named_ids, spool_session
from ._records import COUNTED, FORMAT, VERSION, json_text, render
from ._spool import Spool
from ._streams import Target, open_target
from ._values import Exported, ExportProgress


def export_jsonl(
    database: Database,
    target: Target,
    session_ids: Iterable[str] | None = None,
    *,
    progress: Callable[[ExportProgress], None] | None = None,
) -> Exported:
    """Write sessions as JSON Lines, each as it is at one instant, in the memory that one message takes.

    Everything the tables hold of a session is written: its title, tags and metadata, its agents with the history of
    their state, messages with attachments and redactions, and states of graphs and swarms. What `SQLiteStorage` keeps
    is not; `copy_storage` copies that. A file at a path appears when it is complete, in place of one that is there.

    ```python
    from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager

    SQLiteSessionManager("holiday", "sessions.db").close()
    with SessionStore("sessions.db") as store:
        store.export_jsonl("sessions.jsonl")
    ```

    Args:
        database: Where the sessions are.
        target: A path, or a file that is open for text or bytes, such as `sys.stdout`.
        session_ids: Which sessions, in this order; all in the order of their ids without it. Those that are deleted
            meanwhile are then left out.
        progress: Called after each session.

    Returns:
        What was written.

    Raises:
        NotFoundError: There is no such session.
        TransferError: A session holds values that cannot be read; the session before it is the last in a stream.
        OSError: The target cannot be written.
    """
    named = None if session_ids is None else named_ids(database, session_ids)
    total = count_sessions(database) if named is None else len(named)
    with open_target(database, target) as write, Spool() as spool:
        write(f"{json_text(_header(total))}\n".encode())
        sessions = messages = multi_agents = 0
        for done, session_id in enumerate(all_ids(database) if named is None else named, 1):
            try:
                spool_session(database, session_id, spool)
            except NotFoundError:
                if named is not None:
                    raise
                continue
            for chunk in spool.chunks():
                write(chunk)
            write(f"{_end_of_session(session_id, spool)}\n".encode())
            sessions += 1
            messages += spool.counts["message"]
            multi_agents += spool.counts["multi_agent"]
            if progress is not None:
                progress(ExportProgress(session_id, done, max(done, total)))
        write(f"{render('end', {'sessions': str(sessions)})}\n".encode())
    return Exported(sessions, messages, multi_agents)


def _header(sessions: int) -> dict[str, Any]:
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    return {"format": FORMAT, "version": VERSION, "schema": SCHEMA, "exported_at": now, "sessions": sessions}


def _end_of_session(session_id: str, spool: Spool) -> str:
    counts = {name: str(spool.counts[kind]) for name, kind in COUNTED.items()}
    return render("session_end", {"session_id": json_text(session_id), **counts, "sha256": json_text(spool.sha256)})
