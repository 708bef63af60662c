"""Erasing the results of tools that the SDK's ContextOffloader keeps outside the folders of sessions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from strands import Agent, tool
from strands.session import SnapshotSessionManager
from strands.storage import Storage
from strands.vended_plugins.context_offloader import ContextOffloader

from pytest_strands_sqlite import ScriptedModel, ToolCall
from strands_sqlite_session_manager import SQLiteSessionManager, SQLiteStorage, convert_to_snapshots
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.history import fork_session
from strands_sqlite_session_manager.repository.sessions import delete_session
from strands_sqlite_session_manager.retention import Erased, erase, plan_erase

from .retained import add_session, raw_bytes, text


def keys(db: Path) -> list[str]:
    with SQLiteStorage(db) as storage:
        return asyncio.run(storage.list())


def write_objects(db: Path, **objects: bytes) -> None:
    with SQLiteStorage(db, durability="normal") as storage:
        for key, data in objects.items():
            asyncio.run(storage.write(key, data))


def erase_as_planned(database: Database, *session_ids: str, namespaces: tuple[str, ...] = ()) -> Erased:
    """Erase, and hold the plan to what was erased."""
    plan = plan_erase(database, session_ids, namespaces=namespaces)
    erased = erase(database, session_ids, namespaces=namespaces)
    assert (erased.sessions, erased.messages, erased.objects) == (plan.sessions, plan.messages, plan.objects)
    return erased


def talk(db: Path, session_id: str, view: Callable[[SQLiteStorage], Storage], *, snapshots: bool = False) -> str:
    """Let an agent offload two results of a tool that reads a file; return a word that only the first has."""
    word = f"diagnosis-of-{session_id}-{'xyz' * 5}"

    @tool
    def read_file(page: int) -> dict[str, Any]:
        """Read a page of a file."""
        content = [{"text": "lorem ipsum " * 20_000 + word * (page == 1)}, {"json": [page] * 1000}]
        return {"status": "success", "content": content}

    with SQLiteStorage(db, durability="normal") as storage:
        manager: Any = SnapshotSessionManager(session_id, storage=storage)
        if not snapshots:
            manager = SQLiteSessionManager(session_id, db, durability="normal")
        calls = [ToolCall("read_file", {"page": page}) for page in (1, 2)]
        offloader = ContextOffloader(storage=view(storage))
        agent = Agent(
            agent_id="a",
            model=ScriptedModel(*calls, "Done."),
            tools=[read_file],
            plugins=[offloader],
            session_manager=manager,
            callback_handler=None,
        )
        agent("Read it.")
        if not snapshots:
            manager.close()
    return word


def as_it_is(storage: SQLiteStorage) -> Storage:
    return storage


@pytest.mark.parametrize("snapshots", [False, True])
def test_offloaded_results_go_with_the_session(db: Path, database: Database, *, snapshots: bool) -> None:
    """Nothing of them is left in the file, whichever model the session has; those of its neighbor stay."""
    words = {name: talk(db, name, as_it_is, snapshots=snapshots) for name in ("s", "s2")}
    before = [key for key in keys(db) if key.startswith("offloader/")]
    assert len(before) == 8
    assert erase_as_planned(database, "s").objects >= 4
    left = [key for key in keys(db) if key.startswith("offloader/")]
    assert len(left) == 4
    content = raw_bytes(db)
    assert words["s"].encode() not in content
    assert words["s2"].encode() in content
    assert erase_as_planned(database, "s", "s2").objects >= 4
    assert keys(db) == []
    assert words["s2"].encode() not in raw_bytes(db)


def test_the_plan_counts_their_bytes(db: Path, database: Database) -> None:
    """What is offloaded is most of the session."""
    talk(db, "s", as_it_is)
    assert plan_erase(database, ["s"]).objects == 4
    assert plan_erase(database, ["s"]).bytes > 2 * 20_000 * len("lorem ipsum ")


def test_results_in_a_namespace_go_where_it_is_named(db: Path, database: Database) -> None:
    """The plugin takes a namespace of the storage as it is: nobody else can know which."""
    word = talk(db, "s", lambda storage: storage.namespace("team"))
    assert plan_erase(database, ["s"]).objects == 0
    write_objects(db, **{"team/other_0": b"neighbor"})
    assert erase_as_planned(database, "s", namespaces=("team",)).objects == 4
    assert keys(db) == ["team/other_0"]
    assert word.encode() not in raw_bytes(db)


def call(call_id: Any, **arguments: Any) -> dict[str, Any]:
    use = {"toolUse": {"toolUseId": call_id, "name": "read", "input": arguments}}
    return {"role": "assistant", "content": [use]}


def result(call_id: Any, *content: Any) -> dict[str, Any]:
    answer = {"toolResult": {"toolUseId": call_id, "status": "success", "content": list(content)}}
    return {"role": "user", "content": [answer]}


def test_a_result_stays_as_long_as_a_fork_has_it(db: Path, database: Database) -> None:
    """Erasing a fork leaves the session that it was made of whole; the result goes with the last of them."""
    add_session(database, "s", call("t1"), result("t1", {"text": "[Offloaded]"}))
    fork_session(database, "s", "fork")
    write_objects(db, **{"offloader/t1_0": b"what was read", "offloader/t1_1": b"and more"})
    assert erase_as_planned(database, "fork").objects == 0
    assert keys(db) == ["offloader/t1_0", "offloader/t1_1"]
    fork_session(database, "s", "again")
    assert erase_as_planned(database, "s", "again").objects == 2
    assert keys(db) == []


def test_a_result_goes_though_another_call_has_its_id(db: Path, database: Database) -> None:
    """Some models number their calls anew in each session: what lies there may be what is to be erased."""
    add_session(database, "s", call("call_0"), result("call_0", {"text": "[Offloaded: of s]"}))
    add_session(database, "t", call("call_0"), result("call_0", {"text": "[Offloaded: of t]"}))
    write_objects(db, **{"offloader/call_0_0": b"what was read"})
    assert erase_as_planned(database, "s").objects == 1
    assert keys(db) == []


def test_what_only_names_a_call_of_others_takes_nothing_from_them(db: Path, database: Database) -> None:
    """An id in arguments, in the text of a result, or one that another begins with is no call of the session."""
    add_session(
        database,
        "s",
        call("t1", toolUseId="theirs", toolUse={"toolUseId": "theirs"}),
        result("t1", {"json": {"toolUse": {"toolUseId": "theirs"}}}, {"text": '{"toolUseId": "theirs"}'}),
    )
    convert_to_snapshots("s", db)
    others = ["offloader/T1_0", "offloader/t1", "offloader/t11_0", "offloader/t1_0/x", "offloader/t1_x"]
    others += ["offloader/theirs_0", "other/t1_0", "t1_0"]
    write_objects(db, **dict.fromkeys([*others, "offloader/t1_0", "offloader/t1_12"], b"content"))
    assert erase_as_planned(database, "s").objects == 3 + 2
    assert keys(db) == sorted(others)


def test_results_of_calls_that_only_snapshots_have_go_too(db: Path, database: Database) -> None:
    """The message log was deleted: its calls are in the snapshots that it was converted to, and in the checkpoints."""
    add_session(database, "s", call("t1"), result("t1", {"text": "[Offloaded]"}))
    convert_to_snapshots("s", db, namespace="tenant")
    delete_session(database, "s")
    checkpoint = {"scope": "agent", "data": {"messages": [call("t0"), result("t0", {"text": "[Offloaded]"})]}}
    folder = "tenant/s/scopes/agent/a/snapshots/immutable_history"
    write_objects(db, **{f"{folder}/snapshot_1.json": json.dumps(checkpoint).encode(), f"{folder}/x.json": b"{"})
    write_objects(db, **dict.fromkeys(["offloader/t0_0", "offloader/t1_0", "offloader/t2_0"], b"what was read"))
    erase_as_planned(database, "s")
    assert keys(db) == ["offloader/t2_0"]


def test_no_snapshot_keeps_a_session_from_being_erased(db: Path, database: Database) -> None:
    """Not one that is no JSON, nor one that has lost a part: what it was about is to go all the same."""
    large = json.dumps({"data": {"messages": [text(f"{number} " * 500) for number in range(20)]}}).encode()
    folder = "session/s/scopes/agent/a/snapshots"
    for number, data in enumerate((b"\xff", b"{", b"[]", b'{"data": 1, "messages": {}}', large)):
        write_objects(db, **{f"{folder}/immutable_history/snapshot_{number}.json": data})
    write_objects(db, **{"offloader/t1_0": b"what was read"})
    lose_a_part = "DELETE FROM parts WHERE part_id = (SELECT min(part_id) FROM parts)"
    database.write(lambda connection: connection.run(lose_a_part))
    assert erase_as_planned(database, "s").objects == 5
    assert keys(db) == ["offloader/t1_0"]


@pytest.mark.parametrize("call_id", [7, None, "", "a/../b", "back\\slash", "x" * 2000, "\ud800", "/", "with/slash"])
def test_no_message_keeps_a_session_from_being_erased(db: Path, database: Database, call_id: Any) -> None:
    """Not one that is damaged, nor one whose call has an id under which nothing can be stored."""
    add_session(database, "s", call("t1"), {"role": "user", "content": "hello"}, {"content": ["a", 1, {}]}, text("hi"))
    damaged = (json.dumps(call(call_id)), "{", "[]", "null")
    sql = "UPDATE messages SET message = ? WHERE session_id = 's' AND message_id = ?"
    write_objects(db, **{"offloader/with/slash_0": b"1", "offloader/t1_0": b"2"})
    for number, message in enumerate(damaged):
        database.write(lambda connection, row=(message, number): connection.run(sql, row))  # type: ignore[misc]
    erased = erase_as_planned(database, "s")
    assert erased.sessions == 1
    assert erased.objects == (call_id == "with/slash")
