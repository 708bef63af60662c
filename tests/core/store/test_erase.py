"""Erasing: afterwards nothing of what was erased stands in any file of the database, whatever kind it was of."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest

from strands_sqlite_session_manager import (
    SessionStore,
    SQLiteStorage,
    _message_index,
    convert_to_message_log,
    convert_to_snapshots,
)
from strands_sqlite_session_manager._database import Database, Options
from strands_sqlite_session_manager._schema import open_database, open_for_reading
from strands_sqlite_session_manager.errors import DatabaseBusyError, DatabaseReadOnlyError, NotFoundError
from strands_sqlite_session_manager.history import fork_session
from strands_sqlite_session_manager.maintenance import verify
from strands_sqlite_session_manager.repository import agents
from strands_sqlite_session_manager.repository.logs import LogMessage, read_log
from strands_sqlite_session_manager.repository.sessions import delete_session
from strands_sqlite_session_manager.retention import ErasePlan, _rewriting, compact, erase, erase_redacted, plan_erase

from .retained import (
    add_message_now,
    add_session,
    another_process,
    assert_sound,
    copies_of_the_killed,
    end,
    image,
    lengths,
    raw_bytes,
    shown,
    text,
)

CHANCE = random.Random("secrets")


def secret() -> str:
    """A word that occurs once, whose end no index can leave out as a part of another word."""
    return f"{CHANCE.getrandbits(128):032x}"


def end_of(word: str) -> bytes:
    return word[12:].encode()


class Secrets:
    """Words by what they were planted in, and a large binary value."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}
        self.picture = CHANCE.randbytes(30_000)

    def plant(self, kind: str) -> str:
        return self.words.setdefault(kind, secret())

    def found_in(self, content: bytes) -> list[str]:
        """The kinds that stand in `content`, or a piece of them."""
        found = [kind for kind, word in self.words.items() if end_of(word) in content]
        pieces = [self.picture[start : start + 24] for start in range(0, len(self.picture), 500)]
        return found + ["picture"] * any(piece in content for piece in pieces)


def write_objects(db: Path, **objects: bytes) -> None:
    with SQLiteStorage(db, durability="normal") as storage:
        for key, data in objects.items():
            asyncio.run(storage.write(key, data))


def keys(db: Path) -> list[str]:
    with SQLiteStorage(db) as storage:
        return asyncio.run(storage.list())


def found(db: Path, query: str, prefix: str = "") -> list[str]:
    with SQLiteStorage(db) as storage:
        searched = storage.namespace(prefix) if prefix else storage
        return [result.key for result in asyncio.run(searched.search(query))]


def plant_messages(database: Database, secrets: Secrets, session_id: str) -> None:
    """Say secrets in a session of a manager, among neighbors that talk of the same."""
    call = {"toolUse": {"toolUseId": "1", "name": "pay", "input": {"card": secrets.plant("tool argument")}}}
    add_session(
        database,
        session_id,
        text(f"my number is {secrets.plant('message')}"),
        {"role": "assistant", "content": [call]},
        image(secrets.picture),
        state=json.dumps({"card": secrets.plant("state that was overwritten")}),
    )
    add_message_now(database, session_id, text(f"it is {secrets.plant('redacted original')}"), text("[removed]"))
    for kind in ("state of today", "conversation manager"):
        agent = agents.read_agent(database, session_id, "a")
        assert agent is not None
        agent.state = {"card": secrets.plant(kind)}
        agent.conversation_manager_state = {"summary": secrets.plant("conversation manager")}
        agents.update_agent(database, session_id, agent)
    notes = {"title": secrets.plant("title"), "metadata": json.dumps({"who": secrets.plant("metadata")})}
    for column, value in notes.items():
        sql = f"UPDATE sessions SET {column} = ? WHERE session_id = ?"
        database.write(lambda connection, sql=sql, value=value: connection.run(sql, (value, session_id)))  # type: ignore[misc]
    sql = "INSERT INTO session_tags (session_id, tag) VALUES (?, ?)"
    database.write(lambda connection: connection.run(sql, (session_id, secrets.plant("tag"))))
    multi = "INSERT INTO multi_agents (session_id, multi_agent_id, state) VALUES (?, 'graph', ?)"
    database.write(lambda connection: connection.run(multi, (session_id, json.dumps(secrets.plant("graph")))))


