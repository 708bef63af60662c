"""Checkpoints, forks and rewinds, row by row."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from strands.types.session import SessionAgent

from strands_sqlite_session_manager import SQLiteSessionManager
from strands_sqlite_session_manager._database import Database, Options
from strands_sqlite_session_manager._schema import open_database, open_for_reading
from strands_sqlite_session_manager.errors import (
    AlreadyExistsError,
    DatabaseReadOnlyError,
    InvalidIdError,
    NotFoundError,
)
from strands_sqlite_session_manager.history import (
    Checkpoint,
    fork_session,
    list_checkpoints,
    read_checkpoint,
    rewind_session,
)

from .histories import Log, everything, image, no_damage, query, time

LARGE = bytes(range(256)) * 8


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """The file; nothing in it is damaged after the test."""
    file = tmp_path / "sessions.db"
    yield file
    assert no_damage(file)


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    """The open database."""
    opened = open_database(path, Options(durability="normal"))
    yield opened
    opened.close()


@pytest.fixture
def log(path: Path) -> Iterator[Log]:
    """The session "s", still empty."""
    with SQLiteSessionManager("s", path, durability="normal") as manager:
        yield Log(manager)


def messages(path: Path, session_id: str) -> list[tuple[Any, ...]]:
    """Everything about the messages of a session but where they stand."""
    sql = (
        "SELECT agent_id, message_id, message, redact_message, created_at, updated_at, extra FROM messages "
        "WHERE session_id = ? ORDER BY agent_id, message_id"
    )
    return query(path, sql, session_id)


def ids(path: Path, session_id: str) -> dict[str, list[int]]:
    """The ids of a session's messages, by agent."""
    found: dict[str, list[int]] = {}
    for agent_id, message_id, *_ in messages(path, session_id):
        found.setdefault(agent_id, []).append(message_id)
    return found


def counters(path: Path) -> list[int]:
    """The change counters of all messages and deletions."""
    sql = "SELECT change_id FROM messages UNION ALL SELECT change_id FROM deletions ORDER BY 1"
    return [change_id for (change_id,) in query(path, sql)]


