"""Sessions as JSON Lines: what stands in the file, that it is of one instant, and that nobody waits for its reader."""

from __future__ import annotations

import io
import json
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import apsw
import pytest

from strands_sqlite_session_manager import NotFoundError, TransferError
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import VERSION, open_database
from strands_sqlite_session_manager.repository.sessions import delete_session
from strands_sqlite_session_manager.transfer import Exported, ExportProgress, export_jsonl, import_jsonl

from .transferring import ODD_ID, add_session, exported, fill, say, start


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    database = open_database(tmp_path / "sessions.db")
    yield database
    database.close()


def records(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.decode().split("\n") if line]


def test_a_header_comes_first_and_ends_tell_what_came_before(database: Database) -> None:
    """The header names format, version, schema and time; a session ends with its counts and the hash of its lines."""
    add_session(database, "s", "a", "b")
    say(database, "s", 0, {"text": "hi"})
    target = io.BytesIO()
    assert export_jsonl(database, target) == Exported(sessions=1, messages=1, multi_agents=0)
    header, *session, end = records(target.getvalue())
    assert header.pop("exported_at").endswith("+00:00")
    assert header == {"format": "strands-sqlite-sessions", "version": 1, "schema": VERSION, "sessions": 1}
    assert [record["record"] for record in session] == [
        *["session", "agent", "message", "state_change", "agent", "state_change", "session_end"]
    ]
    hashed = sha256(b"".join(line + b"\n" for line in target.getvalue().split(b"\n")[1:-3])).hexdigest()
    counts = {"agents": 2, "messages": 1, "state_changes": 2, "multi_agents": 0}
    assert session[-1] == {"record": "session_end", "session_id": "s", **counts, "sha256": hashed}
    assert end == {"record": "end", "sessions": 1}


def test_every_line_is_json_with_bytes_as_the_sdk_encodes_them(database: Database) -> None:
    """A message is complete on its line, attachments included: any program that knows the SDK's files can read it."""
    add_session(database, "s", "a")
    say(database, "s", 0, {"image": b"x" * 3000}, redacted={"role": "user", "content": [{"image": b"y"}]})
    (message,) = [record for record in records(exported(database)) if record.get("record") == "message"]
    encoded = message["message"]["content"][0]["image"]
    assert encoded == {"__bytes_encoded__": True, "data": "eHh4" * 1000}
    assert message["redact_message"]["content"][0]["image"] == {"__bytes_encoded__": True, "data": "eQ=="}


def test_only_the_sessions_asked_for_are_written_in_their_order(database: Database) -> None:
    """Each once; one that does not exist is an error before anything is written, and a text is no list of ids."""
    fill(database)
    found = records(exported(database, ["talk", ODD_ID, "talk"]))
    assert [record["session_id"] for record in found if record.get("record") == "session"] == ["talk", ODD_ID]
    target = io.BytesIO()
    with pytest.raises(NotFoundError, match="nobody"):
        export_jsonl(database, target, ["talk", "nobody"])
    with pytest.raises(TypeError, match="list of ids"):
        export_jsonl(database, target, "talk")
    assert target.getvalue() == b""


def test_targets_for_text_for_bytes_and_paths_get_the_same(database: Database, tmp_path: Path) -> None:
    """Whatever encoding and line ends a file for text would use, the bytes are those of a path."""
    fill(database)
    text, below = io.StringIO(newline="\r\n"), io.BytesIO()
    latin = io.TextIOWrapper(below, encoding="latin-1", newline="\r\n")
    export_jsonl(database, latin)
    export_jsonl(database, text)
    export_jsonl(database, tmp_path / "a.jsonl")
    expected = exported(database).split(b"\n", 1)[1]
    latin.flush()
    assert below.getvalue().split(b"\n", 1)[1] == expected
    assert text.getvalue().replace("\r\n", "\n").encode().split(b"\n", 1)[1] == expected
    assert (tmp_path / "a.jsonl").read_bytes().split(b"\n", 1)[1] == expected


def test_a_path_holds_a_whole_export_or_what_it_held_before(database: Database, tmp_path: Path) -> None:
    """An export that fails in the middle leaves the file of the last one, and no other file."""
    fill(database)
    target = tmp_path / "export" / "a.jsonl"
    target.parent.mkdir()
    target.write_text("the last one")

    def interrupt(progress: ExportProgress) -> None:
        raise KeyboardInterrupt(progress.session_id)

    with pytest.raises(KeyboardInterrupt):
        export_jsonl(database, target, progress=interrupt)
    assert [(path.name, path.read_text()) for path in target.parent.iterdir()] == [("a.jsonl", "the last one")]


def test_the_database_itself_is_no_target(database: Database, tmp_path: Path) -> None:
    """Not by another name either: the export would replace the sessions, the import cancel this process's locks."""
    (tmp_path / "link").symlink_to(tmp_path / "sessions.db")
    for path in (database.path, tmp_path / "link"):
        with pytest.raises(TransferError, match="is the database itself"):
            export_jsonl(database, path)
        with pytest.raises(TransferError, match="is the database itself"):
            import_jsonl(database, path)