def snapshot(secrets: Secrets, kind: str, turns: int) -> bytes:
    """A snapshot as the SDK writes it, with a secret in each message."""
    messages = [text(f"turn {turn} {secrets.plant(f'{kind} {turn}')} {'word ' * 100}") for turn in range(turns)]
    return json.dumps({"scope": "agent", "data": {"messages": messages, "state": {}}, "app_data": {}}).encode()


def plant_objects(db: Path, secrets: Secrets, session_id: str) -> None:
    """Keep snapshots that grow, one of them overwritten, and what was offloaded, and search in them."""
    folder = f"session/{session_id}/scopes/agent/a/snapshots"
    for turns in (2, 12, 30):
        data = snapshot(secrets, "snapshot", turns)
        write_objects(db, **{f"{folder}/snapshot_latest.json": data, f"{folder}/immutable_history/{turns}.json": data})
    write_objects(db, **{f"{folder}/snapshot_latest.json": snapshot(secrets, "latest", 3)})
    small = secrets.plant("offloaded").encode()
    write_objects(db, **{f"context/{session_id}/scopes/agent/a/1": small})
    assert found(db, "turn", "session")
    assert found(db, secrets.words["offloaded"])
    write_objects(db, **{f"context/{session_id}/scopes/agent/a/1": secrets.plant("offloaded later").encode()})


@pytest.fixture
def secrets(db: Path, database: Database) -> Secrets:
    """Everything that is planted in the session `a`, whose neighbors are `a2` and others."""
    secrets = Secrets()
    for number in range(20):
        add_session(database, f"before {number}", *[text(f"{secret()} " * 20)] * 5)
    plant_messages(database, secrets, "a")
    plant_objects(db, secrets, "a")
    for name in ("a2", "A", "a%", "aa"):
        add_session(database, name, text(f"neighbor {name}"))
        write_objects(db, **{f"session/{name}/scopes/x.json": b"neighbor", f"context/{name}/1": b"neighbor"})
    write_objects(db, **{"session/a": b"neighbor", "team/session/a/x": b"neighbor"})
    _message_index.catch_up(database)
    assert sorted(secrets.found_in(raw_bytes(db))) == sorted([*secrets.words, "picture"])
    return secrets


@pytest.mark.parametrize("pages", [1, _rewriting.MERGED_PAGES])
def test_nothing_of_an_erased_session_is_left_in_any_file(
    monkeypatch: pytest.MonkeyPatch, db: Path, database: Database, secrets: Secrets, pages: int
) -> None:
    """Text, originals, tool arguments, states and their history, notes, attachments, snapshots, and indexed words.

    However many transactions it takes to merge the indexes.
    """
    monkeypatch.setattr(_rewriting, "MERGED_PAGES", pages)
    plan = plan_erase(database, ["a"])
    assert (plan.sessions, plan.messages, plan.objects) == (1, 4, 5)
    assert plan.bytes > 50_000
    steps: list[tuple[int, int]] = []
    erased = erase(database, ["a"], progress=lambda *step: steps.append(step))
    assert (erased.sessions, erased.messages, erased.objects) == (1, 4, 5)
    assert steps == [(1, 2), (2, 2)]
    assert secrets.found_in(raw_bytes(db)) == []
    assert_sound(database)


def test_only_whole_ids_are_erased(db: Path, database: Database, secrets: Secrets) -> None:
    """Sessions and objects whose ids begin alike, or differ in case, stay as they are, and are found."""
    before = [key for key in keys(db) if not key.startswith(("session/a/", "context/a/"))]
    assert len(before) == 10
    erase(database, ["a"])
    assert keys(db) == before
    assert {name: shown(database, name) for name in ("a2", "A", "a%", "aa")} == {
        name: [text(f"neighbor {name}")] for name in ("a2", "A", "a%", "aa")
    }
    assert len(lengths(database)) == 24
    assert len(found(db, "neighbor")) == 10
    assert secrets.words


