"""What is in the live copy where a push to it was cut, what it says of itself then, and how it is repaired."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._push import Progress, push_live
from strands_sqlite_s3_mirror._releases import live_copy
from strands_sqlite_s3_mirror._restore import restore
from strands_sqlite_s3_mirror._verify_live import verify_live
from strands_sqlite_s3_mirror.errors import UnreachableError
from strands_sqlite_session_manager import SessionStore, transfer
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.repository import agents, messages

from .pushing import PLACES, Counted, Stopped, add_session, copied, rendered, say, stop_at
from .restoring import contents
from .servers import Server

LIVE = PLACES.live
MESSAGES = "session_talk/agents/agent_a/messages"


def texts(database: Database) -> list[str]:
    """What is said in the talk."""
    found: list[Any] = [each.message["content"] for each in messages.list_messages(database, "talk", "a", None, 0)]
    return [blocks[0]["text"] for blocks in found]


def cut(database: Database, bucket: Bucket, progress: Callable[[Progress], None], *, take_over: bool = False) -> None:
    """Push to the live copy, and be stopped."""
    with pytest.raises(Stopped):
        push_live(database, bucket, PLACES, take_over=take_over, progress=progress)


def now() -> str:
    """The time, as the manifest has it."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


@pytest.mark.parametrize("more", [(), ("three",)], ids=["nothing new", "something new"])
def test_who_takes_over_its_own_copy_repairs_it(
    more: tuple[str, ...], database: Database, other: Database, moto_bucket: Bucket
) -> None:
    """Verify says how: everything is compared, and what is missing or modified is written anew."""
    say(database, "talk", "one", "two")
    push_live(database, moto_bucket, PLACES)
    moto_bucket.delete([f"{LIVE}{MESSAGES}/message_0.json"])
    moto_bucket.put(f"{LIVE}{MESSAGES}/message_1.json", b"{}")
    moto_bucket.put(f"{LIVE}{MESSAGES}/message_7.json", b"{}")
    if more:
        say(database, "talk", *more)
    assert {each.kind for each in verify_live(moto_bucket, PLACES, database)} == {"missing", "modified", "extra"}
    pushed = push_live(database, moto_bucket, PLACES, take_over=True)
    assert pushed.uploaded == (2 if not more else 5)
    assert verify_live(moto_bucket, PLACES, database) == []
    assert copied(moto_bucket, LIVE) == rendered(database)
    restore(other, moto_bucket, PLACES)
    assert texts(other) == ["one", "two", *more]


def test_a_hole_in_a_complete_copy_is_named_and_nothing_is_left_out(
    database: Database, other: Database, moto_bucket: Bucket
) -> None:
    """Somebody deleted a message there. What is left comes back, and the result says where one is missing."""
    say(database, "talk", "one", "two", "three")
    push_live(database, moto_bucket, PLACES)
    moto_bucket.delete([f"{LIVE}{MESSAGES}/message_1.json"])
    assert restore(other, moto_bucket, PLACES).partial == (f"{LIVE}{MESSAGES}/message_2.json",)
    assert texts(other) == ["one", "three"]


class Dead(Bucket):
    """A bucket to which the network goes before the first message."""

    def put(self, key: str, body: bytes, **how: Any) -> str:
        if "/messages/" in key:
            message = f"key=<{key}>"
            raise UnreachableError(message)
        return super().put(key, body, **how)


def test_a_copy_is_never_as_of_later_than_what_it_holds(
    database: Database, moto_server: Server, moto_bucket: Bucket
) -> None:
    """A push is cut before anything arrives, twice: the copy is as of the push before, since it holds no more."""
    push_live(database, moto_bucket, PLACES)
    before = live_copy(moto_bucket, PLACES)
    dead = Dead(moto_bucket.name, **moto_server.options())
    for text in ("one", "two"):
        say(database, "talk", text)
        with pytest.raises(UnreachableError):
            push_live(database, dead, PLACES)
        cut_copy = live_copy(moto_bucket, PLACES)
        assert before is not None
        assert cut_copy is not None
        assert (cut_copy.as_of, cut_copy.complete) == (before.as_of, False)
    dead.close()


