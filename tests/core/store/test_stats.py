"""`stats`: what takes how much space."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from strands_sqlite_session_manager import SQLiteSessionManager
from strands_sqlite_session_manager._schema import open_database, open_for_reading
from strands_sqlite_session_manager.maintenance import Stats, stats

from .maintained import IMAGE, fill, spoil, tell, text


def found(path: Path, top: int = 10) -> Stats:
    with closing(open_database(path)) as database:
        return stats(database, top=top)


def test_everything_is_counted(tmp_path: Path) -> None:
    """Rows by kind, and the bytes of what is large."""
    path = tmp_path / "sessions.db"
    fill(path)
    made = found(path)
    assert (made.sessions, made.agents, made.messages, made.multi_agents) == (1, 2, 6, 0)
    assert (made.attachments, made.attachment_bytes) == (1, len(IMAGE))
    assert made.objects == 3
    assert made.object_bytes > 100_000
    assert made.unindexed_messages == 0
    assert made.path == str(path)


def test_the_pages_of_the_file_are_all_accounted_for(tmp_path: Path) -> None:
    """Tables, indexes and free pages are the whole file; the WAL is counted beside it."""
    path = tmp_path / "sessions.db"
    fill(path)
    spoil(path, "DELETE FROM object_parts", "DELETE FROM parts")
    with closing(open_for_reading(path)) as database:
        made = stats(database)
    assert made.bytes == made.pages * made.page_size == path.stat().st_size
    assert sum(table.bytes for table in made.tables) == (made.pages - made.free_pages) * made.page_size
    assert made.free_pages > 0
    assert {"messages", "parts_by_hash"} <= {table.name for table in made.tables}
    assert [table.bytes for table in made.tables] == sorted((table.bytes for table in made.tables), reverse=True)
    with closing(open_database(path)) as database:
        database.write(lambda connection: connection.run("DELETE FROM objects"))
        assert stats(database).wal_bytes == Path(f"{path}-wal").stat().st_size > 0


def test_the_largest_sessions_come_first(tmp_path: Path) -> None:
    """By what their messages, states and attachments take; as many as are asked for."""
    path = tmp_path / "sessions.db"
    fill(path)
    for size in (10, 30, 20):
        with SQLiteSessionManager(f"s{size}", path, durability="normal") as manager:
            tell(manager, "a", *(text("user", "☃" * 1000) for _ in range(size)))
    made = found(path, top=3)
    assert [(each.session_id, each.messages) for each in made.largest] == [("s30", 30), ("s20", 20), ("s10", 10)]
    assert 30 * 3000 < made.largest[0].bytes < 30 * 3100
    assert found(path, top=0).largest == ()
    assert made.unindexed_messages == 60
    with pytest.raises(ValueError, match="top"):
        found(path, top=-1)


def test_a_database_in_memory_has_pages_too() -> None:
    """There is no file and no WAL; its pages are counted all the same."""
    with closing(open_database(":memory:")) as database:
        made = stats(database)
    assert (made.path, made.wal_bytes, made.bytes) == (":memory:", 0, made.pages * made.page_size)
    assert made.bytes > 0