class TestCheckpoints:
    """What `list_checkpoints` and `read_checkpoint` tell."""

    def test_each_message_is_a_checkpoint(self, log: Log, database: Database) -> None:
        """It says who said what when, in one line, and whether tool calls wait there."""
        log.agent()
        log.say("agent", {"text": "Double\n it,  please. " + "x" * 100})
        log.say("agent", {"toolUse": {"toolUseId": "1", "name": "double", "input": {"number": 2}}})
        log.say("agent", {"toolResult": {"toolUseId": "1", "status": "success", "content": [{"text": "4"}]}})
        log.say("agent", {"text": "Four."})

        points = list_checkpoints(database, "s")

        assert [(point.message_id, point.role, point.complete) for point in points] == [
            (0, "user", True),
            (1, "assistant", False),
            (2, "user", True),
            (3, "assistant", True),
        ]
        assert points[3] == Checkpoint("s", "agent", 3, "assistant", "Four.", time(3), complete=True)
        assert points[0].preview.startswith("Double it, please. xxx")
        assert len(points[0].preview) == 80

    def test_checkpoints_show_what_is_shown(self, log: Log, database: Database) -> None:
        """A redacted message shows its replacement."""
        log.agent()
        log.say()
        log.redact("agent", 0)
        assert [point.preview for point in list_checkpoints(database, "s")] == ["[removed]"]

    def test_checkpoints_come_in_pages(self, log: Log, database: Database) -> None:
        """`offset` leaves out, from the end too, and `limit` takes of what is left."""
        log.agent()
        for _ in range(5):
            log.say()
        for limit, offset in product([None, 0, 1, 3, 99], [0, 2, 5, 99, -1, -3, -99]):
            found = list_checkpoints(database, "s", limit=limit, offset=offset)
            assert [point.message_id for point in found] == [*range(5)][offset:][:limit], (limit, offset)

    def test_the_state_is_that_of_the_moment(self, log: Log, database: Database) -> None:
        """What changed after a message and before the next belongs to it; -1 is before the first."""
        log.agent(mood="new", keep=1)
        log.say()
        log.change(mood="asked", keep=1)
        log.say()
        log.change(keep=1, trimmed=1)
        log.change(keep=1, trimmed=2, more=[1])

        moments = {at: read_checkpoint(database, "s", at) for at in (-1, 0, 1)}

        assert [moments[at].state for at in (-1, 0, 1)] == [
            {"mood": "new", "keep": 1},
            {"mood": "asked", "keep": 1},
            {"keep": 1, "more": [1]},
        ]
        assert [moments[at].conversation_manager_state["removed_message_count"] for at in (-1, 0, 1)] == [0, 0, 2]
        assert [moments[at].messages for at in (-1, 0, 1)] == [0, 1, 2]
        assert moments[1].agent_id == "agent"

    @pytest.mark.parametrize("seed", range(5))
    def test_every_state_of_a_long_history_is_found_again(self, log: Log, database: Database, seed: int) -> None:
        """Values that were set, changed, removed and set again, of any kind, are those that were stored."""
        chance = random.Random(seed)
        values = [None, True, 1, 1.0, "1", "\u00fc\x00", [], {}, {"a": {"b": [None]}}, 2**70, b"\x00\xff"]
        state: dict[str, Any] = {}
        log.agent(**state)
        expected = {-1: dict(state)}
        for _ in range(30):
            at = log.say()
            for _ in range(chance.randrange(3)):
                key = chance.choice(["", "a", "b", "\u00e9", "set", "replace"])
                if chance.random() < 0.3:
                    state.pop(key, None)
                else:
                    state[key] = chance.choice(values)
                log.change(**state)
            expected[at] = dict(state)
        found = {at: read_checkpoint(database, "s", at).state for at in expected}
        assert {at: _typed(value) for at, value in found.items()} == {
            at: _typed(value) for at, value in expected.items()
        }

    def test_an_agent_without_any_state_begins_empty(self, log: Log, database: Database) -> None:
        """State that came later is not taken for what was there from the beginning."""
        log.agent()
        log.manager.create_agent("s", SessionAgent("bare", {}, {}))
        log._next["bare"] = 0
        log.say("bare")
        log.say("bare")
        log.manager.update_agent("s", SessionAgent("bare", {"late": 1}, {}))
        assert [read_checkpoint(database, "s", at, "bare").state for at in (-1, 0, 1)] == [{}, {}, {"late": 1}]

    def test_it_can_be_read_without_writing(self, log: Log, path: Path) -> None:
        """A database that was opened for reading answers, and refuses to fork and to rewind."""
        log.agent(mood="new")
        log.say()
        database = open_for_reading(path)
        assert len(list_checkpoints(database, "s")) == 1
        assert read_checkpoint(database, "s", 0).state == {"mood": "new"}
        with pytest.raises(DatabaseReadOnlyError):
            fork_session(database, "s", "t")
        with pytest.raises(DatabaseReadOnlyError):
            rewind_session(database, "s", at=-1)
        database.close()


def _typed(value: object) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_typed(value[key])}' for key in sorted(value))}}}"
    return repr(value)


CALLS: dict[str, Callable[[Database, str, int, str | None], object]] = {
    "read": read_checkpoint,
    "fork": lambda database, session_id, at, agent_id: fork_session(
        database, session_id, "new", at=at, agent_id=agent_id
    ),
    "rewind": lambda database, session_id, at, agent_id: rewind_session(database, session_id, at=at, agent_id=agent_id),
    "list": lambda database, session_id, _, agent_id: list_checkpoints(database, session_id, agent_id),
}