def test_nothing_is_locked_while_the_target_or_a_callback_is_at_work(database: Database) -> None:
    """Neither a write nor a checkpoint of the whole WAL has to wait for a slow pipe."""
    fill(database)
    other = apsw.Connection(database.path)
    steps: list[ExportProgress] = []

    def checkpoint(_: object) -> None:
        database.write(lambda connection: connection.run("UPDATE sessions SET updated_at = updated_at"))
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0] == 0

    class Slow(io.RawIOBase):
        def write(self, data: Any) -> int:
            checkpoint(data)
            return min(len(data), 1000)  # a file without a buffer takes a part

    def progress(step: ExportProgress) -> None:
        checkpoint(step)
        steps.append(step)

    export_jsonl(database, Slow(), progress=progress)  # type: ignore[arg-type]  # a raw file will do
    other.close()
    assert [(step.done, step.total) for step in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_sessions_that_are_deleted_meanwhile_are_left_out(database: Database) -> None:
    """The end counts those that were written; those that were asked for by name must be there."""
    for session_id in ("a", "b", "c"):
        add_session(database, session_id)
    target = io.BytesIO()
    export_jsonl(database, target, progress=lambda step: delete_session(database, "b") if step.done == 1 else None)
    assert [record["session_id"] for record in records(target.getvalue()) if "session_id" in record] == [*"aacc"]
    import_jsonl(database, io.BytesIO(target.getvalue()))
    with pytest.raises(NotFoundError):
        export_jsonl(database, target, ["a", "c"], progress=lambda _: delete_session(database, "c"))


def test_a_damaged_row_is_named(database: Database) -> None:
    """What is no JSON does not get into a file that looks whole."""
    fill(database)
    database.write(lambda connection: connection.run("UPDATE messages SET message = '{' WHERE message_id = 7"))
    with pytest.raises(TransferError, match=r"agent=<a>, message=<7>.*verify"):
        export_jsonl(database, io.BytesIO())


def test_json_that_another_program_laid_out_stays_on_one_line(database: Database) -> None:
    """Line ends between values go; the values stay, and the second export is the same as the first."""
    add_session(database, "s", "a")
    pretty = '\n{\n "a": [1.50,\r\n 1E5]\n}\n'
    database.write(lambda connection: connection.run("UPDATE agents SET state = ?", (pretty,)))
    first = exported(database)
    other = open_database(":memory:")
    import_jsonl(other, io.BytesIO(first.replace(b'""', b'"?"', 1)))
    assert exported(other) == first
    assert '{  "a": [1.50,   1E5] }' in first.decode()
    other.close()


def test_a_session_that_is_written_meanwhile_comes_out_as_of_one_instant(database: Database) -> None:
    """Messages, state and its history agree in every export, while another process commits them together."""
    add_session(database, "busy", "a")
    database.write(lambda connection: connection.run("DELETE FROM agent_state_history"))
    writer = start("talk", database.path)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "talking\n"
    counts: list[int] = []
    while len(counts) < 8 or counts[-1] == counts[0]:
        found = records(exported(database))
        kinds = [record.get("record") for record in found]
        counts.append(kinds.count("message"))
        (agent,) = [record for record in found if record.get("record") == "agent"]
        assert agent["state"] == {"messages": counts[-1]}
        assert kinds.count("state_change") == counts[-1]
    writer.communicate("stop\n")
    assert writer.returncode == 0
    assert counts == sorted(counts)


def fill_long(database: Database, count: int) -> None:
    """Store an agent with many messages of 1 KB, each with a change of its state."""
    add_session(database, "long", "a")
    text = json.dumps({"role": "user", "content": [{"text": "x" * 1000}]})
    many = f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})"

    def put(connection: Any) -> None:
        message = (
            f"INSERT INTO messages (session_id, agent_id, message_id, message) {many} SELECT 'long', 'a', i, ? FROM n"
        )
        connection.run(message, (text,))
        connection.run(
            "INSERT INTO agent_state_history (session_id, agent_id, change_number, message_id, changes) "
            f"{many} SELECT 'long', 'a', i + 2, i, '{{}}' FROM n"
        )

    database.write(put)


def peak(action: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_session(tmp_path: Path) -> None:
    """Neither out nor in, nor in again where everything is compared: three times the messages take the same memory."""
    peaks: list[tuple[int, ...]] = []
    for count in (400, 1_200):
        source, target = (open_database(tmp_path / f"{name}{count}.db") for name in ("source", "target"))
        fill_long(source, count)
        file = tmp_path / f"{count}.jsonl"
        actions: list[Callable[[], object]] = [lambda: export_jsonl(source, file)]  # noqa: B023 - called at once
        actions += [lambda: import_jsonl(target, file)] * 2  # noqa: B023
        peaks.append(tuple(peak(action) for action in actions))
        source.close()
        target.close()
    assert all(more < 1_000_000 for more in peaks[1]), peaks
    assert all(more < less * 1.2 + 100_000 for less, more in zip(*peaks, strict=True)), peaks


def test_an_export_that_is_killed_leaves_no_half_file(tmp_path: Path) -> None:
    """The path holds nothing, or the export before; the next export is complete."""
    database = open_database(tmp_path / "sessions.db")
    add_session(database, "a")
    fill_long(database, 3_000)
    target = tmp_path / "export.jsonl"
    process = start("export_jsonl", database.path, target)
    assert process.stdout is not None
    assert process.stdout.readline() == "a\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not target.exists()
    export_jsonl(database, target)
    assert target.read_bytes().split(b"\n", 1)[1] == exported(database).split(b"\n", 1)[1]
    database.close()
