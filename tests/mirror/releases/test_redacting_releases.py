"""`redact`: what was said goes from sealed releases, which are then sealed anew."""

from __future__ import annotations

import json
from typing import Any

import pytest

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._inventory import Message
from strands_sqlite_s3_mirror._places import MANIFEST, OBJECTS
from strands_sqlite_s3_mirror._redact import Redaction, plan_redact, redact
from strands_sqlite_s3_mirror._releases import releases
from strands_sqlite_s3_mirror._resealing import ReleaseRedaction
from strands_sqlite_s3_mirror._verify import verify_release
from strands_sqlite_s3_mirror.errors import (
    MirrorConflictError,
    ObjectDamagedError,
    ReleaseIncompleteError,
    ReleaseNotFoundError,
)
from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.history import rewind_session
from strands_sqlite_session_manager.retention import erase_redacted
from tests.campaign.effort import LONG
from tests.core.store.retained import add_session, text
from tests.mirror.proxy import Proxy
from tests.mirror.servers import Server

from . import released
from .released import PLACES, SECRET, message_in

REPLACED = text("[removed]")
FOLLOW = Redaction(redacted=True)


@pytest.fixture
def pushed(bucket: Bucket, database: Database) -> Bucket:
    released.release(database, bucket, "1.0")
    released.say(database, "order", "more")
    released.release(database, bucket, "1.1")
    return bucket


def redact_in_database(database: Database, session_id: str = "order-b", message_id: int = 1) -> None:
    """Redact a message as a guardrail does."""
    database.write(
        lambda connection: connection.run(
            "UPDATE messages SET change_id = (SELECT max(change_id) + 1 FROM messages), redact_message = ? "
            "WHERE session_id = ? AND message_id = ?",
            (json.dumps(REPLACED), session_id, message_id),
        )
    )


def anything(bucket: Bucket, words: str = SECRET) -> list[str]:
    return [path for path, body in released.content(bucket).items() if words.encode() in body]


def assert_sound(bucket: Bucket, *labels: str) -> None:
    for label in labels:
        assert verify_release(bucket, PLACES, label, level="read") == []
        assert verify_release(bucket, PLACES, label) == []


def test_messages_that_a_guardrail_redacted(pushed: Bucket, database: Database) -> None:
    """Their originals go from all releases; what stands beside them stays, byte for byte, and all of it verifies."""
    before = released.content(pushed)
    assert len(anything(pushed)) == 2
    redact_in_database(database)
    plan = plan_redact(pushed, PLACES, FOLLOW, database=database)
    assert [(each.release, each.messages, each.removed) for each in plan.releases] == [("1.0", 1, 0), ("1.1", 1, 0)]
    assert released.content(pushed) == before
    assert redact(pushed, PLACES, FOLLOW, database=database) == plan
    assert anything(pushed) == []
    record = message_in(pushed, "1.0", "order-b", 1)
    assert (record["message"], record["redact_message"]) == (REPLACED, None)
    changed = {path for path, body in released.content(pushed).items() if before[path] != body}
    assert {path.rpartition("/")[2] for path in changed} == {
        "message_1.json",
        "manifest.json",
        "manifest.objects.jsonl",
    }
    assert_sound(pushed, "1.0", "1.1")


def test_the_record_is_as_the_sdk_writes_it(pushed: Bucket, database: Database) -> None:
    """Times and fields of the record stay as they are, in the layout of the SDK."""
    before = message_in(pushed, "1.0", "order-b", 1)
    redact_in_database(database)
    redact(pushed, PLACES, FOLLOW, database=database)
    body = released.content(pushed, PLACES.release("1.0"))[released.message_path("order-b", 1)]
    assert body.decode() == json.dumps({**before, "message": REPLACED}, indent=2, ensure_ascii=False)


def test_messages_whose_originals_were_erased(pushed: Bucket, database: Database) -> None:
    """The database has only the replacement by then: releases follow it."""
    redact_in_database(database)
    erase_redacted(database)
    redact(pushed, PLACES, FOLLOW, database=database)
    assert anything(pushed) == []
    assert message_in(pushed, "1.1", "order-b", 1)["message"] == REPLACED
    assert_sound(pushed, "1.0", "1.1")


def test_messages_that_were_redacted_before_the_push(bucket: Bucket, database: Database) -> None:
    """A release keeps the originals of messages that were redacted already, as the database does: they go too."""
    redact_in_database(database)
    released.release(database, bucket, "1.0")
    assert len(anything(bucket)) == 1
    redact(bucket, PLACES, FOLLOW, database=database)
    assert anything(bucket) == []
    assert_sound(bucket, "1.0")