@pytest.mark.parametrize("name", CALLS)
class TestRefusals:
    """What is refused changes nothing."""

    def test_what_does_not_exist_is_named(self, log: Log, database: Database, path: Path, name: str) -> None:
        """A missing session, agent or message is not found."""
        log.agent()
        log.say()
        before = everything(path)
        with pytest.raises(NotFoundError, match="Session elsewhere does not exist"):
            CALLS[name](database, "elsewhere", 0, None)
        with pytest.raises(NotFoundError, match="Session s has no agent nobody"):
            CALLS[name](database, "s", 0, "nobody")
        for at in (1, -2, 2**63, 2**200, -(2**63) - 1) if name != "list" else ():
            with pytest.raises(NotFoundError, match=f"Message {at} of agent agent in session s does not exist"):
                CALLS[name](database, "s", at, None)
        assert everything(path) == before

    def test_of_several_agents_one_must_be_named(self, log: Log, database: Database, path: Path, name: str) -> None:
        """The error names those there are."""
        log.agent("one")
        log.agent("two")
        before = everything(path)
        with pytest.raises(ValueError, match="several agents, name one: one, two"):
            CALLS[name](database, "s", -1, None)
        assert everything(path) == before
        assert CALLS[name](database, "s", -1, "two") is not None

    def test_a_session_without_agents_has_no_checkpoints(
        self, log: Log, database: Database, path: Path, name: str
    ) -> None:
        """There is no moment to go back to."""
        before = everything(path)
        with pytest.raises(NotFoundError, match="Session s has no agent"):
            CALLS[name](database, log.session_id, -1, None)
        assert everything(path) == before


