"""Sessions from the files of the SDK's `FileSessionManager`, of any version, and from nowhere else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from strands.session.file_session_manager import FileSessionManager

from strands_sqlite_session_manager import (
    AlreadyExistsError,
    InvalidIdError,
    NotFoundError,
    SQLiteSessionManager,
    TransferError,
)
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.transfer import Imported, ImportProgress, export_files, import_files

from .test_export_files import talk
from .transferring import EARLY, LATE, ODD_ID, add_session, exported, fill, rows, say, tree


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    database = open_database(tmp_path / "sessions.db")
    yield database
    database.close()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Files that the SDK wrote."""
    talk(FileSessionManager("s", str(tmp_path / "sdk")))
    return tmp_path / "sdk"


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def test_files_come_back_byte_for_byte(database: Database, files: Path, tmp_path: Path) -> None:
    """Files that the SDK wrote go in and come out as the same files, and no others."""
    talk(FileSessionManager(ODD_ID, str(files)))
    FileSessionManager("bare", str(files))
    assert import_files(database, files) == Imported(3, 6, 2, skipped=0, unchanged=0)
    export_files(database, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(files)


def test_every_column_comes_back(database: Database, tmp_path: Path) -> None:
    """What the layout of the SDK has no place for comes through the file beside it."""
    fill(database)
    export_files(database, tmp_path / "out")
    other = open_database(":memory:")
    assert import_files(other, tmp_path / "out").sessions == 4
    assert rows(other) == rows(database)
    assert exported(other) == exported(database)
    assert import_files(other, tmp_path / "out") == Imported(0, 0, 0, skipped=0, unchanged=4)
    other.close()


def test_a_manager_reads_what_the_sdk_reads(database: Database, files: Path) -> None:
    """Messages, states and multi-agent states are those that the SDK's own manager finds."""
    import_files(database, files)
    theirs = FileSessionManager("s", str(files))
    with SQLiteSessionManager("s", database.path) as ours:
        assert [repr(record) for record in ours.list_messages("s", ODD_ID)] == [
            repr(record) for record in theirs.list_messages("s", ODD_ID)
        ]
        assert repr(ours.read_agent("s", ODD_ID)) == repr(theirs.read_agent("s", ODD_ID))
        assert repr(ours.read_multi_agent("s", ODD_ID)) == repr(theirs.read_multi_agent("s", ODD_ID))
        assert ours.session.created_at == theirs.session.created_at


def test_what_an_older_sdk_did_not_write_gets_its_default(database: Database, tmp_path: Path) -> None:
    """No folder of multi-agents, no internal state, no redactions, no times of change; messages in order of ids."""
    folder = tmp_path / "old" / "session_s"
    write(folder / "session.json", {"session_id": "s", "session_type": "AGENT", "created_at": EARLY})
    agent = {"agent_id": "a", "state": {"x": 1}, "conversation_manager_state": {}, "created_at": LATE}
    write(folder / "agents" / "agent_a" / "agent.json", agent)
    for number in (10, 9, 2):
        message = {"message": {"role": "user", "content": [{"text": str(number)}]}, "message_id": number}
        write(folder / "agents" / "agent_a" / "messages" / f"message_{number}.json", message)
    for _ in range(2):
        import_files(database, tmp_path / "old")
    found = rows(database)
    assert found["sessions"] == [("s", "AGENT", EARLY, EARLY, None, None, None)]
    assert found["agents"] == [("s", "a", '{"x":1}', "{}", "{}", LATE, LATE, None)]
    assert [(row[2], row[4], row[5]) for row in found["messages"]] == [
        *[(2, None, LATE), (9, None, LATE), (10, None, LATE)]
    ]
    changes = ("s", "a", 1, 10, '{"state":{"set":{"x":1}}}', LATE)
    assert found["agent_state_history"] == [changes]


def test_fields_of_a_newer_sdk_are_kept_for_it(database: Database, files: Path, tmp_path: Path) -> None:
    """They come out again in the same files."""
    for path in list(files.rglob("session.json")) + list(files.rglob("agent.json")) + list(files.rglob("message_*")):
        value = {**json.loads(path.read_bytes()), "newer": {"a": [1e16, "ü"]}}
        path.write_text(json.dumps(value, indent=2, ensure_ascii=False))
    import_files(database, files)
    assert rows(database)["messages"][0][-1] in ('{"newer":{"a":[1e16,"ü"]}}', '{"newer":{"a":[1e+16,"ü"]}}')
    export_files(database, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(files)


def test_other_files_are_left_alone(database: Database, files: Path) -> None:
    """Temporary files, files of other programs, and folders that a manager has only begun are no sessions."""
    (files / "README").write_text("x")
    (files / "session_file").write_text("x")
    (files / "session_begun" / "agents").mkdir(parents=True)
    messages = files / "session_s" / "agents" / f"agent_{ODD_ID}" / "messages"
    for name in (".strands_x.tmp", "message_1.json.bak", "notes.json", "message_1.json~"):
        (messages / name).write_text("{")
    (files / "session_s" / "agents" / "agent_begun" / "messages").mkdir(parents=True)
    (files / "session_s" / "multi_agents" / "multi_agent_begun").mkdir()
    assert import_files(database, files) == Imported(1, 3, 1, skipped=0, unchanged=0)


AGENT = f"session_s/agents/agent_{ODD_ID}"
MESSAGE = f"{AGENT}/messages/message_0.json"


def replaced(name: str, value: object) -> Callable[[bytes], bytes]:
    return lambda data: json.dumps({**json.loads(data), name: value}).encode()


@pytest.mark.parametrize(
    ("place", "damage", "what"),
    [
        (MESSAGE, lambda data: data[:-20], "is not readable JSON"),
        (MESSAGE, lambda data: b"\xff" + data, "is not readable JSON"),
        (MESSAGE, lambda _: b"[" * 100_000, "is not readable JSON"),
        (MESSAGE, lambda _: b"[]", "does not hold a JSON object"),
        (MESSAGE, lambda _: b"{}", "says that it is message None"),
        (MESSAGE, lambda _: b'{"message_id": 0}', "without 'message'"),
        (MESSAGE, replaced("message_id", 1), "says that it is message 1"),
        (MESSAGE, replaced("message_id", "0"), "says that it is message '0'"),
        (MESSAGE, replaced("created_at", 5), "'created_at' is not text"),
        (MESSAGE, replaced("message", "\ud800"), "lone surrogate"),
        (MESSAGE, replaced("message", {"__bytes_encoded__": True, "data": "x"}), "cannot be decoded"),
        (f"{AGENT}/agent.json", replaced("agent_id", "../../x"), "says that it is agent '../../x'"),
        (f"{AGENT}/agent.json", lambda _: None, "is missing, but there are messages"),
        ("session_s/session.json", replaced("session_id", "t"), "says that it is session 't'"),
        ("session_s/session.json", lambda _: None, "is missing, but there is more of the session"),
        (f"session_s/multi_agents/multi_agent_{ODD_ID}/multi_agent.json", lambda _: b"", "is not readable JSON"),
        ("session_s/strands_sqlite.json", lambda _: b'{"format": 1', "was not written by this package"),
    ],
)
def test_a_damaged_file_is_named(
    database: Database, files: Path, place: str, damage: Callable[[bytes], bytes | None], what: str
) -> None:
    """Nothing of its session is stored; the sessions before it are."""
    FileSessionManager("earlier", str(files))
    path = files / place
    data = damage(path.read_bytes() if path.exists() else b"")
    path.unlink(missing_ok=True)
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(TransferError) as caught:
        import_files(database, files)
    assert f"file=<{path}> " in str(caught.value)
    assert what in str(caught.value)
    assert caught.value.hint
    assert "s" not in [row[0] for row in rows(database)["sessions"]]


def test_a_message_without_a_number_is_refused(database: Database, files: Path) -> None:
    """The SDK fails on it as well."""
    (files / AGENT / "messages" / "message_01.json").write_text("{}")
    with pytest.raises(TransferError, match=r"message_01\.json> has the name of a message, but no number"):
        import_files(database, files)


@pytest.mark.parametrize("place", [MESSAGE, f"{AGENT}/agent.json", AGENT, "session_s", "session_s/multi_agents"])
def test_no_link_leads_out_of_the_folder(database: Database, files: Path, tmp_path: Path, place: str) -> None:
    """Neither of a file nor of a folder; the folder itself may be one."""
    (files / place).rename(tmp_path / "outside")
    (files / place).symlink_to(tmp_path / "outside")
    with pytest.raises(TransferError, match="is a symbolic link"):
        import_files(database, files)
    assert rows(database)["sessions"] == []
    (files / place).unlink()
    (tmp_path / "outside").rename(files / place)
    (tmp_path / "link").symlink_to(files)
    assert import_files(database, tmp_path / "link").sessions == 1


def test_a_pipe_in_place_of_a_file_is_not_waited_for(database: Database, files: Path) -> None:
    """It is no file."""
    (files / MESSAGE).unlink()
    os.mkfifo(files / MESSAGE)
    with pytest.raises(TransferError, match="is no file"):
        import_files(database, files)


def test_another_folder_is_refused(database: Database, files: Path, tmp_path: Path) -> None:
    """One that is missing, a file, one without sessions, the folder of one session; an empty one has no sessions."""
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "nowhere", files / MESSAGE, files / "session_s", files / AGENT):
        with pytest.raises(TransferError, match="storage_dir"):
            import_files(database, folder)
    assert import_files(database, tmp_path / "empty").sessions == 0


def test_only_the_sessions_asked_for_are_read(database: Database, files: Path) -> None:
    """Others may be damaged; an id cannot lead out of the folder."""
    FileSessionManager("t", str(files))
    (files / "session_t" / "session.json").write_text("{")
    steps: list[ImportProgress] = []
    assert import_files(database, files, ["s", "s"], progress=steps.append).sessions == 1
    assert steps == [ImportProgress("s", 1, 1)]
    with pytest.raises(NotFoundError, match="nobody"):
        import_files(database, files, ["s", "nobody"])
    with pytest.raises(TypeError, match="list of ids"):
        import_files(database, files, "s")
    shutil.copytree(files / "session_s", files.parent / "session_out")
    (files / "session_x").mkdir()
    with pytest.raises(InvalidIdError):
        import_files(database, files, ["x/../../session_out"])


def test_other_content_is_a_conflict(database: Database, files: Path) -> None:
    """As for JSON Lines: fail, skip, or replace, and the same content is passed over."""
    import_files(database, files)
    assert import_files(database, files).unchanged == 1
    before = rows(database)
    path = files / MESSAGE
    path.write_bytes(path.read_bytes().replace(b"</script>", b"</p>"))
    with pytest.raises(AlreadyExistsError, match="Session s already exists with other content"):
        import_files(database, files)
    assert import_files(database, files, on_conflict="skip").skipped == 1
    assert rows(database) == before
    assert import_files(database, files, on_conflict="replace").sessions == 1
    assert "</p>" in rows(database)["messages"][0][3]


def test_a_file_beside_the_session_is_read_whole_or_refused(database: Database, tmp_path: Path) -> None:
    """Cut short, laid out anew, or of a newer version: its content is not dropped silently."""
    fill(database)
    say(database, "silent", 0, {"text": "x"})
    export_files(database, tmp_path / "out")
    path = tmp_path / "out" / "session_talk" / "strands_sqlite.json"
    whole = path.read_text()
    cases = [whole[:-3], whole[: whole.index("\n", 900)], json.dumps(json.loads(whole), indent=1), whole + "{}\n"]
    cases += [whole.replace('"version":1', '"version":2'), whole.replace('"notes"', '"notes","mood":1')]
    cases += [whole.replace('{"state":{"set":', '{"mood":{"set":', 1)]
    cases += [whole.replace('{"set":', '{"set":1,"x":', 1), whole.replace('"version":1', '"version":1,"x":2')]
    other = open_database(":memory:")
    for case in cases:
        path.write_text(case)
        with pytest.raises(TransferError, match=r"strands_sqlite\.json> "):
            import_files(other, tmp_path / "out", ["talk"])
    path.write_text(whole)
    json.loads(whole)
    import_files(other, tmp_path / "out")
    assert rows(other) == rows(database)
    other.close()


def test_what_changed_after_the_export_is_in_the_history(database: Database, tmp_path: Path) -> None:
    """Agents that went, agents that came, and states that changed since the file beside the session was written."""
    add_session(database, "s", "a", "b", "c")
    say(database, "s", 0, {"text": "x"}, agent="b")
    export_files(database, tmp_path / "out")
    agents = tmp_path / "out" / "session_s" / "agents"
    shutil.rmtree(agents / "agent_a")
    path = agents / "agent_b" / "agent.json"
    write(path, {**json.loads(path.read_bytes()), "state": {"mood": "glad"}})
    write(agents / "agent_d" / "agent.json", {"agent_id": "d", "state": {"new": True}})
    other = open_database(":memory:")
    import_files(other, tmp_path / "out")
    found = [row[1:5] for row in rows(other)["agent_state_history"]]
    assert found == [
        ("b", 1, None, '{"state":{"set":{"mood":"calm"}}}'),
        ("b", 2, 0, '{"state":{"replace":{"mood":"glad"}}}'),
        ("c", 1, None, '{"state":{"set":{"mood":"calm"}}}'),
        ("d", 1, None, '{"state":{"set":{"new":true}}}'),
    ]
    other.close()
