"""Strands agents' sessions in one SQLite file.

`SQLiteSessionManager` is a drop-in for the SDK's `S3SessionManager`. `SQLiteStorage` is a storage for the SDK's
`SnapshotSessionManager`, context stash and memory stores, in the same file. `SessionStore` is the file for people and
tools. Whatever goes wrong with a database is an `SQLiteSessionError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .catalog import AgentSummary, SessionFilter, SessionInfo, SessionPage, SessionSummary, StoredMessage
    from .conversion import Conversion, convert_to_message_log, convert_to_snapshots
    from .copying import CopyProgress, copy_storage
    from .errors import (
        AlreadyExistsError,
        CannotOpenError,
        CodecError,
        ConflictError,
        DatabaseBusyError,
        DatabaseClosedError,
        DatabaseCorruptError,
        DatabaseFullError,
        DatabaseIOError,
        DatabaseMovedError,
        DatabaseReadOnlyError,
        InvalidIdError,
        InvalidKeyError,
        NotADatabaseError,
        NotFoundError,
        SchemaTooNewError,
        SchemaTooOldError,
        SQLiteSessionError,
        TransferError,
        UnsafeSQLiteError,
    )
    from .history import AgentMoment, Checkpoint, Fork, Rewind
    from .maintenance import Backup, Finding, Repair, SessionBytes, Stats, TableBytes
    from .message_search import MessageFilter, SearchHit
    from .retention import Compacted, Erased, ErasePlan, PlannedSession, Pruned, PrunePlan, PrunePolicy
    from .session_manager import SQLiteSessionManager
    from .storage import SQLiteStorage
    from .store import SessionStore
    from .transfer import Exported, ExportProgress, Imported, ImportProgress

_ROOMS = {
    "AgentMoment": "history",
    "AgentSummary": "catalog",
    "AlreadyExistsError": "errors",
    "Backup": "maintenance",
    "CannotOpenError": "errors",
    "Checkpoint": "history",
    "CodecError": "errors",
    "Compacted": "retention",
    "ConflictError": "errors",
    "Conversion": "conversion",
    "CopyProgress": "copying",
    "DatabaseBusyError": "errors",
    "DatabaseClosedError": "errors",
    "DatabaseCorruptError": "errors",
    "DatabaseFullError": "errors",
    "DatabaseIOError": "errors",
    "DatabaseMovedError": "errors",
    "DatabaseReadOnlyError": "errors",
    "ErasePlan": "retention",
    "Erased": "retention",
    "ExportProgress": "transfer",
    "Exported": "transfer",
    "Finding": "maintenance",
    "Fork": "history",
    "ImportProgress": "transfer",
    "Imported": "transfer",
    "InvalidIdError": "errors",
    "InvalidKeyError": "errors",
    "MessageFilter": "message_search",
    "NotADatabaseError": "errors",
    "NotFoundError": "errors",
    "PlannedSession": "retention",
    "PrunePlan": "retention",
    "PrunePolicy": "retention",
    "Pruned": "retention",
    "Repair": "maintenance",
    "Rewind": "history",
    "SQLiteSessionError": "errors",
    "SQLiteSessionManager": "session_manager",
    "SQLiteStorage": "storage",
    "SchemaTooNewError": "errors",
    "SchemaTooOldError": "errors",
    "SearchHit": "message_search",
    "SessionBytes": "maintenance",
    "SessionFilter": "catalog",
    "SessionInfo": "catalog",
    "SessionPage": "catalog",
    "SessionStore": "store",
    "SessionSummary": "catalog",
    "Stats": "maintenance",
    "StoredMessage": "catalog",
    "TableBytes": "maintenance",
    "TransferError": "errors",
    "UnsafeSQLiteError": "errors",
    "convert_to_message_log": "conversion",
    "convert_to_snapshots": "conversion",
    "copy_storage": "copying",
}
"""Where each name comes from: a room is imported when it is first asked for, so that none waits for the others."""

__all__ = [
    "AgentMoment",
    "AgentSummary",
    "AlreadyExistsError",
    "Backup",
    "CannotOpenError",
    "Checkpoint",
    "CodecError",
    "Compacted",
    "ConflictError",
    "Conversion",
    "CopyProgress",
    "DatabaseBusyError",
    "DatabaseClosedError",
    "DatabaseCorruptError",
    "DatabaseFullError",
    "DatabaseIOError",
    "DatabaseMovedError",
    "DatabaseReadOnlyError",
    "ErasePlan",
    "Erased",
    "ExportProgress",
    "Exported",
    "Finding",
    "Fork",
    "ImportProgress",
    "Imported",
    "InvalidIdError",
    "InvalidKeyError",
    "MessageFilter",
    "NotADatabaseError",
    "NotFoundError",
    "PlannedSession",
    "PrunePlan",
    "PrunePolicy",
    "Pruned",
    "Repair",
    "Rewind",
    "SQLiteSessionError",
    "SQLiteSessionManager",
    "SQLiteStorage",
    "SchemaTooNewError",
    "SchemaTooOldError",
    "SearchHit",
    "SessionBytes",
    "SessionFilter",
    "SessionInfo",
    "SessionPage",
    "SessionStore",
    "SessionSummary",
    "Stats",
    "StoredMessage",
    "TableBytes",
    "TransferError",
    "UnsafeSQLiteError",
    "convert_to_message_log",
    "convert_to_snapshots",
    "copy_storage",
]

if not TYPE_CHECKING:  # a type checker knows the names, and reports those that are none

    def __getattr__(name: str) -> object:
        """Import the room that has `name`, or is it."""
        if name in _ROOMS.values():
            return import_module(f".{name}", __name__)
        if name not in _ROOMS:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = getattr(import_module(f".{_ROOMS[name]}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """Return what the package offers, imported or not."""
    return sorted({*globals(), *__all__})