class TestFork:
    """What a fork has, and what it leaves alone."""

    def test_messages_are_copied_as_they_are(self, log: Log, database: Database, path: Path) -> None:
        """Content, redactions and times are the same; counters are new, above all others and in the same order."""
        log.agent(at=0)
        for _ in range(5):
            log.say()
        log.redact("agent", 1)
        SQLiteSessionManager("gone", path).delete_session("gone")
        before, highest = everything(path), max(counters(path))

        fork = fork_session(database, "s", "new", at=3)

        assert (fork.session_id, fork.agents, fork.messages, fork.multi_agents) == ("new", ("agent",), 4, ())
        assert messages(path, "new") == messages(path, "s")[:4]
        places = query(path, "SELECT change_id FROM messages WHERE session_id = 'new' ORDER BY message_id")
        assert places == [(highest + number,) for number in range(1, 5)]
        after = everything(path)
        for table, rows in before.items():
            assert [row for row in after[table] if "new" not in row] == rows, table

    def test_the_new_session_says_where_it_comes_from(self, log: Log, database: Database, path: Path) -> None:
        """It has title, tags and metadata of the old one, and the origin; it begins to exist now."""
        log.agent()
        log.say()
        noted = json.dumps({"team": "support", "forked_from": "nowhere"})
        database.write(
            lambda connection: connection.run("UPDATE sessions SET title = 'A title', metadata = ?", (noted,))
        )
        database.write(lambda connection: connection.run("INSERT INTO session_tags VALUES ('s', 'a'), ('s', 'b')"))
        began = query(path, "SELECT created_at FROM sessions")[0][0]

        fork_session(database, "s", "new", at=0)
        fork_session(database, "new", "newer")

        sql = "SELECT title, metadata, created_at, session_type FROM sessions WHERE session_id = ?"
        for session_id, origin in (
            ("new", {"session_id": "s", "agent_id": "agent", "message_id": 0}),
            ("newer", {"session_id": "new", "agent_id": None, "message_id": None}),
        ):
            title, metadata, created_at, session_type = query(path, sql, session_id)[0]
            assert json.loads(metadata) == {"team": "support", "forked_from": origin}
            assert (title, session_type) == ("A title", "AGENT")
            assert created_at >= began[:23]
            tags = query(path, "SELECT tag FROM session_tags WHERE session_id = ? ORDER BY tag", session_id)
            assert tags == [("a",), ("b",)]

    def test_binary_values_are_shared(self, log: Log, database: Database, path: Path) -> None:
        """A fork stores no second copy, and what it shows stays when the old session is deleted."""
        log.agent()
        log.say("agent", image(LARGE))
        log.say("agent", image(LARGE[::-1]))
        fork_session(database, "s", "new", at=0)
        assert query(path, "SELECT count(*) FROM blobs") == [(2,)]

        log.manager.delete_session("s")

        assert query(path, "SELECT count(*) FROM blobs") == [(1,)]
        record = log.manager.read_message("new", "agent", 0)
        assert record is not None
        assert record.message["content"] == [image(LARGE)]

    def test_the_history_goes_as_far_as_the_messages(self, log: Log, database: Database) -> None:
        """A fork of a fork finds the states of both."""
        log.agent(step=-1)
        for _ in range(6):
            log.change(step=log.say())
        fork_session(database, "s", "new", at=4)
        fork_session(database, "new", "newer", at=2)
        for session_id, last in (("new", 4), ("newer", 2)):
            found = [read_checkpoint(database, session_id, at).state for at in range(-1, last + 1)]
            assert found == [{"step": at} for at in range(-1, last + 1)]
            with pytest.raises(NotFoundError):
                read_checkpoint(database, session_id, last + 1)

    def test_a_session_without_messages_forks(self, log: Log, database: Database, path: Path) -> None:
        """So does one without agents."""
        assert fork_session(database, "s", "bare").agents == ()
        log.agent(mood="new")
        assert fork_session(database, "s", "empty", at=-1).messages == 0
        assert fork_session(database, "s", "all").messages == 0
        assert read_checkpoint(database, "empty", -1).state == {"mood": "new"}
        assert ids(path, "all") == {}

    def test_ids_with_holes_are_kept(self, log: Log, database: Database, path: Path) -> None:
        """An id is the message's place for ever, whatever the others are."""
        log.agent()
        for number in (3, 4, 2**40, 2**62):
            log._next["agent"] = number
            log.say(at=1)
        fork_session(database, "s", "new", at=2**40)
        assert ids(path, "new") == {"agent": [3, 4, 2**40]}
        assert max(counters(path)) == 7

    @pytest.mark.parametrize("session_id", ["a/b", "a\0b", "\ud800", "x" * 1025, "/"])
    def test_an_id_that_no_manager_takes_is_refused(self, log: Log, database: Database, session_id: str) -> None:
        """`SQLiteSessionManager` could not open it."""
        log.agent()
        with pytest.raises(ValueError, match="session_id") as refused:
            fork_session(database, "s", session_id)
        with pytest.raises(ValueError, match="session_id") as by_manager:
            SQLiteSessionManager(session_id, log.manager.db_path)
        assert type(refused.value) is type(by_manager.value)
        assert isinstance(refused.value, InvalidIdError) == ("/" not in session_id)

    def test_a_session_without_a_name_is_not_made(self, log: Log, database: Database, path: Path) -> None:
        """An empty id is a slip: nobody could name the session in a list of ids, or on a command line."""
        log.agent()
        with pytest.raises(InvalidIdError, match="empty"):
            fork_session(database, "s", "")
        assert query(path, "SELECT session_id FROM sessions") == [("s",)]

    def test_changes_of_another_program_are_followed(self, log: Log, database: Database) -> None:
        """A change may only remove, and may set values where there was no object."""
        log.agent(x=1)
        log.say()
        log.say()
        insert = """
        INSERT INTO agent_state_history (session_id, agent_id, change_number, message_id, changes)
        VALUES ('s', 'agent', ?, ?, ?)
        """
        changes = [(2, 0, '{"state":{"remove":["x"]}}'), (3, 0, '{"internal_state":{"replace":5}}')]
        changes += [(4, 1, '{"internal_state":{"set":{"y":2}}}'), (5, 2, '{"state":{"set":{"x":1}}}')]
        database.write(lambda connection: [connection.run(insert, change) for change in changes])
        found = read_checkpoint(database, "s", 1)
        assert (found.state, found.internal_state) == ({}, {"y": 2})

    def test_metadata_of_another_program_do_not_stand_in_the_way(
        self, log: Log, database: Database, path: Path
    ) -> None:
        """Where they are no object, nothing of them can come along."""
        log.agent()
        database.write(lambda connection: connection.run("UPDATE sessions SET metadata = '[1]'"))
        fork_session(database, "s", "new")
        ((noted,),) = query(path, "SELECT metadata FROM sessions WHERE session_id = 'new'")
        assert list(json.loads(noted)) == ["forked_from"]
        database.write(lambda connection: connection.run("UPDATE sessions SET metadata = NULL WHERE session_id = 's'"))

    @pytest.mark.parametrize("target", ["s", "t"])
    def test_a_session_that_exists_is_left_alone(self, log: Log, database: Database, path: Path, target: str) -> None:
        """Nothing is forked into it."""
        log.agent()
        log.say()
        with SQLiteSessionManager("t", path):
            before = everything(path)
            with pytest.raises(AlreadyExistsError, match=f"Session {target} already exists"):
                fork_session(database, "s", target)
            assert everything(path) == before


