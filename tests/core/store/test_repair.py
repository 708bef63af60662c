"""`repair`: what the SDK mends in memory at each restore is mended once, in the log, and agents see no difference."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from strands import Agent, tool
from strands.types.content import Messages

from pytest_strands_sqlite import ScriptedModel, ToolCall
from strands_sqlite_session_manager import NotFoundError, SQLiteSessionManager, SQLiteStorage, errors
from strands_sqlite_session_manager._schema import open_database, open_for_reading
from strands_sqlite_session_manager.maintenance import Repair, repair, verify

from .maintained import CALL, MANAGER_STATE, RESULT, fill, findings, spoil, tell, text
from .programs import program, said

LATER = {"role": "user", "content": [{"toolResult": {"toolUseId": "late", "status": "success", "content": []}}]}
TWO = {
    "role": "assistant",
    "content": [{"toolUse": {"toolUseId": each, "name": "look", "input": {}}} for each in ("call-2", "call-1")],
}
ERROR = {"toolUseId": "call-2", "status": "error", "content": [{"text": "Tool was interrupted."}]}


@tool
def look(place: str = "") -> str:
    """Look."""
    return place


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


def stored(path: Path, *messages: Any, agent_id: str = "default") -> None:
    with SQLiteSessionManager("s", path, durability="normal") as manager:
        tell(manager, agent_id, *messages)


def repaired(path: Path, session_id: str | None = None, *, dry_run: bool = False) -> list[Repair]:
    with closing(open_database(path)) as database:
        return repair(database, session_id, dry_run=dry_run)


def logged(path: Path, agent_id: str = "default") -> list[Any]:
    with SQLiteSessionManager("s", path) as manager:
        return [record.to_message() for record in manager.list_messages("s", agent_id)]


def resumed(path: Path) -> Messages:
    """What the model gets from an agent that takes a new prompt, without the ids that are new each time."""
    model = ScriptedModel("fine")
    with SQLiteSessionManager("s", path) as manager:
        Agent(model=model, session_manager=manager, tools=[look], callback_handler=None)("go on")
    return [{"role": each["role"], "content": each["content"]} for each in model.calls[0].messages]


def blocks(messages: Messages) -> list[Any]:
    return [block for message in messages for block in message["content"]]


def was_cut_in_a_tool(path: Path) -> None:
    """Let a real agent end while its tool runs."""

    @tool(name="look")
    def end() -> str:
        """Look, and never return."""
        raise KeyboardInterrupt

    model = ScriptedModel("hello", [ToolCall("look", {}, "call-1"), ToolCall("look", {}, "call-2")])
    with SQLiteSessionManager("s", path) as manager:
        agent = Agent(model=model, session_manager=manager, tools=[end], callback_handler=None)
        agent("hi")
        with pytest.raises(KeyboardInterrupt):
            agent("look around")


CONVERSATIONS = {
    "the end": [text("user", "hi"), CALL],
    "a result of two is missing": [text("user", "hi"), TWO, RESULT, text("assistant", "well")],
    "results of another call": [text("user", "hi"), CALL, LATER, text("assistant", "well"), text("user", "so?"), TWO],
    "an answer without content": [text("user", "hi"), CALL, {"role": "user", "content": []}, text("assistant", "well")],
    "the beginning was lost": [RESULT, text("assistant", "it rains"), text("user", "oh"), text("assistant", "yes")],
}


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_an_agent_resumes_as_if_nothing_had_been_repaired(path: Path, conversation: str) -> None:
    """The model gets the very messages that it would have got, and the log is whole."""
    stored(path, *CONVERSATIONS[conversation])
    before = Path(shutil.copy(path, path.with_name("before.db")))
    assert [found.kind for found in findings(path)][:1] == ["tool pair"]
    assert all(each.repaired for each in repaired(path))
    assert findings(path) == []
    assert resumed(path) == resumed(before)
    assert findings(path) == []


def test_a_turn_that_was_cut_by_the_end_of_its_process_is_completed(path: Path) -> None:
    """What a real agent leaves behind in the middle of its tools is completed, and the session goes on."""
    was_cut_in_a_tool(path)
    before = Path(shutil.copy(path, path.with_name("before.db")))
    (made,) = repaired(path, "s")
    assert (made.session_id, made.agent_id, made.message_id) == ("s", "default", 4)
    assert "call-1, call-2" in made.what
    assert len(logged(path)) == 5
    assert resumed(path) == resumed(before)
    assert repaired(path) == []


def test_a_call_that_the_user_talked_over_gets_its_error_in_front(path: Path) -> None:
    """The log has no place for a message of its own: what is said is the same, in one message less."""
    stored(path, text("user", "hi"), CALL, text("user", "well?"), text("assistant", "I do not know"))
    before = Path(shutil.copy(path, path.with_name("before.db")))
    assert [each.message_id for each in repaired(path)] == [2]
    assert findings(path) == []
    assert blocks(resumed(path)) == blocks(resumed(before))
    assert [each["role"] for each in logged(path)] == ["user", "assistant"] * 3


def test_results_that_nobody_called_leave_their_message(path: Path) -> None:
    """What else was said there stays, and so do all ids."""
    stored(
        path, text("user", "hi"), text("assistant", "yes"), {**RESULT, "content": [*RESULT["content"], {"text": "so"}]}
    )
    repaired(path)
    assert logged(path)[2]["content"] == [{"text": "so"}]
    assert findings(path) == []


def test_results_keep_the_order_of_their_calls(path: Path) -> None:
    """One result for each call, those that are there as they are."""
    stored(path, text("user", "hi"), TWO, {**RESULT, "content": [*RESULT["content"], {"text": "and?"}]}, CALL, RESULT)
    repaired(path)
    assert logged(path)[2]["content"] == [{"toolResult": ERROR}, *RESULT["content"], {"text": "and?"}]


def test_the_beginning_that_is_lost_counts_as_removed(path: Path) -> None:
    """No message is deleted: the conversation manager counts it, and the history of the agent says when."""
    stored(path, RESULT, LATER, text("user", "oh"))
    assert [each.message_id for each in repaired(path)] == [0, 1]
    with closing(open_database(path)) as database:
        rows = database.read(lambda connection: connection.rows("SELECT conversation_manager_state FROM agents"))
        history = database.read(lambda connection: connection.rows("SELECT changes FROM agent_state_history"))
    assert json.loads(rows[0][0]) == {**MANAGER_STATE, "removed_message_count": 2}
    assert len(history) == 3
    assert len(logged(path)) == 3


def test_what_cannot_be_repaired_in_place_is_told_and_stays(path: Path) -> None:
    """A call that the next assistant message ignores, and results alone in the middle, would need other ids."""
    stored(path, text("user", "hi"), CALL, text("assistant", "never mind"), LATER, text("assistant", "hm"))
    before = logged(path)
    found = repaired(path)
    assert [(each.message_id, each.repaired) for each in found] == [(2, False), (3, False)]
    assert all("in place" in each.what for each in found)
    assert logged(path) == before
    assert len(findings(path)) == 2


def test_an_agent_whose_interrupt_waits_is_left_alone(path: Path) -> None:
    """Its call is answered by a person; what else is wrong with it is told, and mended after that."""
    stored(path, text("user", "hi"), TWO, RESULT, CALL)
    spoil(path, """UPDATE agents SET internal_state = '{"interrupt_state":{"activated":true}}'""")
    before = logged(path)
    assert [(each.message_id, each.repaired) for each in repaired(path)] == [(2, False)]
    assert logged(path) == before


def test_a_dry_run_tells_the_same_and_writes_nothing(path: Path) -> None:
    """Also where the file may only be read."""
    stored(path, text("user", "hi"), TWO, RESULT, CALL)
    stored_before = logged(path)
    with closing(open_for_reading(path)) as database:
        planned = repair(database, dry_run=True)
        with pytest.raises(errors.DatabaseReadOnlyError):
            repair(database)
    assert logged(path) == stored_before
    assert planned == repaired(path)
    assert len(planned) == 2


def test_what_was_redacted_stays_redacted(path: Path) -> None:
    """The message that is shown is mended, and the original is not touched."""
    stored(path, text("user", "hi"), TWO, text("user", "secret"))
    shown = json.dumps({**RESULT, "content": [*RESULT["content"], {"text": "[redacted]"}]})
    spoil(path, f"UPDATE messages SET redact_message = '{shown}' WHERE message_id = 2")
    repaired(path)
    with SQLiteSessionManager("s", path) as manager:
        record = manager.list_messages("s", "default")[2]
    assert record.message == text("user", "secret")
    assert record.redact_message is not None
    assert record.redact_message["content"][0] == {"toolResult": ERROR}


def test_attachments_of_results_that_go_are_freed(path: Path) -> None:
    """Bytes that only a stale result had go with it; those that stay are read as before."""
    image = {"image": {"format": "png", "source": {"bytes": b"x" * 1000}}}
    kept = {"image": {"format": "png", "source": {"bytes": b"y" * 1000}}}
    stale = {"toolResult": {"toolUseId": "other", "status": "success", "content": [image]}}
    stored(path, text("user", "hi"), CALL, {"role": "user", "content": [*RESULT["content"], stale, kept]})
    repaired(path)
    assert logged(path)[2]["content"] == [*RESULT["content"], kept]
    assert findings(path) == []
    with closing(open_database(path)) as database:
        assert database.read(lambda connection: connection.row("SELECT count(*) FROM blobs")) == (1,)


def test_sessions_are_named_and_others_stay(path: Path) -> None:
    """Only the session that was asked for is repaired, each of its agents; one that is not there is an error."""
    stored(path, text("user", "hi"), CALL)
    stored(path, text("user", "hi"), CALL, agent_id="other")
    with SQLiteSessionManager("t", path) as manager:
        tell(manager, "default", CALL)
    assert [(each.agent_id, each.message_id) for each in repaired(path, "s")] == [("default", 2), ("other", 2)]
    assert [each.session_id for each in repaired(path)] == ["t"]
    with pytest.raises(NotFoundError):
        repaired(path, "u")


def test_a_session_without_a_name_is_repaired_with_the_others(path: Path) -> None:
    """An empty id is the first of all."""
    with SQLiteSessionManager("", path, durability="normal") as manager:
        tell(manager, "default", text("user", "hi"), CALL)
    assert [(each.session_id, each.message_id) for each in repaired(path)] == [("", 2)]
    assert findings(path) == []


def test_another_process_may_write_meanwhile(path: Path) -> None:
    """Sessions are repaired between the writes of others, which stay as they are."""
    fill(path)
    stored(path, text("user", "hi"), CALL)
    with program("append", path) as writer:
        assert said(writer) == "writing"
        assert [each.message_id for each in repaired(path)] == [2]
        assert writer.stdin is not None
        writer.stdin.close()
        written = said(writer)
    assert findings(path) == []
    with SQLiteSessionManager("talk", path) as manager:
        assert len(manager.list_messages("talk", "guide")) == 4 + written  # type: ignore[operator]


def test_damaged_indexes_are_built_anew(path: Path) -> None:
    """For a whole file, what follows the messages and objects is mended, and finds what it found."""
    fill(path)
    spoil(
        path,
        "UPDATE message_index_data SET block = zeroblob(20) WHERE id > 10",
        "DELETE FROM search_entries WHERE entry_id = 1",
        "INSERT INTO watermarks VALUES ('activity.messages', 999)",
    )
    assert {found.kind for found in findings(path)} == {"index"}
    told = repaired(path, dry_run=True)
    assert repaired(path) == told
    assert [each.what for each in told] == [
        "build message_index anew",
        "build search_index anew",
        "build session_activity anew",
    ]
    assert findings(path) == []
    with closing(open_database(path)) as database:
        words = "SELECT count(*) FROM message_index WHERE message_index MATCH 'weather'"
        assert database.read(lambda connection: connection.row(words)) == (1,)
        assert repair(database) == []
        assert verify(database) == []
    with SQLiteStorage(path) as storage:
        assert storage.db_path == str(path)
