"""Several processes on the objects of one file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from strands_sqlite_session_manager import SQLiteStorage
from tests.core.objects.conversations import LATEST
from tests.core.objects.doing import delete, read
from tests.core.objects.looking import assert_empty, assert_sound, count

PROCESSES, TIMES = 4, 60


@pytest.mark.parametrize("keeps_checkpoints", [False, True])
def test_processes_that_overwrite_one_key_leave_one_of_the_last_versions_and_no_other_part(
    crew: Any, tmp_path: Path, *, keeps_checkpoints: bool
) -> None:
    """Four processes with conversations of their own: each reads whole versions only, and nothing leaks."""
    db = tmp_path / "objects.db"
    order = {"task": "overwrite", "db": str(db), "key": LATEST, "times": TIMES, "keeps_checkpoints": keeps_checkpoints}
    reports = crew.run(*[order] * PROCESSES)
    assert not [report for report in reports if "failed" in report], reports
    assert_sound(db)
    kept = {key: digest for report in reports for key, digest in report["kept"].items()}
    assert count(db, "objects") == 1 + len(kept)
    with SQLiteStorage(db) as storage:
        assert hashlib.sha256(read(storage, LATEST) or b"").hexdigest() in {report["last"] for report in reports}
        assert {key: hashlib.sha256(read(storage, key) or b"").hexdigest() for key in kept} == kept
        delete(storage, LATEST, *kept)
    assert_empty(db)