def test_messages_after_a_rewind_are_others(pushed: Bucket, database: Database) -> None:
    """What was said before a rewind is no redacted form of what was said after it: releases keep it."""
    rewind_session(database, "order", at=1)
    released.say(database, "order", "something else")
    assert message_in(pushed, "1.0", "order", 2)["message"] == text("parcel 2")
    assert plan_redact(pushed, PLACES, FOLLOW, database=database).releases == ()


@pytest.mark.parametrize("later", ["rewound", "said anew", "gone"])
def test_messages_that_the_release_itself_has_as_redacted(bucket: Bucket, database: Database, later: str) -> None:
    """What the record says is redacted goes, whatever became of the message in the database since."""
    redact_in_database(database)
    released.release(database, bucket, "1.0")
    if later == "gone":
        released.delete_session(database, "order-b")
    else:
        rewind_session(database, "order-b", at=0)
    if later == "said anew":
        released.say(database, "order-b", "something else")
    done = redact(bucket, PLACES, FOLLOW, database=database)
    assert [(each.release, each.messages) for each in done.releases] == [("1.0", 1)]
    assert anything(bucket) == []
    record = message_in(bucket, "1.0", "order-b", 1)
    assert (record["message"], record["redact_message"]) == (REPLACED, None)
    assert_sound(bucket, "1.0")


def test_only_messages_of_the_release_are_looked_at(bucket: Bucket, database: Database) -> None:
    """A database that has grown since costs no request for each message that the release has not."""
    released.release(database, bucket, "1.0")
    plan_redact(bucket, PLACES, FOLLOW, database=database)
    before = bucket.requests.copy()
    plan_redact(bucket, PLACES, FOLLOW, database=database)
    usual = bucket.requests - before
    add_session(database, "new", *(text(f"parcel {number}") for number in range(50)))
    before = bucket.requests.copy()
    plan_redact(bucket, PLACES, FOLLOW, database=database)
    assert bucket.requests - before == usual


def test_nothing_to_redact(pushed: Bucket, database: Database) -> None:
    """A release in which there is nothing to redact is not written."""
    before = released.content(pushed)
    assert redact(pushed, PLACES, FOLLOW, database=database).releases == ()
    assert redact(pushed, PLACES, Redaction(sessions=("nobody",))).releases == ()
    assert released.content(pushed) == before


def test_named_releases(pushed: Bucket, database: Database) -> None:
    """Only the releases that are named change."""
    redact_in_database(database)
    redact(pushed, PLACES, FOLLOW, labels=["1.1"], database=database)
    assert [path.split("/")[1] for path in anything(pushed)] == ["1.0"]


def tool_turn() -> list[Any]:
    use = {"toolUse": {"toolUseId": "t1", "name": "find", "input": {"query": SECRET}}}
    result = {"toolResult": {"toolUseId": "t1", "status": "success", "content": [{"text": SECRET}]}}
    return [
        {"role": "user", "content": [{"text": SECRET}, {"image": {"format": "png", "source": {"bytes": b"secret"}}}]},
        {"role": "assistant", "content": [{"text": SECRET}, use]},
        {"role": "user", "content": [result]},
    ]


def test_messages_that_are_named(bucket: Bucket, database: Database) -> None:
    """What is said in them goes, attachments too; calls of tools and their results still belong together."""
    add_session(database, "tools", *tool_turn())
    released.release(database, bucket, "1.0")
    messages = tuple(Message("tools", "a", number) for number in range(3))
    done = redact(bucket, PLACES, Redaction(messages=messages, text="[gone]"))
    assert done.releases[0].messages == 3
    said = [message_in(bucket, "1.0", "tools", number)["message"] for number in range(3)]
    assert said[0] == text("[gone]")
    assert said[1] == {
        "role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "find", "input": {}}}]
    }  # fmt: skip
    result = {"toolUseId": "t1", "status": "success", "content": [{"text": "[gone]"}]}
    assert said[2] == {"role": "user", "content": [{"toolResult": result}]}
    assert [path for path in anything(bucket) if "session_tools" in path] == []
    assert_sound(bucket, "1.0")


def test_what_was_named_never_comes_back(pushed: Bucket, database: Database) -> None:
    """The database may still hold a message that was taken out of a release: it does not come back."""
    named = Redaction(messages=(Message("order-b", "a", 1),))
    redact(pushed, PLACES, named)
    redact_in_database(database, "order", 2)
    done = redact(pushed, PLACES, FOLLOW, database=database)
    assert [each.messages for each in done.releases] == [1, 1]
    assert redact(pushed, PLACES, FOLLOW, database=database).releases == ()
    assert redact(pushed, PLACES, named).releases == ()
    assert anything(pushed) == []
    assert_sound(pushed, "1.0", "1.1")


