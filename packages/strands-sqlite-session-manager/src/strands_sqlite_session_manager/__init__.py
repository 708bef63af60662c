"""Strands agents' sessions in one SQLite file.

`SQLiteSessionManager` is a drop-in for the SDK's `S3SessionManager`. `SQLiteStorage` is a storage for the SDK's
`SnapshotSessionManager`, context stash and memory stores, in the same file. `SessionStore` is the file for people and
tools. Every error is a `SQLiteSessionError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conversion import (
        Conversion,
        convert_to_message_log,
        convert_to_snapshots,
    )
    from .copying import (
        CopyProgress,
        copy_storage,
    )
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
    from .session_manager import (
        SQLiteSessionManager,
    )
    from .storage import (
        SQLiteStorage,
    )

_ROOMS = {
    "AlreadyExistsError": "errors",
    "CannotOpenError": "errors",
    "CodecError": "errors",
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
    "InvalidIdError": "errors",
    "InvalidKeyError": "errors",
    "NotADatabaseError": "errors",
    "NotFoundError": "errors",
    "SQLiteSessionError": "errors",
    "SQLiteSessionManager": "session_manager",
    "SQLiteStorage": "storage",
    "SchemaTooNewError": "errors",
    "SchemaTooOldError": "errors",
    "TransferError": "errors",
    "UnsafeSQLiteError": "errors",
    "convert_to_message_log": "conversion",
    "convert_to_snapshots": "conversion",
    "copy_storage": "copying",
}
"""Where each name comes from: a room is imported when it is first asked for, so that none waits for the others."""

__all__ = [
    "AlreadyExistsError",
    "CannotOpenError",
    "CodecError",
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
    "InvalidIdError",
    "InvalidKeyError",
    "NotADatabaseError",
    "NotFoundError",
    "SQLiteSessionError",
    "SQLiteSessionManager",
    "SQLiteStorage",
    "SchemaTooNewError",
    "SchemaTooOldError",
    "TransferError",
    "UnsafeSQLiteError",
    "convert_to_message_log",
    "convert_to_snapshots",
    "copy_storage",
]


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
