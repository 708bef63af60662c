"""What is said of a file in which a bit has flipped."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from strands_sqlite_session_manager._schema import VERSION
from tests.campaign import workloads
from tests.campaign.cuts import left_over, put
from tests.campaign.effort import EFFORT, LONG
from tests.campaign.pages import Page, dump, fill, outcome, pages_of
from tests.campaign.power import Disk, Names, Recording, Write
from tests.campaign.survivors import DB, Trial, look

FEW, MANY = 2, 40
"""Flips in pages of each kind, in the short form and in each round of the long one."""

WITHOUT_CHECK = {
    *("sessions.session_type", "sessions.title", "sessions.metadata", "sessions.extra"),
    *("agents.state", "agents.conversation_manager_state", "agents.internal_state", "agents.extra"),
    *("messages.message", "messages.redact_message", "messages.extra", "multi_agents.state"),
    *("agent_state_history.changes", "agent_state_history.message_id", "agent_state_history.change_number"),
    *("objects.content", "object_parts.content", "object_parts.position", "parts.content"),
    *("deletions.change_id", "deletions.session_id", "deletions.agent_id", "deletions.first_message_id"),
    *("migrations.version", "migrations.name", "migrations.applied_at", "deletions.deleted_at"),
    *(f"{table}.created_at" for table in ("sessions", "agents", "messages", "multi_agents", "objects")),
    *(f"{table}.updated_at" for table in ("sessions", "agents", "messages", "multi_agents", "objects")),
    *("object_deletions.change_id", "object_deletions.key", "object_deletions.deleted_at"),
    *("mirrors.place", "mirrors.tokens", "mirrors.updated_at", "agent_state_history.created_at"),
}
"""Columns in which another letter or number is as good as the one that was there, for SQLite as for `verify`."""

DERIVED = ("message_index_", "search_", "session_activity.", "watermarks.", "sqlite_sequence.")
"""How the columns of tables begin that follow from others, and can be built anew."""

SAFE = ("header of the file", "interior of a table", "interior of an index", "free page")
"""Kinds of pages in which no flipped bit goes unnoticed and changes what is read."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, list[Page]], dict[Any, Any]]:
    """A file with pages of every kind: its bytes, its pages and its rows."""
    db = tmp_path_factory.mktemp("original") / DB
    fill(db)
    return db.read_bytes(), pages_of(db), dump(db)


def test_there_are_pages_of_every_kind(original: tuple[bytes, dict[str, list[Page]], dict[Any, Any]]) -> None:
    """The file that is damaged has trees of tables and indexes, overflow, free pages and search indexes."""
    _, pages, _ = original
    assert set(pages) == {
        *SAFE,
        *("leaf of a table", "leaf of an index", "overflow"),
        *("search index, interior of a table", "search index, leaf of a table", "search index, leaf of an index"),
    }


def test_a_flipped_bit_is_found_or_harmless_or_in_a_value_that_nothing_checks(
    scratch: Path, tried: Counter[str], original: tuple[bytes, dict[str, list[Page]], dict[Any, Any]]
) -> None:
    """A bit that flips in a page of any kind is a finding of `verify`, a typed error, or changes nothing that is read.

    What is left are single values that neither an index nor a hash nor JSON covers; the structure, keys, attachments
    and shared parts are never read otherwise without a word.
    """
    content, pages, rows = original
    chance = random.Random(4)
    for kind, found in pages.items():
        for _ in range(EFFORT * MANY if LONG else FEW):
            page = chance.choice(found)
            place, bit = chance.randrange(page.start, page.end), chance.randrange(8)
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            (scratch / DB).write_bytes(damaged)
            said, changed = outcome(scratch / DB, rows)
            checked = {name for name in changed - WITHOUT_CHECK if not name.startswith(DERIVED)}
            assert not checked, f"bit {bit} of byte {place}, {kind}"
            assert not (changed and kind in SAFE), f"bit {bit} of byte {place}, {kind}"
            for left in scratch.iterdir():
                left.unlink()
            tried[f"flipped bits ({said.partition(':')[0]})"] += 1


def test_a_flipped_bit_in_the_wal_takes_commits_from_its_end_and_mixes_none(scratch: Path, tried: Counter[str]) -> None:
    """Damage in the WAL ends it there when SQLite recovers it: what is left was there after some commit.

    That is so as long as nothing of the WAL was moved into the file, which may hold newer pages afterwards.
    """
    for round_ in range(EFFORT if LONG else 1):
        work, chance = scratch / f"work {round_}", random.Random(f"WAL {round_}")
        work.mkdir()
        disk = Disk(work)
        with disk.inserted() as recording:
            workloads.appends(disk, work / DB, "normal", chance)
        trial = Trial(recording, scratch, full=False)
        commits = before_the_first_checkpoint(recording)
        for number in range(MANY if LONG else 10 * FEW):
            commit = chance.randrange(VERSION, commits)
            files = left_over(recording, recording.commits[commit], chance, "everything")
            damaged = bytearray(files[f"{DB}-wal"])
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
            folder = scratch / f"{round_} {number}"
            folder.mkdir()
            put({**files, f"{DB}-wal": bytes(damaged)}, folder)
            found = look(folder / DB)
            assert any(found == trial.state(place) for place in range(commit + 1, -1, -1))
            tried["flipped bits (WAL)"] += 1


def before_the_first_checkpoint(recording: Recording) -> int:
    """Return how many commits there were before anything was moved into the file."""
    events = list(enumerate(recording.events))
    database = next(event.files[DB] for _, event in events if isinstance(event, Names) and DB in event.files)
    writes = [place for place, event in events if isinstance(event, Write) and event.file == database]
    return bisect_left(recording.commits, next(place for place in writes if place > recording.commits[0]))