def test_an_id_with_a_slash_leads_into_no_other_session(db: Path, database: Database, secrets: Secrets) -> None:
    """`a/scopes` is no session, though objects of the session `a` lie there."""
    with pytest.raises(NotFoundError):
        erase(database, ["a/scopes"])
    assert "snapshot 0" in secrets.found_in(raw_bytes(db))


def test_words_of_erased_messages_leave_an_index_that_others_use(
    db: Path, database: Database, secrets: Secrets
) -> None:
    """The index still finds what others said."""
    erase(database, ["a"])
    sql = "SELECT count(*) FROM message_index WHERE message_index MATCH ?"
    assert database.read(lambda connection: connection.row(sql, ("neighbor",)))[0] == 4
    assert database.read(lambda connection: connection.row(sql, ("number",)))[0] == 0
    assert secrets.found_in(raw_bytes(db)) == []


def test_another_process_that_has_the_file_open_keeps_nothing_alive(
    db: Path, database: Database, secrets: Secrets
) -> None:
    """It reads and writes on afterwards, and its files hold nothing either."""
    with another_process("open", db) as process:
        erase(database, ["a"])
        assert secrets.found_in(raw_bytes(db)) == []
        end(process)
    assert secrets.found_in(raw_bytes(db)) == []
    assert lengths(database)["holder"] == 1


@pytest.mark.parametrize("task", ["read", "write"])
def test_who_is_in_the_way_is_named_and_erasing_again_finishes(db: Path, secrets: Secrets, task: str) -> None:
    """A long read keeps the old content in the WAL: the error says so, and erasing the same again takes it away."""
    database = open_database(db, Options(busy_timeout=0.05))
    with another_process("open", db):  # the WAL is not emptied by whoever closes the file last
        with another_process(task, db) as process:
            with pytest.raises(DatabaseBusyError) as caught:
                erase(database, ["a"])
            end(process)
        if task == "read":
            assert "deleted" in str(caught.value)
            assert "again" in caught.value.hint
            assert secrets.found_in(raw_bytes(db)) != []
        again = erase(database, ["a"])
        assert again.sessions == (0 if task == "read" else 1)
        assert secrets.found_in(raw_bytes(db)) == []
    assert_sound(database)
    database.close()


def test_an_attachment_stays_as_long_as_another_session_has_it(db: Path, database: Database, secrets: Secrets) -> None:
    """It goes with the last, and the plan counts it then."""
    add_session(database, "shares", image(secrets.picture))
    assert 30_000 < plan_erase(database, ["a", "shares"]).bytes - plan_erase(database, ["a"]).bytes < 31_000
    erase(database, ["a"])
    assert secrets.found_in(raw_bytes(db)) == ["picture"]
    erase(database, ["shares"])
    assert secrets.found_in(raw_bytes(db)) == []


def test_a_session_that_is_not_there_is_refused_before_anything_is_deleted(database: Database) -> None:
    """A mistyped id deletes nothing, one that was deleted before is fine, and so is one that has objects only."""
    add_session(database, "one", text("hello"))
    add_session(database, "two", text("hello"))
    delete_session(database, "two")
    for call in (plan_erase, erase):
        with pytest.raises(NotFoundError):
            call(database, ["one", "tow"])
        with pytest.raises(TypeError):
            call(database, "one")
    assert lengths(database) == {"one": 1}
    assert plan_erase(database, ["two"]) == ErasePlan(0, 0, 0, 0)
    assert erase(database, ["one", "two", "one"]).sessions == 1
    assert erase(database, []).sessions == 0


