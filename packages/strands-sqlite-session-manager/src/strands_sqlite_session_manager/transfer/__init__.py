"""Sessions out of the database and into it: as JSON Lines, and as the files of the SDK's `FileSessionManager`.

Both ways nothing is lost, each session is as of one instant, and an import that was interrupted is simply run again.
"""

from __future__ import annotations

from ._export_files import export_files
from ._export_jsonl import export_jsonl
from ._import_files import import_files
from ._import_jsonl import import_jsonl
from ._mirroring import (
    MirrorObject,
    Positions,
    changed_objects,
    deleted_keys,
    positions,
    read_mirror_tokens,
    session_paths,
    sidecar_path,
    touched_sessions,
    write_mirror_tokens,
)
from ._streams import Source, Target
from ._values import Conflict, Exported, ExportProgress, Imported, ImportProgress

__all__ = [
    "Conflict",
    "ExportProgress",
    "Exported",
    "ImportProgress",
    "Imported",
    "MirrorObject",
    "Positions",
    "Source",
    "Target",
    "changed_objects",
    "deleted_keys",
    "export_files",
    "export_jsonl",
    "import_files",
    "import_jsonl",
    "positions",
    "read_mirror_tokens",
    "session_paths",
    "sidecar_path",
    "touched_sessions",
    "write_mirror_tokens",
]
