"""Sessions from JSON Lines: nothing is lost, whole sessions only, and an import can be run again."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strands_sqlite_session_manager import AlreadyExistsError, TransferError, transfer
from strands_sqlite_session_manager._codec import dumps
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.repository import multi_agents
from strands_sqlite_session_manager.repository.sessions import delete_session
from strands_sqlite_session_manager.transfer import Imported, ImportProgress, import_jsonl

from .transferring import IMAGE, ODD_ID, add_session, exported, fill, rows, say, start

Edit = Callable[[dict[str, Any]], object]
BYTES = {"__bytes_encoded__": True, "data": "aGk="}
NO_BYTES = {"__bytes_encoded__": True, "data": 1}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    database = open_database(tmp_path / "sessions.db")
    yield database
    database.close()


@pytest.fixture
def other() -> Iterator[Database]:
    """Another database, to import into."""
    other = open_database(":memory:")
    yield other
    other.close()


def signed(data: bytes) -> bytes:
    """The lines with new hashes: what a program would write that knows the format."""
    lines, digest = [], sha256()
    for line in data.splitlines(keepends=True):
        fields = json.loads(line)
        if fields.get("record") == "session":
            digest = sha256()
        if fields.get("record") == "session_end":
            fields["sha256"] = digest.hexdigest()
            line = json.dumps(fields).encode() + b"\n"  # noqa: PLW2901
        digest.update(line)
        lines.append(line)
    return b"".join(lines)


def edited(data: bytes, kind: str | None, edit: Edit) -> bytes:
    """The lines, the first of `kind` changed."""
    lines = data.decode().split("\n")
    at = next(i for i, line in enumerate(lines) if json.loads(line).get("record") == kind)
    fields = json.loads(lines[at])
    edit(fields)
    lines[at] = json.dumps(fields)
    return "\n".join(lines).encode()


def sessions(database: Database) -> list[str]:
    """The ids of the sessions."""
    return [row[0] for row in rows(database)["sessions"]]


def test_nothing_is_lost_on_the_way(database: Database, other: Database) -> None:
    """Every column is the same, whatever it holds, attachments are stored once again, and so are the lines."""
    fill(database)
    data = exported(database)
    assert import_jsonl(other, io.BytesIO(data)) == Imported(4, 35, 2, skipped=0, unchanged=0)
    assert rows(other) == rows(database)
    assert exported(other) == data
    blobs = [base.read(lambda connection: connection.row("SELECT count(*) FROM blobs")) for base in (database, other)]
    assert blobs[0] == blobs[1]


def test_many_megabytes_of_attachment_come_back(database: Database, other: Database) -> None:
    """An attachment stays one value of bytes, shared by the messages that use it."""
    add_session(database, "s", "a")
    large = os.urandom(3_000_000)
    for message_id in (0, 1):
        say(database, "s", message_id, {"document": large})
    data = exported(database)
    import_jsonl(other, io.BytesIO(data))
    assert rows(other) == rows(database)
    assert exported(other) == data


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=700),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(JSON, st.none() | JSON), max_size=3), st.text(max_size=20))
def test_any_value_survives(database: Database, other: Database, said: list[Any], title: str) -> None:
    """Out, in, and out again: the second export is the first, byte for byte."""
    add_session(database, "s", "a")
    for message_id, (value, redacted) in enumerate(said):
        say(database, "s", message_id, value, redacted=None if redacted is None else {"r": redacted})
    database.write(lambda connection: connection.run("UPDATE sessions SET title = ?", (title,)))
    data = exported(database)
    import_jsonl(other, io.StringIO(data.decode(), newline=""))
    assert rows(other) == rows(database)
    assert exported(other) == data
    for base in (database, other):
        delete_session(base, "s")


def test_sources_for_text_for_bytes_paths_and_pipes_are_read(database: Database, tmp_path: Path) -> None:
    """A source need not be able to go back, and its line ends may have been changed."""
    fill(database)
    data = exported(database)
    path = tmp_path / "export.jsonl"
    path.write_bytes(data)
    reader, writer = os.pipe()

    def feed() -> None:
        with os.fdopen(writer, "wb") as file:
            file.write(data)

    feeder = threading.Thread(target=feed)
    feeder.start()
    with path.open(encoding="latin-1") as latin, os.fdopen(reader) as pipe:
        sources: list[Any] = [path, str(path), latin, pipe, io.BytesIO(data.replace(b"\n", b"\r\n"))]
        sources += [io.StringIO(data.decode(), newline=""), io.BytesIO(data + b"\n\r\n")]
        for source in sources:
            target = open_database(":memory:")
            assert import_jsonl(target, source).sessions == 4
            assert exported(target) == data
            target.close()
    feeder.join()


def test_the_same_content_is_passed_over_and_other_content_is_a_conflict(database: Database, other: Database) -> None:
    """By default nothing of the session is written; the ones before it stay."""
    fill(database)
    data = exported(database)
    import_jsonl(other, io.BytesIO(data))
    before = rows(other)
    for on_conflict in ("fail", "skip", "replace"):
        found = import_jsonl(other, io.BytesIO(data), on_conflict=on_conflict)  # type: ignore[arg-type]
        assert found == Imported(0, 0, 0, skipped=0, unchanged=4)
    say(other, "silent", 0, {"text": "new"})
    delete_session(other, "bare")
    changed = rows(other)
    with pytest.raises(AlreadyExistsError, match="silent") as caught:
        import_jsonl(other, io.BytesIO(data))
    assert "replace" in caught.value.hint
    assert sessions(other) == sessions(database)
    assert {**rows(other), "sessions": 0} == {**changed, "sessions": 0}
    assert import_jsonl(other, io.BytesIO(data), on_conflict="skip") == Imported(0, 0, 0, skipped=1, unchanged=3)
    assert import_jsonl(other, io.BytesIO(data), on_conflict="replace") == Imported(1, 0, 0, skipped=0, unchanged=3)
    assert rows(other) == before
    with pytest.raises(ValueError, match="on_conflict"):
        import_jsonl(other, io.BytesIO(data), on_conflict="merge")  # type: ignore[arg-type]


def test_imports_that_run_at_once_agree(database: Database, tmp_path: Path) -> None:
    """Whoever comes second finds the same content; no session is there twice, and nobody fails."""
    fill(database)
    path = tmp_path / "export.jsonl"
    path.write_bytes(exported(database))
    target = open_database(tmp_path / "target.db")
    processes = [start("import_jsonl", target.path, path) for _ in range(2)]
    found = [import_jsonl(target, path)]
    ends = [process.communicate()[0].splitlines()[-1] for process in processes]
    assert all(end.startswith("Imported(") and end.endswith(")") for end in ends), ends
    assert found[0].sessions + found[0].unchanged == 4
    assert rows(target) == rows(database)
    target.close()


def test_a_replaced_session_gets_higher_change_counters(database: Database) -> None:
    """Whoever follows the counters sees that everything of it was written anew."""
    fill(database)
    data = exported(database)
    sql = "SELECT min(change_id), max(change_id) FROM messages WHERE session_id = 'talk'"
    before = database.read(lambda connection: connection.row(sql))
    say(database, "talk", 99, {"text": "new"})
    import_jsonl(database, io.BytesIO(data), on_conflict="replace")
    after = database.read(lambda connection: connection.row(sql))
    assert after[0] > before[1]
    assert database.read(lambda connection: connection.rows("SELECT session_id FROM deletions")) == [("talk",)]


def test_a_damaged_session_can_be_replaced(database: Database, other: Database) -> None:
    """What is stored may be unreadable; it is other content all the same."""
    fill(database)
    data = exported(database)
    import_jsonl(other, io.BytesIO(data))
    other.write(lambda connection: connection.run("UPDATE messages SET message = '{' WHERE message_id = 7"))
    with pytest.raises(AlreadyExistsError):
        import_jsonl(other, io.BytesIO(data))
    import_jsonl(other, io.BytesIO(data), on_conflict="replace")
    assert exported(other) == data


def test_a_file_that_was_cut_short_is_noticed(database: Database) -> None:
    """Wherever it ends: the message names the line, and whole sessions are there, in their order, and no other."""
    fill(database)
    data = exported(database)
    cuts = [data.rindex(b"\n", 0, at) for at in range(len(data) // 16, len(data), len(data) // 16)]
    for cut in {
        0,
        len(data) - 30,
        data.rindex(b"\n", 0, len(data) - 1) + 1,
        *(cut + add for cut in cuts for add in (0, 1, 9)),
    }:
        target = open_database(":memory:")
        with pytest.raises(TransferError, match=r"line \d+ .* \| ") as caught:
            import_jsonl(target, io.BytesIO(data[:cut]))
        named = int(str(caught.value).split("line ")[1].split()[0])
        assert 0 <= named - data[:cut].count(b"\n") <= 2
        whole = data[:cut].count(b'{"record":"session_end"')
        assert sessions(target) in (sessions(database)[:whole], sessions(database)[: whole - 1])
        target.close()


def test_a_file_that_was_changed_is_noticed(database: Database, other: Database) -> None:
    """A digit, a missing line, two lines that changed places: nothing of the session is written."""
    add_session(database, "s", "a")
    for message_id in range(3):
        say(database, "s", message_id, {"text": f"costs {message_id} euros"})
    data = exported(database)
    lines = data.splitlines(keepends=True)
    cases = [
        data.replace(b"costs 1", b"costs 9"),
        b"".join(lines[:4] + lines[5:]),
        b"".join([*lines[:4], lines[5], lines[4], *lines[6:]]),
        b"".join(lines[:4] + lines[3:]),
        data.replace(b'"sessions":1}', b'"sessions":2}'),
        data + lines[1],
        data.replace(b"euros", b"\xff\xfe", 1),
    ]
    for case in cases:
        with pytest.raises(TransferError, match=r"file=<the source>, line \d+ "):
            import_jsonl(other, io.BytesIO(case))
    assert sessions(other) in ([], ["s"])
    import_jsonl(other, io.BytesIO(data))
    assert exported(other) == data


@pytest.mark.parametrize(
    ("kind", "edit", "what"),
    [
        ("message", lambda fields: fields.update(mood="glad"), "unknown field 'mood'"),
        ("session", lambda fields: fields.update(record="thought"), "no record of a known kind"),
        ("agent", lambda fields: fields.update(agent_id="../x"), "'agent_id' is not an id"),
        ("agent", lambda fields: fields.update(agent_id="x" * 1025), "'agent_id' is not an id"),
        ("session", lambda fields: fields.update(session_id="a\0"), "'session_id' is not an id"),
        ("message", lambda fields: fields.update(message_id=2**63), "not an integer of 64 bits"),
        ("message", lambda fields: fields.update(message_id=True), "not an integer of 64 bits"),
        ("message", lambda fields: fields.pop("message"), "without 'message'"),
        ("message", lambda fields: fields.update(created_at=None), "'created_at' is not text"),
        ("session", lambda fields: fields.update(tags=["b", "a"]), "'tags' is not a list of different texts in order"),
        ("session", lambda fields: fields.update(extra=[1]), "'extra' is not a JSON object"),
        ("message", lambda fields: fields["message"].update(b=NO_BYTES), "cannot be decoded"),
        ("agent", lambda fields: fields.update(state=NO_BYTES), "cannot be decoded"),
        ("message", lambda fields: fields.update(message="hi"), "'message' is not a JSON object"),
        ("message", lambda fields: fields.update(message=BYTES), "not a JSON object"),
        ("message", lambda fields: fields.update(redact_message=[1]), "'redact_message' is not a JSON object"),
        ("state_change", lambda fields: fields.update(changes={"state": 7}), "'changes' is not changes of an agent"),
        ("state_change", lambda fields: fields.update(changes={"colour": {"set": {}}}), "not changes of an agent"),
        ("state_change", lambda fields: fields.update(changes={"state": {"set": 5}}), "not changes of an agent"),
        ("state_change", lambda fields: fields.update(changes={"state": {"remove": [[1]]}}), "not changes of an agent"),
        ("agent", lambda fields: fields.update(agent_id="z"), "wrong place, or twice"),
        ("agent", lambda fields: fields.update(record="session_end"), "session_end record"),
        ("session_end", lambda fields: fields.update(session_id="t"), "ends another session"),
        (None, lambda fields: fields.update(compressed=True), "unknown field 'compressed'"),
        (None, lambda fields: fields.update(version=2), "this package knows 1 | upgrade"),
        (None, lambda fields: fields.update(version="1"), "is not the header"),
        (None, lambda fields: fields.update(format="notes"), "is not the header"),
    ],
)
def test_what_is_not_known_is_refused(
    database: Database, other: Database, kind: str | None, edit: Edit, what: str
) -> None:
    """Never dropped: a newer version, an unknown field, or an id that could not be stored is told with its line."""
    add_session(database, "s", "a", "b")
    say(database, "s", 0, {"text": "hi"})
    try:
        data = signed(edited(exported(database), kind, edit))
    except KeyError:
        pytest.fail("the case does not fit the format")
    with pytest.raises(TransferError, match=r"line \d+ ") as caught:
        import_jsonl(other, io.BytesIO(data))
    assert what in str(caught.value)
    assert sessions(other) == []


@pytest.mark.parametrize("data", [b"", b"\n", b"{}", b"[1]", b"SQLite format 3\0\xff", b"x" * 200_000, b'{"format": 1'])
def test_what_is_no_export_is_refused_at_its_first_line(other: Database, data: bytes) -> None:
    """The hint says which files can be imported."""
    with pytest.raises(TransferError, match=r"line 1 is not the header of an export.*export_jsonl wrote"):
        import_jsonl(other, io.BytesIO(data))


def test_lines_of_another_program_are_read(database: Database, other: Database) -> None:
    """Spaces and the order of fields are free, values stay as they are written, and the same again is no conflict."""
    add_session(database, "s", "a")
    say(database, "s", 0, {"number": 1})
    loose = exported(database).replace(b'"number":1', b'"number" : 1.50e0').replace(b'{"record":"message",', b" { ")
    loose = loose.replace(b'"message_id":0,', b'"message_id": 0 , "record" : "message" , ')
    loose = signed(loose)
    assert import_jsonl(other, io.BytesIO(loose)).sessions == 1
    assert rows(other)["messages"][0][3] == '{"role":"user","content":[{"number" : 1.50e0}]}'
    assert import_jsonl(other, io.BytesIO(loose)).unchanged == 1


def test_bytes_of_another_program_are_found(database: Database) -> None:
    """However the mark of bytes is laid out: a manager decodes them, and large ones are stored apart."""
    add_session(database, "s", "a")
    say(database, "s", 0, {"large": IMAGE, "small": b"x"})
    database.write(lambda connection: connection.run("UPDATE agents SET state = ?", (dumps({"b": b"xy"}),)))
    before = rows(database)
    data = signed(exported(database).replace(b'"__bytes_encoded__":', b'"__bytes_encoded__" : '))
    import_jsonl(database, io.BytesIO(data), on_conflict="replace")
    delete_session(database, "s")
    import_jsonl(database, io.BytesIO(data))
    assert rows(database) == before


def test_nothing_is_locked_while_the_source_or_a_callback_is_at_work(database: Database, tmp_path: Path) -> None:
    """Other processes write while the next line is awaited, and progress is told between transactions."""
    fill(database)
    data = exported(database)
    target = open_database(tmp_path / "target.db")
    second = apsw.Connection(target.path)
    steps: list[ImportProgress] = []

    def write() -> None:
        second.execute("UPDATE sessions SET updated_at = updated_at")
        assert second.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0] == 0

    class Slow(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            write()
            return super().readline(size)

    def progress(step: ImportProgress) -> None:
        write()
        steps.append(step)

    import_jsonl(target, Slow(data), progress=progress)
    second.close()
    assert rows(target) == rows(database)
    target.close()
    assert [(step.session_id, step.done, step.total) for step in steps] == [
        *[("bare", 1, 4), (ODD_ID, 2, 4), ("silent", 3, 4), ("talk", 4, 4)]
    ]


@pytest.mark.parametrize("kind", ["jsonl", "files"])
def test_an_import_that_is_killed_leaves_whole_sessions_and_goes_on(
    database: Database, tmp_path: Path, kind: str
) -> None:
    """Whenever the process dies, each session is there as it was exported or not at all; the second run completes."""
    for number in range(6):
        add_session(database, f"s{number}", "a")
        for message_id in range(30):
            say(database, f"s{number}", message_id, {"text": "x" * 2000})
        multi_agents.create_multi_agent(database, f"s{number}", "graph", {})
    path = tmp_path / "export.jsonl"
    getattr(transfer, f"export_{kind}")(database, path)
    target = open_database(tmp_path / "target.db")
    for survived in (0, 3):
        process = start(f"import_{kind}", target.path, path)
        assert process.stdout is not None
        for _ in range(survived + 1):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        found = sessions(target)
        assert len(found) > survived
        assert exported(target).split(b"\n")[1:-2] == exported(database, found).split(b"\n")[1:-2]
        for session_id in found[survived + 1 :]:
            delete_session(target, session_id)
    done = getattr(transfer, f"import_{kind}")(target, path)
    assert done == Imported(2, 60, 2, skipped=0, unchanged=4)
    assert rows(target) == rows(database)
    target.close()