def test_what_is_said_while_a_push_reads_is_later_than_the_copy(
    database: Database, moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large database takes its time: the copy is as of the moment at which the reading began."""
    said: list[str] = []
    read = transfer.changed_objects

    def read_and_say(*arguments: Any) -> Iterator[Any]:
        for each in read(*arguments):
            if not said:
                said.append(now())
            while now() == said[0]:
                continue
            yield each

    monkeypatch.setattr(transfer, "changed_objects", read_and_say)
    push_live(database, moto_bucket, PLACES)
    copy = live_copy(moto_bucket, PLACES)
    assert copy is not None
    assert copy.as_of <= said[0]


@pytest.mark.parametrize("arrived", [(1, 2), (2,)])
def test_a_talk_whose_first_message_did_not_arrive_waits_in_s3(
    arrived: tuple[int, ...], database: Database, other: Database, moto_bucket: Bucket
) -> None:
    """Messages go to S3 side by side: the first may be the slow one. No talk comes back without its beginning."""
    push_live(database, moto_bucket, PLACES)
    say(database, "talk", "my name is Ann", "Hello Ann", "What is my name?")
    cut(database, moto_bucket, stop_at("send"))
    moto_bucket.delete(each.key for each in list(moto_bucket.list(f"{LIVE}{MESSAGES}/")))
    for number in arrived:
        path = f"{MESSAGES}/message_{number}.json"
        moto_bucket.put(LIVE + path, rendered(database)[path])
    assert restore(other, moto_bucket, PLACES).partial == (f"{LIVE}{MESSAGES}/message_{arrived[0]}.json",)
    assert texts(other) == []
    push_live(database, moto_bucket, PLACES)
    assert restore(other, moto_bucket, PLACES, on_conflict="replace").partial == ()
    assert contents(other) == contents(database)


def test_a_talk_that_begins_later_comes_back_from_a_complete_copy(
    database: Database, other: Database, moto_bucket: Bucket
) -> None:
    """It was imported like that: nothing is missing, and nothing is named."""
    for number in (5, 6):
        said: Any = {"role": "user", "content": [{"text": f"line {number}"}]}
        messages.create_message(database, "talk", "a", SessionMessage(said, number))
    push_live(database, moto_bucket, PLACES)
    assert restore(other, moto_bucket, PLACES).partial == ()
    assert texts(other) == ["line 5", "line 6"]


@pytest.mark.parametrize("phase", ["list", "delete", "send", "second send", "last send"])
def test_a_copy_that_is_taken_over_never_has_messages_of_two_databases(
    phase: str, database: Database, other: Database, moto_bucket: Bucket, tmp_path: Path
) -> None:
    """Wherever the push is cut: what is there of a talk is the beginning of the one or of the other."""
    say(database, "talk", *(f"old {number}" for number in range(8)))
    push_live(database, moto_bucket, PLACES)
    add_session(other, "talk")
    say(other, "talk", *(f"new {number}" for number in range(5)))
    number = {"second send": 2, "last send": 7}.get(phase, 1)
    cut(other, moto_bucket, stop_at(phase.rpartition(" ")[2], number), take_over=True)
    restored = open_database(tmp_path / "restored.db")
    restore(restored, moto_bucket, PLACES)
    assert len({text.partition(" ")[0] for text in texts(restored)}) <= 1
    restored.close()
    push_live(other, moto_bucket, PLACES)
    assert copied(moto_bucket, LIVE) == rendered(other)


@pytest.mark.parametrize("phase", ["list", "delete", "send", "second send"])
def test_a_first_push_that_is_cut_and_a_rewind_never_mix_two_pasts(
    phase: str, database: Database, other: Database, moto_bucket: Bucket
) -> None:
    """The second push compares everything, and is cut too: what was taken back went before anything came."""
    say(database, "talk", *(f"old {number}" for number in range(8)))
    cut(database, moto_bucket, stop_at("send", 11))
    with SessionStore(database.path) as store:
        store.rewind_session("talk", at=3)
    say(database, "talk", "new 4", "new 5")
    cut(database, moto_bucket, stop_at(phase.rpartition(" ")[2], 2 if " " in phase else 1))
    restore(other, moto_bucket, PLACES)
    told = texts(other)
    assert told[:4] == [f"old {number}" for number in range(4)]
    assert len({text.partition(" ")[0] for text in told[4:]}) <= 1
    push_live(database, moto_bucket, PLACES)
    assert copied(moto_bucket, LIVE) == rendered(database)


class Encrypting(Bucket):
    """A bucket whose entity tags are no MD5, as with a KMS key."""

    def list(self, prefix: str) -> Iterator[Any]:
        return (each._replace(etag=f"{each.etag[::-1]}") for each in super().list(prefix))


def test_what_is_there_already_is_not_deleted_where_entity_tags_say_nothing(
    database: Database, moto_server: Server, moto_bucket: Bucket
) -> None:
    """With a KMS key each object looks modified: a message is read before it goes, and stays where it is the same."""
    say(database, "talk", "one", "two", "three")
    push_live(database, moto_bucket, PLACES)
    moto_bucket.put(f"{LIVE}{MESSAGES}/message_1.json", b"{}")
    encrypting = Encrypting(moto_bucket.name, **moto_server.options())
    cut(database, encrypting, stop_at("send"), take_over=True)
    there = copied(moto_bucket, LIVE)
    assert {path for path in there if path.startswith(MESSAGES)} >= {
        f"{MESSAGES}/message_0.json",
        f"{MESSAGES}/message_2.json",
    }
    counted = Counted(encrypting)
    push_live(database, encrypting, PLACES)
    assert counted.requests["DeleteObjects"] == counted.requests["DeleteObject"] == 0
    assert copied(moto_bucket, LIVE) == rendered(database)
    encrypting.close()


def test_a_cut_push_after_a_rewind_leaves_an_agent_that_has_what_its_state_counts(
    database: Database, other: Database, moto_bucket: Bucket
) -> None:
    """Its state says how many messages it no longer reads: the state of before would pass over all that is left."""
    say(database, "talk", *map(str, range(8)))
    window = {"__name__": "SlidingWindowConversationManager", "removed_message_count": 6}
    agents.update_agent(database, "talk", SessionAgent("a", {"said": 8}, window))
    push_live(database, moto_bucket, PLACES)
    with SessionStore(database.path) as store:
        store.rewind_session("talk", at=3)
    cut(database, moto_bucket, stop_at("delete"))
    restore(other, moto_bucket, PLACES)
    found, expected = (agents.read_agent(each, "talk", "a") for each in (other, database))
    assert found is not None
    assert found == expected
    assert found.conversation_manager_state.get("removed_message_count", 0) <= len(texts(other))


def test_an_agent_that_is_new_in_a_rewound_session_comes_after_its_messages(
    database: Database, other: Database, moto_bucket: Bucket
) -> None:
    """Where the push is cut between, it waits in S3, and is named: it does not come back without what it said."""
    say(database, "talk", "one", "two")
    push_live(database, moto_bucket, PLACES)
    with SessionStore(database.path) as store:
        store.rewind_session("talk", at=0)
    agents.create_agent(database, "talk", SessionAgent("new", {}, {}))
    say(database, "talk", "three", agent_id="new")
    cut(database, moto_bucket, stop_at("delete"))
    restore(other, moto_bucket, PLACES)
    assert agents.read_agent(other, "talk", "new") is None
