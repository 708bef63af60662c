"""A session that leaves the file, is resumed by the SDK where it went, and comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from strands.session.snapshot_session_manager import SnapshotSessionManager
from strands.storage import LocalFileStorage

from strands_sqlite_session_manager import convert_to_message_log, convert_to_snapshots, copy_storage

from .file import File
from .sessions import memory_of
from .talks import TALKS, TURNS


def checkpoints(**_: Any) -> bool:
    """Keep a checkpoint of every turn."""
    return True


@pytest.mark.parametrize("name", ["plain", "tools", "images", "an open question", "a summary"])
def test_a_session_goes_on_in_files_and_comes_back(file: File, tmp_path: Path, name: str) -> None:
    """A real agent resumes the copy, checkpoints and all, speaks there, and its turns are in the file again."""
    talk, files = TALKS[name], LocalFileStorage(str(tmp_path / "files"))
    agent = talk.hold(file.snapshots("s", snapshot_trigger=checkpoints))
    file.snapshots("s").sync_agent(agent)

    asyncio.run(copy_storage(file.storage(), files, prefix="session/s/"))
    there = talk.resume(SnapshotSessionManager("s", storage=files))
    assert memory_of(there) == memory_of(agent)
    away = talk.resume(SnapshotSessionManager("s", storage=files, snapshot_trigger=checkpoints), range(TURNS))
    asyncio.run(copy_storage(files, file.storage()))

    manager = file.snapshots("s")
    back = talk.resume(manager)
    assert memory_of(back) == memory_of(away)
    assert len(asyncio.run(manager.list_snapshot_ids(back))) == len(talk.prompts) + TURNS


def test_a_log_leaves_as_snapshots_and_comes_back_as_a_log(file: File, tmp_path: Path) -> None:
    """Converted, copied to files, continued there, copied back and converted again: the log has every message."""
    talk, files = TALKS["a window that trimmed"], LocalFileStorage(str(tmp_path / "files"))
    talk.hold(file.log("s"))
    old = file.listed("s")
    convert_to_snapshots("s", file.path)

    asyncio.run(copy_storage(file.storage(), files))
    away = talk.resume(SnapshotSessionManager("s", storage=files, snapshot_trigger=checkpoints), range(TURNS))
    with File(tmp_path / "another.db").storage() as target:
        asyncio.run(copy_storage(files, target))
    another = File(tmp_path / "another.db")
    convert_to_message_log("s", another.path)

    assert another.listed("s")[: len(old)] == old
    assert len(another.listed("s")) == len(old) + 2 * TURNS
    assert talk.resume(another.log("s")).messages == away.messages
    another.close()