def test_a_session_that_goes(pushed: Bucket, database: Database) -> None:
    """Everything of it goes, notes and snapshots among it, and of no other, even if its id begins alike."""
    released.put_object(database, "session/order/scopes/agent/a/snapshots/snapshot_latest.json", b"{}")
    released.put_object(database, "context/order/offloaded", b"text")
    released.put_object(database, "own/space/order/scopes/agent/a/snapshots/snapshot_latest.json", b"{}")
    released.release(database, pushed, "1.2")
    pushed.put(PLACES.release("1.1") + released.message_path("order", 99), b"written by somebody else")
    done = redact(pushed, PLACES, Redaction(sessions=("order",)))
    assert [each.release for each in done.releases] == ["1.0", "1.1", "1.2"]
    for label in ("1.0", "1.1", "1.2"):
        paths = released.content(pushed, PLACES.release(label))
        assert [path for path in paths if "order/" in path or "session_order." in path] == []
        assert any(path.startswith("session_order-b/") for path in paths)
    assert_sound(pushed, "1.0", "1.1", "1.2")
    first, *_ = releases(pushed, PLACES)
    assert (first.sessions, first.messages) == (1, 3)


def test_the_next_release_has_the_session(pushed: Bucket, database: Database) -> None:
    """A release after that holds what the database holds: nothing that went from its parent is missing from it."""
    redact(pushed, PLACES, Redaction(sessions=("order",)))
    released.release(database, pushed, "1.2")
    assert message_in(pushed, "1.2", "order", 4) is not None
    assert_sound(pushed, "1.2")


def test_archives_of_conversions(bucket: Bucket, database: Database) -> None:
    """The originals that a conversion to snapshots keeps for the way back go too."""
    archive = {"messages": [1], "redacted": {"0": SECRET}, "agent": {"a": "é"}}
    key = "session/order/scopes/agent/a/snapshots/message_log.json"
    released.put_object(database, key, json.dumps(archive, ensure_ascii=False).encode())
    released.release(database, bucket, "1.0")
    redact(bucket, PLACES, FOLLOW, database=database)
    body = released.content(bucket, PLACES.release("1.0"))[key]
    assert body.decode() == json.dumps({**archive, "redacted": {}}, ensure_ascii=False)
    assert_sound(bucket, "1.0")


@pytest.mark.parametrize("namespace", ["", "own/space/"])
def test_a_session_that_is_called_as_a_folder_is(bucket: Bucket, database: Database, namespace: str) -> None:
    """What a conversion kept of it goes, and not what lies in a folder of that name of another session."""
    folder = namespace or "session/"
    for key in ("order/scopes/agent/a/snapshots", "order/scopes/multiAgent/agent/snapshots", "snapshots"):
        released.put_object(database, f"{folder}{key}/message_log.json", b'{"messages": []}')
    released.put_object(database, f"{folder}snapshots/scopes/agent/a/snapshots/snapshot_latest.json", b"{}")
    released.release(database, bucket, "1.0")
    done = redact(bucket, PLACES, Redaction(sessions=("snapshots",)))
    assert [(each.release, each.removed) for each in done.releases] == [("1.0", 2)]
    left = [path for path in released.content(bucket, PLACES.release("1.0")) if path.endswith("message_log.json")]
    assert sorted(left) == [
        f"{folder}order/scopes/agent/a/snapshots/message_log.json",
        f"{folder}order/scopes/multiAgent/agent/snapshots/message_log.json",
    ]
    assert_sound(bucket, "1.0")


def test_a_damaged_manifest_does_not_keep_others_from_being_redacted(pushed: Bucket, database: Database) -> None:
    """The release is told beside the incomplete ones; asked for by name, it is an error that says where it lies."""
    redact_in_database(database)
    pushed.put(f"{PLACES.release('1.0')}manifest.json", b"{}")
    done = redact(pushed, PLACES, FOLLOW, database=database)
    assert (done.incomplete, [each.release for each in done.releases]) == (("1.0",), ["1.1"])
    assert [path.split("/")[1] for path in anything(pushed)] == ["1.0"]
    with pytest.raises(ObjectDamagedError, match=r"object=<base/releases/1\.0/manifest\.json>"):
        redact(pushed, PLACES, FOLLOW, labels=["1.0"], database=database)