class TestMoments:
    """What the other agents and the graphs of a session had at a moment."""

    def fill(self, log: Log) -> None:
        """Let two agents talk in turn, and a third come later."""
        log.agent("a", at=0)
        log.agent("b", at=0)
        for number in range(4):
            log.say("a", at=10 * number)
            log.change("a", step=number)
            log.say("b", at=10 * number + 5)
            log.change("b", step=number)
        log.agent("c", at=25.5)
        log.say("c", at=26)

    @pytest.mark.parametrize("redacted", [None, ("a", 1), ("b", 0), ("b", 1), ("b", 3)])
    def test_they_have_what_was_stored_by_then(
        self, log: Log, database: Database, path: Path, redacted: tuple[str, int] | None
    ) -> None:
        """A redaction that came later moves no message."""
        self.fill(log)
        if redacted is not None:
            log.redact(*redacted)
        expected = {
            ("a", -1): {},
            ("a", 1): {"a": [0, 1], "b": [0]},
            ("b", 1): {"a": [0, 1], "b": [0, 1]},
            ("b", 2): {"a": [0, 1, 2], "b": [0, 1, 2]},
            ("a", 3): {"a": [0, 1, 2, 3], "b": [0, 1, 2], "c": [0]},
            ("c", 0): {"a": [0, 1, 2], "b": [0, 1, 2], "c": [0]},
        }
        for (agent_id, at), kept in expected.items():
            fork = fork_session(database, "s", f"{agent_id} {at}", at=at, agent_id=agent_id)
            assert ids(path, f"{agent_id} {at}") == kept
            assert fork.agents == (("a", "b", "c") if "c" in kept else ("a", "b"))
            for other, numbers in kept.items():
                state = read_checkpoint(database, fork.session_id, numbers[-1], other).state
                assert state == ({} if other == "c" else {"step": len(numbers) - 1})

    def test_a_fork_of_a_fork_cuts_alike(self, log: Log, database: Database, path: Path) -> None:
        """The order among agents outlives a copy that wrote one agent after the other."""
        self.fill(log)
        fork_session(database, "s", "copy")
        for agent_id, at in (("a", 1), ("b", 2), ("c", 0)):
            for session_id in ("s", "copy"):
                fork_session(database, session_id, f"{session_id} {agent_id}", at=at, agent_id=agent_id)
            assert ids(path, f"copy {agent_id}") == ids(path, f"s {agent_id}")

    def test_where_the_clock_stands_still_the_counters_tell(self, log: Log, database: Database, path: Path) -> None:
        """Of messages with the same time the one that was stored first came first."""
        log.agent("a")
        log.agent("b")
        for agent_id in "abab":
            log.say(agent_id, at=7)
        fork_session(database, "s", "new", at=0, agent_id="b")
        assert ids(path, "new") == {"a": [0], "b": [0]}
        fork_session(database, "s", "before", at=-1, agent_id="b")
        assert ids(path, "before") == {"a": [0]}

    def test_graphs_come_along_as_long_as_they_have_not_changed(self, log: Log, database: Database, path: Path) -> None:
        """A state that was stored after the moment is not that of the moment."""
        log.agent()
        for _ in range(3):
            log.say()
        states = "INSERT INTO multi_agents (session_id, multi_agent_id, state, updated_at) VALUES ('s', ?, '{}', ?)"
        for name, changed in (("early", 0.5), ("late", 1.5)):
            row = (name, time(changed))
            database.write(lambda connection, row=row: connection.run(states, row))
        assert fork_session(database, "s", "one", at=1).multi_agents == ("early",)
        assert fork_session(database, "s", "two", at=2).multi_agents == ("early", "late")
        assert fork_session(database, "s", "all").multi_agents == ("early", "late")
        assert fork_session(database, "s", "none", at=-1).multi_agents == ()

        rewind_session(database, "s", at=1)
        found = query(path, "SELECT session_id, multi_agent_id FROM multi_agents ORDER BY 1, 2")
        assert [name for session_id, name in found if session_id == "s"] == ["early"]


