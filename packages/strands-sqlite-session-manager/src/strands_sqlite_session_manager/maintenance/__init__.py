"""The care of a file: backups while it is in use, searches for damage, repairs of turns, and what takes space."""

from strands_sqlite_session_manager.maintenance._backup import Backup, back_up
from strands_sqlite_session_manager.maintenance._findings import Finding
from strands_sqlite_session_manager.maintenance._plans import Repair
from strands_sqlite_session_manager.maintenance._repair import repair
from strands_sqlite_session_manager.maintenance._stats import SessionBytes, Stats, TableBytes, stats
from strands_sqlite_session_manager.maintenance._verify import verify

__all__ = [
    "Backup",
    "Finding",
    "Repair",
    "SessionBytes",
    "Stats",
    "TableBytes",
    "back_up",
    "repair",
    "stats",
    "verify",
]
