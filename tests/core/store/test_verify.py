"""`verify`: every kind of damage is found, said where it is, and nothing is found where all is well."""

from __future__ import annotations

import json
import os
import shutil
import threading
from contextlib import closing
from pathlib import Path

import pytest
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import SQLiteSessionManager
from strands_sqlite_session_manager._schema import open_database, open_for_reading
from strands_sqlite_session_manager.maintenance import verify

from .maintained import CALL, IMAGE, MANAGER_STATE, RESULT, fill, findings, spoil, tell, text

UNKNOWN = "ab" * 32
_BAD_SESSION = "INSERT INTO sessions (change_id, session_id, session_type) VALUES (1, 'a/b', 'AGENT')"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with something of everything in it."""
    path = tmp_path_factory.mktemp("full") / "sessions.db"
    fill(path)
    return path


@pytest.fixture
def path(full: Path, tmp_path: Path) -> Path:
    """A copy of that file, to be spoiled."""
    return Path(shutil.copy(full, tmp_path))  # nobody has it open


def message(value: object, where: str = "agent_id = 'guide' AND message_id = 0", column: str = "message") -> str:
    shown = json.dumps(value).replace("'", "''")
    return f"UPDATE messages SET {column} = '{shown}' WHERE {where}"


def test_nothing_is_found_where_all_is_well(full: Path) -> None:
    """Everything the package writes passes every check, also while it is open for reading only."""
    assert findings(full) == []
    with closing(open_for_reading(full)) as database:
        assert verify(database) == []


def test_a_database_in_memory_is_checked_too() -> None:
    """What has no file has rows."""
    with closing(open_database(":memory:")) as database:
        database.write(lambda connection: connection.run(_BAD_SESSION))
        assert [found.kind for found in verify(database)] == ["id"]


ROWS = {
    "a message without its agent": (
        "DELETE FROM agents WHERE agent_id = 'eye'", "foreign key", "messages row", "agents"),
    "a session id with a separator": (
        "UPDATE sessions SET session_id = 'a/b'", "id", "session a/b", "separator"),
    "an agent id with a separator": (
        "UPDATE agents SET agent_id = 'a/b' WHERE agent_id = 'eye'", "id", "agent a/b", "separator"),
    "a session id that is too long": (
        f"UPDATE sessions SET session_id = '{'x' * 1025}'", "id", "session xxx", "1024"),
    "a negative message id": (
        "UPDATE messages SET message_id = -1 WHERE agent_id = 'eye' AND message_id = 0", "id", "message -1", "zero"),
    "a message that is missing": (
        "DELETE FROM messages WHERE agent_id = 'guide' AND message_id = 0", "id", "agent guide", "0 to 0 are missing"),
    "a message that is no JSON": (
        "UPDATE messages SET message = '{' WHERE agent_id = 'guide' AND message_id = 0", "json", "message 0", "read"),
    "a message that is not UTF-8": (
        "UPDATE messages SET message = CAST(x'7bff7d' AS TEXT) WHERE agent_id = 'guide' AND message_id = 0",
        "json", "message 0", "UTF-8"),
    "a message that is no text": (
        "UPDATE messages SET message = x'7b7d' WHERE agent_id = 'guide' AND message_id = 0",
        "json", "message 0", "not text"),
    "a message with bytes that are none": (
        message(text("user", "") | {"extra": {"__bytes_encoded__": True, "data": "a"}}).replace(": true", ":true"),
        "json", "message 0", "decoded"),
    "a message that is a list": (message([]), "json", "message 0", "no object"),
    "a message of nobody": (message(text("system", "hello")), "json", "message 0", "'system'"),
    "a message without content": (message({"role": "user"}), "json", "message 0", "content"),
    "a call without id": (
        message({"role": "user", "content": [{"toolUse": {}}]}), "json", "message 0", "toolUseId"),
    "a replacement of the wrong kind": (
        message({}, column="redact_message"), "json", "message 0", "redact_message"),
    "fields of a newer SDK that are none": (
        "UPDATE messages SET extra = '3' WHERE agent_id = 'guide' AND message_id = 0", "json", "message 0", "newer"),
    "a state that is no object": (
        "UPDATE agents SET state = '[]' WHERE agent_id = 'eye'", "json", "agent eye", "state is no object"),
    "an internal state that is no JSON": (
        "UPDATE agents SET internal_state = 'x' WHERE agent_id = 'eye'", "json", "agent eye", "internal_state"),
    "metadata that are no object": (
        "UPDATE sessions SET metadata = '1'", "json", "session talk", "metadata"),
    "a history that changes nothing known": (
        """UPDATE agent_state_history SET changes = '{"mood": {}}' WHERE agent_id = 'eye'""",
        "json", "agent eye", "'mood'"),
    "a history with a change that is none": (
        """UPDATE agent_state_history SET changes = '{"state": {"set": []}}' WHERE agent_id = 'eye'""",
        "json", "agent eye", "'set'"),
    "a graph without a state": (
        "INSERT INTO multi_agents (change_id, session_id, multi_agent_id, state) VALUES (1, 'talk', 'graph', '[]')",
        "json", "agent graph", "no object"),
    "a call that is not answered": (
        message(text("user", "well?"), "agent_id = 'guide' AND message_id = 2"), "tool pair", "message 2", "call-1"),
    "results of another call": (
        message({"role": "user", "content": [{"toolResult": {"toolUseId": "other", "content": []}}]},
            "agent_id = 'guide' AND message_id = 2"), "tool pair", "message 2", "not those of the calls"),
    "results that nobody called": (
        message({**RESULT, "content": [*RESULT["content"], {"text": "well?"}]}), "tool pair", "message 0", "call-1"),
    "a call at the end": (
        message(CALL, "agent_id = 'guide' AND message_id = 3"), "tool pair", "message 3", "wait"),
    "an attachment that is missing": (
        "DELETE FROM message_blobs", "blob", "message 0", "is missing"),
    "an attachment that nobody uses": (
        "DELETE FROM message_blobs", "blob", "attachment", "no message uses it"),
    "an attachment with other bytes": (
        f"UPDATE blobs SET content = zeroblob({len(IMAGE)})", "blob", "attachment", "not those that were stored"),
    "an attachment that was cut": (
        "UPDATE blobs SET content = x'00'", "blob", "message 0", f"has 1 bytes, it had {len(IMAGE)}"),
    "an attachment kept for a message without": (
        "INSERT INTO message_blobs SELECT session_id, 'guide', 0, blob_id FROM message_blobs",
        "blob", "message 0", "does not use"),
    "a part that is missing": (
        "DELETE FROM parts WHERE part_id = (SELECT max(first_part) FROM object_parts)",
        "parts", "object notes/long", "missing"),
    "a part with other bytes": (
        "UPDATE parts SET content = zeroblob(length(content)) WHERE hash IS NOT NULL", "parts", "part ", "not those"),
    "a part that was cut": (
        "UPDATE parts SET content = x'00', hash = NULL", "parts", "object notes/long.txt", "it had"),
    "a part that nobody uses": (
        "INSERT INTO parts VALUES (5, NULL, x'00'), (6, NULL, x'00')", "parts", "parts 5 to 6", "no object uses"),
    "an object of another size": (
        "UPDATE objects SET size = 3 WHERE key = 'notes/short.txt'", "parts", "object notes/short.txt", "it had 3"),
    "an object without its parts": (
        "DELETE FROM object_parts", "parts", "object notes/longer.txt", "it has 0 bytes"),
    "an object whole and in parts": (
        "UPDATE objects SET content = zeroblob(size) WHERE key = 'notes/long.txt'",
        "parts", "object notes/long.txt", "whole and in parts"),
    "an object that begins beyond its first part": (
        "UPDATE object_parts SET skipped = 1000000", "parts", "object notes/long", "beyond"),
    "a search that went too far": (
        "UPDATE watermarks SET change_id = 999 WHERE name = 'message_index'", "index", "message_index", "999"),
    "an activity that was followed too far": (
        "INSERT INTO watermarks VALUES ('activity.messages', 999)", "index", "session_activity", "999"),
    "a search that misses a message": (
        "DELETE FROM message_index WHERE rowid = 1", "index", "message_index", "message 0"),
    "a search that finds a message which is gone": (
        "INSERT INTO message_index (rowid, words) VALUES (700, 'gone')", "index", "message_index", "700"),
    "a search of objects that went too far": (
        "UPDATE search_scopes SET indexed_to = 999", "index", "search_index", "999"),
    "a search that finds an object which is gone": (
        "DELETE FROM search_entries WHERE entry_id = 1", "index", "search_index", "entry 1"),
    "a search that misses an object": (
        "DELETE FROM search_index WHERE rowid = 1", "index", "search_index", "notes/"),
    "a session with the counter of a deleted one": (
        "INSERT INTO deletions (change_id, session_id) VALUES (99, 'talk')", "id", "session talk", "counter"),
    "a message with the counter of one that was rewound": (
        "INSERT INTO deletions (change_id, session_id, agent_id, first_message_id) VALUES (99, 'talk', 'eye', 1)",
        "id", "agent eye, message 1", "counter"),
    "a counter of objects that was set back": (
        "UPDATE sqlite_sequence SET seq = 1 WHERE name = 'objects'", "id", "objects", "below 3"),
}  # fmt: skip


@pytest.mark.parametrize("damage", ROWS)
def test_damage_in_the_rows_is_found(path: Path, damage: str) -> None:
    """Whatever in the tables is not as it should be is found: its kind, where it is, and what is wrong."""
    statement, kind, where, problem = ROWS[damage]
    spoil(path, statement)
    found = findings(path)
    assert [each for each in found if each.kind == kind and where in each.where and problem in each.problem], found
    assert all(each.advice for each in found)


def test_ids_without_a_letter_are_not_left_out(path: Path) -> None:
    """An empty id is the first of all: what it names is looked at too, and what its agent was given counts."""
    state = json.dumps({**MANAGER_STATE, "removed_message_count": 1})
    spoil(
        path,
        "INSERT INTO sessions (change_id, session_id, session_type, metadata) VALUES (9, '', 'AGENT', '1')",
        f"""
        INSERT INTO agents (change_id, session_id, agent_id, state, conversation_manager_state, internal_state)
        VALUES (9, '', '', '[]', '{state}', '{{}}')
        """,
        "INSERT INTO multi_agents (change_id, session_id, multi_agent_id, state) VALUES (9, '', '', '[]')",
        "INSERT INTO agent_state_history VALUES ('', '', -9223372036854775808, NULL, '[]', '')",
        f"""
        INSERT INTO messages (change_id, session_id, agent_id, message_id, message)
        VALUES (91, '', '', 0, '{json.dumps(CALL)}'), (92, '', '', 1, '{json.dumps(text("user", "well?"))}')
        """,
    )
    found = [each for each in findings(path) if each.where.startswith("session ,") or each.where == "session "]
    assert [(each.kind, each.problem.split()[0]) for each in found] == [
        ("json", "metadata"),
        ("json", "state"),
        ("json", "state"),
        ("json", "a"),
    ]


def test_damage_of_the_search_words_is_found(path: Path) -> None:
    """The inverted index of each search is compared with itself."""
    spoil(path, "UPDATE message_index_data SET block = zeroblob(20) WHERE id > 10")
    assert ("index", "message_index") in [(each.kind, each.where) for each in findings(path)]


def test_a_tool_that_waits_for_a_person_is_no_finding(path: Path) -> None:
    """An interrupt leaves its call open until it is answered: that is how it is meant."""
    spoil(
        path,
        message(CALL, "agent_id = 'guide' AND message_id = 3"),
        """UPDATE agents SET internal_state = '{"interrupt_state":{"activated":true,"interrupts":{},"context":{}}}'""",
    )
    assert findings(path) == []


def test_what_an_agent_is_no_longer_given_is_not_judged(path: Path) -> None:
    """A conversation manager may cut between a call and its result, and what is before that cut does no harm."""
    state = json.dumps({**MANAGER_STATE, "removed_message_count": 2})
    spoil(path, message(RESULT), f"UPDATE agents SET conversation_manager_state = '{state}' WHERE agent_id = 'guide'")
    assert findings(path) == []


def test_a_walk_of_many_steps_finds_what_lies_between_them(tmp_path: Path) -> None:
    """A conversation longer than what is read at once is judged as a whole, and progress comes to its end."""
    path = tmp_path / "sessions.db"
    with SQLiteSessionManager("s", path, durability="normal") as manager:
        tell(manager, "a", *(text("user", str(number)) for number in range(499)), CALL, RESULT, CALL)
    steps = []
    with closing(open_database(path)) as database:
        (found,) = verify(database, progress=lambda done, total: steps.append((done, total)))
    assert (found.where, found.advice.count("`repair`")) == ("session s, agent a, message 501", 1)
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1]


@pytest.mark.parametrize("page", range(3, 12))
def test_flipped_bytes_are_findings_and_no_exception(path: Path, page: int) -> None:
    """A file in which a page was overwritten is read as far as that goes."""
    with path.open("r+b") as file:
        file.seek(page * 4096)
        file.write(os.urandom(2048))
    kinds = {found.kind for found in findings(path)}
    assert "sqlite" in kinds or "index" in kinds


def test_a_file_that_was_cut_gives_findings(path: Path) -> None:
    """The same for a file that lost its end."""
    with closing(open_database(path)) as database:
        os.truncate(path, path.stat().st_size // 2)
        assert "sqlite" in {found.kind for found in verify(database)}


def test_agents_may_talk_meanwhile(path: Path) -> None:
    """What is written between two steps is no finding."""
    stop, talking = threading.Event(), threading.Event()

    def talk() -> None:
        with SQLiteSessionManager("busy", path, durability="normal") as manager:
            manager.create_agent("busy", SessionAgent("a", {}, MANAGER_STATE))
            number = 0
            while not stop.is_set():
                for message in (text("user", "hello"), text("assistant", "hello")):
                    manager.create_message("busy", "a", SessionMessage(message, number))
                    number += 1
                talking.set()

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        assert talking.wait(60)
        for _ in range(5):
            assert findings(path) == []
    finally:
        stop.set()
        thread.join()


def test_nothing_is_changed(path: Path) -> None:
    """To look leaves every byte as it is."""
    spoil(path, message([]))
    with closing(open_database(path)) as database:
        before = database.read(lambda connection: connection.serialize("main"))
        assert verify(database)
        assert database.read(lambda connection: connection.serialize("main")) == before


def test_unknown_references_are_told(path: Path) -> None:
    """A reference to bytes that were never stored is a finding of its message."""
    mark = {"__bytes_encoded__": True, "sha256": UNKNOWN, "size": 3}
    value = json.dumps({"role": "user", "content": [{"image": {"source": {"bytes": mark}}}]}, separators=(",", ":"))
    spoil(path, f"UPDATE messages SET message = '{value}' WHERE agent_id = 'guide' AND message_id = 0")
    assert [(found.kind, found.where) for found in findings(path)] == [("blob", "session talk, agent guide, message 0")]


def test_a_check_that_finds_very_much_stops(path: Path) -> None:
    """What is wrong is plain by then; the other checks go on, and all that is large is read in steps."""
    numbers = "WITH RECURSIVE numbers (n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM numbers WHERE n < 6010)"
    spoil(
        path,
        f"{numbers} INSERT INTO blobs (blob_id, sha256, content) SELECT n, n, x'00' FROM numbers",
        f"{numbers} INSERT INTO parts (part_id, content) SELECT 2 * n, x'00' FROM numbers",
        f"{numbers} INSERT INTO objects (key, size, content) SELECT 'k' || n, 2, x'00' FROM numbers",
    )
    found = findings(path)
    for where in ("attachment", "object k"):
        assert 1000 <= len([each for each in found if each.where.startswith(where)]) < 2000
    assert [each.where for each in found if each.where.startswith("parts")] == ["parts 20 to 12020"]