class TestRewind:
    """What is left after a rewind, and what is gone."""

    def test_what_came_later_is_gone(self, log: Log, database: Database, path: Path) -> None:
        """Messages, states and their history; what is kept is as it was, and the session goes on from there."""
        log.agent(step=-1)
        for _ in range(6):
            log.change(step=log.say())
        fork_session(database, "s", "expected", at=2)
        others = messages(path, "expected")

        rewind = rewind_session(database, "s", at=2)

        assert (rewind.session_id, rewind.removed_messages, rewind.agents) == ("s", 3, ("agent",))
        assert messages(path, "s") == others
        history = "SELECT change_number, message_id, changes FROM agent_state_history WHERE session_id = ?"
        assert query(path, history, "s") == query(path, history, "expected")
        log._next["agent"] = 3
        log.change(step=log.say())
        assert [read_checkpoint(database, "s", at).state["step"] for at in range(-1, 4)] == [-1, 0, 1, 2, 3]

    def test_counters_are_never_given_again(self, log: Log, database: Database, path: Path) -> None:
        """Whoever follows the counters sees the rewind, and takes no new message for an old one."""
        log.agent()
        for _ in range(4):
            log.say()
        highest = max(counters(path))
        rewind_session(database, "s", at=1)
        (deletion,) = query(path, "SELECT change_id, session_id, agent_id, first_message_id FROM deletions")
        assert deletion == (highest + 1, "s", "agent", 2)
        log._next["agent"] = 2
        log.say()
        (stored,) = query(path, "SELECT change_id FROM messages WHERE message_id = 2")
        assert stored == (highest + 2,)
        changed = query(path, "SELECT max(change_id) FROM agents")[0][0]
        log.change(more=1)
        assert query(path, "SELECT max(change_id) FROM agents")[0][0] > max(changed, highest + 1)

    def test_binary_values_that_nothing_uses_are_gone(self, log: Log, database: Database, path: Path) -> None:
        """Those that an earlier message, another agent or a fork uses stay."""
        log.agent()
        log.say("agent", image(b"1" * 999))
        fork_session(database, "s", "new")
        for pixels in (b"1", b"2", b"3"):
            log.say("agent", image(pixels * 999), image(b"4" * 999))
        fork_session(database, "s", "newer", at=2)
        rewind_session(database, "s", at=0)
        kept = query(path, "SELECT substr(CAST(content AS TEXT), 1, 1) FROM blobs ORDER BY 1")
        assert kept == [("1",), ("2",), ("4",)]

    def test_the_index_forgets_what_is_gone(self, log: Log, database: Database, path: Path) -> None:
        """Messages that were indexed for the search leave the index."""
        log.agent()
        for _ in range(3):
            log.say()
        add = "INSERT INTO message_index (rowid, words) SELECT change_id, 'word' FROM messages"
        database.write(lambda connection: connection.run(add))
        rewind_session(database, "s", at=0)
        found = query(path, "SELECT rowid FROM message_index WHERE words MATCH 'word'")
        assert found == query(path, "SELECT change_id FROM messages")

    def test_a_rewind_to_the_last_message_changes_nothing(self, log: Log, database: Database, path: Path) -> None:
        """There is nothing that came later."""
        log.agent(step=-1)
        for _ in range(3):
            log.change(step=log.say())
        before = everything(path)
        assert rewind_session(database, "s", at=2).removed_messages == 0
        assert everything(path) == before

    def test_a_rewind_to_the_beginning(self, log: Log, database: Database, path: Path) -> None:
        """The agent is as it was created."""
        log.agent(step=-1)
        log.change(step=log.say())
        assert rewind_session(database, "s", at=-1).removed_messages == 1
        assert messages(path, "s") == []
        assert read_checkpoint(database, "s", -1).state == {"step": -1}

    def test_agents_that_did_not_exist_are_gone(self, log: Log, database: Database, path: Path) -> None:
        """With all they had; other sessions stay as they are."""
        log.agent("a", at=0)
        log.say("a", at=1)
        log.say("a", at=2)
        log.agent("b", at=1.5)
        log.say("b", image(LARGE), at=3)
        with SQLiteSessionManager("t", path) as manager:
            other = Log(manager)
            other.agent("b", at=9)
            other.say("b", at=9)
            others = messages(path, "t")
            rewind = rewind_session(database, "s", at=0, agent_id="a")
            assert (rewind.removed_messages, rewind.agents) == (2, ("a",))
            assert ids(path, "s") == {"a": [0]}
            assert messages(path, "t") == others
            assert query(path, "SELECT count(*) FROM blobs") == [(0,)]
            recorded = query(path, "SELECT agent_id, first_message_id FROM deletions ORDER BY agent_id")
            assert recorded == [("a", 1), ("b", 0)]