def test_what_cannot_be_redacted(pushed: Bucket, database: Database) -> None:
    """A mistake in a label, a damaged object, one that was never sealed: typed errors, and nothing is written."""
    redact_in_database(database)
    with pytest.raises(ReleaseNotFoundError):
        redact(pushed, PLACES, FOLLOW, labels=["1"], database=database)
    damaged = PLACES.release("1.0") + released.message_path("order-b", 1)
    pushed.put(damaged, b'{"message": 1, "message_id": 1, "created_at": null, "redact_message": {}}')
    before = released.content(pushed)
    with pytest.raises(ObjectDamagedError, match=r"message_1\.json"):
        redact(pushed, PLACES, Redaction(messages=(Message("order-b", "a", 1),)), labels=["1.0"])
    assert released.content(pushed) == before
    pushed.delete([f"{PLACES.release('1.0')}manifest.json"])
    with pytest.raises(ReleaseIncompleteError):
        redact(pushed, PLACES, FOLLOW, labels=["1.0"], database=database)
    done = redact(pushed, PLACES, FOLLOW, database=database)
    assert (done.incomplete, [each.release for each in done.releases]) == (("1.0",), ["1.1"])


def test_redactions_that_say_nothing(pushed: Bucket) -> None:
    """A redaction of nothing is refused, and one that follows a database without one."""
    with pytest.raises(ValueError, match="says nothing"):
        Redaction()
    with pytest.raises(TypeError):
        Redaction(sessions="order")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs a database"):
        redact(pushed, PLACES, FOLLOW)


@pytest.fixture
def small(bucket: Bucket, database: Database) -> Bucket:
    """A release with little in it, whose secret is to go, in the database too."""
    released.delete_session(database, "order")
    released.release(database, bucket, "1.0")
    redact_in_database(database)
    return bucket


def objects(bucket: Bucket) -> dict[str, bytes]:
    """What the release holds, without what the mirror says of it: that has times and tokens."""
    found = released.content(bucket, PLACES.release("1.0"))
    return {path: body for path, body in found.items() if path not in (MANIFEST, OBJECTS)}


REDACTIONS = {
    "messages": FOLLOW,
    "session": Redaction(sessions=("order-b",)),
    "named": Redaction(messages=(Message("order-b", "a", 1),)),
}


@pytest.mark.parametrize("name", REDACTIONS)
def test_cut_at_every_request(s3_server: Server, proxy: Proxy, small: Bucket, database: Database, name: str) -> None:
    """Wherever it is cut, `verify` tells the truth, and the same call completes it."""
    redaction = REDACTIONS[name]
    states = set()

    def run(through: Bucket) -> object:
        return redact(through, PLACES, redaction, labels=["1.0"], database=database)

    before, etags = released.content(small), released.state(small)
    run(small)
    finished = objects(small)
    assert anything(small) == []
    released.put_back(small, before, etags)
    for where in released.cut_everywhere(s3_server, proxy, small, run):
        kinds = {finding.kind for finding in verify_release(small, PLACES, "1.0", level="read")}
        assert not kinds or "redaction" in kinds, where
        states.add(frozenset(kinds))
        if not kinds:  # then it was not begun, or it is done
            assert released.content(small) == before or objects(small) == finished, where
        run(small)
        assert objects(small) == finished, where
        assert_sound(small, "1.0")
    assert frozenset() in states
    assert frozenset({"redaction"}) in states
    assert len(states) > (2 if LONG else 1)


def test_another_redaction_does_not_complete_it(
    s3_server: Server, proxy: Proxy, small: Bucket, database: Database
) -> None:
    """After an interrupted redaction only the same one seals the release: another says so, and leaves it as it is."""
    for effect, _ in released.cut_everywhere(
        s3_server, proxy, small, lambda through: redact(through, PLACES, FOLLOW, labels=["1.0"], database=database)
    ):
        kinds = [finding.kind for finding in verify_release(small, PLACES, "1.0")]
        if effect == "cut_before" and "modified" in kinds:
            with pytest.raises(ReleaseIncompleteError, match="another redaction"):
                redact(small, PLACES, Redaction(sessions=("nobody",)), labels=["1.0"])
            assert [finding.kind for finding in verify_release(small, PLACES, "1.0")] == kinds
            break
    else:
        pytest.fail("no cut left an object behind")


def test_two_at_once(small: Bucket, database: Database) -> None:
    """Whoever comes second is told, and the release is whole."""
    first = ReleaseRedaction(small, PLACES.release("1.0"), "1.0", FOLLOW, database)
    changes = first.changes()
    redact(small, PLACES, FOLLOW, labels=["1.0"], database=database)
    with pytest.raises(MirrorConflictError):
        first.carry_out(changes)
    assert_sound(small, "1.0")
