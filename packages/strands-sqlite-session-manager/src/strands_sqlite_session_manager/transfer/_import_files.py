"""Sessions from the files of the SDK's `FileSessionManager`, of any version of it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable

from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import NotFoundError, TransferError

from ._records import require_id
from ._session_files import is_session, read_session
from ._spool import Spool
from ._storing import store_session
from ._tree import FOLDERS, SESSION, SIDECAR, ids_below, require_no_link
from ._values import Conflict, Imported, ImportProgress, require_conflict

_FOREIGN = "name the storage_dir of a FileSessionManager: the folder in which the session_… folders lie"


def import_files(
    database: Database,
    folder: str | os.PathLike[str],
    session_ids: Iterable[str] | None = None,
    *,
    on_conflict: Conflict = "fail",
    progress: Callable[[ImportProgress], None] | None = None,
) -> Imported:
    """Read sessions that the SDK's `FileSessionManager` wrote; each becomes visible whole or not at all.

    Files of any SDK from 1.15 are read: what an older one does not write gets the SDK's default, and the fields of a
    newer one are kept for it. Files of other names are left alone, and so are folders that a manager has only begun.
    Nothing outside of `folder` is read. A session that is there already with the same content is passed over: an import
    that was interrupted can simply be run again. Let no agent write to the files meanwhile.

    Args:
        database: Where to put the sessions.
        folder: The `storage_dir` of a `FileSessionManager`, or what `export_files` wrote.
        session_ids: Which sessions; all without it.
        on_conflict: What to do with a session that is there with other content: `"fail"`, `"skip"` it, or `"replace"`
            the one that is there.
        progress: Called after each session.

    Returns:
        What was done.

    Raises:
        NotFoundError: The folder has no such session.
        AlreadyExistsError: A session is there with other content, and `on_conflict` is `"fail"`.
        TransferError: The folder is no such folder, or a file is damaged, a symbolic link, or another's; the message
            names it. What was imported until then stays, whole sessions only.
    """
    require_conflict(on_conflict)
    root = os.path.realpath(os.fspath(folder))
    ids = sessions_in(root) if session_ids is None else _named_sessions(root, session_ids)
    tally: Counter[str] = Counter()
    with Spool() as spool:
        for done, session_id in enumerate(ids, 1):
            session_folder = os.path.join(root, f"{SESSION}{session_id}")
            read_session(FOLDERS, session_folder, session_id, f"{session_folder}/{SIDECAR}", spool)
            outcome = store_session(database, session_id, spool, on_conflict)
            tally[outcome] += 1
            if outcome == "imported":
                tally.update(spool.counts)
            if progress is not None:
                progress(ImportProgress(session_id, done, len(ids)))
    return Imported(tally["imported"], tally["message"], tally["multi_agent"], tally["skipped"], tally["unchanged"])


def sessions_in(root: str) -> list[str]:
    """Return the ids of the sessions in a folder of `FileSessionManager`.

    Raises:
        TransferError: It is no such folder.
    """
    if not os.path.isdir(root):
        message = f"folder=<{root}> is not there, or is no folder"
        raise TransferError(message, hint=_FOREIGN)
    found = ids_below(root, SESSION)
    if not found and os.listdir(root):
        message = f"folder=<{root}> holds no session"
        raise TransferError(message, hint=_FOREIGN)
    return [session_id for session_id in found if is_session(FOLDERS, os.path.join(root, f"{SESSION}{session_id}"))]


def _named_sessions(root: str, session_ids: Iterable[str]) -> list[str]:
    if isinstance(session_ids, str):
        message = "session_ids must be a list of ids, not str"
        raise TypeError(message)
    ids = list(dict.fromkeys(session_ids))
    for session_id in ids:
        path = os.path.join(root, f"{SESSION}{require_id(session_id)}")
        require_no_link(path)
        if not os.path.isdir(path) or not is_session(FOLDERS, path):
            message = f"Session {session_id} does not exist in folder=<{root}>"
            raise NotFoundError(message, hint="look into the folder to see which there are")
    return ids