@pytest.mark.parametrize("namespace", ["session", "tenant/x", "", "session/a%", "session/s"])
def test_snapshots_that_a_session_was_converted_to_are_erased_in_every_namespace(
    db: Path, database: Database, namespace: str
) -> None:
    """What a conversion wrote is found by what it left there; the plan counts each object once."""
    word = secret()
    for name in ("s", "snapshots"):
        add_session(database, name, text(f"{word} {'word ' * 1000}" if name == "s" else "neighbor"))
        convert_to_snapshots(name, db, namespace=namespace)
    above = f"{namespace}/" if namespace else ""
    write_objects(db, **{f"{above}s/scopes/agent/a/snapshots/immutable_history/1.json": word.encode()})
    write_objects(db, **{f"{above}s2/message_log.json": b"{}", "notes/s/message_log.json": b"mine"})
    others = [key for key in keys(db) if not key.startswith(f"{above}s/") and not key.startswith("session/s/")]
    plan = plan_erase(database, ["s"])
    assert plan.objects == len(keys(db)) - len(others)
    assert plan.bytes > 10_000
    assert erase(database, ["s"]).objects == plan.objects
    assert keys(db) == others
    assert end_of(word) not in raw_bytes(db)
    with pytest.raises(TypeError):
        plan_erase(database, ["snapshots"], namespaces="session")


def test_a_session_whose_folder_is_a_namespace_leaves_others_in_it(db: Path, database: Database) -> None:
    """Above all namespaces, a session `session` lies where the SDK keeps all; no id names everything."""
    for name in ("session", "s"):
        add_session(database, name, text("hello"))
    convert_to_snapshots("session", db, namespace="")
    convert_to_snapshots("s", db)
    write_objects(db, **{"message_log.json": b'{"session": []}'})
    others = {"message_log.json", *(key for key in keys(db) if key.startswith("session/s/"))}
    assert erase(database, ["session"]).objects == 3
    assert set(keys(db)) == others
    with pytest.raises(NotFoundError):
        plan_erase(database, [""], namespaces=[""])


def test_an_agent_of_a_converted_session_is_no_session(db: Path, database: Database) -> None:
    """The log of an agent lies in a folder `snapshots`, and is not what a conversion leaves in a session's folder."""
    add_session(database, "s", text("hello"))
    add_session(database, "snapshots", text("hello"))
    convert_to_snapshots("s", db)
    before = keys(db)
    assert erase(database, ["snapshots"]).objects == 0
    assert keys(db) == before


def test_sessions_of_another_namespace_are_erased_where_it_is_named(db: Path, database: Database) -> None:
    """Snapshots that were never a message log are found below the folders that the caller names, and nowhere else."""
    add_session(database, "s", text("hello"))
    add_session(database, "t", text("hello"))
    write_objects(db, **{f"team/{name}/scopes/x.json": b"snapshot" for name in ("s", "s2", "t")})
    assert plan_erase(database, ["s"]).objects == 0
    erase(database, ["t"])
    assert "team/t/scopes/x.json" in keys(db)
    plan = plan_erase(database, ["s"], namespaces=["team", "/team/"])
    assert (plan.sessions, plan.messages, plan.objects) == (1, 1, 1)
    assert erase(database, ["s", "t"], namespaces=["team", "/team/"]).objects == 2
    assert keys(db) == ["team/s2/scopes/x.json"]


def test_snapshots_without_a_session_of_a_manager_are_erased(db: Path, database: Database) -> None:
    """Sessions of the SDK's SnapshotSessionManager are objects only; erasing them again is fine."""
    word = secret()
    write_objects(db, **{"session/s/scopes/x.json": word.encode(), "context/s/1": word.encode()})
    for expected in (1, 0):
        assert erase(database, ["s"]).sessions == expected
        assert keys(db) == []
        assert end_of(word) not in raw_bytes(db)


