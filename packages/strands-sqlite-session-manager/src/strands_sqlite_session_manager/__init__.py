"""Strands agents' sessions in one SQLite file.

`SQLiteSessionManager` is a drop-in for the SDK's `S3SessionManager`. `SQLiteStorage` is a storage for the SDK's
`SnapshotSessionManager`, context stash and memory stores, in the same file. Every error is a `SQLiteSessionError`.
"""

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
    SQLiteSessionError,
    TransferError,
    UnsafeSQLiteError,
)
from .session_manager import SQLiteSessionManager
from .storage import SQLiteStorage

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
    "TransferError",
    "UnsafeSQLiteError",
    "convert_to_message_log",
    "convert_to_snapshots",
    "copy_storage",
]
