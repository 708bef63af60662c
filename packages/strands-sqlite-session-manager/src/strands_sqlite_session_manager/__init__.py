"""Strands agents' sessions in one SQLite file.

`SQLiteSessionManager` is a drop-in for the SDK's `S3SessionManager`; every error it raises is a `SQLiteSessionError`.
"""

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
    NotADatabaseError,
    NotFoundError,
    SchemaTooNewError,
    SQLiteSessionError,
    UnsafeSQLiteError,
)
from .session_manager import SQLiteSessionManager

__all__ = [
    "AlreadyExistsError",
    "CannotOpenError",
    "CodecError",
    "ConflictError",
    "DatabaseBusyError",
    "DatabaseClosedError",
    "DatabaseCorruptError",
    "DatabaseFullError",
    "DatabaseIOError",
    "DatabaseMovedError",
    "DatabaseReadOnlyError",
    "InvalidIdError",
    "NotADatabaseError",
    "NotFoundError",
    "SQLiteSessionError",
    "SQLiteSessionManager",
    "SchemaTooNewError",
    "UnsafeSQLiteError",
]
