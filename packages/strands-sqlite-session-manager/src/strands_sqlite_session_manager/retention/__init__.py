"""Retention: delete sessions by age, number, size or tags, erase content for good, and give free space back."""

from __future__ import annotations

from strands_sqlite_session_manager.retention._compacting import Compacted, compact
from strands_sqlite_session_manager.retention._erasing import Erased, ErasePlan, erase, plan_erase
from strands_sqlite_session_manager.retention._originals import erase_redacted
from strands_sqlite_session_manager.retention._planning import PlannedSession, PrunePlan, PrunePolicy, plan_prune
from strands_sqlite_session_manager.retention._pruning import Pruned, prune

__all__ = [
    "Compacted",
    "ErasePlan",
    "Erased",
    "PlannedSession",
    "PrunePlan",
    "PrunePolicy",
    "Pruned",
    "compact",
    "erase",
    "erase_redacted",
    "plan_erase",
    "plan_prune",
    "prune",
]