def test_a_file_that_is_open_for_reading_only_is_not_erased(db: Path, database: Database) -> None:
    """The plan can be made; erasing, erasing originals and compacting are refused."""
    add_session(database, "s", text("hello"))
    reader = open_for_reading(db)
    assert plan_erase(reader, ["s"]).messages == 1
    for call in (lambda: erase(reader, ["s"]), lambda: erase_redacted(reader), lambda: compact(reader)):
        with pytest.raises(DatabaseReadOnlyError):
            call()
    reader.close()
    assert lengths(database) == {"s": 1}


def test_originals_of_redacted_messages_are_erased(db: Path, database: Database) -> None:
    """The replacement is what is stored and shown, attachments of the original go, those it has too stay."""
    secrets = Secrets()
    kept = image(b"k" * 5000)
    add_session(database, "s", text("hello"))
    add_session(database, "other", text("hello"))
    both = {"role": "user", "content": [*image(secrets.picture)["content"], *kept["content"]]}
    for session in ("s", "other"):
        add_message_now(database, session, text(secrets.plant(session)), text("[removed]"))
    add_message_now(database, "s", both, kept)
    before = shown(database, "s")
    _message_index.catch_up(database)
    assert erase_redacted(database, "s") == 2
    assert secrets.found_in(raw_bytes(db)) == ["other"]
    assert shown(database, "s") == before
    assert erase_redacted(database) == 1
    assert erase_redacted(database) == 0
    assert secrets.found_in(raw_bytes(db)) == []
    sql = "SELECT count(*), count(redact_message) FROM messages"
    assert database.read(lambda connection: connection.row(sql)) == (5, 0)
    assert database.read(lambda connection: connection.rows("SELECT length(content) FROM blobs")) == [(5000,)]
    assert_sound(database)
    with pytest.raises(NotFoundError):
        erase_redacted(database, "nobody")


def plant_originals(db: Path, database: Database, secrets: Secrets) -> None:
    """Redact messages in two sessions, and convert both to snapshots, one of them twice."""
    for name in ("s", "t"):
        add_session(database, name, *[text(f"turn {turn} {'word ' * 100}") for turn in range(20)])
        original = text(f"it is {secrets.plant(name)} {'noise ' * 300}")
        add_message_now(database, name, original, text("[removed]"))
        add_message_now(database, name, image(secrets.picture), text("[no picture]"))
        add_message_now(database, name, text("and so on"))
        convert_to_snapshots(name, db)
    convert_to_snapshots("s", db, namespace="tenant/x")
    assert found(db, secrets.words["s"])
    assert sorted(secrets.found_in(raw_bytes(db))) == ["picture", "s", "t"]


def stored(database: Database, session_id: str) -> list[LogMessage]:
    log = database.read(lambda connection: read_log(connection, session_id))
    return [message for agent in log.agents for message in agent.messages] if log else []


def test_originals_are_erased_where_a_conversion_keeps_them(db: Path, database: Database) -> None:
    """The way back from the snapshots gives the log without them; everything else is as it was."""
    secrets = Secrets()
    plant_originals(db, database, secrets)
    listed = keys(db)
    assert erase_redacted(database, "s") == 6  # two in the log, and two in each of the two copies
    assert "s" not in secrets.found_in(raw_bytes(db))
    assert "t" in secrets.found_in(raw_bytes(db))
    assert keys(db) == listed
    assert erase_redacted(database) == 4
    assert secrets.found_in(raw_bytes(db)) == []
    expected = [each._replace(updated_at=each.created_at) for each in stored(database, "s")]
    assert len(expected) == 23
    for namespace in ("session", "tenant/x"):
        convert_to_message_log("s", db, namespace=namespace, overwrite=True)
        assert [each._replace(updated_at=each.created_at) for each in stored(database, "s")] == expected
    assert verify(database) == []


def test_originals_of_snapshots_whose_log_was_deleted_are_erased(db: Path, database: Database) -> None:
    """The session is there as snapshots; objects that only look like an archive stay as they are."""
    secrets = Secrets()
    plant_originals(db, database, secrets)
    delete_session(database, "s")
    for number, data in enumerate((b"\xff", b"[]", b"{", b'{"redacted": 1}', b'{"redacted": {"0": 1}}')):
        write_objects(db, **{f"session/s/{number}/snapshots/message_log.json": data})
    assert erase_redacted(database, ["s"]) == 4
    assert "s" not in secrets.found_in(raw_bytes(db))
    with SQLiteStorage(db) as storage:
        assert asyncio.run(storage.read("session/s/4/snapshots/message_log.json")) == b'{"redacted": {"0": 1}}'


