"""What the report of a failed test shows of its sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strands_sqlite_session_manager import SessionStore, SQLiteStorage

from . import _failures
from ._snapshots import find_snapshot_sessions
from .transcripts import snapshot_transcript, transcript

if TYPE_CHECKING:
    from ._sessions import SessionFactory

_MOST = 5


def sections(factory: SessionFactory) -> list[tuple[str, str]]:
    """Return the sections: the transcript of the last sessions, and the path of a database that is a file."""
    found = []
    with factory.faults_suspended():
        try:
            conversations = _conversations(factory)
        except Exception as error:  # noqa: BLE001 - a report that cannot be made must not end the run
            conversations = _failures.unreadable(error)
    if conversations:
        found.append(("strands sessions", conversations))
    if factory.file is not None and factory.file.exists():
        found.append(("strands database", str(factory.file)))
    return found


def _conversations(factory: SessionFactory) -> str:
    with SessionStore(factory.database) as store, SQLiteStorage(store) as storage:
        page = store.list_sessions(limit=_MOST)
        texts = [_failures.more_sessions(_MOST)] if page.after is not None else []
        texts += [str(transcript(store, session.session_id)) for session in reversed(page.sessions)]
        found = find_snapshot_sessions(storage)
        texts += [_failures.more_snapshots(_MOST)] if len(found) > _MOST else []
        texts += [str(snapshot_transcript(namespace, session_id)) for namespace, session_id in found[-_MOST:]]
    return "\n\n".join(texts)