class TestLateHistories:
    """Agents whose history begins after their messages."""

    def test_before_the_history_the_earliest_state_counts(self, log: Log, database: Database, path: Path) -> None:
        """With nothing trimmed, so that the agent has the messages of the moment; forks and rewinds go on from it."""
        log.agent(step=-1)
        for _ in range(6):
            log.change(step=log.say(), trimmed=2)
        forget = "DELETE FROM agent_state_history"
        late = """
        INSERT INTO agent_state_history (session_id, agent_id, change_number, message_id, changes)
        VALUES ('s', 'agent', 1, 4, json_object('state', json('{"set": {"step": 4}}'),
            'conversation_manager_state', json('{"set": {"removed_message_count": 3, "summary_message": {}}}'),
            'internal_state', json('{"set": {"interrupt_state": {"activated": true}}}')))
        """
        for sql in (forget, late):
            database.write(lambda connection, sql=sql: connection.run(sql))

        moment = read_checkpoint(database, "s", 2)
        assert (moment.state, moment.internal_state) == ({"step": 4}, {})
        nothing_yet = {"removed_message_count": 0, "summary_message": None}
        assert moment.conversation_manager_state == nothing_yet

        fork_session(database, "s", "new", at=2)
        rewind_session(database, "s", at=2)
        for session_id in ("new", "s"):
            assert read_checkpoint(database, session_id, 2) == moment
            assert read_checkpoint(database, session_id, 0).state == {"step": 4}
            agent = log.manager.read_agent(session_id, "agent")
            assert agent is not None
            assert (agent.state, agent.conversation_manager_state) == ({"step": 4}, nothing_yet)
            log.manager.update_agent(session_id, agent)
        assert query(path, "SELECT count(*) FROM agent_state_history") == [(2,)]