def test_originals_of_several_sessions_are_erased_at_once(db: Path, database: Database) -> None:
    """The file is written anew once; no ids are no sessions, and an id that is not there keeps all as it is."""
    secrets = Secrets()
    for name in ("s", "t", "u"):
        add_session(database, name)
        add_message_now(database, name, text(secrets.plant(name)), text("[removed]"))
    with pytest.raises(NotFoundError):
        erase_redacted(database, ["s", "nobody"])
    assert erase_redacted(database, []) == 0
    assert sorted(secrets.found_in(raw_bytes(db))) == ["s", "t", "u"]
    assert erase_redacted(database, iter(["s", "t", "s"])) == 2
    assert secrets.found_in(raw_bytes(db)) == ["u"]
    with SessionStore(db) as store:
        assert store.erase_redacted(["s", "u"]) == 1
    assert secrets.found_in(raw_bytes(db)) == []


def test_a_fork_keeps_its_own_copy_of_an_original(db: Path, database: Database) -> None:
    """It is a session of its own: its original goes when it is named, or with those of all sessions."""
    secrets = Secrets()
    add_session(database, "s", text("hello"))
    add_message_now(database, "s", text(secrets.plant("original")), text("[removed]"))
    fork_session(database, "s", "fork")
    assert erase_redacted(database, "s") == 1
    assert secrets.found_in(raw_bytes(db)) == ["original"]
    assert erase_redacted(database, "fork") == 1
    assert secrets.found_in(raw_bytes(db)) == []


def test_many_originals_are_erased_in_several_transactions(db: Path, database: Database) -> None:
    """Each of a thousand messages becomes its replacement, and gets a new change counter for those who follow."""
    word = secret()
    add_session(database, "s")
    for _ in range(700):
        add_message_now(database, "s", text(word), text("[removed]"))
    sql = "SELECT min(change_id), max(change_id) FROM messages"
    _, last = database.read(lambda connection: connection.row(sql))
    assert erase_redacted(database) == 700
    assert database.read(lambda connection: connection.row(sql)) == (last + 1, last + 700)
    assert shown(database, "s") == [text("[removed]")] * 700
    assert end_of(word) not in raw_bytes(db)


@pytest.mark.parametrize("task", ["erase", "erase_redacted"])
def test_erasing_that_is_killed_is_finished_by_erasing_again(
    db: Path, database: Database, secrets: Secrets, task: str
) -> None:
    """Wherever it was killed, the session is there as it was, or not at all, and nothing is left the second time."""
    if task == "erase_redacted":
        secrets.words = {"redacted original": secrets.words["redacted original"]}
        secrets.picture = CHANCE.randbytes(1000)
    expected = lengths(database)
    database.close()
    states = set()
    for copy in copies_of_the_killed(db, task, 9):
        database = open_database(copy, Options(durability="normal"))
        found = lengths(database)
        states.add("a" in found)
        assert found in (expected, {name: length for name, length in expected.items() if name != "a"})
        assert_sound(database)
        if task == "erase":
            erase(database, ["a"])
        else:
            erase_redacted(database)
        assert secrets.found_in(raw_bytes(copy)) == []
        database.close()
    assert states == ({True, False} if task == "erase" else {True})


def test_in_memory_too() -> None:
    """A database in memory can be erased and compacted as a file is."""
    database = open_database(":memory:")
    add_session(database, "s", text("hello"))
    add_message_now(database, "s", text("original"), text("[removed]"))
    assert erase_redacted(database) == 1
    assert erase(database, ["s"]).messages == 2
    assert compact(database).bytes_after > 0
    database.close()
